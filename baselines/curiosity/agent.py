"""Learners with a bonus as the harness asks for them; `ppo_x` is PPO with the bonus `x`."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from gymnasium import spaces
from pydantic import BaseModel, create_model
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv

from baselines import sb3
from baselines.curiosity import load_bonus
from baselines.curiosity.ppo import CuriousRollouts
from baselines.curiosity.settings import Config


class CuriosityAgent(sb3.SB3Agent):
    """An SB3 algorithm with a bonus.

    Its Config is the algorithm's, the shared settings of bonuses and the bonus's own, side by side.
    """

    name: ClassVar[str]
    bonus: ClassVar[str]
    settings: ClassVar[type[BaseModel]]  # what all bonuses of this algorithm share

    def _arguments(self, env: VecEnv) -> dict[str, Any]:
        space = env.observation_space
        if isinstance(space, spaces.Dict) or is_image_space(space):
            raise ValueError(f"{self.name} reads flat observations, not {space}: add a wrapper")
        given = super()._arguments(env)
        return given | {
            "bonus": self.bonus,
            "curiosity": _take(given, self.settings),
            "bonus_config": _take(given, load_bonus(self.bonus).Config),
        }


def _take(given: dict[str, Any], config: type[BaseModel]) -> BaseModel:
    """Its fields, moved out of `given` into the config."""
    return config(**{name: given.pop(name) for name in config.model_fields})


@cache
def agent_class(
    name: str, algorithm: type[CuriousRollouts], settings: type[Config]
) -> type[CuriosityAgent]:
    """The `api.Agent` of this name: a line of SB3's table, `_`, and one of BONUSES.

    :param algorithm: that line's class with a bonus.
    """
    plain_name, _, bonus = name.rpartition("_")
    plain = sb3.agent_class(plain_name)
    title = plain.__name__ + bonus.upper()
    config = create_model(
        f"{title}Config",
        __base__=(settings, plain.Config, load_bonus(bonus).Config),
        __doc__=f"The hyper-parameters of {plain.__name__} with the bonus {bonus}.",
    )
    body = {"name": name, "bonus": bonus, "settings": settings, "Config": config}
    body |= {"algorithm": algorithm, "__module__": __name__}
    return type(title, (CuriosityAgent,), body)
