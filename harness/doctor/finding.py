"""What is found of one part of a machine, and how a part is tried in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

# broken: runs would fail here, or results would be lost
State = Literal["fine", "warning", "broken"]
PATIENCE = 180.0  # seconds for a part: a cold disk takes minutes to import torch


@dataclass(frozen=True)
class Finding:
    """One part of the machine: how it is, and what to change."""

    part: str
    text: str
    state: State = "fine"
    change: str = ""  # what the user can do about it
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Failed(Exception):
    """A part could not be tried to its end; the message tells why."""


def tried(module: str, *words: str, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What `python -m module words` prints as JSON, in its last line.

    What crashes a library crashes that process alone, and nothing of it stays in this one.

    :raises Failed: if it ends otherwise.
    """
    command = [sys.executable, "-m", module, *words]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            env={**os.environ, **(environment or {})},
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"it did not end within {PATIENCE:g} seconds") from None
    if done.returncode < 0:
        raise Failed(f"it was ended by signal {-done.returncode}")
    lines = done.stdout.splitlines()
    if done.returncode > 0 or not lines:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise Failed(said[-1].strip() if said else f"it ended with code {done.returncode}")
    told = json.loads(lines[-1])
    return dict(told)
