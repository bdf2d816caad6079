"""Recurrent PPO with a curiosity bonus: `recurrent_ppo_rnd` and its like.

The policy, its critic, their LSTMs and their update are sb3-contrib's RecurrentPPO, unchanged; the
bonus and the intrinsic critic join them as they join PPO, and neither has a memory:

- the bonus is about single steps, so it may only depend on the step and on all of training. One
  that begins anew with every episode depends on what the intrinsic critic cannot see: refused;
- the intrinsic critic reads one observation. Where several histories end in the same one it
  predicts the mean of their returns: a baseline like any other, and a bootstrap that is biased as
  far as the LSTM acts on more than this observation.
"""

from __future__ import annotations

import torch
from stable_baselines3.common.utils import obs_as_tensor

from baselines.curiosity.ppo import CuriousRollouts


class CuriousSequences(CuriousRollouts):
    """What stands before sb3-contrib's RecurrentPPO."""

    @torch.no_grad()
    def _watch(self) -> None:
        """The first own step of the policy continues an episode that it has seen from its start."""
        obs = obs_as_tensor(self._last_obs, self.device)
        starts = torch.as_tensor(self._last_episode_starts, dtype=torch.float32, device=self.device)
        # The mode of the distribution: nothing is drawn.
        *_, self._last_lstm_states = self.policy(
            obs, self._last_lstm_states, starts, deterministic=True
        )
