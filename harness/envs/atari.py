"""Atari 2600 through the Arcade Learning Environment, as most of its papers play it.

Machado et al. (2018), section 5: an action repeats with probability 0.25, whole episodes instead of
lives. A decision lasts four frames, of which the last two's maximum is seen in grey, 84 x 84.
"""

from __future__ import annotations

import ale_py
import gymnasium as gym
from gymnasium.wrappers import AtariPreprocessing

from baselines.target import offers
from harness.envs.extra import need
from harness.envs.registered import registered
from harness.envs.wrappers.option import Env


@offers(gym.Env)
def atari(game: str, frame_skip: int = 4, render_mode: str | None = None) -> Env:
    """One game; a limit on its episodes is the card's, in decisions.

    :param game: as in the ids of ale-py: MontezumaRevenge, Pong, ...
    """
    need("pixels", "atari")
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # or each start prints a banner
    gym.register_envs(ale_py)
    env = registered(f"ALE/{game}-v5", {"frameskip": 1, "render_mode": render_mode})
    return AtariPreprocessing(env, noop_max=0, frame_skip=frame_skip)
