"""`harness bundle`: a sweep in one archive, for whoever wants to make its numbers again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import option, verb

if TYPE_CHECKING:
    from harness.spec import ResolvedSweep
    from harness.store.reader import Store


def bundle(
    name: option.SweepName,
    to: Annotated[Path | None, typer.Option(help="The archive; default: SWEEP.zip.")] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="Take along what the runs learned.")
    ] = False,
    results: option.Results = option.DEFAULT_RESULTS,
    study: Annotated[
        Path | None,
        typer.Option(
            "--study", help="The folder with your own files; default: that of the sweep's file."
        ),
    ] = None,
) -> None:
    """Write one archive of a sweep: its report, records, versions and your own modules."""
    with verb.users_errors("No archive was written."):
        from harness.config.study import files
        from harness.store.bundle import pack

        store = verb.open_store(results)
        sweep = verb.find_sweep(name, store)
        out = to or Path(f"{sweep.name}.zip")
        verb.check_output("--to", out)
        if study is not None and not study.is_dir():
            raise verb.user_error("--study", f"there is no folder {study}")
        folder = study or _study(sweep)
        own = {p.relative_to(folder).as_posix(): p for p in files(folder)} if folder else {}
        _check(sweep, store, folder)
        made, shown = pack(sweep, store, own, weights, out), verb.console()
        yours = f"{len(own)} files of your own" + (f" from {folder}" if own else "")
        shown.print(f"{made.runs} of {made.planned} runs, {yours}", soft_wrap=True)
        report = store.sweep_folder(sweep.name) / "report"
        if not (report / "report.md").is_file():
            verb.warn([f"it has no report: `harness report {sweep.name}` writes one"])
        size = out.stat().st_size
        shown.print(f"archive: {out} ({size / 1e6:,.1f} MB)", soft_wrap=True, markup=False)


def _study(sweep: ResolvedSweep) -> Path | None:
    """The folder of the sweep's own file; None: it is not here, or the sweep has none of its own
    since it ships with the harness or was imported.
    """
    from harness.config.shipped import shipped

    path = Path(sweep.source)
    if sweep.command or path.resolve().parent == shipped("ablations").resolve():
        return None
    return path.resolve().parent if path.is_file() else None


def _check(sweep: ResolvedSweep, store: Store, folder: Path | None) -> None:
    """
    :param folder: the study's.
    :raises UserError: if modules that the runs were made from are not in it, as they were.
    """
    from harness import provenance
    from harness.config import study
    from harness.config.strict import Problem, UserError

    own: dict[str, set[str]] = {}
    for run in sweep.made:
        sources = (store.result(run) or {}).get("sources") or {}
        for module in own_modules(sources):
            own.setdefault(module, set()).add(sources[module])
    report = store.sweep_folder(sweep.name) / "report"
    problems = []
    if own and folder is not None:
        study.enter(folder)
    for module, digests in own.items():
        parts = Path(*module.split("."))
        here = folder and any(
            (folder / p).is_file() for p in (f"{parts}.py", parts / "__init__.py")
        )
        if not here:
            why = f"the runs were made from this module, and it is not in {folder or 'any study'}"
            problems.append(Problem(module, None, "", f"{why}: --study names its folder"))
        elif len(digests) > 1 or provenance.changed(dict.fromkeys([module], min(digests)), ()):
            why = "it is not what every run was made from: go back to that, or train them again"
            problems.append(Problem(module, None, "", why))
    if problems:
        raise UserError(problems)
    if (report / "report.md").is_file():
        _check_report(sweep, store, report)


def _check_report(sweep: ResolvedSweep, store: Store, report: Path) -> None:
    """:raises UserError: if it is older than the records, or was altered."""
    from harness.report import apart

    if different := apart(sweep, store, report):
        message = (
            f"it is not what the records give ({', '.join(different)}): "
            f"`harness report {sweep.name}` writes it again"
        )
        raise verb.user_error(str(report), message)


def own_modules(sources: Iterable[str]) -> list[str]:
    """Those that are neither the harness's nor its learners'."""
    from harness.provenance import OURS

    return sorted(name for name in sources if name.partition(".")[0] not in OURS)
