"""Runs that were not made here, as a sweep that can be reported, and as arms of other sweeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import NamedTuple

from harness import envs
from harness.config.name import RULE, is_name
from harness.config.strict import Problem, Problems, UserError
from harness.spec import Anchors, ReportOptions, ResolvedSweep
from harness.store.files import Damaged
from harness.store.foreign.keep import keep as keep_runs
from harness.store.foreign.source import Source, runs
from harness.store.reader import Store
from harness.sweep import claim, record


class Import(NamedTuple):
    """What came of an import."""

    sweep: ResolvedSweep
    before: bool  # the same runs were there already
    aside: list[str]  # what was damaged and is set aside, a line each


def take(
    source: Source, name: str, store: Store, claims: Sequence[str] = (), command: str = ""
) -> Import:
    """Import the runs of a source, as a sweep of that name.

    :param command: that repeats it.
    :raises UserError: with all that is wrong, before anything is written.
    """
    if not is_name(name):
        raise UserError([Problem("--as", None, name, f"no name of a sweep: it has {RULE}")])
    _check_free(name, store)
    kind, series = runs(source)
    envs_of = tuple(dict.fromkeys(each.env for each in series))
    arms = tuple(dict.fromkeys(each.arm for each in series))
    curves = all(len(each.scores) > 1 for each in series)
    problems = Problems(lambda place, message: Problem("--claim", None, "", message))
    made = claim.read(claims, arms, envs_of, problems)
    for each in made.values():
        if each.score == "auc" and not curves:
            problems.add((), f"'{each.text}': no curve is imported, only single scores")
    problems.check()
    kept = keep_runs(name, kind, series, store)
    sweep = ResolvedSweep(
        name=name,
        question=f"Scores that were made elsewhere, imported from {source.path}.",
        source=str(source.path),
        arms=arms,
        envs=envs_of,
        claims=tuple(made.values()),
        report=ReportOptions(scores=("final", "auc") if curves else ("final",)),
        anchors=anchors(envs_of),
        runs=kept.runs,
        command=command,
    )
    return Import(sweep, kept.before, record.keep(sweep, store))


def _check_free(name: str, store: Store) -> None:
    """Whether no sweep of another kind has the name."""
    try:
        other = store.sweep(name)
    except (FileNotFoundError, Damaged):
        return
    if other.made:
        message = "a sweep of that name was started here: choose another"
        raise UserError([Problem("--as", None, name, message)])


def anchors(names: Iterable[str]) -> dict[str, Anchors]:
    """Of environments that are called as ours are; nothing is imported to know them."""
    known = {}
    for name in (name for name in names if ":" not in name):
        with suppress(KeyError, UserError, ValueError):
            known[name] = envs.card(name).scale()
    return {name: scale for name, scale in known.items() if scale is not None}
