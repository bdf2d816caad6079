"""What a run is: the few facts that decide its outcome, and a name made from them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic_core import CoreSchema

from harness.config.model import Strict
from harness.config.name import Name, Target
from harness.config.tree import canonical


class Evaluation(Strict):
    """The evaluation protocol, the same for every agent.

    The agent is evaluated before training, every `every` steps, and after training. The last
    evaluation is the final score and has its own episode seeds.
    """

    every: int = Field(
        10_000, ge=1, le=10**12, description="Environment steps between evaluations."
    )
    episodes: int = Field(
        20, ge=1, le=10**6, description="Episodes of each evaluation during training."
    )
    final_episodes: int = Field(
        100, ge=1, le=10**6, description="Episodes of the evaluation after training."
    )
    deterministic: bool = Field(
        True,
        description="Greedy actions; false: sampled from the policy. Default: as the "
        "environment's card says.",
    )


class Engine(Strict):
    """What trains, with how many threads and where: part of a run's key, for it changes rounding.

    A word is its name: `engine: lockstep`.
    """

    name: Literal["sb3", "lockstep"] = Field(
        "sb3",
        description="sb3: the learner as its library has it. lockstep: Stable-Baselines3's "
        "algorithm compiled, several times as fast on small networks; see docs/lockstep.md.",
    )
    threads: int = Field(
        1, ge=1, le=1_024, description="Threads per run. Small networks are fastest with one."
    )
    device: str = Field("cpu", description="The torch device: cpu, cuda, cuda:1, ...")

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, given: Any) -> Any:
        return {"name": given} if isinstance(given, str) else given

    def merged(self, other: Engine) -> Engine:
        """With what the other says."""
        said = {name: getattr(other, name) for name in other.model_fields_set}
        return self.model_copy(update=said)

    @model_serializer(mode="wrap")
    def _said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only another engine than the learner's own is said: what is not said moves no key."""
        said: dict[str, Any] = write(self)
        if self.name == "sb3":
            said.pop("name", None)
        return said

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """An object, or its name alone."""
        keys = handler.resolve_ref_schema(handler(core_schema))
        name = keys["properties"]["name"]
        return {"anyOf": [{"type": "string", "enum": name["enum"]}, dict(keys)]}


class Limits(Strict):
    """What a run may take. One that takes more has failed. No part of a key."""

    hours: float | None = Field(
        None,
        gt=0,
        description="Wall-clock hours of a run; with `checkpoint`, of all parts that made it.",
    )
    memory_gb: float | None = Field(
        None, gt=0, description="Memory of the process of each run, in units of 1,024 MB."
    )


class Checkpoint(Strict):
    """Barriers, at which a run leaves what it goes on from: see docs/living.md.

    Training environments are made anew there, which ends their episodes: part of a run's key.
    """

    every: int = Field(
        ge=1,
        le=10**12,
        description="Environment steps between barriers. A run that is killed goes on from the "
        "last one to the same bits.",
    )


