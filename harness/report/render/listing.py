"""Every run as data: what the page shows of it, and all that it takes to repeat it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from harness import stats
from harness.config.tree import canonical
from harness.report.document import Runs
from harness.report.evidence import Evidence
from harness.report.number import decimals
from harness.report.render.plain import plain, plains
from harness.spec import RunSpec
from harness.store.reader import RunStatus, Store

MOST_CURVE_POINTS = 40_000  # of single runs; beyond, the page shows what they add up to
_COSTS = {"wall": "wall_seconds", "cpu": "cpu_seconds", "memory": "peak_memory_mb"}


def data(evidence: Evidence, store: Store, folder: Path) -> dict[str, Any]:
    """What the page's script knows beside its figures.

    :param folder: of the page.
    """
    return {
        "envs": list(evidence.sweep.envs),
        "decimals": {env: decimals(evidence.format(env)) for env in evidence.sweep.envs},
        "runs": table(evidence, store, folder),
    }


def table(evidence: Evidence, store: Store, folder: Path) -> dict[str, Any]:
    """The runs in columns, and what many of them share in `groups`: all but the seed."""
    groups: dict[str, int] = {}
    specs: list[RunSpec] = []
    for status in evidence.statuses:
        spec = status.spec
        name = _group(spec)
        if name not in groups:
            groups[name] = len(specs)
            specs.append(spec)
    records = store.sacred_records()
    root = Path(os.path.relpath(store.root, folder)).as_posix()
    errors = list(dict.fromkeys(s.error for s in evidence.statuses if s.error))
    outcomes = [evidence.certificates.get(s.spec.key) for s in evidence.statuses]
    return {
        "root": root,
        "groups": [_shared(evidence, spec) for spec in specs],
        "group": [groups[_group(status.spec)] for status in evidence.statuses],
        "seed": [status.spec.seed for status in evidence.statuses],
        "key": [status.spec.key for status in evidence.statuses],
        "state": [status.state for status in evidence.statuses],
        "attempts": [status.attempts for status in evidence.statuses],
        **{name: [_cost(s, field) for s in evidence.statuses] for name, field in _COSTS.items()},
        "scores": {score: _scores(evidence, score) for score in evidence.raw},
        "errors": errors,
        "error": [errors.index(s.error) if s.error else -1 for s in evidence.statuses],
        "repeated": [found["outcome"] if found else "" for found in outcomes],
        "sacred": [_tails(records.get(s.spec.key, [])) for s in evidence.statuses],
        "curves": _curves(evidence),
    }


def linked(evidence: Evidence) -> Callable[[Runs], str]:
    """Where the page shows runs: `#runs?of=0-9,12`, by their places in the table."""
    places: dict[str, list[int]] = {}
    for i, status in enumerate(evidence.statuses):
        places.setdefault(status.spec.key, []).append(i)

    @cache
    def link(runs: Runs) -> str:
        rows = sorted({place for key in runs for place in places[key]})
        spans: list[list[int]] = []
        for row in rows:
            if spans and row == spans[-1][-1] + 1:
                spans[-1][1:] = [row]
            else:
                spans.append([row])
        return "#runs?of=" + ",".join("-".join(map(str, span)) for span in spans)

    return link


def _group(spec: RunSpec) -> str:
    return canonical(spec.model_dump(mode="json", exclude={"seed"}))


def _shared(evidence: Evidence, spec: RunSpec) -> dict[str, Any]:
    command = repeat(spec)
    return {
        "arm": evidence.sweep.arms.index(spec.arm),
        "env": evidence.sweep.envs.index(spec.env),
        "folder": f"runs/{spec.agent}/{spec.env}/",
        "spec": spec.model_dump(mode="json", exclude={"arm", "seed"}),
        "command": command[: command.rindex(" ") + 1],  # the seed comes last
    }


def _cost(status: RunStatus, field: str) -> float | None:
    """Of all attempts together; of memory the most."""
    found = [value for one in status.tries if (value := getattr(one, field)) is not None]
    if not found:
        return None
    return plain(max(found), 0) if field == "peak_memory_mb" else plain(sum(found), 1)


def _scores(evidence: Evidence, score: str) -> list[float | None]:
    digits = {env: decimals(evidence.format(env)) for env in evidence.sweep.envs}
    found = []
    for status in evidence.statuses:
        spec = status.spec
        curve = evidence.curves.get((spec.arm, spec.env, spec.seed))
        value = stats.SCORES[score](curve) if curve else float("nan")
        found.append(plain(value, digits[spec.env]))
    return found


def _tails(names: list[str]) -> str:
    """What comes after the key in the names of Sacred's records."""
    return " ".join(name.rpartition("-")[2] for name in names)


def _curves(evidence: Evidence) -> list[dict[str, Any] | None]:
    """Of each run; empty where there are too many."""
    if sum(len(curve.steps) for curve in evidence.curves.values()) > MOST_CURVE_POINTS:
        return []
    digits = {env: decimals(evidence.format(env)) for env in evidence.sweep.envs}
    found: list[dict[str, Any] | None] = []
    for status in evidence.statuses:
        spec = status.spec
        curve = evidence.curves.get((spec.arm, spec.env, spec.seed))
        if curve is None:
            found.append(None)
            continue
        y = plains(curve.returns, digits[spec.env])
        found.append({"x": np.asarray(curve.steps, dtype=int).tolist(), "y": y})
    return found


def repeat(spec: RunSpec) -> str:
    """`harness run ...` with all that decides the outcome; the seed comes last."""
    lines = [
        ["harness", "run", spec.agent, spec.env, "--steps", str(spec.steps)],
        ["--evaluation", canonical(spec.evaluation.model_dump(mode="json"))],
        ["--engine", canonical(spec.engine.model_dump(mode="json"))],
        *(["--wrapper", canonical(wrapper)] for wrapper in spec.wrappers),
        *(["--set", f"{name}={canonical(value)}"] for name, value in spec.hparams.items()),
        ["--seed", str(spec.seed)],
    ]
    return " \\\n  ".join(shlex.join(line) for line in lines)
