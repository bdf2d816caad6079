"""The sources that go where runs are made, so that nobody's others are used there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import provenance
from harness.config import study
from harness.config.shipped import shipped
from harness.config.strict import UserError

STUDY = "study"  # the folder in a shipment that holds the user's own
BESIDE = ("configs", "ablations")  # of a checkout; an installed package holds them
MOST = 20 * 2**20  # bytes of a study


def pack(folder: Path, own: Path | None) -> dict[str, str]:
    """Copy the harness, the learners and the user's study; return a digest of each module.

    :param own: the folder of the study; None: there is none.
    :raises UserError: if the study is too large to travel.
    """
    package = Path(provenance.__file__).parent
    skip = shutil.ignore_patterns("__pycache__")
    for name in provenance.OURS:
        shutil.copytree(package.parent / name, folder / name, ignore=skip)
    for name in BESIDE:
        if not shipped(name).is_relative_to(package):
            shutil.copytree(shipped(name), folder / name, ignore=skip)
    if commit := provenance.git():
        (folder / package.name / provenance.COMMIT).write_text(json.dumps(commit))
    digests = _modules(folder)
    if own is not None:
        _copy_study(own, folder / STUDY)
        digests |= _modules(folder / STUDY)
    return digests


def _copy_study(own: Path, home: Path) -> None:
    paths = study.files(own)
    size = sum(path.stat().st_size for path in paths)
    if size > MOST:
        kinds = ", ".join(sorted(study.KINDS))
        message = f"its files ({kinds}) take {size:,} bytes, and {MOST:,} can travel"
        raise UserError.of(own, f"{message}: give the sweep and what it names a folder of its own")
    for path in paths:
        new = home / path.relative_to(own)
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, new)
    home.mkdir(exist_ok=True)


def _modules(root: Path) -> dict[str, str]:
    """By the names under which Python imports them from there."""
    digests = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return digests


def others(result: Mapping[str, Any], digests: Mapping[str, str]) -> list[str]:
    """The modules of which a run's record names other sources than were sent."""
    return [name for name, each in result["sources"].items() if digests.get(name) != each]


def enter() -> Path | None:
    """The study of the shipment in which this process is; None: it has none."""
    folder = Path(os.getcwd(), STUDY)
    return folder if folder.is_dir() else None
