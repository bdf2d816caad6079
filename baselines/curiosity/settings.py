"""The hyper-parameters that bonuses share: how one is scaled, propagated, mixed and learned."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from baselines import api
from baselines.bound import Amount, LearningRate, Repeats, Repeats0, Widths


class BonusConfig(api.Config):
    """What every bonus shares, whichever learner takes it."""

    search: ClassVar[dict[str, Any]] = {
        "int_coef": {
            "why": "The weight of the bonus; Burda et al. 2018 use half that of the reward.",
            "low": 0.01,
            "high": 3.0,
            "log": True,
        },
        "bonus_learning_rate": {
            "why": "How fast familiar states lose their bonus.",
            "low": 1e-4,
            "high": 1e-2,
            "log": True,
        },
    }

    int_coef: Amount = Field(1.0, description="Weight of the bonus.")
    int_coef_end: float = Field(
        1.0, ge=0, le=1, description="Share of int_coef at the end, reached in a straight line."
    )
    ext_coef: Amount = Field(1.0, description="Weight of the reward.")
    normalize_reward: bool = Field(
        True,
        description="Divide the bonus by the running standard deviation of its discounted return.",
    )
    deviation: Literal["running", "moving"] = Field(
        "running",
        description="Which one normalize_reward divides by: of all of training, or one that "
        "forgets.",
    )
    deviation_memory: int = Field(
        10_000, ge=1, description="Steps that a moving standard deviation looks back."
    )
    deviation_floor: float = Field(
        0.05,
        ge=0,
        le=1,
        description="The least moving standard deviation, as a share of the first one.",
    )
    warmup_epochs: Repeats0 = Field(
        10,
        description="Passes of the bonus over the first steps, which pay nothing, before its "
        "standard deviation begins to count.",
    )
    bonus_learning_rate: LearningRate = Field(1e-3, description="Of what the bonus learns.")

    def int_coef_at(self, done: float) -> float:
        """The weight of the bonus when a share of the budget is done."""
        return self.int_coef * (1 - done * (1 - self.int_coef_end))


class Config(BonusConfig):
    """What every bonus shares that is a stream of its own, with its own critic."""

    search: ClassVar[dict[str, Any]] = {
        **BonusConfig.search,
        "int_gamma": {
            "why": "The horizon of the intrinsic return; Burda et al. 2018 use 0.99.",
            "low": 0.9,
            "high": 0.999,
            "one_minus": True,
            "log": True,
        },
        "int_learning_rate": {
            "why": "Learning rate of the intrinsic critic, whose target is non-stationary.",
            "low": 1e-4,
            "high": 1e-2,
            "log": True,
        },
    }

    int_coef: Amount = Field(
        1.0,
        description="Weight of the intrinsic advantage. Where the mixed advantage is normalised, "
        "it has no effect until a reward appears.",
    )
    ext_coef: Amount = Field(2.0, description="Weight of the extrinsic advantage.")
    int_gamma: float = Field(0.99, ge=0, le=1, description="Discount of the intrinsic return.")
    int_episodic: bool = Field(
        False, description="End the intrinsic return with the episode, as the extrinsic one does."
    )
    random_rollouts: int = Field(
        1, ge=0, description="Rollouts by a random agent before training, counted in the budget."
    )
    int_learning_rate: LearningRate = Field(1e-3, description="Of the intrinsic critic.")
    int_batch_size: int = Field(256, ge=1, description="Minibatches of the critic and the bonus.")
    int_n_epochs: Repeats = Field(4, description="Epochs of the critic and the bonus.")
    int_net_arch: Widths = Field([64, 64], description="Hidden widths of the intrinsic critic.")
    reward_free: float = Field(
        0.0, ge=0, le=1, description="Share of the budget at whose start ext_coef counts as 0."
    )

    def least_steps(self) -> int:
        return super().least_steps() + self.random_rollouts * self.rollout()

    def paced_by(self) -> tuple[str, ...]:
        return (*super().paced_by(), "random_rollouts")

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        critic = api.TRAINED * api.weights_of(sizes.obs, *self.int_net_arch, 1)
        needed = super().memory(sizes)
        rollout = 2 * api.NUMBER * self.rollout() * sizes.obs  # before and after each step
        return needed | {"int_net_arch": critic, "n_steps": needed.get("n_steps", 0.0) + rollout}

    def coefficients(self, done: float) -> tuple[float, float]:
        """The weights of the two advantages when a share of the budget is done: (ext, int)."""
        return 0.0 if done < self.reward_free else self.ext_coef, self.int_coef_at(done)


class EpisodicConfig(Config):
    """For bonuses that begin anew with every episode.

    If their return went on over its end, ending it early would be a way to novelty.
    """

    int_episodic: bool = Field(
        True, description="End the intrinsic return with the episode, as the extrinsic one does."
    )


def settings_of(reach: str) -> type[Config]:
    """What all bonuses with this reach share."""
    return EpisodicConfig if reach == "episode" else Config
