"""Bonuses and learners that take one, small enough for closed forms."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium import spaces

from baselines import load_bonus
from baselines.curiosity.agent import curious
from baselines.curiosity.bonus import Transitions
from baselines.curiosity.ppo import CuriousRollouts

# Steps, environments, features: all different, so that no axis can stand for another.
T, B, D = 7, 3, 4
CuriousPPO, CuriousRecurrentPPO = curious("ppo"), curious("recurrent_ppo")
NOWHERE = torch.zeros(T, B, dtype=torch.bool)
SMALL = {"n_steps": 16, "batch_size": 32, "n_epochs": 2}


def collect(model: CuriousRollouts) -> CuriousRollouts:
    """One rollout, without the update that would follow it."""
    _, callback = model._setup_learn(1000)
    model.collect_rollouts(model.env, callback, model.rollout_buffer, model.n_steps)
    return model


def transitions(next_obs: torch.Tensor, **ends: torch.Tensor) -> Transitions:
    shape = next_obs.shape[:-1]
    none = torch.zeros(shape, dtype=torch.bool)
    return Transitions(
        torch.zeros_like(next_obs),
        torch.zeros(*shape, 1),
        next_obs,
        ends.get("terminated", none),
        ends.get("truncated", none),
    )


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make(kind, seed=0, space=None, obs_dim=D, **fields):
    kind = load_bonus(kind) if isinstance(kind, str) else kind
    generator = torch.Generator().manual_seed(seed)
    seen = spaces.Box(-np.inf, np.inf, (obs_dim,))
    return kind(seen, space or spaces.Discrete(2), kind.Config(**fields), generator)


def walk(places, ends=None):
    """The rollout through observations (T + 1, B, D), with random actions."""
    actions = torch.randint(2, (*places.shape[:2], 1), generator=torch.Generator().manual_seed(9))
    ends = torch.zeros(places[1:].shape[:2], dtype=torch.bool) if ends is None else ends
    return Transitions(places[:-1], actions[1:].float(), places[1:], ends, torch.zeros_like(ends))


def wander(corners, length, seed=0):
    """A rollout that jumps at random among a few observations (N, D)."""
    generator = torch.Generator().manual_seed(seed)
    return walk(corners[torch.randint(len(corners), (length + 1, B), generator=generator)])


def line(*places, envs=1):
    return torch.tensor(places, dtype=torch.float)[:, None, None].expand(-1, envs, D)


def learn(bonus, steps, passes=200):
    learned = [weight for weight in bonus.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(learned, 3e-3) if learned else None
    for _ in range(passes if learned else 0):
        optimizer.zero_grad()
        bonus.loss(steps.flat()).backward()
        optimizer.step()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
