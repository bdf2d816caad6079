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
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.utils import obs_as_tensor

from baselines.curiosity import BONUSES, load_bonus
from baselines.curiosity.agent import CuriosityAgent, agent_class
from baselines.curiosity.ppo import CuriousRollouts
from baselines.curiosity.settings import Config

PREFIX = "recurrent_ppo_"


class CuriosityRecurrentPPO(CuriousRollouts, RecurrentPPO):
    """sb3-contrib's RecurrentPPO with a bonus that does not begin anew with the episode."""

    def _setup_model(self) -> None:
        super()._setup_model()
        if self.stream.bonus.episodic:
            raise ValueError(
                f"the bonus {self.bonus_name} as it is set begins anew with every episode, and the "
                "intrinsic critic has no memory of the episode: take a lifelong bonus, such as rnd"
            )

    @torch.no_grad()
    def _watch(self) -> None:
        """The first own step of the policy continues an episode that it has seen from its start."""
        obs = obs_as_tensor(self._last_obs, self.device)
        starts = torch.as_tensor(self._last_episode_starts, dtype=torch.float32, device=self.device)
        # The mode of the distribution: nothing is drawn.
        *_, self._last_lstm_states = self.policy(
            obs, self._last_lstm_states, starts, deterministic=True
        )


def __getattr__(name: str) -> type[CuriosityAgent]:
    bonus = name.removeprefix(PREFIX)
    if name.startswith(PREFIX) and bonus in BONUSES and not load_bonus(bonus).episodic:
        return agent_class(name, CuriosityRecurrentPPO, Config)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
