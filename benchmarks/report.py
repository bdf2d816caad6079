"""How long 10,000 finished runs take to be listed, checked for what is missing, and reported.

python -m benchmarks.report [--arms 20 --envs 10 --seeds 50]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "tests/support"))

import fake_store

from harness.spec import Anchor, Anchors, ResolvedSweep
from harness.store.reader import Store

LIMIT_SECONDS = 60.0
LIMIT_MB = 3.0  # of report.html


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--arms", type=int, default=20)
    parser.add_argument("--envs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        store = Store(Path(root))
        _make(store, options)
        started = time.perf_counter()
        timed("import", _import)
        sweep: ResolvedSweep = timed("read the sweep", lambda: store.sweep("fake"))
        timed("list", lambda: [store.status(run) for run in sweep.runs])
        missing = timed("find what is missing", lambda: store.missing(sweep.runs))
        page: Path = timed("report", lambda: _report(sweep, store))
        total = time.perf_counter() - started
        print(f"{len(sweep.runs)} runs, {len(missing)} missing: {total:.1f} s")
        size = page.with_suffix(".html").stat().st_size / 1e6
        print(f"report.html: {size:.2f} MB")
        print(f"limits: {LIMIT_SECONDS:g} s, {LIMIT_MB:g} MB")
        return int(total > LIMIT_SECONDS or size > LIMIT_MB or bool(missing))


def _make(store: Store, options: argparse.Namespace) -> None:
    envs = tuple(f"Environment-{i}" for i in range(options.envs))
    random, reference = (Anchor(score=score, source="made up") for score in (0, 1))
    pair = Anchors(random=random, reference=reference)
    arms = tuple(f"arm_{i}" for i in range(options.arms))
    sweep = fake_store.sweep(arms, envs, options.seeds, anchors=dict.fromkeys(envs, pair))
    fake_store.write_sweep(store, sweep)


def _import() -> None:
    import harness.report  # noqa: F401  (its time is part of what a user waits for)


def _report(sweep: ResolvedSweep, store: Store) -> Path:
    from harness import report

    return report.write(sweep, store, store.sweep_folder(sweep.name) / "report")


def timed(what: str, call: Callable[[], Any]) -> Any:
    started, cpu = time.perf_counter(), time.process_time()
    result = call()
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    print(f"{what:>22}: {wall:6.2f} s, of which {cpu:6.2f} s on the processor", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
