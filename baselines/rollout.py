"""On-policy rollouts that end with the budget.

Stable-Baselines3 2.9.2 begins a rollout whenever a step is left and finishes it: a budget that is
no whole number of rollouts would be exceeded by most of one, or fall short by as much.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv


def length(left: int, n_steps: int) -> int:
    """Steps of the next rollout in each environment.

    The last two share what is left of them, so that none is too small to learn from.

    :param left: steps of the budget that are left for each environment.
    :param n_steps: of a whole rollout.
    """
    if n_steps < left < 2 * n_steps:
        return -(-left // 2)
    return min(left, n_steps)


def last_two(budget: int, n_steps: int) -> Iterator[int]:
    """The lengths of the last rollouts, if the budget is no whole number of them."""
    left = budget if budget < n_steps else budget % n_steps + n_steps
    while left % n_steps:
        found = length(left, n_steps)
        yield found
        left -= found


class ToTheBudget:
    """What stands before an on-policy algorithm of SB3 in a class of both: `fitted(PPO)`."""

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
        *masking: Any,  # MaskablePPO's
    ) -> bool:
        left = (self._total_timesteps - self.num_timesteps) // self.n_envs
        n_steps = length(left, n_rollout_steps)
        # SB3 empties the buffer when a rollout begins, and then it takes its new size.
        rollout_buffer.buffer_size = n_steps
        if hasattr(rollout_buffer, "hidden_state_shape"):  # RecurrentPPO's
            rollout_buffer.hidden_state_shape = n_steps, *rollout_buffer.hidden_state_shape[1:]
        return super().collect_rollouts(env, callback, rollout_buffer, n_steps, *masking)


@cache
def fitted(algorithm: type[OnPolicyAlgorithm]) -> type[OnPolicyAlgorithm]:
    """The algorithm; where the budget is a whole number of rollouts, the same bit for bit."""
    return type(algorithm.__name__, (ToTheBudget, algorithm), {"__module__": algorithm.__module__})
