"""The gradient noise scale of PPO: how large a minibatch would have to be to be worth its size.

McCandlish et al. 2018, "An empirical model of large-batch training" (arXiv:1812.06162). Below it a
step from twice the samples is nearly twice as good; far above it more samples are wasted.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor

from baselines import api

PARTS = 8  # of a rollout: small batches, whose mean is the large one


class Sample(NamedTuple):
    """One rollout's estimates, each without bias; their ratio is formed after averaging."""

    step: int  # environment steps done
    signal: float  # |G|^2: the squared length of the true gradient
    noise: float  # tr(Sigma): the variance of one sample's gradient


def watch(agent: api.Agent) -> list[Sample]:
    """The list that is filled, one sample before each update, while the agent learns.

    Measuring draws nothing and changes nothing: the agent learns what it would have learned.
    """
    model, found = getattr(agent, "model", None), list[Sample]()
    if not isinstance(model, PPO) or isinstance(model.observation_space, spaces.Dict):
        raise TypeError(f"{type(agent).__name__} is not PPO, or its observations have parts")
    update = model.train

    def measured_update() -> None:
        if model.rollout_buffer.buffer_size == model.n_steps:  # no shorter one at the end
            found.append(measure(model))
        update()

    model.train = measured_update
    return found


def measure(model: PPO) -> Sample:
    """The paper's appendix A.1, on the rollout that is about to be used."""
    buffer = model.rollout_buffer
    size = buffer.buffer_size * buffer.n_envs
    order = torch.randperm(size, generator=torch.Generator().manual_seed(model.num_timesteps))
    rows = _rows(model)
    advantages = rows.advantages
    # One normalisation for all parts: with its own each would be another function's gradient.
    if model.normalize_advantage:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    rows = rows._replace(advantages=advantages)
    small_size = size // PARTS
    parts = [order[i * small_size : (i + 1) * small_size] for i in range(PARTS)]
    gradients = torch.stack([_gradient(model, rows, part) for part in parts])
    return Sample(model.num_timesteps, *estimates(gradients, small_size))


def estimates(gradients: Tensor, size: int) -> tuple[float, float]:
    """|G|^2 and tr(Sigma), from the mean gradients (parts, weights) of `size` samples each."""
    whole = size * len(gradients)
    small = gradients.pow(2).sum(dim=1).mean().item()
    large = gradients.mean(dim=0).pow(2).sum().item()
    signal = (whole * large - size * small) / (whole - size)
    return signal, (small - large) / (1 / size - 1 / whole)


def _rows(model: PPO) -> RolloutBufferSamples:
    """The whole rollout as one batch; SB3's `get` would shuffle by the global generator."""
    buffer = model.rollout_buffer

    def flat(array: object) -> Tensor:
        return buffer.to_torch(buffer.swap_and_flatten(array))

    return RolloutBufferSamples(
        observations=flat(buffer.observations),
        actions=flat(buffer.actions),
        old_values=flat(buffer.values).flatten(),
        old_log_prob=flat(buffer.log_probs).flatten(),
        advantages=flat(buffer.advantages).flatten(),
        returns=flat(buffer.returns).flatten(),
    )


def _gradient(model: PPO, rows: RolloutBufferSamples, part: Tensor) -> Tensor:
    """Of PPO's loss before its first step on a rollout, where the ratio is 1 and nothing is cut."""
    actions = rows.actions[part]
    if isinstance(model.action_space, spaces.Discrete):
        actions = actions.long().flatten()
    values, log_prob, entropy = model.policy.evaluate_actions(rows.observations[part], actions)
    ratio = torch.exp(log_prob - log_prob.detach())
    policy_loss = -(rows.advantages[part] * ratio).mean()
    value_loss = (rows.returns[part] - values.flatten()).pow(2).mean()
    entropy_loss = log_prob.mean() if entropy is None else -entropy.mean()
    loss = policy_loss + model.ent_coef * entropy_loss + model.vf_coef * value_loss
    weights = [weight for weight in model.policy.parameters() if weight.requires_grad]
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return torch.cat([piece.flatten() for piece in found if piece is not None])
