"""What `harness sweep --until-decided` needs beside training: its refusals, and what it tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli import verb

if TYPE_CHECKING:
    from harness.report.evidence import Evidence
    from harness.spec import ResolvedSweep
    from harness.store.reader import Store


def check(path: Path, sweep: ResolvedSweep, store: Store, wanted: bool, shard: bool) -> None:
    """Whether the sweep may be judged so.

    :param wanted: `--until-decided` was given.
    :raises UserError: if not.
    """
    from harness.config.strict import UserError, load
    from harness.sweep.record import DECIDE_LINE, begun_otherwise

    document = load(path)
    if why := begun_otherwise(sweep, store):
        key = "decide" if sweep.decide else "seeds"
        raise UserError([document.problem((key,), why)])
    if wanted and sweep.decide is None:
        message = f"--until-decided needs a plan of looks: in the place of `seeds`, {DECIDE_LINE}"
        raise UserError([document.problem(("seeds",), message)])
    if wanted and shard:
        message = "a shard does not see the runs of the others: without it, shards train all seeds"
        raise verb.user_error("--until-decided", f"{message} up to the cap")


class Teller:
    """Says what every look showed, once, and what is trained next."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: set[str] = set()

    def __call__(self, known: Evidence, asked: ResolvedSweep | None) -> None:
        from harness.config.name import counted

        shown, courses = verb.console(), known.courses()
        for line in _looks(known):
            if line not in self._told:
                shown.print(line, soft_wrap=True, markup=False)
                self._told.add(line)
        if asked is None or asked.decide is None:
            return
        if missing := self._store.missing(asked.made):
            n, looks = max(run.seed for run in asked.made) + 1, asked.decide.looks
            shown.print(
                f"block {looks.index(n) + 1} of {len(looks)}, up to {n} seeds: "
                f"{counted(len(missing))} to train; "
                f"{sum(each.state == 'open' for each in courses)} of {len(courses)} claims open",
                soft_wrap=True,
            )


def _looks(known: Evidence) -> Iterator[str]:
    """Every look at every claim, a line each."""
    for claim, course in zip(known.sweep.claims, known.courses(), strict=True):
        for i, look in enumerate(course.looks, 1):
            state = course.state if i == len(course.looks) else "open"
            yield (
                f"look {i}, after {look.seeds} seeds: {claim.text}: {state} "
                f"(anytime p = {look.p:.2g}, {look.adjusted:.2g} after {course.correction})"
            )
