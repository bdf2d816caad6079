"""Imported runs in the store: all of them or none, and never others under the same name."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.config.strict import UserError
from harness.spec import ImportedRun, Origin
from harness.store import files, layout, run_files, writer
from harness.store.foreign.series import Format, Score, Series
from harness.store.reader import Store


class Kept(NamedTuple):
    """What an import left in the store."""

    runs: tuple[ImportedRun, ...]
    before: bool  # they were there already


def keep(name: str, kind: Format, series: Sequence[Series], store: Store) -> Kept:
    """Write the runs of an import.

    :raises UserError: if others were imported under its name.
    """
    runs = tuple(_run(name, kind, each) for each in series)
    folder = store.imported(name)
    there = {path.name for path in folder.glob("*/*") if run_files.is_key(path.name)}
    if there and there != {run.key for run in runs}:
        message = (
            f"other scores were imported as '{name}' before: give another name with --as, or "
            f"remove {folder} and {store.sweep_folder(name)} first"
        )
        raise UserError.of(series[0].source, message)
    if there and not store.missing(runs):
        return Kept(runs, before=True)
    if folder.exists():  # damaged
        files.set_aside(folder)
    at = writer.now()
    with files.temporary(folder) as new:
        for run, each in zip(runs, series, strict=True):
            _write(new / store.folder(run).relative_to(folder), run, each.scores, at)
        new.rename(folder)
    return Kept(runs, before=False)


def _run(name: str, kind: Format, of: Series) -> ImportedRun:
    origin = Origin(name=name, arm=of.whose.arm, format=kind, score=of.score, file=str(of.source),
                    sha256=of.sha256)  # fmt: skip
    return ImportedRun(
        origin=origin, env=of.whose.env, seed=of.whose.seed, steps=of.scores[-1].step,
        points=len(of.scores), hparams=dict(of.hparams), arm=of.whose.arm,
    )  # fmt: skip


def _write(folder: Path, run: ImportedRun, scores: Sequence[Score], at: str) -> None:
    folder.mkdir(parents=True)
    facts = run.model_dump(mode="json", exclude={"arm"})
    files.write_json(folder / layout.SPEC, facts, sealed=False, sync=False)
    last = len(scores) - 1
    rows = (_row(score, final=i == last) for i, score in enumerate(scores))
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    files.write_whole(folder / layout.EVALS, lines.encode(), sync=False)
    final: dict[str, Any] = {"mean": scores[-1].mean}
    if returns := scores[-1].returns:
        final |= {"sd": statistics.pstdev(returns), "episodes": len(returns)}
    writer.publish(folder, {"key": run.key, "final": final, "imported": at})


def _row(score: Score, final: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"step": score.step, "final": final}
    return row | ({"returns": list(score.returns)} if score.returns else {"mean": score.mean})
