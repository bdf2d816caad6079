"""Learners with a bonus as the harness asks for them; `ppo_x` is PPO with the bonus `x`."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from gymnasium import spaces
from pydantic import BaseModel, create_model
from stable_baselines3 import PPO
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv

from baselines.curiosity import load_bonus
from baselines.curiosity.ppo import CuriosityPPO
from baselines.curiosity.settings import settings_of
from baselines.sb3 import SB3Agent
from baselines.sb3_config import config_of


class CuriosityAgent(SB3Agent):
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
def agent_class(bonus: str) -> type[CuriosityAgent]:
    """The `api.Agent` of PPO with one of BONUSES."""
    settings = settings_of(bonus)
    config = create_model(
        f"PPO{bonus.upper()}Config",
        __base__=(settings, config_of(PPO, {}), load_bonus(bonus).Config),
        __doc__=f"The hyper-parameters of PPO with the bonus {bonus}.",
    )
    body = {"name": f"ppo_{bonus}", "bonus": bonus, "settings": settings, "Config": config}
    body |= {"algorithm": CuriosityPPO, "__module__": __name__}
    return type(f"PPO{bonus.upper()}", (CuriosityAgent,), body)
