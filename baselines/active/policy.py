"""A policy that Stable-Baselines3's SAC trains: in the models, or on what was lived through."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer

from baselines import api
from baselines.active.imagined import Imagined
from baselines.active.transition import Batch
from baselines.kept import Kept
from baselines.sb3 import agent_class
from baselines.world_models.learner import DreamVecEnv


class Policy:
    """It sees normalised observations.

    :param hparams: of SAC.
    :param imagined: as many episodes side by side as it will train in, with the same spaces.
    """

    def __init__(self, task: api.Task, hparams: Mapping[str, Any], imagined: Imagined) -> None:
        learner = agent_class("sac")
        config = learner.Config(**hparams, n_envs=imagined.num_envs, learning_starts=0)
        self.agent = learner(task, config, DreamVecEnv(imagined))  # type: ignore[arg-type]

    def act(self, observations: np.ndarray, deterministic: bool) -> np.ndarray:
        return self.agent.predict(observations, deterministic=deterministic)[0]

    def imagine(self, imagined: Imagined, steps: int, seed: int) -> dict[str, float]:
        """Train in so many steps of all these episodes, with a gradient step after each."""
        model: Any = self.agent.model
        model.set_env(DreamVecEnv(imagined))  # type: ignore[arg-type]
        model.set_random_seed(seed)
        model.replay_buffer.reset()  # what older models imagined is not true any more
        model.learn(steps * imagined.num_envs, log_interval=None)  # never
        return self._losses()

    def replay(self, lived: Batch, steps: int, seed: int) -> dict[str, float]:
        """Train on steps that were lived through, with the rewards that they have here."""
        model: Any = self.agent.model
        model.set_random_seed(seed)
        imagined = model.replay_buffer
        spaces = model.observation_space, model.action_space
        rows = ReplayBuffer(len(lived.reward), *spaces, model.device)
        arrays = rows.observations, rows.actions, rows.next_observations, rows.rewards, rows.dones
        for array, part in zip(arrays, lived, strict=True):
            array[:] = part.cpu().numpy().reshape(array.shape)
        rows.full = True
        model.replay_buffer = rows
        model.train(steps, model.batch_size)
        model.replay_buffer = imagined
        return self._losses()

    def _losses(self) -> dict[str, float]:
        learned = self.agent.model.logger.name_to_value
        found = {name: float(v) for name, v in learned.items() if name.endswith("_loss")}
        learned.clear()
        return found

    def kept(self) -> Kept:
        """Without what is imagined: the next models imagine anew."""
        kept = self.agent.kept()
        rows = (array for ring in kept.rings.values() for array in ring.arrays.values())
        return Kept(self, left=kept.left, constant=(*kept.constant, *rows))

    def weights(self) -> dict[str, np.ndarray]:
        return self.agent.weights()

    def save(self, folder: Path) -> None:
        folder.mkdir()
        self.agent.save(folder)

    def load(self, folder: Path) -> None:
        self.agent.load(folder)
