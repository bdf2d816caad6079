"""Reports of runs that nobody trained, without the figures, which take most of their time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fake_store

from harness.report import Options, write
from harness.spec import Claim, ResolvedSweep, RunSpec
from harness.store.reader import Store

TWO_ARMS = ("ppo", "rnd")
ONE_ENV = ("DeepSea-20",)
TWO_ENVS = ("DeepSea-20", "DeepSea-10")
CLAIM = Claim(text="rnd > ppo on DeepSea-20", better="rnd", worse="ppo", env="DeepSea-20")


def write_report(
    store: Store,
    of: ResolvedSweep,
    figures: Sequence[str] = (),
    crosscheck: bool = False,
    **options: Any,
) -> Path:
    """The folder of a sweep's report.

    :param figures: those to draw.
    """
    shown = Options(figures=tuple(figures), crosscheck=crosscheck, **options)
    return write(of, store, store.sweep_folder(of.name) / "report", shown).page.parent


def report(store: Store, of: ResolvedSweep, *figures: Any, **options: Any) -> str:
    """What report.md says; the parameters are those of `write_report`."""
    return (write_report(store, of, *figures, **options) / "report.md").read_text()


def rows(store: Store, name: str) -> list[dict[str, str]]:
    """Of a table of the report, from its CSV."""
    with (store.sweep_folder("fake") / "report" / f"{name}.csv").open() as file:
        return list(csv.DictReader(file))


def constant(level: Callable[[RunSpec], float]) -> Callable[..., list[float]]:
    """Runs that all score `level(run)` from the start, a little apart."""
    return lambda run, fraction, rng, n: [level(run) + 0.001 * run.seed] * n


def with_gap(store: Store) -> ResolvedSweep:
    """Two arms on two environments; the last run of rnd on DeepSea-20 raised."""
    sweep = fake_store.sweep(TWO_ARMS, TWO_ENVS, 8, claims=(CLAIM,))
    fake_store.write_sweep(store, sweep, finish=False)
    gone = next(r for r in sweep.runs if (r.arm, r.env, r.seed) == ("rnd", "DeepSea-20", 7))
    for run in sweep.runs:
        if run != gone:
            fake_store.write_run(store, run)
    fake_store.write_failure(store, gone, "ValueError: NaN in the policy")
    return sweep
