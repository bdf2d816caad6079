"""Functions of the user's own: metrics, which make a number of each run, and figures."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from baselines import target as targets
from harness import provenance
from harness.config import study
from harness.config.name import shortened
from harness.spec import Metric

if TYPE_CHECKING:
    import pandas as pd

Function = Callable[[Any], Any]
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


def function(target: str) -> Function:
    """What "module:function" names.

    :raises ValueError: if only a record names it, it cannot be imported, or it is no function.
    """
    if why := study.refused(target):
        raise ValueError(why)
    try:
        made = targets.attribute(target)
    except Exception as error:  # whatever a module raises while it is imported
        raise ValueError(study.not_usable(target, error)) from None
    if not callable(made) or isinstance(made, type):
        raise ValueError(f"'{target}' is no function")
    return cast(Function, made)


def metric(target: str) -> Metric:
    """A metric of the user's own, and the digest of its source.

    :raises ValueError: if there is none; the message tells the way out.
    """
    made = function(target)
    taken = [p.name for p in inspect.signature(made).parameters.values() if p.default is p.empty]
    if taken not in (["episode"], ["run"]):
        shown = ", ".join(taken)
        raise ValueError(f"'{target}' takes ({shown}): it must take (episode) or (run)")
    module, _, name = target.partition(":")
    if name in TAKEN:
        raise ValueError(f"'{name}' is taken by a column of results: rename the function")
    about = (inspect.getdoc(made) or "").partition("\n")[0].strip()
    if not about:
        raise ValueError(f"'{target}' has no docstring: the report prints its first line")
    of = cast(Literal["episode", "run"], taken[0])
    version = provenance.fingerprint(module)
    return Metric(name=name, target=target, of=of, version=version, about=shortened(about))


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
