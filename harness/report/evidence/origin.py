"""Where runs come from: which arms were made by other code, machines or devices than others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from harness.config.name import counted
from harness.config.tree import grouped
from harness.stats import RunId
from harness.store.reader import RunStatus

NAMED = 2  # facts that part the runs in one way are named up to here, then counted
DIGITS = 12  # of a hash


class Kind(NamedTuple):
    """Facts of one kind, in the words of a warning about all runs and of a stamp on a claim."""

    runs: str
    claim: str


KINDS = {
    "sources": Kind("versions of the code", "code"),
    "git": Kind("commits of the code", "code"),
    "packages": Kind("package versions", "package versions"),
    "machine": Kind("machines", "machine"),
    "device": Kind("devices", "device"),
}
Runs = frozenset[RunId]


def warnings(statuses: Sequence[RunStatus]) -> Iterator[str]:
    """What parts the runs, arm by arm. What a run does not tell is not a difference."""
    arms = {status.spec.arm for status in statuses}
    for kind, words in KINDS.items():
        facts = _facts(statuses, kind)
        alike = grouped(
            (frozenset(values.values()), name) for name, values in facts.items() if len(values) > 1
        )
        told = [_told(names, facts[names[0]], arms) for names in alike.values()]
        if told:
            yield f"The runs come from different {words.runs} ({'; '.join(told)})."
    dirty = _facts(statuses, "dirty").get("dirty", {}).get("True")
    if dirty:
        yield f"Made from code with uncommitted changes: {_arms(dirty, arms)}."


def apart(one: Sequence[RunStatus], other: Sequence[RunStatus]) -> str:
    """In which facts two arms differ; empty: in none that both tell.

    Arms of which equal shares were made on each of two machines do not differ.
    """
    apart = []
    for kind, words in KINDS.items():
        mine, theirs = (_facts(statuses, kind) for statuses in (one, other))
        both = [name for name in mine if name in theirs]
        apart += [(words.claim, n) for n in both if _shares(mine[n]) != _shares(theirs[n])]
    found = grouped(apart)
    return ", ".join(
        words if names == [words] else f"{words} ({_some(names)})" for words, names in found.items()
    )


def _facts(statuses: Iterable[RunStatus], kind: str) -> dict[str, dict[str, Runs]]:
    """By name of a fact and its value: the runs that have it."""
    told = grouped(
        (name, (str(value), (status.spec.arm, status.spec.env, status.spec.seed)))
        for status in statuses
        for name, value in _recorded(status.result or {}, kind).items()
    )
    return {
        name: {value: frozenset(runs) for value, runs in grouped(values).items()}
        for name, values in told.items()
    }


def _recorded(result: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """A commit tells of the code no more than the sources do, where those are recorded."""
    facts = result.get("git" if kind == "dirty" else kind) or {}
    if kind == "device":
        return {"device": facts} if facts else {}
    if kind == "dirty":
        return {"dirty": facts.get("dirty")}
    if kind == "git":
        return {} if result.get("sources") or not facts else {"commit": facts["commit"]}
    return facts


def _shares(values: Mapping[str, Runs]) -> dict[str, Fraction]:
    total = sum(map(len, values.values()))
    return {value: Fraction(len(runs), total) for value, runs in values.items()}


def _told(names: Sequence[str], values: Mapping[str, Runs], arms: set[str]) -> str:
    """The first fact with its values; the others part the runs in the same way."""
    also = f", and with it {_some(names[1:])}" if names[1:] else ""
    each = "; ".join(f"{_short(value)} in {_arms(runs, arms)}" for value, runs in values.items())
    return f"{names[0]}{also}: {each}"


def _short(value: str) -> str:
    """A hash by its head, as Git does."""
    hexadecimal = len(value) >= DIGITS and not value.strip("0123456789abcdef")
    return value[:DIGITS] if hexadecimal else value


def _arms(runs: Runs, arms: set[str]) -> str:
    counts = Counter(arm for arm, *_ in sorted(runs))
    if len(arms) > 1 and set(counts) == arms and len(set(counts.values())) == 1:
        return f"every arm ({next(iter(counts.values()))} each)"
    return ", ".join(f"{arm} ({counted(n)})" for arm, n in counts.items())


def _some(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:NAMED])} and {more} more"
