"""Every run as data: what the page shows of it, and all that it takes to repeat it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.config.tree import canonical, grouped
from harness.report.document import Runs
from harness.report.evidence import Evidence, imported
from harness.report.number import decimals, ranges
from harness.report.render.script import plain
from harness.spec import Run, RunSpec
from harness.store.reader import RunStatus, Store
from harness.store.scalars import Series

MOST_CURVE_POINTS = 40_000  # of single runs; beyond, the page shows what they add up to
MOST_SCALAR_POINTS = 150_000  # of what single runs logged, about a megabyte
_PER_CURVE = (12, 60)  # points, fewest and most; a page with room for fewer shows none


def data(evidence: Evidence, store: Store, folder: Path) -> dict[str, Any]:
    """What the page's script knows beside its figures.

    :param folder: of the page.
    """
    sweep, records = evidence.sweep, store.sacred_records()
    groups = {(s.spec.arm, s.spec.env): _shared(evidence, s.spec, store) for s in evidence.statuses}
    places = {at: i for i, at in enumerate(groups)}
    few = sum(len(curve.steps) for curve in evidence.curves.values()) <= MOST_CURVE_POINTS
    points = _per_curve(evidence)
    runs = []
    for status in evidence.statuses:
        spec, names = status.spec, records.get(status.spec.key, [])
        run = _run(evidence, status, curve=few)
        run["group"] = places[spec.arm, spec.env]
        if points and spec.key in evidence.training:
            run["training"] = _training(evidence.training[spec.key], points)
        run["sacred"] = [name.rpartition("-")[2] for name in names]  # what comes after the key
        runs.append(run)
    return {
        "envs": list(sweep.envs),
        "steps": imported.steps(evidence),
        "decimals": {env: decimals(evidence.format(env)) for env in sweep.envs},
        "scores": list(evidence.raw),
        "own": {  # decimals of the metrics
            name: {env: decimals(evidence.format(env, name)) for env in sweep.envs}
            for name in evidence.measured
        },
        "root": Path(os.path.relpath(store.root, folder)).as_posix(),
        "groups": list(groups.values()),
        "runs": runs,
    }


def _shared(evidence: Evidence, spec: Run, store: Store) -> dict[str, Any]:
    """What an arm's runs on an environment share: all but the seed."""
    command = repeat(spec) if isinstance(spec, RunSpec) else ""
    return {
        "arm": evidence.sweep.arms.index(spec.arm),
        "env": spec.env,
        "folder": store.folder(spec).parent.relative_to(store.root).as_posix() + "/",
        "spec": spec.model_dump(mode="json", exclude={"arm", "seed"}),
        # The seed comes last; empty: it was not made here.
        "command": command[: command.rindex(" ") + 1] if command else "",
    }


def _run(evidence: Evidence, status: RunStatus, curve: bool) -> dict[str, Any]:
    """:param curve: with its returns along training."""
    spec, certificate = status.spec, evidence.certificates.get(status.spec.key)
    digits = decimals(evidence.format(spec.env))
    run: dict[str, Any] = {
        "key": spec.key,
        "seed": spec.seed,
        "state": imported.state(status),
        "attempts": status.attempts if isinstance(spec, RunSpec) else None,
        "wall": _cost(status, "wall_seconds", sum, 1),
        "cpu": _cost(status, "cpu_seconds", sum, 1),
        "memory": _cost(status, "peak_memory_mb", max, 0),
        "error": status.error,
        "repeated": certificate and certificate["outcome"],
        "scores": {},
    }
    place = spec.arm, spec.env, spec.seed
    if seen := evidence.curves.get(place):
        run["scores"] = {
            name: plain(evidence.numbers[name][place], decimals(evidence.format(spec.env, name)))
            for name in evidence.raw
            if place in evidence.numbers.get(name, {})  # a worst quarter is no run's
        }
        if curve:
            y = [plain(value, digits) for value in seen.returns]
            run["curve"] = {"x": np.asarray(seen.steps, dtype=int).tolist(), "y": y}
    return run


def _per_curve(evidence: Evidence) -> int:
    """How many points there is room for in each curve of what runs logged; 0: there is none."""
    runs = [evidence.training.get(status.spec.key, {}) for status in evidence.statuses]
    fewest, most = _PER_CURVE
    room = MOST_SCALAR_POINTS // max(sum(map(len, runs)), 1)
    return min(room, most) if room >= fewest else 0


def _training(logged: Mapping[str, Series], points: int) -> list[dict[str, Any]]:
    """What a run logged: scalars that were logged together share their places.

    A point is the mean of what was logged since the point before.
    """
    groups = grouped(((each.by_row, each.x.tobytes()), name) for name, each in logged.items())
    found = []
    for names in groups.values():
        x = logged[names[0]].x
        ends = np.unique(np.linspace(0, len(x) - 1, min(points, len(x))).astype(int))
        y = {name: [*map(_short, logged[name].means(x[ends]))] for name in names}
        found.append({"x": x[ends].astype(int).tolist(), "y": y, "rows": logged[names[0]].by_row})
    return found


def _short(value: float) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _cost(status: RunStatus, field: str, of: Callable[[list[float]], float], digits: int) -> Any:
    """Of all attempts together; None where nobody measured it."""
    costs = [cost for each in status.tries if (cost := getattr(each, field)) is not None]
    return plain(of(costs), digits) if costs else None


def linked(evidence: Evidence) -> Callable[[Runs], str]:
    """Where the page shows runs: `#runs?of=0-9,12`, by their places in the table."""
    places = grouped((status.spec.key, i) for i, status in enumerate(evidence.statuses))

    @cache
    def link(runs: Runs) -> str:
        return "#runs?of=" + ranges((place for key in runs for place in places[key]), ",")

    return link


def repeat(spec: RunSpec) -> str:
    """`harness run ...` with all that decides the outcome; the seed comes last."""
    lines = [
        ["harness", "run", spec.agent, spec.env, "--steps", str(spec.steps)],
        ["--evaluation", canonical(spec.evaluation.model_dump(mode="json"))],
        ["--engine", canonical(spec.engine.model_dump(mode="json"))],
        *(["--wrapper", canonical(_asked(wrapper))] for wrapper in spec.wrappers),
        *(["--set", f"{name}={canonical(value)}"] for name, value in spec.hparams.items()),
        ["--seed", str(spec.seed)],
    ]
    return " \\\n  ".join(shlex.join(line) for line in lines)


def _asked(wrapper: Mapping[str, Any]) -> dict[str, Any]:
    """As a user asks for it: the version of one of their own is not an option."""
    own = ":" in str(wrapper.get("name"))
    return {key: value for key, value in wrapper.items() if not (own and key == "version")}
