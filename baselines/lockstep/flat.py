"""SB3's algorithms with their parameters in flat vectors, which compiled updates move.

Torch's own tensors become views of the vectors, so what is moved, torch sees moved: acting, saving
and loading need nothing of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from baselines.api import Config
from baselines.lockstep.kernel import LEAKY, RELU, TANH, F, Learned, Net
from baselines.lockstep.steps import refused_space
from baselines.sb3 import SB3Agent

ACTIVATIONS: dict[type[nn.Module], np.int64] = {
    nn.Tanh: TANH,
    nn.ReLU: RELU,
    nn.LeakyReLU: LEAKY,
}
NAMES = ("tanh", "relu")  # of them in hyper-parameters


def linears(*modules: nn.Module) -> list[nn.Linear]:
    """The layers of a perceptron that may be spread over modules, first to last."""
    return [each for module in modules for each in module.modules() if isinstance(each, nn.Linear)]


def net(start: int, layers: list[nn.Linear], activation: type[nn.Module]) -> Net:
    widths = np.array([layers[0].in_features, *(each.out_features for each in layers)])
    return Net(start, widths, ACTIVATIONS[activation])


def parameters(layers: list[nn.Linear]) -> list[nn.Parameter]:
    """In the order in which a network lies in a flat vector."""
    return [part for each in layers for part in (each.weight, each.bias)]


def slices(parameters: list[nn.Parameter]) -> Iterator[tuple[nn.Parameter, slice]]:
    at = 0
    for parameter in parameters:
        yield parameter, slice(at, at := at + parameter.numel())


def laid_flat(parameters: list[nn.Parameter]) -> np.ndarray:
    """Their values, of which they are views from now on."""
    values = np.empty(sum(parameter.numel() for parameter in parameters), F)
    for parameter, part in slices(parameters):
        values[part] = parameter.detach().numpy().ravel()
        parameter.data = torch.from_numpy(values[part]).view(parameter.shape)
    return values


class Flat:
    """Parameters and Adam's moments."""

    def __init__(self, parameters: list[nn.Parameter], adam: torch.optim.Adam) -> None:
        self.values = laid_flat(parameters)
        self.gradient, self.first, self.second = np.zeros((3, self.values.size), F)
        self.learned = Learned(self.values, self.gradient, self.first, self.second)
        self.counts = np.zeros(len(parameters), F)  # updates of each parameter so far
        for i, (parameter, part) in enumerate(slices(parameters)):
            shape = parameter.shape
            if before := adam.state.get(parameter):
                self.first[part] = before["exp_avg"].numpy().ravel()
                self.second[part] = before["exp_avg_sq"].numpy().ravel()
                self.counts[i] = float(before["step"])
            adam.state[parameter] = {
                "step": torch.from_numpy(self.counts[i : i + 1]).view(()),
                "exp_avg": torch.from_numpy(self.first[part]).view(shape),
                "exp_avg_sq": torch.from_numpy(self.second[part]).view(shape),
            }

    @property
    def steps(self) -> int:
        """Updates so far."""
        return int(self.counts[0])

    @steps.setter
    def steps(self, count: int) -> None:
        self.counts[:] = count


class FlatModel:
    """What stands before an algorithm of SB3 in a class of both."""

    OURS: tuple[str, ...] = ("flat", "generator")  # attributes that SB3's file is not to hold

    def _setup_model(self) -> None:
        super()._setup_model()
        self.generator = np.random.default_rng(self.seed)
        self.lay_flat()

    def lay_flat(self) -> None:
        """Put what is learned into flat vectors, Adam's moments too."""
        raise NotImplementedError

    def set_parameters(self, *given: Any, **named: Any) -> None:
        super().set_parameters(*given, **named)
        self.lay_flat()  # Adam has moments of its own now

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), *self.OURS]


class CompiledAgent(SB3Agent):
    """An SB3 algorithm with compiled updates."""

    model: BaseAlgorithm

    def _arguments(self, env: VecEnv) -> dict[str, Any]:
        if why := refused_space(env.observation_space, env.action_space):
            raise ValueError(why)
        return super()._arguments(env)

    @classmethod
    def refuses(cls, config: Config) -> Iterator[tuple[str, str]]:
        """What it cannot train that SB3 can: hyper-parameter, and why."""
        chosen = config.policy_kwargs.activation_fn
        if chosen not in (None, *NAMES):
            yield "policy_kwargs.activation_fn", f"{chosen} is not compiled yet, tanh and relu are"
