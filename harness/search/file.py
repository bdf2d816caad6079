"""What one may write in a search file, key by key: the JSON Schema is made from it."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.config.name import Name
from harness.config.space import Range
from harness.spec import Engine, Evaluation
from harness.sweep.file import Departure

FORBID = ConfigDict(extra="forbid", frozen=True)
MOST_SEEDS = 10_000  # of each kind: each has a pool of so many, and none may reach the next
VALUE = re.compile(r"^(?P<name>iqm|mean)(?: - (?P<k>\d+(?:\.\d+)?)\*se)?$")


class Searched(Departure):
    """One agent that is searched: where it starts from, and what may change."""

    space: dict[str, Range] = Field(
        default_factory=dict,
        max_length=100,
        description="Ranges that replace those of configs/agents/<agent>.yaml, or add to them.",
    )
    only: list[str] | None = Field(
        None, description="Search these hyper-parameters of the space, and no others."
    )


class Wilcoxon(BaseModel):
    """Stops a trial that loses to the best one seed by seed (a signed-rank test)."""

    model_config = FORBID

    name: Literal["wilcoxon"]
    p: float = Field(0.1, gt=0, lt=1, description="The test's p-value below which it is stopped.")
    first: int = Field(
        4, ge=2, description="Seeds before the first test; 4 are the fewest that reach p < 0.1."
    )


class Halving(BaseModel):
    """Stops trials that are behind after a part of the steps; those that go on train anew."""

    model_config = FORBID

    name: Literal["successive_halving", "hyperband"]
    first: int = Field(ge=1, description="Environment steps of the first rung.")
    factor: int = Field(
        3,
        ge=2,
        description="Each rung is so many times as long; one trial in so many goes on.",
    )


class NoPruner(BaseModel):
    """Every trial is evaluated on all seeds."""

    model_config = FORBID

    name: Literal["none"]


class Budget(BaseModel):
    """What each arm may spend on its search. Exactly one."""

    model_config = FORBID

    steps: int | None = Field(None, ge=1, description="Environment steps, over all runs.")
    trials: int | None = Field(
        None, ge=1, le=100_000, description="Trials, the default among them."
    )
    run_minutes: float | None = Field(
        None, gt=0, description="Wall-clock of all runs, summed: not the same study twice."
    )

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if sum(value is not None for value in (self.steps, self.trials, self.run_minutes)) != 1:
            raise ValueError("give exactly one of `steps`, `trials` and `run_minutes`")
        return self


class Confirm(BaseModel):
    """What follows the search, on seeds that it has not seen."""

    model_config = FORBID

    top: int = Field(
        5, ge=1, le=1_000, description="The best trials that are run again, to choose from."
    )
    seeds: int = Field(
        10, ge=1, le=MOST_SEEDS, description="Seeds of these re-runs. With `top: 1`: none are run."
    )
    test_seeds: int = Field(
        10,
        ge=2,
        le=MOST_SEEDS,
        description="Further seeds, for the winner and the default: these choose nothing.",
    )
    path_seeds: int = Field(
        0,
        ge=0,
        le=MOST_SEEDS,
        description="Further seeds for an ablation path: from the default to the winner, one "
        "hyper-parameter at a time. 0: none.",
    )
    noise_runs: int = Field(
        0,
        ge=0,
        le=MOST_SEEDS,
        description="For PPO: so many further runs of the winner, in which the gradient noise "
        "scale is measured. 0: none.",
    )


class SearchFile(BaseModel):
    """A search for hyper-parameters: what is tried, on what, and how much may be spent."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="A search")
    # What takes the place of a key that must be there, to look at the rest of a file without it.
    STAND_INS: ClassVar[dict[str, Any]] = {
        "name": "unnamed", "envs": [""], "steps": 10**9, "budget": {"trials": 1},
    }  # fmt: skip

    name: Name = Field(description="Names the folder results/searches/<name>.")
    question: str = Field("", description="What the search is to answer, in one sentence.")
    envs: list[str] = Field(min_length=1, description="Names that `harness ls envs` shows.")
    steps: int | dict[str, int] = Field(
        description="The budget of each run in environment steps; or one per environment."
    )
    evaluation: Evaluation = Evaluation()
    engine: Engine = Engine()
    arms: dict[Name, Searched] = Field(
        min_length=1,
        description="What is searched, with the same budget each: {ppo: {agent: ppo}}.",
    )
    default: Literal["own", "shipped"] = Field(
        "own",
        description="Trial 0, and the value of all that is not searched. own: the agent's own "
        "defaults, as Stable-Baselines3 has them. shipped: those of configs/agents.",
    )
    seeds: int = Field(
        6, ge=1, le=MOST_SEEDS, description="Tuning seeds: every trial runs the same, shuffled."
    )
    seed: int = Field(0, ge=0, le=2**31, description="Of the search itself.")
    value: str = Field(
        "iqm",
        description="How the normalised scores of all seeds and environments become one value: "
        "iqm, mean, or with a penalty for spread over seeds: mean - 1.0*se.",
    )
    sampler: Literal["tpe", "gp", "cmaes", "random", "grid"] = "tpe"
    pruner: Wilcoxon | Halving | NoPruner = Field(
        Wilcoxon(name="wilcoxon"), discriminator="name", description="What ends a trial early."
    )
    batch: int = Field(
        4,
        ge=1,
        le=1_000,
        description="Trials that are asked for and told together. It decides the study; the "
        "number of workers does not.",
    )
    budget: Budget
    confirm: Confirm = Confirm()
    storage: str | None = Field(
        None, description="An Optuna URL, such as postgresql://...; default: a journal file."
    )

    @field_validator("value")
    @classmethod
    def _known(cls, value: str) -> str:
        if not VALUE.match(value):
            raise ValueError("write iqm, mean, iqm - 1.0*se or mean - 1.0*se")
        return value
