"""What became of the runs, from the plan to the estimates, as a diagram."""

from __future__ import annotations

from collections import Counter
from html import escape

from harness.report.evidence import Evidence
from harness.report.web.words import runs_link


def diagram(evidence: Evidence) -> str:
    """Down the middle the runs that go on, beside it those that do not, and why."""
    runs = evidence.unique
    states = Counter(status.state for status in runs)
    launched = len(runs) - states["missing"]
    used, set_aside = _estimated(evidence)
    reasons = {
        state: Counter(s.error or "no reason was recorded" for s in runs if s.state == state)
        for state in ("failed", "damaged")
    }
    steps = [
        _step(len(runs), "planned", runs_link(), [
            (states["missing"], "not launched yet", "missing", []),
            (len(_dropped(evidence)), "seeds dropped since the first start", "", []),
        ]),
        _step(launched, "launched", runs_link(), [
            (states["failed"], "failed", "failed", reasons["failed"].most_common()),
            (states["damaged"], "damaged", "damaged", reasons["damaged"].most_common()),
            (states["interrupted"], "interrupted", "interrupted", []),
            (states["running"], "running", "running", []),
        ]),
        _step(states["finished"], "finished", runs_link(state="finished"), [
            (set_aside, "set aside: a run of the same arm and environment is missing, and "
             "an average over survivors would mislead", "", []),
        ]),
        _step(used, "in the estimates", runs_link(state="finished"), []),
    ]  # fmt: skip
    return f'<ol class="flow" aria-label="Flow of runs">{"".join(steps)}</ol>'


def _step(
    count: int,
    words: str,
    link: str,
    aside: list[tuple[int, str, str, list[tuple[str, int]]]],
) -> str:
    """:param aside: how many leave here, in words, the state that shows them, and reasons."""
    boxes = "".join(
        f"<li>{_box(n, text, runs_link(state=state) if state else '')}{_reasons(why)}</li>"
        for n, text, state, why in aside
        if n
    )
    left = f'<ul class="aside">{boxes}</ul>' if boxes else ""
    return f"<li>{_box(count, words, link)}{left}</li>"


def _box(count: int, words: str, link: str) -> str:
    text = f"<b>{count:,}</b> {escape(words)}"
    return (
        f'<a class="box" href="{link}">{text}</a>' if link else f'<span class="box">{text}</span>'
    )


def _reasons(why: list[tuple[str, int]]) -> str:
    each = "".join(f"<li>{n:,} <code>{escape(text)}</code></li>" for text, n in why)
    return f'<ul class="reasons">{each}</ul>' if each else ""


def _estimated(evidence: Evidence) -> tuple[int, int]:
    """Finished runs that have a part in an estimate, and those that have none."""
    scores = next(iter(evidence.raw.values()))
    used: set[str] = set()
    finished = {status.spec.key for status in evidence.unique if status.state == "finished"}
    for env in evidence.sweep.envs:
        for arm in evidence.arms_on(env):
            have, planned = scores.count(arm, [env])
            if have == planned:
                used |= {run.key for run in evidence.specs(arm, env)}
    return len(used & finished), len(finished - used)


def _dropped(evidence: Evidence) -> set[int]:
    now = {run.seed for run in evidence.sweep.runs}
    return {seed for change in evidence.history for seed in change["seeds"]} - now
