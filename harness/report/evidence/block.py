"""A sweep whose seeds come in blocks, as far as its claims ask for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.report.evidence import Evidence
from harness.report.evidence.sequential import upcoming
from harness.spec import Decide, ImportedRun, ResolvedSweep
from harness.store.reader import Store

# What is known, and what is asked for now; None: nothing more.
Tell = Callable[[Evidence, ResolvedSweep | None], None]


def blocks(
    sweep: ResolvedSweep, store: Store, tell: Tell = lambda known, asked: None
) -> Iterator[ResolvedSweep]:
    """The sweep with the runs of one more block each time, and at last as it stays.

    Its runs are to be trained before the next is asked for. Ends when no claim is open, or runs of
    those that are have failed.

    :param sweep: with all runs up to the cap.
    """
    plan, before = sweep.decide, -1
    while plan:
        known = Evidence(sweep, store)
        asked = _asked(known, plan)
        if len(asked.runs) == before:
            tell(known, None)
            return
        tell(known, asked)
        before = len(asked.runs)
        yield asked


def _asked(known: Evidence, plan: Decide) -> ResolvedSweep:
    """The sweep with the runs that are asked for now: those of claims that are open have one more
    block than their last look; what is in no claim has the first block alone.
    """
    sweep = known.sweep
    until = {(run.arm, run.env): plan.first for run in sweep.made}
    for claim, course in zip(sweep.claims, known.courses(), strict=True):
        n = upcoming(course, plan) if course.state == "open" else course.seeds
        if claim.env is None and known.no_anchors:  # it will never have a look
            n = plan.first
        for env in [claim.env] if claim.env else sweep.envs:
            for arm in claim.arms:
                until[arm, env] = max(until[arm, env], n)
    runs = (
        run
        for run in sweep.runs
        if isinstance(run, ImportedRun) or run.seed < until[run.arm, run.env]
    )
    return sweep.model_copy(update={"runs": tuple(runs)})
