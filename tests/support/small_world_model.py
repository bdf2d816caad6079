"""Parts of a world model, small enough to check by hand, and environments to give them."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from probe_envs_agents import discrete
from tiny import NESTED

from baselines.api import NoProgress, Task
from baselines.world_models import mdn_rnn
from baselines.world_models.episode import Episode
from baselines.world_models.mdn_rnn import MDNRNN, Mixture
from baselines.world_models.world_model import WorldModel

N, L, D, K = 3, 6, 2, 4
COLOURS = spaces.Box(0, 255, (64, 64, 3), np.uint8)


class Counter(gym.Env):
    """Observes how many steps it has done in all, and in this episode; ends after `length`."""

    def __init__(self, length: int = 4, truncates: bool = False) -> None:
        self.observation_space = spaces.Box(-1e6, 1e6, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.length, self.truncates, self.total = length, truncates, 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at = 0
        return np.array([self.total, 0], np.float32), {}

    def step(self, action):
        self.at += 1
        self.total += 1
        end = self.at == self.length
        obs = np.array([self.total, self.at], np.float32)
        return obs, float(self.at), end and not self.truncates, end and self.truncates, {}


class Picture(gym.Env):
    """A bright bar that walks over an image with the action."""

    def __init__(self) -> None:
        self.observation_space = COLOURS
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.time = 30, 0
        return self._observe(), {}

    def step(self, action):
        self.at, self.time = self.at + 2 * int(action) - 1, self.time + 1
        return self._observe(), 1.0, self.time >= 8, False, {}

    def _observe(self):
        image = np.zeros(COLOURS.shape, np.uint8)
        image[:, self.at : self.at + 4] = 255
        return image


def merge(base, more):
    return {key: {**base.get(key, {}), **more.get(key, {})} for key in {**base, **more}}


def make(env=discrete, steps=120, seed=0, **groups):
    config = WorldModel.Config(**merge(NESTED["world_model"], groups))
    return WorldModel(Task(env, steps=steps, seed=seed, env_seed=1000), config)


def trained(env=discrete, **groups):
    agent = make(env, **groups)
    agent.learn(NoProgress())
    return agent


def memory(**options):
    options = {"hidden_size": 5, "mixtures": K} | options
    torch.manual_seed(0)
    return MDNRNN(D, 1, mdn_rnn.Config(**options))


def batch(seed=0, n=N):
    rng = np.random.default_rng(seed)
    shapes = (n, L + 1, D), (n, L, 1), (n, L)
    latents, actions, rewards = (
        torch.tensor(rng.normal(size=shape), dtype=torch.float32) for shape in shapes
    )
    terminated, mask = torch.zeros(n, L), torch.ones(n, L)
    terminated[0, -1] = 1
    return [latents, actions, rewards, terminated, mask]


def episode(first, steps, terminated=True):
    """Observation t is first + t; action t is 100 more; its reward is 1000 more."""
    seen = first + np.arange(steps + 1.0)
    return Episode(seen[:, None], seen[:-1] + 100, seen[:-1] + 1000, terminated)


def total(module):
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def mixture(seed=0, lead=(N,)):
    rng = np.random.default_rng(seed)
    logits, means, log_stds = torch.tensor(rng.normal(size=(3, *lead, D, K)))
    return Mixture(torch.log_softmax(logits, dim=-1), means, log_stds)
