"""Functions of the user's own: metrics, which make a number of each run, and figures."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from harness import provenance
from harness.config import declared, study
from harness.config.name import shortened
from harness.config.strict import suggest
from harness.spec import Metric

if TYPE_CHECKING:
    import pandas as pd

# Scores, and columns in which results are told.
TAKEN = {
    "agent", "arm", "attempts", "auc", "env", "environment", "episodes", "final", "key", "mean",
    "run", "score", "sd", "seed", "state", "step", "steps", "steps_trained",
}  # fmt: skip


@dataclass(frozen=True)
class Episode:
    """One episode after training, of `n` steps: what a metric `f(episode)` is given."""

    env: str
    seed: int
    # (n + 1, ...): observations[0] is what the episode began with. A list if they are no arrays.
    observations: Any
    actions: Any  # (n, ...)
    rewards: Any  # (n,): the environment's own
    infos: Sequence[Mapping[str, Any]]  # n + 1: infos[0] is that of the reset
    terminated: bool  # False: it was cut off by the time limit


@dataclass(frozen=True)
class Run:
    """One finished run: what a metric `f(run)` is given."""

    agent: str
    env: str
    seed: int
    steps: int
    hparams: Mapping[str, Any]
    evaluations: pd.DataFrame  # step, final, mean, sd, episodes: a row for each evaluation
    training: pd.DataFrame  # step, seconds (CPU), and what training logged
    costs: Mapping[str, float]  # wall_seconds, cpu_seconds, peak_memory_mb, steps_trained


def metric(given: str) -> Metric:
    """A metric of the user's own, and the digest of its source.

    :param given: "module:function", or the name that a package declares one by.
    :raises ValueError: if there is none; the message tells the way out.
    """
    try:
        target = declared.target("metrics", given, ())
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    if ":" not in target:
        known = suggest(given, declared.names("metrics"))
        raise ValueError(f"no metric '{given}': name one of your own, module:function.{known}")
    made = study.function(target)
    taken = [p.name for p in inspect.signature(made).parameters.values() if p.default is p.empty]
    if taken not in (["episode"], ["run"]):
        shown = ", ".join(taken)
        raise ValueError(f"'{target}' takes ({shown}): it must take (episode) or (run)")
    _, _, name = target.partition(":")
    name = name if given == target else given
    if name in TAKEN:
        raise ValueError(f"'{name}' is taken by a column of results: rename the function")
    about = (inspect.getdoc(made) or "").partition("\n")[0].strip()
    if not about:
        raise ValueError(f"'{target}' has no docstring: the report prints its first line")
    of = cast(Literal["episode", "run"], taken[0])
    about = shortened(about)
    return Metric(name=name, target=target, of=of, version=version(target), about=about)


def version(target: str) -> str:
    """A digest of the source of "module:function", which is imported."""
    return provenance.fingerprint(target.partition(":")[0])


def number(value: Any) -> float:
    """What a metric returned.

    :raises ValueError: if it is no finite number.
    """
    try:
        made = float(value) if not isinstance(value, str) else math.nan
    except (TypeError, ValueError):
        made = math.nan
    if not math.isfinite(made):
        raise ValueError(f"it returned {shortened(repr(value))}, which is no finite number")
    return made
