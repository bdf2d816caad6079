"""What was declared before what was seen: told by time and content, whatever a sweep is called.

Every start of a changed sweep leaves a line with what its claims are about, and when. A claim is
its two arms, as the definitions of their runs, its environments and its score: no label is part of
it, nor is the number of seeds. The earliest line of the whole results folder counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from harness.config.tree import canonical
from harness.spec import Claim, ResolvedSweep
from harness.store.reader import RunStatus

Line = dict[str, Any]  # of a history.jsonl


def line(
    sweep: ResolvedSweep,
    at: str,
    reported: bool = False,
    finished: Mapping[str, int] | None = None,
) -> Line:
    """What a start of the sweep declares.

    :param reported: a report had been written.
    :param finished: by arm, how many runs of the sweep as it was before had finished.
    """
    content = canonical(sweep.model_dump(mode="json"))
    return {
        "at": at,
        "seeds": sorted({spec.seed for spec in sweep.runs}),
        "claims": [claim.text for claim in sweep.claims],
        "declares": [content_of(claim, sweep) for claim in sweep.claims],
        "decide": sweep.decide and sweep.decide.fixed.model_dump(mode="json"),
        "arms": _definitions(sweep),
        "reported": reported,
        "finished": dict(finished or {}),
        "runs": len(sweep.runs),
        "sha256": hashlib.sha256(content.encode()).hexdigest(),
    }


def content_of(claim: Claim, sweep: ResolvedSweep) -> str:
    """A hash of what the claim says, without the names that it says it in."""
    arms = _definitions(sweep)
    envs = [claim.env] if claim.env else sorted(sweep.envs)
    sides = [{env: arms[arm].get(env) for env in envs} for arm in (claim.better, claim.worse)]
    made = {each.name: f"{each.target} {each.version}" for each in sweep.metrics}
    score = made.get(claim.score, claim.score)  # a metric that was changed is another one
    margin = [] if claim.margin is None else [f"within {claim.margin!r}"]
    return hashlib.sha256(canonical([*sides, score, *margin]).encode()).hexdigest()[:16]


def _definitions(sweep: ResolvedSweep) -> dict[str, dict[str, str]]:
    """By arm and environment: the key of its runs, but for their seeds."""
    definitions: dict[str, dict[str, str]] = {arm: {} for arm in sweep.arms}
    for run in sweep.runs:
        if run.env not in definitions[run.arm]:
            definitions[run.arm][run.env] = run.model_copy(update={"seed": 0, "arm": ""}).key
    return definitions


class Standing(NamedTuple):
    """What the records prove of when one claim was declared."""

    claim: Claim
    at: str  # when it was first recorded in this results folder; empty: never
    runs: int
    begun: int  # of its runs, before that
    finished: int
    elsewhere: str  # its words were used of other runs before, and those seen: where and when
    family: int  # claims that were first declared together
    dropped: int  # of those, how many this sweep no longer makes, though runs had been seen
    planned: str = ""  # when its plan of looks was first recorded, if it is a later one
    unplanned: int = 0  # of its runs, how many had finished before that

    @property
    def before_training(self) -> bool:
        return bool(self.at) and not self.begun and not self.unplanned

    @property
    def doubts(self) -> list[str]:
        """In sentences, what keeps the claim from being a prediction."""
        doubts = []
        if not self.at:
            doubts.append("No record shows when it was declared.")
        elif self.finished:
            doubts.append(
                f"First recorded on {self.at[:10]}, when {self.finished} of its {self.runs} runs "
                "had finished: nothing shows that it was declared before they were seen."
            )
        elif self.begun:
            doubts.append(
                f"First recorded on {self.at[:10]}, when {self.begun} of its {self.runs} runs had "
                "begun."
            )
        if self.unplanned:
            doubts.append(
                f"Its plan of looks was first recorded on {self.planned[:10]}, when "
                f"{self.unplanned} of its {self.runs} runs had finished: its p-value holds only "
                "if nobody had looked at them."
            )
        if self.elsewhere:
            doubts.append(f"Its words were first used of other runs: {self.elsewhere}.")
        if self.dropped:
            doubts.append(
                f"First declared as one of {self.family} claims, of which {self.dropped} are not "
                "made here: the correction for many tests leaves them out."
            )
        return doubts


def standing(
    claim: Claim,
    sweep: ResolvedSweep,
    behind: Sequence[RunStatus],
    histories: Mapping[str, Sequence[Line]],
    seen: Callable[[str, str], bool],
) -> Standing:
    """:param behind: the runs of the claim.
    :param histories: of every sweep of the results folder, by its name.
    :param seen: whether a sweep, by its name, had a finished run at a time.
    """
    content = content_of(claim, sweep)
    lines = [each | {"sweep": name} for name, every in histories.items() for each in every]
    lines.sort(key=lambda line: (_time(line["at"]), line["sweep"]))
    declaring = [line for line in lines if content in line["declares"]]
    at = declaring[0]["at"] if declaring else ""
    runs = {status.spec.key: status for status in behind}.values()
    ended = [(status.result or {}).get("ended") for status in runs if status.result]
    begun = sum(_is_before(status.began, at) for status in runs if status.state != "missing")
    finished = sum(_is_before(each, at) for each in ended)
    here = next((line["at"] for line in declaring if line["sweep"] == sweep.name), at)
    family = set(declaring[0]["declares"]) if declaring else set()
    dropped = family - {content_of(each, sweep) for each in sweep.claims}
    if not (at and any(_is_before(each, here) for each in ended)):
        dropped = set()
    other = _elsewhere(claim, content, at, lines, sweep, seen) if at else ""
    plan = sweep.decide and sweep.decide.fixed.model_dump(mode="json")
    planned = next((line["at"] for line in declaring if plan and line.get("decide") == plan), at)
    before = sum(_is_before(each, planned) for each in ended) if planned != at else 0
    return Standing(
        claim, at, len(runs), begun, finished, other, len(family), len(dropped), planned, before
    )


def _elsewhere(
    claim: Claim,
    content: str,
    at: str,
    lines: Sequence[Line],
    sweep: ResolvedSweep,
    seen: Callable[[str, str], bool],
) -> str:
    """Where the claim's words were used of other runs before, and those were there to be seen."""
    for i, line in enumerate(lines):
        texts = dict(zip(line["claims"], line["declares"], strict=False))
        if _time(line["at"]) >= _time(at) or texts.get(claim.text, content) == content:
            continue
        later = next((each for each in lines[i + 1 :] if each["sweep"] == line["sweep"]), {})
        looked = later.get("reported") or later.get("finished")
        if looked or (line["sweep"] != sweep.name and seen(line["sweep"], at)):
            return f"by the sweep {line['sweep']} on {line['at'][:10]}, before this was recorded"
    return ""


def _is_before(event: str | None, at: str) -> bool:
    """An event without a time may have been at any time."""
    return event is None or not at or _time(event) < _time(at)


def ended_before(results: Iterable[Mapping[str, Any] | None], at: str) -> bool:
    """Whether one of these results was there at a time."""
    return any(result and _is_before(result.get("ended"), at) for result in results)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
