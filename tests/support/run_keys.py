"""The keys of every run that what ships would make: a digest for each file.

    python tests/support/run_keys.py    # write run_keys.json anew, when keys are meant to change

A key that changes makes all runs of its spec stale, so none may change unseen.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tiny import ENTRIES, tiny

from harness.config.tree import canonical
from harness.search import study
from harness.search.plan import Instance, Plan
from harness.spec import RunSpec
from harness.sweep.expand import expand

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("run_keys.json")
# A sweep's file has one dot in its name; <sweep>.checklist.yaml is no sweep.
SWEEPS = sorted(path for path in ROOT.glob("ablations/*.yaml") if "." not in path.stem)
SEARCHES = sorted(ROOT.glob("configs/search/*.yaml"))


def committed() -> dict[str, str]:
    return dict(json.loads(FILE.read_text()))


def of_sweep(path: Path) -> str:
    return _digest([run.arm, run.key] for run in expand(path).sweep.runs)


def of_search(path: Path) -> str:
    """Of every stage of its first trials, of each end of each range, and of its test seeds."""
    return _digest(
        [plan.name, plan.first_test_seed, *(run.key for run in _searched(plan))]
        for plan in study.read(path)
    )


def _searched(plan: Plan) -> Iterator[RunSpec]:
    for number in range(4):
        for stage in plan.stages(number):
            yield from plan.specs({}, stage.instances, stage.steps)
    first = [Instance(spec.env, 0) for spec in plan.base]
    for name, values in plan.space.items():
        for value in values.extremes().values():
            yield from plan.specs({name: value}, first)


def of_agent(name: str) -> str:
    """The key of one small run, as `harness run` makes it."""
    return tiny(name).key


def _digest(rows: Iterable[list[object]]) -> str:
    return hashlib.sha256(canonical(list(rows)).encode()).hexdigest()[:16]


def main() -> None:
    digests = {f"ablations/{path.name}": of_sweep(path) for path in SWEEPS}
    digests |= {f"configs/search/{path.name}": of_search(path) for path in SEARCHES}
    digests |= {f"harness run {name}": of_agent(name) for name in ENTRIES}
    FILE.write_text(json.dumps(digests, indent=1) + "\n")


if __name__ == "__main__":
    main()
