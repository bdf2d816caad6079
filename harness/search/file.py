"""What one may write in a search file, key by key: the JSON Schema is made from it."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from harness.config.model import Strict
from harness.config.name import Name
from harness.config.space import Range
from harness.sweep.file import Departure, Experiment

MOST_SEEDS = 10_000  # of each kind: each has a pool of so many, and none may reach the next
VALUE = re.compile(r"^(?P<name>iqm|mean)(?: - (?P<k>\d+(?:\.\d+)?)\*se)?$")


class Searched(Departure):
    """One agent to search: its starting point and its search space."""

    space: dict[str, Range] = Field(
        default_factory=dict,
        max_length=100,
        description="Ranges that replace or extend those of configs/agents/<agent>.yaml.",
    )
    only: list[str] | None = Field(
        None, description="Search only these hyper-parameters of the space."
    )


class Wilcoxon(Strict):
    """Stops a trial that is worse than the best one seed by seed (a signed-rank test)."""

    name: Literal["wilcoxon"] = Field(description="The rule that stops trials early.")
    p: float = Field(0.1, gt=0, lt=1, description="The p-value below which a trial is stopped.")
    first: int = Field(
        4, ge=2, description="Seeds before the first test; p < 0.1 needs at least 4."
    )


class Halving(Strict):
    """Stops trials that score low after a part of the steps; the others start from scratch."""

    name: Literal["successive_halving", "hyperband"] = Field(
        description="One bracket of rungs, or several with different first rungs."
    )
    first: int = Field(ge=1, description="Environment steps of the first rung.")
    factor: int = Field(
        3,
        ge=2,
        description="Each rung is this many times as long, and one in this many trials is "
        "promoted.",
    )


class NoPruner(Strict):
    """Every trial is evaluated on all seeds."""

    name: Literal["none"] = Field(description="No trial is stopped early.")


class Budget(Strict):
    """The budget of each arm. Give exactly one."""

    steps: int | None = Field(None, ge=1, description="Environment steps of all runs together.")
    trials: int | None = Field(None, ge=1, le=100_000, description="Trials, including the default.")
    run_minutes: float | None = Field(
        None,
        gt=0,
        description="Summed wall-clock time of all runs. Such a study is not repeatable.",
    )

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if sum(value is not None for value in (self.steps, self.trials, self.run_minutes)) != 1:
            raise ValueError("give exactly one of `steps`, `trials` and `run_minutes`")
        return self

    def __str__(self) -> str:
        amount = next(f"{n:,} {name}" for name, n in self.model_dump().items() if n is not None)
        return amount.replace("run_minutes", "run-minutes")


class Confirm(Strict):
    """The confirmation after the search, on fresh seeds."""

    top: int = Field(
        5, ge=1, le=1_000, description="How many of the best trials are run again, to select from."
    )
    seeds: int = Field(
        10,
        ge=1,
        le=MOST_SEEDS,
        description="Seeds of each re-run. With `top: 1` there are no re-runs.",
    )
    test_seeds: int = Field(
        10,
        ge=2,
        le=MOST_SEEDS,
        description="Test seeds for the selected configuration and the default; they select "
        "nothing.",
    )
    path_seeds: int = Field(
        0,
        ge=0,
        le=MOST_SEEDS,
        description="Seeds of an ablation path from the default to the selected configuration, "
        "one hyper-parameter at a time. 0: none.",
    )
    noise_runs: int = Field(
        0,
        ge=0,
        le=MOST_SEEDS,
        description="For PPO: additional runs of the selected configuration that measure the "
        "gradient noise scale. 0: none.",
    )


class SearchFile(Experiment):
    """A hyper-parameter search: agents, environments, method and budget."""

    model_config = ConfigDict(title="A search")
    # What takes the place of a key that must be there, to look at the rest of a file without it.
    STAND_INS: ClassVar[dict[str, Any]] = {
        "name": "unnamed", "envs": [""], "steps": 10**9, "budget": {"trials": 1},
    }  # fmt: skip

    name: Name = Field(description="The name of the folder results/searches/<name>.")
    question: str = Field("", description="The question of the search, in one sentence.")
    arms: dict[Name, Searched] = Field(
        min_length=1,
        description="The agents to search, with equal budgets: {ppo: {agent: ppo}}.",
    )
    default: Literal["own", "shipped"] = Field(
        "own",
        description="Trial 0, and the values of all hyper-parameters that are not searched. own: "
        "the agent's own defaults, such as Stable-Baselines3's. shipped: those of "
        "configs/agents.",
    )
    seeds: int = Field(
        6,
        ge=1,
        le=MOST_SEEDS,
        description="Tuning seeds: the same for every trial, in random order.",
    )
    seed: int = Field(0, ge=0, le=2**31, description="The seed of the search itself.")
    value: str = Field(
        "iqm",
        description="The value of a trial, from the normalised scores of all seeds and "
        "environments: iqm, mean, or with a penalty for the spread over seeds: mean - 1.0*se.",
    )
    sampler: Literal["tpe", "gp", "cmaes", "random", "grid"] = Field(
        "tpe", description="The method that proposes trials: see docs/tuning.md."
    )
    pruner: Wilcoxon | Halving | NoPruner = Field(
        Wilcoxon(name="wilcoxon"),
        discriminator="name",
        description="The rule that stops trials early.",
    )
    batch: int = Field(
        4,
        ge=1,
        le=1_000,
        description="Trials that the sampler proposes at a time. It changes the study; the "
        "number of workers does not.",
    )
    budget: Budget = Field(description="How much each arm may spend.")
    confirm: Confirm = Field(
        default=Confirm(), description="The runs after the search, on seeds that it has not used."
    )
    storage: str | None = Field(
        None, description="An Optuna URL, such as postgresql://...; default: a journal file."
    )

    @field_validator("value")
    @classmethod
    def _known(cls, value: str) -> str:
        if not VALUE.match(value):
            raise ValueError("write iqm, mean, iqm - 1.0*se or mean - 1.0*se")
        return value
