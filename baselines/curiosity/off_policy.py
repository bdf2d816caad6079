"""DQN, QR-DQN, SAC and TQC with a curiosity bonus: `dqn_rnd` and its like.

One mechanism for all four: a `CuriousReplay` stands where their replay buffer stood. They keep one
Q-function, of reward and bonus together, so

- the intrinsic return has the algorithm's own discount and ends with the episode, at a termination
  but not at a truncation; PPO's stream of its own does not end (Burda et al. 2018, section 2.3);
- the greedy policy that is evaluated acts on that sum: it still goes out of its way for what is
  new. `int_coef_end: 0` lets the bonus fall to nothing until the end of the budget.

n-step returns are refused: a sampled step is priced alone, the n - 1 after it would earn nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import AfterValidator
from stable_baselines3.common.callbacks import BaseCallback

from baselines.bound import Positive
from baselines.curiosity.learner import Curious
from baselines.curiosity.replay import Config, CuriousReplay, Novelty


def one_step(n_steps: int) -> int:
    if n_steps > 1:
        raise ValueError("must be 1 with a bonus: replay prices single steps, not n-step returns")
    return n_steps


class CuriousOffPolicy(Curious):
    """What stands before an SB3 algorithm that replays."""

    fields: ClassVar[Mapping[str, tuple[Any, Any]]] = {
        "n_steps": (Annotated[Positive, AfterValidator(one_step)], 1)
    }

    @staticmethod
    def settings(reach: str) -> type[Config]:
        return Config

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        one_step(kwargs.get("n_steps", 1))
        super().__init__(*args, **{"replay_buffer_class": CuriousReplay} | kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        # Generators of its own: with int_coef 0 this is the plain algorithm bit for bit.
        seed = 0 if self.seed is None else self.seed
        bonus = self._make_bonus(torch.Generator().manual_seed(seed))
        self.novelty = Novelty(
            bonus, self.curiosity_config, gamma=self.gamma, n_envs=self.n_envs, seed=seed
        ).to(self.device)
        self.novelty_optimizer = self.novelty.optimizer
        self.replay_buffer.attach(self.novelty, None)  # a barrier fills it where it stands

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        # Once more: a buffer or an environment may have been loaded in between.
        self.replay_buffer.attach(self.novelty, self._vec_normalize_env)
        return super()._setup_learn(*args, **kwargs)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        coef = self.curiosity_config.int_coef_at(1 - self._current_progress_remaining)
        self.replay_buffer.int_coef = coef
        self.replay_buffer.ext_coef = self.curiosity_config.ext_coef
        super().train(gradient_steps=gradient_steps, batch_size=batch_size)
        for name, value in self.novelty.metrics.items():
            self.logger.record(name, value)
        self.logger.record("curiosity/int_coef", coef)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, variables = super()._get_torch_save_params()
        learned = [] if self.novelty_optimizer is None else ["novelty_optimizer"]
        return [*names, "novelty", *learned], variables
