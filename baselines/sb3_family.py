"""What the hyper-parameters of Stable-Baselines3's algorithms are to one another, family by family.

Which cannot stand together, how small a budget holds an update, how much memory they ask for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import ConfigDict
from sb3_contrib import CrossQ
from stable_baselines3 import PPO
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from baselines.api import NUMBER, TRAINED, Config, Sizes, weights_of
from baselines.rollout import last_two

STRICT = ConfigDict(
    extra="forbid", frozen=True, strict=True, validate_default=True, allow_inf_nan=False
)

HIDDEN = [64, 64]  # widths of SB3's smallest default network
CRITICS, QUANTILES = 2, 25  # SB3's defaults for algorithms that have them


class Family(Config):
    """All of them."""

    model_config = STRICT
    nets: ClassVar[tuple[str, ...]] = ("pi", "vf")  # what `net_arch` may say one by one

    n_envs: int
    learning_rate: Any
    policy_kwargs: Any

    def clashes(self) -> Iterator[tuple[str, str]]:
        yield from super().clashes()
        arch = self._chosen("net_arch")
        if isinstance(arch, dict) and set(arch) != set(self.nets):
            wanted = " and ".join(self.nets)
            yield "policy_kwargs.net_arch", f"give widths for {wanted}, or one list for both"

    def fades(self) -> bool:
        """Whether the learning rate has fallen to 0 at the last update of a budget."""
        return isinstance(self.learning_rate, str)

    def rollout(self) -> int | None:
        """Environment steps from one update to the next; None where it waits for episodes."""
        return None

    def _chosen(self, name: str, default: Any = None) -> Any:
        value = getattr(self.policy_kwargs, name, None)
        return default if value is None else value

    def memory(self, sizes: Sizes) -> dict[str, float]:
        return super().memory(sizes) | {"policy_kwargs": TRAINED * self._weights(sizes)}

    def _widths(self) -> dict[str, list[int]]:
        arch = self._chosen("net_arch", HIDDEN)
        return arch if isinstance(arch, dict) else dict.fromkeys(self.nets, arch)

    def _weights(self, sizes: Sizes) -> float:
        """Numbers that are learned, at the least."""
        return sum(weights_of(sizes.obs, *widths, 1) for widths in self._widths().values())


class OnPolicy(Family):
    """An update on each rollout, which is then forgotten."""

    n_steps: int
    normalize_advantage: bool

    def clashes(self) -> Iterator[tuple[str, str]]:
        yield from super().clashes()
        if self.normalize_advantage and self._together() < 2:
            yield (
                "n_steps",
                "advantages are normalised, and one alone has no deviation: raise n_steps or "
                "n_envs, or set normalize_advantage: false",
            )
        if self._chosen("squash_output") and not getattr(self, "use_sde", False):
            yield "policy_kwargs.squash_output", "only with use_sde: true"
        if self._chosen("shared_lstm"):
            if self._chosen("enable_critic_lstm", True):
                yield "policy_kwargs.shared_lstm", "only with enable_critic_lstm: false"
            if not self._chosen("share_features_extractor", True):
                yield "policy_kwargs.shared_lstm", "only with share_features_extractor: true"

    def _together(self) -> int:
        """Advantages that are normalised together, at the least."""
        return -(-self.rollout() // getattr(self, "sub_sampling_factor", 1))  # TRPO's

    def rollout(self) -> int:
        """Environment steps from one update to the next, the last two of a budget left out."""
        return self.n_envs * self.n_steps

    def trained_steps(self, budget: int) -> int:
        """All that the environments share equally; less where a last rollout holds no update."""
        steps = budget // self.n_envs
        if steps < self.n_steps:
            return 0
        while any(map(self._unfit, last_two(steps, self.n_steps))):
            steps -= 1
        return steps * self.n_envs

    def _unfit(self, n_steps: int) -> bool:
        """Whether no update is possible on a rollout of this length."""
        return any(self.model_copy(update={"n_steps": n_steps}).clashes())

    def least_steps(self) -> int:
        least = self.rollout()
        while self.fades() and self.trained_steps(least) == self.rollout():
            least += self.n_envs  # to a second rollout: at the last one nothing moves
        return least

    def paced_by(self) -> tuple[str, ...]:
        return (*super().paced_by(), "n_steps", "n_envs")

    def memory(self, sizes: Sizes) -> dict[str, float]:
        lstm = 2 * self._chosen("n_lstm_layers", 1) * self._chosen("lstm_hidden_size", 0)
        row = sizes.obs + sizes.actions + 6 + 2 * lstm
        return super().memory(sizes) | {"n_steps": NUMBER * self.rollout() * row}

    def _weights(self, sizes: Sizes) -> float:
        hidden, layers = self._chosen("lstm_hidden_size", 0), self._chosen("n_lstm_layers", 1)
        lstm = 4 * hidden * (sizes.obs + hidden + (layers - 1) * 2 * hidden)
        return super()._weights(sizes) + lstm


class Epochs(OnPolicy):
    """Passes over the rollout in minibatches; SB3 leaves a minibatch of one as it is."""

    batch_size: int | None
    lone_remainder: ClassVar[bool] = True  # whether the last minibatch may be one step

    def clashes(self) -> Iterator[tuple[str, str]]:
        yield from super().clashes()
        batch, rollout = self.batch_size, self.rollout()
        if not self.normalize_advantage or batch is None or rollout < 2:
            return
        way_out = "or set normalize_advantage: false"
        if batch == 1:
            why = "advantages are normalised over a minibatch, and one alone has no deviation"
            yield "batch_size", f"{why}: raise it to 2 or more, {way_out}"
        elif rollout % batch == 1 and not self.lone_remainder:
            why = (
                f"n_steps times n_envs are {rollout}, which leaves a last minibatch of one step, "
                "whose advantage has no deviation"
            )
            yield "batch_size", f"{why}: choose another batch_size, {way_out}"


class EveryMinibatch(Epochs):
    """sb3-contrib's kinds of PPO, which normalise a minibatch of one, too."""

    lone_remainder: ClassVar[bool] = False


