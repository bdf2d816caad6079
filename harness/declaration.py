"""What was declared before what was seen: told by time and content, whatever a sweep is called.

Every start of a changed sweep leaves a line with what its claims are about, and when. A claim is
its two arms, as the definitions of their runs, its environments and its score: no label is part of
it, nor is the number of seeds. The earliest line of the whole results folder counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from harness.spec import Claim, ResolvedSweep, canonical
from harness.store import RunStatus

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
    return _hash([*sides, claim.score])


def _definitions(sweep: ResolvedSweep) -> dict[str, dict[str, str]]:
    """By arm and environment: the key of its runs, but for their seeds."""
    found: dict[str, dict[str, str]] = {arm: {} for arm in sweep.arms}
    for run in sweep.runs:
        if run.env not in found[run.arm]:
            found[run.arm][run.env] = run.model_copy(update={"seed": 0, "arm": ""}).key
    return found


def _hash(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


class Standing(NamedTuple):
    """What the records prove of when one claim was declared."""

    claim: Claim
    at: str  # when it was first recorded in this results folder; empty: never
    runs: int
    begun: int  # of its runs, before that
    finished: int
    elsewhere: str  # the words were first used of other runs, and looked at: where and when

    @property
    def before_training(self) -> bool:
        return bool(self.at) and not self.begun

    @property
    def doubts(self) -> list[str]:
        """In sentences, what keeps the claim from being a prediction."""
        found = []
        if not self.at:
            found.append("No record shows when it was declared.")
        elif self.finished:
            found.append(
                f"First recorded on {self.at[:10]}, when {self.finished} of its {self.runs} runs "
                "had finished: nothing shows that it was declared before they were seen."
            )
        elif self.begun:
            found.append(
                f"First recorded on {self.at[:10]}, when {self.begun} of its {self.runs} runs had "
                "begun."
            )
        if self.elsewhere:
            found.append(f"Its words were first used of other runs: {self.elsewhere}.")
        return found


def standing(
    claim: Claim,
    sweep: ResolvedSweep,
    behind: Sequence[RunStatus],
    histories: Mapping[str, Sequence[Line]],
    looked_at: Iterable[str],
) -> Standing:
    """:param behind: the runs of the claim.
    :param histories: of every sweep of the results folder, by its name.
    :param looked_at: the sweeps that have a report.
    """
    content = content_of(claim, sweep)
    lines = [(each["at"], name, each) for name, every in histories.items() for each in every]
    lines.sort(key=lambda found: (_time(found[0]), found[1]))
    at = next((when for when, _, each in lines if content in each.get("declares", ())), "")
    runs = {status.spec.key: status for status in behind}.values()
    begun = sum(_is_before(status.began, at) for status in runs if status.state != "missing")
    ended = ((status.result or {}).get("ended") for status in runs if status.result)
    finished = sum(_is_before(each, at) for each in ended)
    return Standing(
        claim, at, len(runs), begun, finished, _elsewhere(claim, content, at, lines, set(looked_at))
    )


def _elsewhere(
    claim: Claim, content: str, at: str, lines: list[tuple[str, str, Line]], looked_at: set[str]
) -> str:
    for i, (when, name, each) in enumerate(lines):
        texts = dict(zip(each["claims"], each.get("declares", ()), strict=False))
        if not at or _time(when) >= _time(at) or texts.get(claim.text, content) == content:
            continue
        after = next((later for _, other, later in lines[i + 1 :] if other == name), None)
        if name in looked_at or (after and (after["reported"] or after["finished"])):
            return f"by the sweep {name} on {when[:10]}, before this was recorded"
    return ""


def _is_before(event: str | None, at: str) -> bool:
    """An event without a time may have been at any time."""
    return event is None or not at or _time(event) < _time(at)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
