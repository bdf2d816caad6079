"""A world of few states, shown one-hot: most observations of a rollout are equal, and sparse."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

FEW, MANY = "Places-4-v0", "Places-40-v0"


class Places(gym.Env):
    """A walk along some places; the further, the more it pays."""

    action_space = gym.spaces.Discrete(3)

    def __init__(self, places):
        self.places = places
        self.observation_space = gym.spaces.Box(0, 1, (places,), np.float32)

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(self.places))
        return self.seen(), {}

    def step(self, action):
        self.place = min(max(self.place + int(action) - 1, 0), self.places - 1)
        return self.seen(), 0.3 * self.place, self.place == 0, False, {}

    def seen(self):
        return np.eye(self.places, dtype=np.float32)[self.place]


gym.register(FEW, lambda: Places(4), max_episode_steps=30)
gym.register(MANY, lambda: Places(40), max_episode_steps=30)
