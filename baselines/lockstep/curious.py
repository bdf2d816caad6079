"""PPO with a bonus (`baselines/curiosity/ppo.py`) around lockstep's PPO.

The intrinsic critic learns compiled, and so does a bonus that has a twin in COMPILED: what pays and
what is whitened is the bonus's own code on each observation once. Any other bonus learns in torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from torch import Tensor

from baselines import AGENTS, LOCKSTEP
from baselines.curiosity import agent
from baselines.curiosity.bonus import Bonus, Transitions, drawn
from baselines.curiosity.noveld import NovelD
from baselines.curiosity.ppo import CuriousRollouts
from baselines.curiosity.rnd import RND
from baselines.lockstep.ppo import CompiledPPO
from baselines.lockstep.regression import Regression
from baselines.lockstep.shown import Distinct, once, shown

CRITIC, BONUS = 0, 1  # the groups of parameters in `stream_optimizer`


class Twin(Protocol):
    """A bonus, compiled: what it does is what the methods of the bonus do."""

    def reward(self, steps: Transitions) -> Tensor: ...

    def update(self, steps: Transitions) -> None: ...

    def learn(self, minibatches: Sequence[Tensor], steps: Transitions) -> float:
        """One pass; its mean loss."""


class Known(NamedTuple):
    """The observations of a rollout, each once."""

    obs: Tensor  # (..., D)
    rows: Tensor  # (m, D)
    of: Tensor  # (N,): the row that each is

    def is_of(self, obs: Tensor) -> bool:
        """Whether these are the observations, in whatever shape."""
        return (self.obs.data_ptr(), self.obs.numel()) == (obs.data_ptr(), obs.numel())


def known(obs: Tensor) -> Known:
    rows, of = once(obs.flatten(0, -2).numpy())
    return Known(obs, torch.from_numpy(rows), torch.from_numpy(of))


class CompiledRND:
    """RND reads where a step leads, and nothing else."""

    def __init__(self, bonus: RND, optimizer: torch.optim.Adam) -> None:
        self.bonus = bonus
        self.predictor = Regression(bonus.predictor, optimizer, BONUS)
        # Of the last rollout, for all that asks for it.
        self._known: Known | None = None
        self._whitened: tuple[Distinct, np.ndarray] | None = None

    def reward(self, steps: Transitions) -> Tensor:  # (T, B)
        rows, of = self._of(steps)
        raw = self.bonus.reward(steps._replace(next_obs=rows))
        return raw[of].reshape(steps.terminated.shape)

    def update(self, steps: Transitions) -> None:
        rows, of = self._of(steps)
        share, values = of.bincount().double() / len(of), rows.double()
        mean = share @ values
        self.bonus.moments.join(mean, share @ (values - mean).pow(2), len(of))
        self._whitened = None

    def learn(self, minibatches: Sequence[Tensor], steps: Transitions) -> float:
        rows, of = self._of(steps)
        if self._whitened is None:
            self._whitened = self._shown(rows, of)
        obs, goals = self._whitened
        share = self.bonus.config.update_proportion
        if share < 1:
            minibatches = [
                each[drawn(len(each), share, self.bonus.generator)] for each in minibatches
            ]
        return self.predictor.fit(obs, goals, obs.of, minibatches)

    def _of(self, steps: Transitions) -> tuple[Tensor, Tensor]:
        """Where the steps lead, each observation once, and which of them each was."""
        if self._known is None or not self._known.is_of(steps.next_obs):
            self._known, self._whitened = known(steps.next_obs), None
        return self._known.rows, self._known.of

    @torch.no_grad()
    def _shown(self, rows: Tensor, of: Tensor) -> tuple[Distinct, np.ndarray]:
        """What both networks are shown, and what the target answers."""
        whitened, nothing = (self.bonus.whiten(each) for each in (rows, torch.zeros_like(rows[0])))
        obs = Distinct(shown(whitened.numpy(), nothing.numpy()), of.numpy())
        return obs, self.bonus.target(whitened).numpy()


class CompiledNovelD(CompiledRND):
    """What it learns is what RND learns; what it pays depends on the whole step."""

    bonus: NovelD

    def reward(self, steps: Transitions) -> Tensor:  # (T, B)
        return self.bonus.reward(steps)

    def update(self, steps: Transitions) -> None:
        super().update(steps)
        self.bonus.episode.add(steps)


COMPILED: dict[type[Bonus], Callable[[Any, torch.optim.Adam], Twin]] = {
    RND: CompiledRND,
    NovelD: CompiledNovelD,
}


class CompiledCuriosity(CuriousRollouts):
    """What stands before `baselines.lockstep.ppo:CompiledPPO`."""

    OURS = (*CompiledPPO.OURS, "critic", "twin")

    def _setup_model(self) -> None:
        super()._setup_model()
        self._lay_stream_flat()

    def set_parameters(self, *given: Any, **named: Any) -> None:
        super().set_parameters(*given, **named)
        self._lay_stream_flat()

    def _lay_stream_flat(self) -> None:
        stream, optimizer = self.stream, self.stream_optimizer
        self.critic = Regression(stream.critic, optimizer, CRITIC, weight=0.5)
        make = COMPILED.get(type(stream.bonus))
        self.twin = make and make(stream.bonus, optimizer)

    def _rollout_of(self, buffer: RolloutBuffer) -> tuple[Tensor, np.ndarray]:
        return torch.from_numpy(self.seen), buffer.actions.astype(self.action_space.dtype)

    def _values(self, seen: Tensor) -> Tensor:
        values = self.stream.values(torch.from_numpy(self.obs.shown.rows))
        return values[torch.from_numpy(self.obs.of)].reshape(seen.shape[:2])

    def _raw(self, steps: Transitions) -> Tensor:
        return self.twin.reward(steps) if self.twin else super()._raw(steps)

    def _update(self, steps: Transitions) -> None:
        (self.twin or self.stream.bonus).update(steps)

    def _fit(
        self, minibatches: Sequence[Tensor], steps: Transitions, returns: Tensor | None
    ) -> dict[str, float]:
        if self.twin:
            losses = {"train/bonus_loss": self.twin.learn(minibatches, steps)}
        elif type(self.stream.bonus).loss is Bonus.loss:  # there is nothing to learn
            losses = {"train/bonus_loss": 0.0}
        else:
            losses = super()._fit(minibatches, steps, None)
        if returns is not None:
            goals = returns[:, None].numpy()
            losses["train/int_value_loss"] = self.critic.fit(
                self.obs, goals, np.arange(len(goals)), minibatches
            )
        return losses


@cache
def agent_class(learner: str, bonus: str) -> type[agent.CuriosityAgent]:
    """`curiosity.agent.agent_class` of the compiled learner."""
    plain, kind = AGENTS[learner].under(LOCKSTEP).load(), agent.agent_class(learner, bonus)
    body = {"reaches": kind.algorithm.reaches, "__module__": __name__}
    algorithm = type(kind.algorithm.__name__, (CompiledCuriosity, plain.algorithm), body)
    body = {"algorithm": algorithm, "Config": kind.Config, "__module__": __name__}
    return type(kind.__name__, (kind, plain), body)
