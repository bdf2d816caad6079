"""A barrier: what a run goes on from is written, and read again into a fresh learner.

Every run that passes a barrier goes on from the files that it wrote there, also one that nobody
ended: after a barrier, it is a function of these files alone.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from baselines import state
from baselines.api import Agent, Resumable
from baselines.kept import Kept, Ring
from harness import envs
from harness.store import checkpoint
from harness.store.writer import Record
from harness.train.watch import Watch


def leave(
    agent: Agent, watch: Watch, visits: envs.Visits, log: Record, facts: dict[str, Any]
) -> None:
    """Write all that the run goes on from.

    :param facts: what the barrier tells beside: see `store.checkpoint`.
    """
    before = log.barrier or {}
    passed = before.get("passed", 0) + 1
    kept, _ = _kept(agent, watch, visits)
    main = f"state-{passed}.npz"
    checkpoint.write_arrays(log.folder, main, state.taken(kept))
    rows = {
        name: _append(ring, name, before.get("rows", {}).get(name, []), log)
        for name, ring in kept.rings.items()
    }
    names = [main, *(_file(name, *part) for name, parts in rows.items() for part in parts)]
    log.passed({**facts, "passed": passed, "rows": rows}, names)


def go_on(agent: Agent, watch: Watch, visits: envs.Visits, log: Record) -> None:
    """Put into a fresh agent, and into what watches it, what was written at the last barrier."""
    facts = log.barrier
    assert facts is not None
    kept, beside = _kept(agent, watch, visits)
    state.put_back(kept, checkpoint.arrays(log.folder, f"state-{facts['passed']}.npz"))
    kept, _ = _kept(agent, watch, visits)  # its arrays may be others now
    for name, ring in kept.rings.items():
        for part in facts["rows"][name]:
            _fill(ring, part, checkpoint.arrays(log.folder, _file(name, *part)))
    watch.go_on(agent, beside["watch"])
    state.set_generators(beside["generators"])


def _kept(agent: Agent, watch: Watch, visits: envs.Visits) -> tuple[Kept, dict[str, Any]]:
    """All that a run goes on from, and the part of it that is not the agent's."""
    own = cast("Kept", cast(Resumable, agent).kept())
    beside = {"watch": watch.kept(), "visits": vars(visits), "generators": state.generators()}
    root = {"agent": own.root, **beside}
    return Kept(root, own.rings, own.left, own.constant), beside


# Rows of a ring are written once, in files of the rows that came between two barriers. -----------


def _file(name: str, start: int, end: int) -> str:
    return f"{name}-{start}-{end}.npz"


def _append(ring: Ring, name: str, parts: list[list[int]], log: Record) -> list[list[int]]:
    """Write the rows that are new; return all parts of which one row is left in the ring."""
    length = _length(ring)
    oldest = max(0, ring.added - length)
    start = max(oldest, parts[-1][1] if parts else 0)
    if start < ring.added:
        at = np.arange(start, ring.added) % length
        new = {key: array[at] for key, array in ring.arrays.items()}
        checkpoint.write_arrays(log.folder, _file(name, start, ring.added), new)
        parts = [*parts, [start, ring.added]]
    return [part for part in parts if part[1] > oldest]


def _fill(ring: Ring, part: list[int], rows: dict[str, Any]) -> None:
    start, end = part
    length = _length(ring)
    first = max(start, ring.added - length)  # rows before it were overwritten
    at = np.arange(first, end) % length
    for key, array in ring.arrays.items():
        array[at] = rows[key][first - start :]


def _length(ring: Ring) -> int:
    return len(next(iter(ring.arrays.values())))
