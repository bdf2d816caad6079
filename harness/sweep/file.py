"""What one may write in a sweep file, key by key: the JSON Schema is made from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from harness.config.model import Strict
from harness.config.name import Name
from harness.config.tree import Place
from harness.spec import Checkpoint, Decide, Engine, Evaluation, Limits, ReportOptions

Steps = int | dict[str, int] | None  # a budget: one for all environments, or for each


class Departure(Strict):
    """Changes. Hyper-parameters are merged key by key; other keys are replaced."""

    agent: str | None = Field(
        None, description="A name from `harness ls agents`, or module:Class of your own."
    )
    bonus: str | None = Field(
        None,
        description="An exploration bonus, a name from `harness ls bonuses` or module:Class of "
        "your own: {agent: ppo, bonus: rnd} equals {agent: ppo_rnd}. null removes the bonus of "
        "`base`.",
    )
    hparams: dict[str, Any] = Field(
        default_factory=dict,
        description="Hyper-parameters, spelled as in Stable-Baselines3. {from: best.yaml} reads "
        "a result of `harness tune`, by a path relative to this file; other keys override it.",
    )
    tuned_on: list[str] | None = Field(
        None,
        description="The environments on which the hyper-parameters were tuned; []: none. "
        "Default: those of the settings that they change, or of the best.yaml.",
    )
    engine: Engine | None = Field(
        None, description="What trains, if it differs from the sweep's: a name, or keys."
    )
    wrappers: list[dict[str, Any] | str] | None = Field(
        None,
        description="Wrappers on top of the environment card's: a name from `harness ls wrappers` "
        "or module:function of your own, or {name: ..., options}.",
    )


class Arm(Departure):
    """One arm of the ablation: changes to the base."""

    grid: dict[str, list[Any]] = Field(
        default_factory=dict, description="One arm per combination of these values."
    )
    components: list[str] | None = Field(
        None,
        description="The components of this arm, by names of your own: the report then shows the "
        "effect of each. A `design` sets it by itself.",
    )
    envs: list[str] | None = Field(None, description="A subset of the sweep's environments.")
    imported: str | None = Field(
        None,
        alias="import",
        description="Scores from elsewhere in the place of runs: theirs/ppo is the arm ppo of what "
        "`harness import` took as theirs. They have their own seeds and budgets.",
    )
    steps: int | dict[str, int] | None = Field(
        None, description="The budget in environment steps, if it differs from the sweep's."
    )


class Component(Strict):
    """A component that a design adds or removes."""

    present: Departure = Field(
        default=Departure(), alias="with", description="The base with this component."
    )
    absent: Departure = Field(
        default=Departure(), alias="without", description="The base without this component."
    )


class Experiment(Strict):
    """What sweeps and searches have in common."""

    name: Name = Field(description="The name of the folder results/sweeps/<name>.")
    question: str = Field(description="The question of the sweep, in one sentence.")
    envs: list[str] = Field(
        min_length=1,
        description="Names from `harness ls envs`, ids that Gymnasium knows (module:Name-v0 "
        "imports the module first), or cards of your own: envs/mine.yaml.",
    )
    steps: int | dict[str, int] = Field(
        description="The budget of each run in environment steps, or one per environment."
    )
    evaluation: Evaluation = Field(
        default=Evaluation(), description="The evaluation protocol, the same for every arm."
    )
    engine: Engine = Field(
        default=Engine(), description="What trains, with how many threads, and where."
    )
    limits: Limits = Field(
        default=Limits(), description="What each run may take. One that takes more has failed."
    )
    checkpoint: Checkpoint | None = Field(
        None,
        description="How often a run leaves what it goes on from: {every: 50_000}. Default: never; "
        "a run that is killed begins anew.",
    )

    def budgets(self) -> Iterator[tuple[Place, Steps]]:
        """Every budget that the file gives, and where."""
        yield ("steps",), self.steps


class SweepFile(Experiment):
    """An ablation: one question, its arms, environments and seeds."""

    model_config = ConfigDict(title="A sweep")
    # What takes the place of a key that must be there, to look at the rest of a file without it.
    STAND_INS: ClassVar[dict[str, Any]] = {
        "name": "unnamed", "question": "", "envs": [""], "seeds": 1, "steps": 10**9,
    }  # fmt: skip

    seeds: int | list[int] | None = Field(
        None, description="10 for the seeds 0 ... 9, or a list. Required, unless there is `decide`."
    )
    decide: Decide | None = Field(
        None,
        description="In the place of `seeds`: they come in blocks, and claims are looked at after "
        "each. `harness sweep FILE --until-decided` stops at a decision.",
    )
    base: Departure = Field(default=Departure(), description="The settings that all arms share.")
    arms: dict[str, Arm] = Field(default_factory=dict, description="The arms by their labels.")
    design: Literal["one_in", "leave_one_out", "factorial"] | None = Field(
        None,
        description="Makes the arms from `components`: each alone, all but one, or all subsets.",
    )
    components: dict[str, Component] = Field(
        default_factory=dict, description="The components that `design` combines."
    )
    metrics: list[str] = Field(
        default_factory=list,
        description="Scores of your own, module:function each, by which claims may compare: "
        "f(episode) of each episode after training, of which a run has the mean, or f(run).",
    )
    claims: list[str] = Field(
        default_factory=list,
        description="What you expect: 'rnd > ppo on DeepSea-20 by final'; without 'on', over all "
        "environments, normalised; in a sweep of one environment about its raw score. 'no_warmup ~ "
        "rnd on DeepSea-20 by auc within 0.2': equal but for a margin of the normalised score. By "
        "cvar: by the mean of the worst quarter of the final scores.",
    )
    report: ReportOptions = Field(
        default=ReportOptions(), description="What the report shows beside the claims."
    )

    def budgets(self) -> Iterator[tuple[Place, Steps]]:
        yield from super().budgets()
        yield from ((("arms", label, "steps"), arm.steps) for label, arm in self.arms.items())
