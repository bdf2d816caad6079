"""The hyper-parameters of Dreamer: the paper's constants, and networks of a size for a CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from baselines import api
from baselines.bound import Above0, Amount, Repeats
from baselines.sb3_config import Schedule
from baselines.world_models.config import Group

# danijar/dreamerv3, dreamerv3/configs.yaml: 32 groups, 8 blocks and 3 layers in all of them.
_PAPER = {"groups": 32, "blocks": 8, "layers": 3}
SIZES: dict[str, dict[str, int]] = {
    "cpu": {},  # the fields' own defaults
    "1m": _PAPER | {"deter": 512, "classes": 4, "units": 64, "depth": 4},
    "12m": _PAPER | {"deter": 2048, "classes": 16, "units": 256, "depth": 16},
    "25m": _PAPER | {"deter": 3072, "classes": 24, "units": 384, "depth": 24},
    "50m": _PAPER | {"deter": 4096, "classes": 32, "units": 512, "depth": 32},
    "100m": _PAPER | {"deter": 6144, "classes": 48, "units": 768, "depth": 48},
    "200m": _PAPER | {"deter": 8192, "classes": 64, "units": 1024, "depth": 64},
    "400m": _PAPER | {"deter": 12288, "classes": 96, "units": 1536, "depth": 96},
}


class Config(Group):
    """Defaults are the paper's, but for `size`. Where DreamerV2 chose otherwise, it says so."""

    # The networks
    size: Literal[tuple(SIZES)] = Field(
        "cpu", description="Sets the seven widths below, each of which can be given by itself."
    )
    deter: int = Field(128, ge=1, description="Width of the recurrent state h.")
    groups: int = Field(8, ge=1, description="Categorical variables in the latent z.")
    classes: int = Field(8, ge=2, description="Classes of each.")
    units: int = Field(64, ge=1, description="Width of every hidden layer.")
    depth: int = Field(8, ge=1, description="Channels of the first convolution; then they double.")
    blocks: int = Field(1, ge=1, description="Diagonal blocks of the recurrent matrices.")
    layers: int = Field(2, ge=1, description="Of encoder, decoder, actor and critic.")
    unimix: float = Field(0.01, ge=0, lt=1, description="Uniform share of z and discrete actions.")
    normalize: bool = Field(
        False,
        description="Scale vectors to unit standard deviation over all data so far, before symlog. "
        "The paper: no.",
    )
    bins: int = Field(255, ge=3, description="Of the two-hot reward and value; odd.")
    bin_limit: float = Field(
        20.0, ge=0.1, le=80, description="The outermost bin is symexp of this."
    )

    # The data
    buffer_size: int = Field(1_000_000, ge=2, description="Rows; an episode's end takes one more.")
    replay: Literal["memory", "disk"] = Field(
        "memory", description="disk: a temporary file mapped into memory. The numbers are equal."
    )
    learning_starts: int = Field(1000, ge=0, description="Steps of uniform actions to begin with.")
    train_freq: int = Field(4, ge=1, description="Environment steps between two trainings.")
    gradient_steps: Repeats = Field(1, description="Updates in each of them.")
    batch_size: int = Field(16, ge=1, description="Sequences in an update.")
    batch_length: int = Field(64, ge=2, description="Rows in each.")

    # The world model
    calibrated: bool = Field(
        False,
        description="Weight each observation dimension by its usual error (Rybkin et al. 2021, "
        "arXiv:2006.13202): otherwise small errors are not learned from.",
    )
    kl_dyn: Amount = Field(
        1.0, description="Pulls the prior to the posterior. DreamerV2: 0.8 (its KL balance)."
    )
    kl_rep: Amount = Field(0.1, description="Pulls the posterior to the prior. DreamerV2: 0.2.")
    free_nats: Amount = Field(
        1.0,
        description="KL below this, per row and in every 32 groups of the latent (the paper's "
        "number), is not penalised. DreamerV2: 0.",
    )

    # The behaviour
    imagination_horizon: Repeats = Field(15, description="Imagined steps from each start.")
    imagination_starts: int = Field(
        0, ge=0, description="Rows of the batch to imagine from, drawn at random; 0: all."
    )
    gamma: float = Field(1 - 1 / 333, ge=1e-3, lt=1, description="Discount factor.")
    return_lambda: float = Field(0.95, ge=0, le=1, description="Of the lambda-returns.")
    ent_coef: Amount = Field(3e-4, description="Of the policy's entropy.")
    actor_grad: Literal["reinforce", "dynamics", "both"] = Field(
        "reinforce", description="dynamics: through the model. DreamerV2: so for continuous acts."
    )
    actor_grad_mix: float = Field(0.1, ge=0, le=1, description="The dynamics' share in `both`.")
    normalize_returns: bool = Field(
        True, description="Divide advantages by the range of returns. DreamerV2: no."
    )
    replay_value_coef: Amount = Field(
        0.3, description="Of the critic's loss on replayed rewards. DreamerV2: 0."
    )
    target_critic: bool = Field(
        False, description="Returns bootstrap with the slow critic. DreamerV2: yes."
    )
    slow_critic_coef: Amount = Field(
        1.0, description="Of the critic's distance to its slow copy. DreamerV2: 0."
    )
    tau: float = Field(0.02, gt=0, le=1, description="Step of the slow critic. DreamerV2: 1.")
    target_update_interval: int = Field(
        1, ge=1, description="Updates between two such steps. DreamerV2: 100."
    )

    # The optimiser
    optimizer: Literal["laprop", "adam"] = Field(
        "laprop",
        description="laprop scales a gradient before its momentum, adam after. DreamerV2: adam.",
    )
    learning_rate: Schedule = Field(
        4e-5, description="lin_1e-3 falls in a line from 1e-3 to 0 at the budget's end."
    )
    warmup: int = Field(1000, ge=0, description="Updates over which the rate rises from 0.")
    clip: Above0 = Field(
        0.3, description="Largest norm of a gradient, in that of its parameter (AGC)."
    )

    @model_validator(mode="before")
    @classmethod
    def _sized(cls, given: Any) -> Any:
        """The widths of the chosen size, beneath those that are given."""
        widths = SIZES.get(given.get("size"), {}) if isinstance(given, dict) else {}
        return widths | given if widths else given

    def clashes(self) -> Iterator[tuple[str, str]]:
        yield from super().clashes()
        if self.bins % 2 == 0:
            yield "bins", f"an odd number, so that one of them is 0, but {self.bins} is given"
        if self.deter % self.blocks:
            yield "blocks", f"{self.blocks} do not divide deter, which is {self.deter}"

    def least_steps(self) -> int:
        """To the first update: one sequence must be there, and a reset is a row too."""
        first = max(self.learning_starts, self.batch_length - 1)
        return math.ceil(first / self.train_freq) * self.train_freq

    def paced_by(self) -> tuple[str, ...]:
        return "learning_starts", "batch_length", "train_freq"

    def buffer_rows(self, steps: int) -> int:
        """Never more than the budget can fill: each step may end an episode."""
        return max(self.batch_length, min(self.buffer_size, 2 * steps + 1))

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        deter, units, latent = self.deter, self.units, self.groups * self.classes
        rows, width = self.batch_size * self.batch_length, deter + latent
        learned = {
            "deter": deter * (4 * deter // self.blocks + 3 * units),
            "groups": 4 * units * latent,
            "units": units * units * 4 * self.layers,
            "bins": 3 * units * self.bins,  # reward, critic and its slow copy
        }
        found = {name: float(api.TRAINED * weights) for name, weights in learned.items()}
        found["batch_size"] = float(api.NUMBER * rows * (2 * sizes.obs + width + self.bins))
        starts = min(self.imagination_starts or rows, rows)
        found["imagination_horizon"] = float(
            api.NUMBER * starts * self.imagination_horizon * (width + self.bins)
        )
        if self.replay == "memory":
            row = sizes.obs_bytes + api.NUMBER * (sizes.actions + 1)
            found["buffer_size"] = float(self.buffer_rows(sizes.steps) * row)
        return super().memory(sizes) | found
