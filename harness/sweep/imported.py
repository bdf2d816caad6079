"""Runs that were not made here, as a sweep that can be reported, and as arms of other sweeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from harness import envs
from harness.config.name import RULE, is_name, joined
from harness.config.strict import Problem, Problems, UserError, suggest
from harness.spec import Anchors, Claim, ImportedRun, ReportOptions, ResolvedSweep, Run
from harness.store.files import Damaged
from harness.store.foreign.keep import keep as keep_runs
from harness.store.foreign.source import Source, runs
from harness.store.reader import Store
from harness.sweep import claim, record
from harness.sweep.arm import Composed
from harness.sweep.file import SweepFile

CURVE = "auc"  # the score that needs a curve
# What an arm may say beside `import`: it has no settings of ours.
BESIDE = {"imported", "envs", "components"}


class Import(NamedTuple):
    """What came of an import."""

    sweep: ResolvedSweep
    before: bool  # the same runs were there already
    aside: list[str]  # what was damaged and is set aside, a line each
    dropped: list[str]  # claims of the import before that this one does not make


def take(
    source: Source, name: str, store: Store, claims: Sequence[str] = (), command: str = ""
) -> Import:
    """Import the runs of a source, as a sweep of that name.

    :param command: that repeats it.
    :raises UserError: with all that is wrong, before anything is written.
    """
    if not is_name(name):
        raise UserError.of("--as", f"no name of a sweep: it has {RULE}", name)
    last = _last(name, store)
    kind, series = runs(source)
    envs_of = tuple(dict.fromkeys(each.whose.env for each in series))
    arms = tuple(dict.fromkeys(each.whose.arm for each in series))
    curves = all(len(each.scores) > 1 for each in series)
    problems = Problems(lambda place, message: Problem("--claim", None, "", message))
    made = claim.read(claims, arms, envs_of, problems)
    for each in made.values():
        if each.score == CURVE and not curves:
            problems.add((), f"'{each.text}': no curve is imported, only single scores")
        if why := claim.without_anchors(each, envs_of, anchors(envs_of)):
            problems.add((), why)
    problems.check()
    kept = keep_runs(name, kind, series, store)
    sweep = ResolvedSweep(
        name=name,
        question=f"Scores that were made elsewhere, imported from {source.path}.",
        source=str(source.path),
        arms=arms,
        envs=envs_of,
        claims=tuple(made.values()),
        report=ReportOptions(scores=("final", CURVE) if curves else ("final",)),
        anchors=anchors(envs_of),
        runs=kept.runs,
        command=command,
    )
    dropped = [each.text for each in last.claims if each not in sweep.claims] if last else []
    return Import(sweep, kept.before, record.keep(sweep, store), dropped)


def runs_of(
    arm: Composed, file: SweepFile, store: Store | None, problems: Problems
) -> list[ImportedRun]:
    """The runs of an arm that was imported, in the sweep's environments; none if it is wrong."""
    place = (*arm.place, "import")
    for key in sorted(file.arms[str(arm.place[-1])].model_fields_set - BESIDE):
        problems.add((*arm.place, key), "an imported arm has no settings of ours: drop it")
    name, _, label = str(arm.imported).partition("/")
    if store is None or not is_name(name):
        where = "a results folder" if store is None else f"theirs/ppo, not '{arm.imported}'"
        problems.add(place, f"an import is named as it stands in {where}")
        return []
    try:
        runs = store.sweep(name).imported
    except FileNotFoundError:
        message = f"nothing was imported as '{name}' into {store.root}: harness import FILE --as "
        problems.add(place, f"{message}{name}.{suggest(name, store.sweeps())}")
        return []
    except Damaged as error:
        problems.add(place, error.damage.why)
        return []
    arms = list(dict.fromkeys(run.origin.arm for run in runs))
    label = label or (arms[0] if len(arms) == 1 else "")
    mine = [run for run in runs if run.origin.arm == label]
    here = [run for run in mine if run.env in arm.among(file.envs)]
    if not runs:
        problems.add(place, f"the sweep '{name}' was made here: its arms are no imports")
    elif not mine:
        each = joined((f"{name}/{one}" for one in arms), "or")
        problems.add(place, f"no arm '{label}' in it: name {each}" if label else f"name {each}")
    elif not here:
        has = joined(dict.fromkeys(run.env for run in mine))
        problems.add(place, f"it has no run on the environments of this sweep, only on {has}")
    return [run.model_copy(update={"arm": arm.label}) for run in here]


def report(
    file: SweepFile, runs: Iterable[Run], claims: Mapping[int, Claim], problems: Problems
) -> ReportOptions:
    """The file's options of the report, without a curve's score where single scores stand."""
    single = {run.arm for run in runs if isinstance(run, ImportedRun) and run.points == 1}
    if not single or CURVE not in file.report.scores:
        return file.report
    why = f"no curve was imported of {joined(sorted(single))}, only single scores"
    if "scores" in file.report.model_fields_set:
        problems.add(("report", "scores"), f"{CURVE}: {why}")
    for i, made in claims.items():
        if made.score == CURVE and single & set(made.arms):
            problems.add(("claims", i), f"'{made.text}': {why}")
    scores = tuple(score for score in file.report.scores if score != CURVE)
    return file.report.model_copy(update={"scores": scores})


def _last(name: str, store: Store) -> ResolvedSweep | None:
    """What was imported under this name before.

    :raises UserError: if a sweep of another kind has it.
    """
    try:
        last = store.sweep(name)
    except (FileNotFoundError, Damaged):
        return None
    if last.made:
        message = "a sweep of that name was started here: choose another"
        raise UserError.of("--as", message, name)
    return last


def anchors(names: Iterable[str]) -> dict[str, Anchors]:
    """Of environments that are called as ours are; nothing is imported to know them."""
    known = {}
    for name in (name for name in names if ":" not in name):
        with suppress(KeyError, UserError, ValueError):
            known[name] = envs.card(name).scale()
    return {name: scale for name, scale in known.items() if scale is not None}
