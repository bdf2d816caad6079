"""Verdicts on claims that are looked at after every block of seeds."""

from __future__ import annotations

from collections.abc import Iterator

from harness.report.document import Outcome
from harness.report.evidence import verdict
from harness.report.evidence.verdict import Finding, Verdict
from harness.spec import Claim, Decide
from harness.stats import DECIDED, Course


def decide(claim: Claim, course: Course, plan: Decide, family: int) -> Verdict:
    """What the looks so far say of a claim, of which there was one at least."""
    look = course.looks[-1]
    if claim.margin:
        x, y = course.pair.x[: look.seeds], course.pair.y[: look.seeds]
        found = verdict.weighed(claim, x, y, plan.alpha / family)
    else:
        found = Finding(claim, look.better, look.worse, look.difference, look.improvement, look.p)
    if course.state in DECIDED:
        outcome: Outcome = course.state
        why = ""
    else:
        outcome = "pending" if course.state == "open" else "undecided"
        why = " ".join(_why(course, plan))
    return Verdict(
        found, look.adjusted, family, outcome, why, course=course, correction=course.correction
    )


def unseen(claim: Claim, why: str, family: int, pending: bool = False) -> Verdict:
    """What is said of a claim before its first look.

    :param pending: there will be one.
    """
    found = verdict.unexamined(claim, why, pending)
    return Verdict(found, 1.0, family, "pending" if pending else "undecided", why)


def upcoming(course: Course, plan: Decide) -> int:
    """The seeds that the next look of an open claim has."""
    return course.seeds + plan.block if course.looks else plan.first


def _why(course: Course, plan: Decide) -> Iterator[str]:
    """What keeps a claim undecided."""
    look = course.looks[-1]
    if course.state == "open":
        yield (
            f"after {look.seeds} seeds it is undecided (anytime p = {look.p:.2g}); the next look "
            f"is after {upcoming(course, plan)}"
        )
    elif course.state == "given up":
        yield (
            f"given up after {look.seeds} of {plan.last} seeds, where {look.as_far:.0%} of random "
            "relabellings were as far apart"
        )
    elif course.pair.margin:
        yield f"up to the cap of {plan.last} seeds, {verdict.LEFT}"
    elif look.adjusted > plan.alpha:
        yield f"no look up to the cap of {plan.last} seeds tells them apart at {plan.alpha:g}"
    else:
        yield (
            "the test tells them apart, but up to the cap the interval of the difference never "
            "lay on the same side at a look"
        )