class OffPolicy(Family):
    """Updates on batches from a replay buffer."""

    nets: ClassVar[tuple[str, ...]] = ("pi", "qf")
    batch_norm: ClassVar[bool] = False  # whether the networks have it unless told otherwise

    train_freq: Any
    learning_starts: int
    buffer_size: int
    batch_size: int
    n_steps: int

    def clashes(self) -> Iterator[tuple[str, str]]:
        yield from super().clashes()
        if self._rhythm()[1] == "episode" and self.n_envs > 1:
            yield "n_envs", f"must be 1 with train_freq in episodes, but {self.n_envs} is given"
        if self.batch_size == 1 and self._chosen("batch_norm", self.batch_norm):
            yield "batch_size", "1 with batch_norm, which needs 2 or more to have a deviation"
        dropped = getattr(self, "top_quantiles_to_drop_per_net", 0)
        if dropped >= (quantiles := self._chosen("n_quantiles", QUANTILES)):
            why = f"{dropped} of {quantiles} quantiles dropped leaves none"
            yield "top_quantiles_to_drop_per_net", f"{why}: lower it, or raise n_quantiles"

    def _rhythm(self) -> tuple[int, str]:
        return (self.train_freq, "step") if isinstance(self.train_freq, int) else self.train_freq

    def rollout(self) -> int | None:
        count, unit = self._rhythm()
        return count * self.n_envs if unit == "step" else None

    def trained_steps(self, budget: int) -> int:
        """What whole rollouts fill: SB3 finishes each one that it begins."""
        return budget // (self.rollout() or 1) * (self.rollout() or 1)

    def least_steps(self) -> int:
        """SB3 collects whole rollouts, and updates after those that end beyond learning_starts."""
        count, _ = self._rhythm()
        rollout = self.rollout() or 1
        first = max(count, (self.learning_starts // rollout + 1) * rollout)
        return first + rollout if self.fades() else first

    def paced_by(self) -> tuple[str, ...]:
        return (*super().paced_by(), "learning_starts", "train_freq", "n_envs")

    def buffer_rows(self, steps: int) -> int:
        """Of the replay buffer, of all environments together: what a budget can fill, and more."""
        return min(self.buffer_size, steps + 2 * self.n_envs)

    def memory(self, sizes: Sizes) -> dict[str, float]:
        row = 2 * sizes.obs_bytes + NUMBER * (sizes.actions + 3)
        # A batch as tensors, and what its networks keep of it for the gradient.
        widths = sum(map(sum, self._widths().values()))
        batch = NUMBER * self.batch_size * (2 * sizes.obs + widths)
        quantiles = self._chosen("n_quantiles", 0)
        return super().memory(sizes) | {
            "buffer_size": self.buffer_rows(sizes.steps) * row,
            "batch_size": batch,
            "n_steps": 3.0 * 8 * self.batch_size * self.n_steps if self.n_steps > 1 else 0.0,
            "policy_kwargs.n_quantiles": float(NUMBER * self.batch_size * quantiles**2),
        }

    def _weights(self, sizes: Sizes) -> float:
        critics = self._chosen("n_critics", CRITICS) if "pi" in self._widths() else 1
        widths = self._widths()
        critic = weights_of(sizes.obs, *widths["qf"], self._chosen("n_quantiles", 1))
        return super()._weights(sizes) + critics * critic


class BatchNorm(OffPolicy):
    """CrossQ."""

    batch_norm: ClassVar[bool] = True


class Search(Family):
    """Whole episodes with weights drawn around the best ones."""

    n_delta: int
    n_top: int | None
    n_eval_episodes: int
    policy: str

    def clashes(self) -> Iterator[tuple[str, str]]:
        yield from super().clashes()
        if self.n_top is not None and self.n_top > self.n_delta:
            yield "n_top", f"at most n_delta, which is {self.n_delta}, but {self.n_top} is given"
        if self.policy == "LinearPolicy":
            for name in ("net_arch", "activation_fn"):
                if self._chosen(name) is not None:
                    why = "the linear policy has no hidden layers: leave it out, or take MlpPolicy"
                    yield f"policy_kwargs.{name}", why

    def least_steps(self) -> int:
        """Two candidates for each direction; an episode has a step at least."""
        return 2 * self.n_delta * self.n_eval_episodes

    def paced_by(self) -> tuple[str, ...]:
        return (*super().paced_by(), "n_delta", "n_eval_episodes")


def family_of(algorithm: type, fields: Mapping[str, Any]) -> type[Family]:
    """What an algorithm's Config inherits.

    :param fields: its own hyper-parameters.
    """
    if issubclass(algorithm, PPO):
        return Epochs
    if issubclass(algorithm, OnPolicyAlgorithm):
        return EveryMinibatch if "n_epochs" in fields else OnPolicy
    if issubclass(algorithm, CrossQ):
        return BatchNorm
    return OffPolicy if issubclass(algorithm, OffPolicyAlgorithm) else Search
