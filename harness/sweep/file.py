"""What one may write in a sweep file, key by key: the JSON Schema is made from it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.config.name import Name
from harness.spec import Engine, Evaluation, ReportOptions


class Departure(BaseModel):
    """What is changed. Hyper-parameters merge key by key; anything else replaces."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agent: str | None = Field(None, description="A name that `harness ls agents` shows.")
    bonus: str | None = Field(
        None,
        description="An exploration bonus for the agent, a name that `harness ls bonuses` shows: "
        "{agent: ppo, bonus: rnd} is {agent: ppo_rnd}. null: without the one of `base`.",
    )
    hparams: dict[str, Any] = Field(
        default_factory=dict,
        description="Hyper-parameters, spelled as in Stable-Baselines3. {from: best.yaml} takes "
        "over what `harness tune` found, by its path relative to this file; others beside it win.",
    )
    tuned_on: list[str] | None = Field(
        None,
        description="The environments on which the hyper-parameters were tuned; []: on none. Left "
        "out: as of what they depart from, or as the best.yaml says that they are taken from.",
    )
    wrappers: list[dict[str, Any] | str] | None = Field(
        None,
        description="Wrappers on top of the environment card's: a name, or {name: ..., options}.",
    )


class Arm(Departure):
    """One column of the ablation: the base, and what departs from it."""

    grid: dict[str, list[Any]] = Field(
        default_factory=dict, description="One arm for every combination of these values."
    )
    components: list[str] | None = Field(
        None,
        description="Which parts this arm has, by names of your own: the report then shows what "
        "each part adds. `design` says it by itself.",
    )
    envs: list[str] | None = Field(None, description="Only these of the sweep's environments.")
    steps: int | dict[str, int] | None = Field(
        None, description="Another budget than the sweep's, in environment steps."
    )


class Component(BaseModel):
    """A part that an ablation puts in or takes out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    present: Departure = Field(
        default=Departure(), alias="with", description="The base with this component."
    )
    absent: Departure = Field(
        default=Departure(), alias="without", description="The base without this component."
    )


class SweepFile(BaseModel):
    """An ablation: one question, its arms, environments and seeds."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="A sweep")
    # What takes the place of a key that must be there, to look at the rest of a file without it.
    STAND_INS: ClassVar[dict[str, Any]] = {
        "name": "unnamed", "question": "", "envs": [""], "seeds": 1, "steps": 10**9,
    }  # fmt: skip

    name: Name = Field(description="Names the folder results/sweeps/<name>.")
    question: str = Field(description="What the sweep is to answer, in one sentence.")
    envs: list[str] = Field(min_length=1, description="Names that `harness ls envs` shows.")
    seeds: int | list[int] = Field(description="10 means the seeds 0 ... 9; or a list.")
    steps: int | dict[str, int] = Field(
        description="The budget of each run in environment steps; or one per environment."
    )
    evaluation: Evaluation = Evaluation()
    engine: Engine = Engine()
    base: Departure = Field(default=Departure(), description="What every arm starts from.")
    arms: dict[str, Arm] = Field(default_factory=dict, description="The arms by their labels.")
    design: Literal["one_in", "leave_one_out", "factorial"] | None = Field(
        None,
        description="Makes the arms out of `components`: each alone, all but each, or all subsets.",
    )
    components: dict[str, Component] = Field(
        default_factory=dict, description="The parts that `design` combines."
    )
    claims: list[str] = Field(
        default_factory=list,
        description="What you expect: 'rnd > ppo on DeepSea-20 by final'; without 'on', over all.",
    )
    report: ReportOptions = ReportOptions()
