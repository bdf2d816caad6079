"""`harness replicate`: make the runs of an archive again, and compare them bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import activity, option, verb

if TYPE_CHECKING:
    from harness.spec import ResolvedSweep
    from harness.store.bundle import Unpacked
    from harness.store.reader import Store
    from harness.train.verify import Case


def replicate(
    archive: Annotated[Path, typer.Argument(help="What `harness bundle` wrote.")],
    run: Annotated[
        str | None, typer.Option(help="The key of one run, instead of a sample.")
    ] = None,
    sample: Annotated[str, typer.Option(help="Share or number of the runs.")] = "10%",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sample.")] = 0,
    certificate: Annotated[
        Path | None, typer.Option(help="Its file; default: SWEEP.certificate.json.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Import the modules of the archive's author.")
    ] = False,
    workers: option.Workers = 0,
) -> None:
    """Make the runs of an archive again, compare every bit, and write the certificate."""
    with verb.users_errors("The certificate tells what was compared."):
        from harness.config import study
        from harness.store.bundle import unpack
        from harness.store.reader import Store
        from harness.store.scratch import scratch

        if certificate is not None:
            verb.check_output("--certificate", certificate)
        with scratch() as folder:
            unpacked = unpack(archive, folder / "archive")
            store = Store(unpacked.results)
            sweep = verb.find_sweep(unpacked.sweep, store)
            _about(unpacked)
            if trust and unpacked.study is not None:
                study.enter(unpacked.study, trusted=True)
            agrees = _report_agrees(sweep, store)
            cases = _cases(sweep, store, run, trust)
            out = certificate or Path(f"{sweep.name}.certificate.json")
            equal = _repeat(cases, "1" if run else sample, seed, store, workers, out)
        if not (agrees and equal):
            raise typer.Exit(verb.SOME_FAILED)


def _about(unpacked: Unpacked) -> None:
    """What it is, and what its author had."""
    from harness.store.bundle import installed

    facts, shown = unpacked.facts, verb.console()
    shown.print(f"sweep {unpacked.sweep}: {facts['question']}", markup=False, soft_wrap=True)
    commits = ", ".join(each[:12] for each in facts["commits"]) or "not recorded"
    made = f"made with harness {facts['harness']} (commit {commits})"
    if facts["harness"] != installed():
        made += f"; here is {installed()}"
    shown.print(made, markup=False, soft_wrap=True)


def _report_agrees(sweep: ResolvedSweep, store: Store) -> bool:
    """Whether the report says what the records give; there may be none."""
    from harness.report import apart

    folder, shown = store.sweep_folder(sweep.name) / "report", verb.console()
    if not (folder / "report.md").is_file():
        shown.print("report: there is none in it")
        return True
    with activity.shown("replicate") as tell:
        tell("comparing the report with the records", 0, 0)
        different = apart(sweep, store, folder)
    if different:
        verb.warn([f"report: it is not what the records give: {', '.join(different)}"])
        return False
    shown.print("report: its claims and tables are those that the records give")
    return True


def _cases(sweep: ResolvedSweep, store: Store, run: str | None, trust: bool) -> list[Case]:
    """The runs to choose from.

    :raises UserError: if there is none.
    """
    from harness.cli.bundle import own_modules
    from harness.train.verify import Case

    cases = [Case(each, store.folder(each)) for each in sweep.made]
    if run is not None:
        cases = [case for case in cases if case.spec.key == run]
    if not cases:
        why = f"no run '{run}' of {sweep.name} was made" if run else "its runs were imported"
        raise verb.user_error("replicate", f"{why}: there is nothing to make again")
    foreign = {}
    for case in cases:
        if modules := own_modules((store.result(case.spec) or {}).get("sources") or {}):
            foreign[case.spec.key] = modules
    if trust or not foreign:
        return cases
    names = ", ".join(sorted({name for each in foreign.values() for name in each}))
    message = f"{len(foreign)} runs were made from its author's own modules ({names}), which were "
    message += "not imported: --trust imports and runs them"
    left = [case for case in cases if case.spec.key not in foreign]
    if not left:
        raise verb.user_error(sweep.name, message)
    verb.warn([message])
    return left


def _repeat(
    cases: list[Case], sample: str, seed: int, store: Store, workers: int, out: Path
) -> bool:
    """Whether something was made again, and all of it came out the same."""
    from harness.train import verify as verifying

    with activity.shown("replicate") as tell:
        tell("reading what the runs wrote", 0, 0)
        drawn = verifying.draw(cases, sample, seed)
    certificates: Mapping[str, Any] = verifying.repeat(
        drawn, store, lambda specs, scratch: verb.train(specs, scratch, workers, experience=store)
    )
    shown = verb.console()
    for line in verifying.account(drawn, certificates):
        shown.print(line, markup=False, soft_wrap=True)
    verifying.keep(drawn, certificates, out)
    shown.print(f"certificate ({verifying.verdict(certificates)}): {out}", soft_wrap=True)
    return verifying.all_equal(certificates) and not drawn.damaged