class RunSpec(Strict):
    """One training run. Two specs with the same `key` must give the same numbers."""

    agent: Target
    agent_version: int | str  #: a digest of the sources if your agent has no number
    env: Target  #: the card's name
    card: dict[str, Any]  #: what of the card decides outcomes
    wrappers: tuple[dict[str, Any], ...] = ()  #: beside the card's own, with all options
    seed: int
    steps: int  #: environment steps, never updates or frames
    hparams: dict[str, Any]  #: complete: the agent's defaults are filled in
    evaluation: Evaluation = Evaluation()
    engine: Engine = Engine()
    checkpoint: Checkpoint | None = None  #: None: there are no barriers
    arm: str = ""  #: its label in the sweep: not part of the key

    @model_serializer(mode="wrap")
    def _said(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without barriers nothing is said of them: what is not said moves no key."""
        said: dict[str, Any] = write(self)
        if self.checkpoint is None:
            said.pop("checkpoint", None)
        return said

    @cached_property
    def key(self) -> str:
        """A hash of all that decides the outcome, and of nothing else."""
        facts = self.model_dump(mode="json", exclude={"arm"})
        return hashlib.sha256(canonical(facts).encode()).hexdigest()[:16]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("key", None)  # pydantic copies what was cached, too
        return copy

    def __str__(self) -> str:
        return f"{self.arm or self.agent} on {self.env}, seed {self.seed}"


class Origin(Strict):
    """Where scores come from that were not made here: all that is known of how they were made."""

    name: Name  # of the import, and of the sweep that it made
    arm: str  # its label there
    format: Literal["table", "monitor", "tensorboard", "wandb", "mlflow"]
    score: str  # the column, tag or metric that was read
    file: str  # as it was named; not part of the key
    sha256: str  # of what was read of the run


class ImportedRun(Strict):
    """A run that was not made here. Nothing is known of its evaluation, seeds or settings but what
    stands here; two with one `key` have the same scores.
    """

    origin: Origin
    env: Target
    seed: int  # as its file calls it
    steps: int  # of its last score: its budget may have been larger; 0: its file has no steps
    points: int  # of its curve; 1: a single score
    # Those that its file tells, of nobody knows how many.
    hparams: dict[str, Any] = Field(default_factory=dict)
    arm: str = ""  # its label in the sweep: not part of the key

    @cached_property
    def key(self) -> str:
        """A hash of what was imported, wherever the file lay."""
        facts = self.model_dump(mode="json", exclude={"arm": True, "origin": {"file"}})
        return hashlib.sha256(canonical(facts).encode()).hexdigest()[:16]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("key", None)
        return copy

    def __str__(self) -> str:
        return f"{self.arm or self.origin.arm} on {self.env}, seed {self.seed}"


Run = RunSpec | ImportedRun


WORST_SCORE = "cvar"  # of a claim: the mean of the worst quarter of the final scores


class Claim(BaseModel, frozen=True):
    """`better > worse [on env] by score`: what a sweep sets out to show.

    `better ~ worse [on env] by score within margin`: they are equal but for the margin.
    """

    text: str
    better: str
    worse: str
    env: str | None = None  # None: over all environments of the sweep, normalised
    score: str = "final"
    # Of the means of normalised scores, clipped to [0, 1]; None: this is no equivalence.
    margin: float | None = None

    @property
    def arms(self) -> tuple[str, str]:
        return self.better, self.worse

    @property
    def of_worst(self) -> bool:
        """Whether it compares the worst quarters of runs, and not their middles."""
        return self.score == WORST_SCORE


class Anchor(Strict):
    """One of the two scores that normalise an environment's returns."""

    score: float = Field(description="Mean raw return of an episode.")
    standard_error: float | None = Field(
        None, description="The standard error of that mean, if it was measured."
    )
    episodes: int | None = Field(None, description="The number of episodes, if it was measured.")
    source: str = Field(description="The source of the number, and its protocol.")


class KnownAnchors(Strict):
    """The scores that become 0 and 1, as far as they are known."""

    random: Anchor = Field(description="The score of the random policy, which becomes 0.")
    reference: Anchor | None = Field(
        None, description="Without it, scores on this environment are not normalised."
    )


class Anchors(KnownAnchors):
    """The scores that become 0 and 1: (return - random) / (reference - random)."""

    reference: Anchor = Field(description="The score that becomes 1.")


class Metric(Strict):
    """A number of each run, made by a function of the user's own: see harness/own.py."""

    name: Name  # in claims and tables
    target: Target  # "module:function"
    of: Literal["episode", "run"]  # what the function is given
    version: str  # a digest of its source
    about: str  # the first line of its docstring


class ReportOptions(Strict):
    """Options of the report."""

    baseline: str | None = Field(
        None, description="The arm with which the others are compared; default: the first."
    )
    scores: tuple[str, ...] = Field(
        ("final", "auc"),
        description="final: the evaluation after training. auc: the area under the curve.",
    )
    metrics: tuple[str, ...] = Field(
        (),
        description="Training metrics, such as rollout/remote: one table each, of the mean over "
        "the last 20 % of training.",
    )
    films: bool = Field(
        False,
        description="Film the runs that the report shows at work, when all have ended: of each arm "
        "of a claim the median seed and the worst. Decides no numbers.",
    )
    figures: tuple[str, ...] = Field(
        (),
        description="Figures of your own, module:function each: it is given what the report knows "
        "and returns a plot of the report's own kinds.",
    )


class Decide(Strict):
    """Claims that are looked at after every block of seeds: see docs/statistics.md."""

    first: int = Field(6, ge=3, le=1_000, description="Seeds before the first look.")
    block: int = Field(4, ge=1, le=1_000, description="Seeds between two looks.")
    cap: int = Field(
        30,
        ge=3,
        le=10_000,
        description="Seeds after which no more come: first + n * block.",
    )
    alpha: float = Field(
        0.05,
        ge=0.001,
        le=0.2,
        description="The chance that any claim is decided wrongly, over all claims and looks.",
    )
    futility: bool = Field(
        False,
        description="Give a claim up, undecided, from half of the cap on, when over 30 % of random "
        "relabellings are as far apart. Errors stay as rare.",
    )

    reserve: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="The share of alpha that is kept for seeds beyond the cap; declared with the "
        "first run.",
    )
    beyond: int | None = Field(
        None,
        ge=4,
        le=10_000,
        description="A cap above the cap, in whole blocks, for which there is a `reserve`. May be "
        "added, and raised, at any time.",
    )

    @property
    def last(self) -> int:
        """Seeds at the last look."""
        return self.beyond or self.cap

    @property
    def looks(self) -> range:
        """The number of seeds at each look."""
        return range(self.first, self.last + 1, self.block)

    @property
    def fixed(self) -> Decide:
        """What of it may not be changed on the way."""
        return self.model_copy(update={"beyond": None})


class ResolvedSweep(BaseModel, frozen=True):
    """A sweep with nothing left open: all that the executors and the report need to know of it."""

    name: Name
    question: str
    source: str  # the file's name, as given
    arms: tuple[str, ...]  # in the file's order
    envs: tuple[Target, ...]
    claims: tuple[Claim, ...] = ()
    metrics: tuple[Metric, ...] = ()
    report: ReportOptions = ReportOptions()
    anchors: dict[str, Anchors] = {}
    components: dict[str, tuple[str, ...]] = {}  # arm -> what it is made of, where that is known
    # arm -> environment -> the environments on which its settings were tuned; left out: nothing is
    tuned_on: dict[str, dict[str, tuple[str, ...]]] = {}
    limits: Limits = Limits()
    decide: Decide | None = None  # how claims are looked at along the way; None: once, at the end
    anyway: tuple[str, ...] = ()  # objections to the claims that `--anyway` overrode
    runs: tuple[Run, ...] = ()  # each with its arm; two arms may share a key
    command: str = ""  # that imported its runs; empty: a sweep file says what they are

    @property
    def made(self) -> tuple[RunSpec, ...]:
        """The runs that are made here."""
        return tuple(run for run in self.runs if isinstance(run, RunSpec))

    @property
    def imported(self) -> tuple[ImportedRun, ...]:
        """Those that were made elsewhere."""
        return tuple(run for run in self.runs if isinstance(run, ImportedRun))
