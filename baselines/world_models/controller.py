"""C, the controller of a world model: a small policy, found by an evolution strategy.

A linear map, or a small perceptron, from what V sees and M remembers to an action (Ha and
Schmidhuber 2018, section 2.4). The CMA evolution strategy (Hansen, arXiv:1604.00772) needs nothing
of it but the returns of whole episodes: dreamed ones, or real ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import count, pairwise
from pathlib import Path
from typing import Any, Literal

import cma
import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from baselines import api
from baselines.bound import Above0, Repeats0, Widths
from baselines.kept import Kept
from baselines.world_models.action import ActionCode
from baselines.world_models.config import Group
from baselines.world_models.dream import Dream, dreamed_to_the_end
from baselines.world_models.learner import check, misfits

Log = Callable[[Mapping[str, float]], None]


class Config(Group):
    """The hyper-parameters of C."""

    learner: Literal["cma", "ppo", "sac"] = Field("cma", description="The algorithm that trains C.")
    inputs: Literal["z", "z_h"] = Field(
        "z_h", description="z: V's latent alone; z_h: M's hidden state too."
    )
    real_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the budget in which C is trained in the real environment; "
        "0: in dreams alone.",
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="real_share: a candidate's episode is stopped after so many steps without a "
        "reward above 0; null: never.",
    )
    shared_starts: bool = Field(
        False, description="real_share: all candidates of a generation play the same episodes."
    )
    net_arch: Widths = Field([], description="cma: hidden widths; none is a linear map.")
    population: int = Field(16, ge=2, description="cma: candidates of a generation.")
    episodes: int = Field(8, ge=1, description="cma: episodes of each candidate.")
    generations: Repeats0 = Field(25, description="cma: in each round.")
    sigma: Above0 = Field(0.1, description="cma: initial standard deviation of the candidates.")
    steps: int = Field(
        100_000, ge=1, le=1_000_000_000, description="ppo, sac: dream steps in each round."
    )
    hparams: dict[str, Any] = Field({}, description="ppo, sac: departures from SB3's defaults.")

    @model_validator(mode="after")
    def _complete(self) -> Config:
        if self.learner != "cma":
            self.__dict__["hparams"] = check(self.learner, self.hparams)
        return self

    def clashes(self) -> Iterator[tuple[str, str]]:
        yield from super().clashes()
        if self.learner == "cma" and self.hparams:
            yield "hparams", "they are for ppo and sac: cma has its settings beside it"
        if self.learner != "cma" and self.real_share:
            yield "real_share", f"{self.learner} learns in dreams: set it to 0, or take cma"
        if self.learner != "cma":
            yield from misfits(self.learner, self.hparams, self.steps)
        for name, chosen in [
            ("patience", self.patience is not None),
            ("shared_starts", self.shared_starts),
        ]:
            if chosen and not self.real_share:
                yield name, "only with a real_share above 0"

    def memory(self, sizes: api.Sizes, features: int = 1) -> dict[str, float]:
        """:param features: numbers that C sees."""
        found = super().memory(sizes)
        if self.learner == "cma":
            weights = api.weights_of(features, *self.net_arch, sizes.actions)
            dreams = (self.population + 1) * self.episodes
            size = "net_arch" if self.net_arch else "inputs"
            found[size] = 3.0 * 8 * weights**2  # the strategy's covariance
            found["population"] = 8.0 * self.population * weights + api.NUMBER * dreams * features
        return found


class Policy:
    """Many policies of one shape at once, each a row of parameters."""

    def __init__(self, inputs: int, outputs: int, net_arch: list[int]) -> None:
        self.shapes = list(pairwise([inputs, *net_arch, outputs]))
        self.size = sum((width_in + 1) * width_out for width_in, width_out in self.shapes)

    def __call__(self, parameters: Tensor, features: Tensor) -> Tensor:
        """(P, size), (P, E, inputs) -> (P, E, outputs)."""
        at, x = 0, features
        for i, (width_in, width_out) in enumerate(self.shapes):
            end = at + width_in * width_out
            matrix = parameters[:, at:end].reshape(-1, width_in, width_out)
            bias = parameters[:, None, end : end + width_out]
            x = torch.baddbmm(bias, torch.tanh(x) if i else x, matrix)
            at = end + width_out
        return x


class Evolved:
    """The mean of the evolution strategy's last distribution.

    :param make_dream: as many dreams side by side as it is asked for.
    """

    def __init__(
        self, config: Config, inputs: int, actions: ActionCode, make_dream: Callable[[int], Dream]
    ) -> None:
        self.config, self.actions, self.make_dream = config, actions, make_dream
        self.policy = Policy(inputs, actions.size, config.net_arch)
        self.parameters = np.zeros(self.policy.size)
        # Of a training in the real environment: where it began, the costs of the candidates of each
        # generation, and the returns of this one's episodes. The strategy follows from them.
        self._begun = self.parameters.copy()
        self._costs: list[list[float]] = []
        self._returns: list[float] = []

    def kept(self) -> Kept:
        return Kept(self)

    def act(self, features: Tensor, deterministic: bool = True) -> np.ndarray:  # (N, F)
        """One action for each row; there is no other than the greedy one."""
        return self.act_with(self.parameters[None], features[None])[0]

    def act_with(self, parameters: np.ndarray, features: Tensor) -> np.ndarray:
        """(P, size), (P, E, F) -> actions (P, E, *action shape)."""
        rows = torch.as_tensor(parameters, dtype=torch.float32)
        return self.actions.decode(self.policy(rows, features.cpu()))

    def fit(self, seed: int, log: Log) -> None:
        """In dreams, `generations` more from where it stands."""
        config = self.config
        strategy = self._strategy(seed, self.parameters)
        dream = self.make_dream((config.population + 1) * config.episodes)
        dream.reset(seed=seed)
        for generation in range(config.generations):
            part = generation / max(config.generations - 1, 1)
            dream.temperature = dream.config.temperature_at(part)
            candidates = np.array(strategy.ask())
            # The mean is played beside them and takes no part in the selection.
            together = np.concatenate([candidates, strategy.mean[None]])
            returns = self._dreamed_returns(dream, together).mean(axis=1)
            strategy.tell(list(candidates), list(-returns[:-1]))
            self.parameters = strategy.mean.copy()
            told = {
                "train/controller_generation": generation + 1.0,
                "dream/train_return": float(returns[:-1].mean()),
                "dream/best_return": float(returns[:-1].max()),
                "dream/validation_return": float(returns[-1]),
            }
            if generation == config.generations - 1:  # what it scores in its last dreams
                told["dream/final_return"] = float(returns[-1])
            log(told)

    def fit_real(
        self, seed: int, play: Callable[[np.ndarray, int | None], float | None], log: Log
    ) -> None:
        """In real episodes, until `play` returns None: the budget is spent.

        :param play: the return of one episode with these parameters: the one of this number, or
            any. What it raises interrupts the training; with the same seed it then goes on.
        """
        if not (self._costs or self._returns):
            self._begun = self.parameters.copy()
        strategy, episodes = self._strategy(seed, self._begun), self.config.episodes
        for costs in self._costs:
            strategy.tell(strategy.ask(), costs)
        for generation in count(len(self._costs)):
            candidates = strategy.ask()
            starts: list[int | None] = [None] * episodes
            if self.config.shared_starts:
                starts = list(range(generation * episodes, (generation + 1) * episodes))
            for i in range(len(self._returns), len(candidates) * episodes):
                played = play(candidates[i // episodes], starts[i % episodes])
                if played is None:
                    self._costs.clear()
                    self._returns.clear()
                    return
                self._returns.append(played)
            of_each = np.reshape(self._returns, (-1, episodes))
            self._costs.append([-float(np.mean(returns)) for returns in of_each])
            self._returns.clear()
            strategy.tell(candidates, self._costs[-1])
            self.parameters = strategy.mean.copy()
            log({"train/controller_generation": generation + 1.0})

    def _strategy(self, seed: int, mean: np.ndarray) -> cma.CMAEvolutionStrategy:
        rng = np.random.default_rng(seed)
        options = {
            "popsize": self.config.population,
            # cma draws from NumPy's global generator, and seeds it, unless it is told otherwise.
            "randn": lambda *shape: rng.standard_normal(shape),
            "seed": np.nan,
            "verbose": -9,
            "verb_log": 0,
        }
        return cma.CMAEvolutionStrategy(mean, self.config.sigma, options)

    def _dreamed_returns(self, dream: Dream, parameters: np.ndarray) -> np.ndarray:
        """Of each candidate: (P, episodes)."""
        shape = len(parameters), self.config.episodes

        def act(observations: np.ndarray) -> np.ndarray:
            features = torch.from_numpy(observations).reshape(*shape, -1)
            return self.act_with(parameters, features).reshape(-1, *self.actions.space.shape)

        return dreamed_to_the_end(dream, act).reshape(shape)

    def weights(self) -> dict[str, np.ndarray]:
        return {"parameters": self.parameters.copy()}

    def save(self, folder: Path) -> None:
        np.savez(folder / "controller.npz", **self.weights())

    def load(self, folder: Path) -> None:
        with np.load(folder / "controller.npz") as saved:
            self.parameters = saved["parameters"]
