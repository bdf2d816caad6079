"""What of Stable-Baselines3's objects a barrier keeps, and how its buffers are cut off there."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from baselines.kept import Ring

# Environments are made anew; `learn` resets action noise, and is given its callback.
NO_STATE = (VecEnv, BaseCallback, ActionNoise)
# Of a replay buffer, what is written once for each step.
ROWS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def rings(model: Any) -> dict[str, Ring]:
    """The rows of the replay buffer, if there is one that has any."""
    buffer = getattr(model, "replay_buffer", None)
    if not isinstance(buffer, ReplayBuffer):
        return {}
    added = model.num_timesteps // model.n_envs  # a row is a step of all environments
    return {"replay": Ring(dict(_rows(buffer)), added)}


def _rows(buffer: ReplayBuffer) -> Iterator[tuple[str, np.ndarray]]:
    for name in ROWS:
        value = getattr(buffer, name, None)
        if isinstance(value, dict):
            yield from ((f"{name}.{key}", array) for key, array in value.items())
        elif value is not None:
            yield name, value


def constant(model: Any) -> tuple[Any, ...]:
    """HerReplayBuffer 2.9.2 makes an `info` for each row, and fills none unless it is asked to."""
    buffer: Any = getattr(model, "replay_buffer", None)
    unfilled = isinstance(buffer, HerReplayBuffer) and not buffer.copy_info_dict
    return (buffer.infos,) if unfilled else ()


def truncate(buffer: ReplayBuffer) -> None:
    """The episodes of which the last row is one end there, though the environment went on."""
    if isinstance(buffer, HerReplayBuffer):
        with warnings.catch_warnings(action="ignore"):  # that it does what it is asked to do
            buffer.truncate_last_trajectory()
    elif buffer.full or buffer.pos:
        buffer.timeouts[buffer.pos - 1, buffer.dones[buffer.pos - 1] == 0] = True
