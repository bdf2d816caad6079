"""Parts of Dreamer, small enough to check by hand, and rows to give them."""

from __future__ import annotations

import numpy as np
import torch
from gymnasium import spaces
from probe_envs_agents import Walk, discrete

from baselines.api import Task
from baselines.world_models.dreamer.action import Continuous, Discrete
from baselines.world_models.dreamer.agent import Dreamer
from baselines.world_models.dreamer.config import Config
from baselines.world_models.dreamer.replay import Batch
from baselines.world_models.dreamer.trainer import Model, Trainer

SMALL = {"deter": 12, "groups": 3, "classes": 4, "units": 8, "depth": 2, "layers": 1, "bins": 9}
SMALL |= {"bin_limit": 3.0, "batch_size": 2, "batch_length": 6, "imagination_horizon": 3}
SMALL |= {"learning_starts": 8, "optimizer": "adam", "learning_rate": 1e-3, "warmup": 0}
BUTTONS = Discrete(spaces.Discrete(3), unimix=0.01)
LEVER = Continuous(spaces.Box(-1.0, 1.0, (1,), np.float32))
KINDS = {"discrete": BUTTONS, "continuous": LEVER}
GRADS = ["reinforce", "dynamics", "both"]


def config(**changed):
    return Config(**(SMALL | changed))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def endless():
    return Walk(spaces.Discrete(3), length=1000)


def make(env=discrete, steps=60, seed=0, **changed):
    return Dreamer(Task(env, steps=steps, seed=seed, env_seed=1000), config(**changed))


def batch(T=6, B=2, width=3, kind=BUTTONS, seed=0, **given):
    """Random rows without an end, but for what is given."""
    never = torch.zeros(T, B, dtype=torch.bool)
    action = kind.mode(draw(T, B, kind.outputs, seed=seed + 1))
    found = Batch(draw(T, B, width, seed=seed), action, draw(T, B, seed=seed + 2), *[never] * 3)
    return found._replace(**given)


def flags(*places, T=6, B=2):
    found = torch.zeros(T, B, dtype=torch.bool)
    for place in places:
        found[place] = True
    return found


def trainer(kind=BUTTONS, seed=0, **changed):
    settings = config(**changed)
    model = Model((3,), kind, settings, generator(seed))
    shake(model.actor, model.critic, model.world)
    return Trainer(model, settings, generator(seed + 1))


def shake(*modules):
    """Heads that begin at zero would hide what reaches what."""
    source = generator(9)
    for module in modules:
        for parameter in module.parameters():
            parameter.data += 0.3 * torch.randn(parameter.shape, generator=source)
