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

from functools import cache
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, create_model
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.preprocessing import get_flattened_obs_dim

from baselines import REPLAYS, STEPWISE, api, sb3
from baselines.bound import Positive
from baselines.curiosity import load_bonus
from baselines.curiosity.agent import CuriosityAgent
from baselines.curiosity.replay import Config, CuriousReplay, Novelty
from baselines.sb3_config import config_of

ALGORITHMS = tuple(name for name, *_ in REPLAYS)  # of sb3.ALGORITHMS


def one_step(n_steps: int) -> int:
    if n_steps > 1:
        raise ValueError("must be 1 with a bonus: replay prices single steps, not n-step returns")
    return n_steps


class Curious:
    """What stands before an SB3 algorithm in a class of both: `curious("dqn")`.

    :param bonus: one of STEPWISE.
    :param bonus_config: that bonus's Config; its defaults if None.
    """

    def __init__(
        self,
        *args: Any,
        bonus: str = "rnd",
        bonus_config: api.Config | None = None,
        curiosity: Config | None = None,
        **kwargs: Any,
    ) -> None:
        one_step(kwargs.get("n_steps", 1))
        if bonus not in STEPWISE:
            raise ValueError(
                f"replay prices steps one by one: it cannot price {bonus}, only "
                f"{', '.join(STEPWISE)}"
            )
        self.bonus_name = bonus
        self.bonus_config = bonus_config or load_bonus(bonus).Config()
        self.curiosity_config = curiosity or Config()
        super().__init__(*args, **{"replay_buffer_class": CuriousReplay} | kwargs)

    def _setup_model(self) -> None:
        super()._setup_model()
        # Generators of its own: with int_coef 0 this is the plain algorithm bit for bit.
        seed = 0 if self.seed is None else self.seed
        bonus = load_bonus(self.bonus_name)(
            get_flattened_obs_dim(self.observation_space),
            self.action_space,
            self.bonus_config,
            torch.Generator().manual_seed(seed),
        )
        self.novelty = Novelty(
            bonus, self.curiosity_config, gamma=self.gamma, n_envs=self.n_envs, seed=seed
        ).to(self.device)
        self.novelty_optimizer = self.novelty.optimizer

    def _setup_learn(self, *args: Any, **kwargs: Any) -> tuple[int, BaseCallback]:
        # Only now: a buffer or an environment may have been loaded in between.
        self.replay_buffer.attach(self.novelty, self._vec_normalize_env)
        return super()._setup_learn(*args, **kwargs)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        coef = self.curiosity_config.int_coef_at(1 - self._current_progress_remaining)
        self.replay_buffer.int_coef = coef
        self.replay_buffer.ext_coef = self.curiosity_config.ext_coef
        super().train(gradient_steps=gradient_steps, batch_size=batch_size)
        for name, value in self.novelty.metrics.items():
            self.logger.record(f"curiosity/{name}", value)
        self.logger.record("curiosity/int_coef", coef)

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        names, variables = super()._get_torch_save_params()
        learned = [] if self.novelty_optimizer is None else ["novelty_optimizer"]
        return [*names, "novelty", *learned], variables


@cache
def curious(algorithm: str) -> type[OffPolicyAlgorithm]:
    """One of ALGORITHMS with a bonus, as an SB3 class."""
    plain = sb3.agent_class(algorithm).algorithm
    return type(f"Curious{plain.__name__}", (Curious, plain), {"__module__": __name__})


@cache
def agent_class(algorithm: str, bonus: str) -> type[CuriosityAgent]:
    """The `api.Agent` of one of ALGORITHMS with one of STEPWISE."""
    name = f"{algorithm}_{bonus}"
    fields = {"n_steps": (Annotated[Positive, AfterValidator(one_step)], 1)}
    plain = sb3.agent_class(algorithm).algorithm
    config = create_model(
        f"{name.upper()}Config",
        __base__=(Config, config_of(plain, fields), load_bonus(bonus).Config),
        __doc__=f"The hyper-parameters of {plain.__name__} with the bonus {bonus}.",
    )
    body = {"name": name, "bonus": bonus, "settings": Config, "Config": config}
    body |= {"algorithm": curious(algorithm), "__module__": __name__}
    return type(name.upper(), (CuriosityAgent,), body)


def __getattr__(name: str) -> type[CuriosityAgent]:
    algorithm, _, bonus = name.partition("_")
    if algorithm in ALGORITHMS and bonus in STEPWISE:
        return agent_class(algorithm, bonus)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
