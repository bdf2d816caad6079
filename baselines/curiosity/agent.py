"""Learners with a bonus as the harness asks for them: `ppo_rnd` is `ppo` with the bonus `rnd`."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from pydantic import BaseModel, create_model
from stable_baselines3.common.vec_env import VecEnv

from baselines import AGENTS, OBSERVATIONS, load_bonus, name, sb3, target
from baselines.curiosity.learner import Curious
from baselines.sb3_config import config_of
from baselines.space import observation_kind, shown


class CuriosityAgent(sb3.SB3Agent):
    """An SB3 algorithm with a bonus.

    Its Config is the algorithm's, the shared settings of bonuses and the bonus's own, side by side.
    """

    name: ClassVar[str]
    bonus: ClassVar[str]
    settings: ClassVar[type[BaseModel]]  # what all bonuses of this algorithm share

    def _arguments(self, env: VecEnv) -> dict[str, Any]:
        given = super()._arguments(env)
        space = env.observation_space
        read = load_bonus(self.bonus).observations
        if observation_kind(space) not in read:
            what = " or ".join(OBSERVATIONS[kind] for kind in read)
            raise ValueError(f"{self.name} reads {what}, not {shown(space)}: add a wrapper")
        return given | {
            "bonus": self.bonus,
            "curiosity": _take(given, self.settings),
            "bonus_config": _take(given, load_bonus(self.bonus).Config),
        }


def _take(given: dict[str, Any], config: type[BaseModel]) -> BaseModel:
    """Its fields, moved out of `given` into the config."""
    return config(**{name: given.pop(name) for name in config.model_fields})


@cache
def curious(learner: str) -> type[Curious]:
    """A learner that takes bonuses, as an SB3 class with one."""
    taker, plain = AGENTS[learner].bonuses, sb3.agent_class(learner).algorithm
    assert taker is not None
    body = {"reaches": taker.reaches, "__module__": __name__}
    return type(f"Curious{plain.__name__}", (target.attribute(taker.target), plain), body)


@cache
def agent_class(learner: str, bonus: str) -> type[CuriosityAgent]:
    """The `api.Agent` of a learner with a bonus that it takes."""
    plain, kind, algorithm = sb3.agent_class(learner).algorithm, load_bonus(bonus), curious(learner)
    settings = algorithm.settings(kind.reach)
    title = plain.__name__ + bonus.rpartition(":")[2].upper()
    config = create_model(
        f"{title}Config",
        __base__=(settings, config_of(plain, algorithm.fields), kind.Config),
        __doc__=f"The hyper-parameters of {plain.__name__} with the bonus {bonus}.",
    )
    config.search = {**settings.search, **kind.Config.search}  # type: ignore[attr-defined]
    body = {"name": name(learner, bonus), "bonus": bonus, "settings": settings, "Config": config}
    body |= {"algorithm": algorithm, "__module__": __name__}
    return type(title, (CuriosityAgent,), body)
