"""What goes into the archive of a sweep: all that its numbers were made from, and themselves.

bundle.json, README.txt, requirements.txt
results/    the sweep, its report, and the records of its runs, as in a results folder
study/      the author's own files, if the sweep is not one that ships
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

from harness.config.strict import Problem, UserError
from harness.spec import ResolvedSweep
from harness.store import archive, files, layout, machines, run_files
from harness.store.published import contents, files_in
from harness.store.reader import HISTORY, SWEEP, Store

RESULTS, STUDY = "results", "study"
REQUIREMENTS, README = "requirements.txt", "README.txt"
DISTRIBUTION = "rl-ablation-harness"
_WORDS = """\
The sweep {sweep}: {question}

Made by `harness bundle` of {distribution} {harness}. bundle.json lists every file with its hash.

    pip install {distribution}=={harness} -r requirements.txt
    harness replicate {sweep}.zip --sample 10%      # makes runs again and compares every bit
    harness merge {sweep}.zip --results theirs      # brings the records into a results folder

results/sweeps/{sweep}/report holds the report, if one was written. {weights}
{study}"""


class Made(NamedTuple):
    """What is in an archive."""

    runs: int  # finished
    planned: int
    facts: Mapping[str, Any]


def pack(
    sweep: ResolvedSweep, store: Store, study: Mapping[str, Path], weights: bool, to: Path
) -> Made:
    """Write the archive of a sweep.

    :param study: the author's own files, by their paths in the study's folder.
    :param weights: with what the runs learned.
    :raises UserError: if no run is finished, or one is damaged.
    """
    inside: dict[str, bytes | Path] = {}
    results = list[Mapping[str, Any]]()
    problems = list[Problem]()
    unique = {run.key: run for run in sweep.runs}
    for run in unique.values():
        folder = store.folder(run)
        result, broken = run_files.finished(folder, deep=weights)
        problems += [Problem(str(each.path), None, "", each.why) for each in broken]
        if result is not None:
            results.append(result)
        for place, names in contents(run, store).items():
            inside |= _records(place, names, weights)
    if problems:
        raise UserError(problems)
    if not results:
        raise UserError.of(sweep.name, "no run is finished: there is nothing to take along")
    inside |= _all(store.root / machines.ROOM)
    inside |= _sweep(store.sweep_folder(sweep.name))
    inside = {
        f"{RESULTS}/{Path(n).relative_to(store.root).as_posix()}": c for n, c in inside.items()
    }
    inside |= {f"{STUDY}/{name}": path for name, path in study.items()}
    facts = _facts(sweep, results, weights, study)
    inside[REQUIREMENTS] = _requirements(facts["packages"]).encode()
    inside[README] = _readme(facts).encode()
    archive.pack(inside, facts, to)
    return Made(len(results), len(unique), facts)


def _records(folder: Path, names: Sequence[str], weights: bool) -> dict[str, bytes | Path]:
    """The records of a run, or Sacred's of one of its attempts."""
    learned = [name for name in names if name.startswith(f"{layout.MODEL}/")]
    without = {name for name in names if name.startswith(f"{layout.EVENTS}/")}
    inside: dict[str, bytes | Path] = {}
    if learned and not weights:
        without |= {*learned}
        inside[str(folder / layout.LEFT_OUT)] = files.spelled({"files": learned})
    return inside | {str(folder / name): folder / name for name in names if name not in without}


def _all(folder: Path) -> dict[str, bytes | Path]:
    if not folder.is_dir():
        return {}
    return {str(folder / name): folder / name for name in files_in(folder)}


def _sweep(folder: Path) -> dict[str, bytes | Path]:
    """What the sweep is, when it was declared, its report and its certificate."""
    kept = (SWEEP, HISTORY, layout.CERTIFICATE)
    return _all(folder / "report") | {
        str(folder / name): folder / name for name in kept if (folder / name).is_file()
    }


def _facts(
    sweep: ResolvedSweep,
    results: Iterable[Mapping[str, Any]],
    weights: bool,
    study: Mapping[str, Path],
) -> dict[str, Any]:
    """What the list says beside the files: from the records alone."""
    results = list(results)
    return {
        "sweep": sweep.name,
        "question": sweep.question,
        "harness": installed(),
        "weights": weights,
        "study": bool(study),
        "packages": _each(result.get("packages") for result in results),
        "python": sorted({str((r.get("machine") or {}).get("python")) for r in results}),
        "sources": _each(result.get("sources") for result in results),
        "commits": sorted({g["commit"] for r in results if (g := r.get("git"))}),
    }


def _each(records: Iterable[Mapping[str, str] | None]) -> dict[str, list[str]]:
    """All values of each name, each once."""
    values: dict[str, set[str]] = {}
    for record in records:
        for name, value in (record or {}).items():
            values.setdefault(name, set()).add(value)
    return {name: sorted(values[name]) for name in sorted(values)}


def installed() -> str:
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


def _requirements(packages: Mapping[str, list[str]]) -> str:
    """The versions that decide numbers, for pip."""
    return "".join(f"{line}\n" for line in _lines(packages))


def _lines(packages: Mapping[str, list[str]]) -> Iterator[str]:
    yield "# The versions with which the runs were made, of the packages that decide their numbers."
    for name, versions in packages.items():
        used = [each for each in versions if each != "not installed"]
        if len(used) > 1:
            yield f"# Runs were made with each of {', '.join(used)}: take one at a time."
        for kind in (each.partition("+")[2] for each in used[-1:] if "+" in each):
            index = f"https://download.pytorch.org/whl/{kind}"
            yield f"# {used[-1]} is in PyTorch's own index: pip install --extra-index-url {index}"
        yield from (f"{name}=={each}" for each in used[-1:])


def _readme(facts: Mapping[str, Any]) -> str:
    weights = (
        "What the runs learned is in their folders."
        if facts["weights"]
        else ("What the runs learned was left out.")
    )
    study = (
        "study/ holds its author's own files. Nothing of it is imported before you say --trust.\n"
        if facts["study"]
        else ""
    )
    return _WORDS.format(
        **{name: facts[name] for name in ("sweep", "question", "harness")},
        distribution=DISTRIBUTION, weights=weights, study=study,
    )  # fmt: skip


class Unpacked(NamedTuple):
    """An archive in a folder."""

    sweep: str
    facts: Mapping[str, Any]
    results: Path
    study: Path | None  # the folder of the author's own files, if there are any


def unpack(path: Path, folder: Path) -> Unpacked:
    """Unpack the archive of a sweep into a folder that it makes.

    :raises UserError: if it is none, or is cut short or altered.
    """
    folder.mkdir()
    facts = archive.unpack(path, folder)
    study = folder / STUDY
    return Unpacked(
        str(facts.get("sweep")), facts, folder / RESULTS, study if study.is_dir() else None
    )
