"""A network that learns by the squared error, compiled: a critic, or the predictor of a bonus."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from baselines.curiosity.network import mlp
from baselines.lockstep.flat import Flat, linears, net, parameters
from baselines.lockstep.kernel import TWO, ZERO, F, adam, compiled
from baselines.lockstep.shown import Distinct, backward_shown, distinct, forward_shown, grouped


@compiled
def regress(p, g, m, v, step, net, obs, goals, of, rows, starts, weight, rate, eps, losses):
    """One pass in minibatches.

    :param step: updates so far.
    :param obs: Distinct (N,), what the network is shown.
    :param goals: (q, F), of which step i has the row of[i].
    :param rows: of the minibatches, one behind the other; they begin at `starts`, which ends with
        the end of the last one.
    :param weight: of the mean squared error in what is minimised.
    :param losses: (minibatches,): filled with that error.
    """
    shown, width = obs.shown, goals.shape[1]
    most = 0
    for b in range(losses.size):
        most = max(most, starts[b + 1] - starts[b])
    x = np.empty((most, shown.rows.shape[1]), F)
    layers = np.empty(most * net.widths.sum(), F)
    delta, spare = np.empty(most * net.widths.max(), F), np.empty(most * net.widths.max(), F)
    slots, which = np.full(shown.rows.shape[0], -1), np.empty(most, np.int64)
    group = np.empty(most, np.int64)
    for b in range(losses.size):
        batch = rows[starts[b] : starts[b + 1]]
        k = grouped(obs.of, batch, slots, which, group)
        out = forward_shown(p, net, shown, which[:k], x[:k], layers)
        d_out = delta[: k * width].reshape(k, width)
        d_out[:] = ZERO
        share, total = F(1 / (batch.size * width)), ZERO
        for i in range(batch.size):
            goal, at = goals[of[batch[i]]], group[i]
            for j in range(width):
                miss = out[at, j] - goal[j]
                total += miss * miss
                d_out[at, j] += F(weight) * TWO * share * miss
        losses[b] = total * share
        backward_shown(p, g, net, shown, which[:k], x[:k], layers, delta, spare)
        step += 1
        adam(p, g, m, v, step, rate, eps)


class Regression:
    """A perceptron of torch, what its optimiser holds of it, and what it is trained on."""

    def __init__(
        self, module: nn.Sequential, optimizer: torch.optim.Adam, group: int, weight: float = 1.0
    ) -> None:
        """:param group: the optimiser's group of parameters, whose learning rate counts."""
        layers = linears(module)
        kinds = {type(each) for each in module if not isinstance(each, nn.Linear)}
        self.net = net(0, layers, *kinds or {nn.Tanh})
        self.flat = Flat(parameters(layers), optimizer)
        self.weight, self._group = weight, optimizer.param_groups[group]

    def fit(
        self, obs: Distinct, goals: np.ndarray, of: np.ndarray, minibatches: Sequence[Tensor]
    ) -> float:
        """The mean loss of one pass; see `regress`."""
        flat, losses = self.flat, np.empty(len(minibatches), F)
        starts = np.cumsum([0, *map(len, minibatches)])
        regress(
            flat.values, flat.gradient, flat.first, flat.second, flat.steps, self.net, obs, goals,
            of, torch.cat(list(minibatches)).numpy(), starts, self.weight, self._group["lr"],
            self._group["eps"], losses,
        )  # fmt: skip
        flat.steps += len(minibatches)
        return float(losses.mean())


def warm() -> None:
    """Compile it, or read it from disk, for the processes that are forked from this one."""
    module = mlp([2, 3, 1], nn.Tanh, torch.Generator())
    critic = Regression(module, torch.optim.Adam(module.parameters()), 0)
    critic.fit(distinct(np.zeros((2, 2), F)), np.zeros((2, 1), F), np.arange(2), [torch.arange(2)])
