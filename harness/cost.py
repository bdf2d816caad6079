"""What runs cost: what was spent on them, and what others like them will take.

`python -m harness.cost results > configs/costs.yaml` makes the shipped measurements anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from harness.config import read, shipped
from harness.spec import RunSpec
from harness.store import Attempt, RunStatus, Store

ENOUGH = 20  # finished runs to look at for one agent in one environment


class Cost(BaseModel):
    """What runs of one agent in one environment took, as medians."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cpu_seconds_per_1000_steps: float = Field(description="Evaluation included.")
    peak_memory_mb: float
    disk_mb: float


class CostFile(BaseModel):
    """configs/costs.yaml: measured where the harness was made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    measured_on: str
    agents: dict[str, dict[str, Cost]]


# For an agent that was never measured: about what a small network on a small task takes.
GUESS = Cost(cpu_seconds_per_1000_steps=1.0, peak_memory_mb=500.0, disk_mb=1.0)


class Estimate(NamedTuple):
    """The cost of a list of runs."""

    cpu_seconds: float
    peak_memory_mb: float  # of the largest run
    disk_mb: float
    basis: str  # "runs in this store", "shipped measurements", "a guess"


def measured(root: Path) -> dict[str, dict[str, Cost]]:
    """Agent -> environment -> what its finished runs in this results folder took."""
    found: dict[str, dict[str, Cost]] = {}
    for folder in sorted((root / "runs").glob("*/*")):
        cost = _of_folder(folder)
        if cost:
            found.setdefault(folder.parent.name, {})[folder.name] = cost
    return found


def estimate(specs: Iterable[RunSpec], store: Store) -> Estimate:
    """What these runs will take, one thread each, one after the other."""
    seconds = memory = disk = 0.0
    basis = set()
    for spec in specs:
        cost, source = lookup(spec.agent, spec.env, store.root)
        seconds += cost.cpu_seconds_per_1000_steps * spec.steps / 1000
        memory = max(memory, cost.peak_memory_mb)
        disk += cost.disk_mb
        basis.add(source)
    return Estimate(seconds, memory, disk, " and ".join(sorted(basis)) or "nothing to run")


def seconds(spec: RunSpec, store: Store) -> float:
    """The CPU time that a run is expected to take."""
    found, _ = lookup(spec.agent, spec.env, store.root)
    return found.cpu_seconds_per_1000_steps * spec.steps / 1000


@cache
def lookup(agent: str, env: str, root: Path) -> tuple[Cost, str]:
    """The cost of `agent` in `env`, and the closest measurement that says so."""
    own = _of_folder(root / "runs" / agent / env)
    if own:
        return own, "runs in this store"
    table = read(shipped("configs") / "costs.yaml", CostFile).agents
    if env in table.get(agent, {}):
        return table[agent][env], "shipped measurements"
    if agent in table:
        return _middle(list(table[agent].values())), "measurements in other environments"
    return GUESS, "a guess"


def _of_folder(folder: Path) -> Cost | None:
    costs = [_of_run(path) for path in _some(folder.glob("*/result.json"))]
    return _middle(costs) if costs else None


def _some(paths: Iterator[Path]) -> Iterator[Path]:
    for path, _ in zip(paths, range(ENOUGH), strict=False):
        yield path


def _of_run(path: Path) -> Cost:
    result = json.loads(path.read_text())
    steps = json.loads((path.parent / "spec.json").read_text())["steps"]
    size = sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file())
    return Cost(
        cpu_seconds_per_1000_steps=result["cpu_seconds"] * 1000 / steps,
        peak_memory_mb=result["peak_memory_mb"],
        disk_mb=size / 2**20,
    )


def _middle(costs: list[Cost]) -> Cost:
    return Cost(
        cpu_seconds_per_1000_steps=round(median(c.cpu_seconds_per_1000_steps for c in costs), 4),
        peak_memory_mb=round(median(c.peak_memory_mb for c in costs), 1),
        disk_mb=round(median(c.disk_mb for c in costs), 3),
    )


# What was spent -----------------------------------------------------------------------------------


class Account(NamedTuple):
    """What attempts took, as far as it was recorded."""

    attempts: int
    wall_seconds: float
    cpu_seconds: float
    peak_memory_mb: float | None
    no_wall: int  # attempts whose time was not recorded: they count as 0 above
    no_cpu: int

    @classmethod
    def of(cls, attempts: Sequence[Attempt]) -> Account:
        walls, cpus, peaks = (
            [value for each in attempts if (value := getattr(each, field)) is not None]
            for field in ("wall_seconds", "cpu_seconds", "peak_memory_mb")
        )
        n = len(attempts)
        return cls(
            n, sum(walls), sum(cpus), max(peaks, default=None), n - len(walls), n - len(cpus)
        )


class Spent(NamedTuple):
    """What every attempt took together, and what those took that left no result."""

    total: Account
    lost: Account

    @property
    def unknown(self) -> str:
        """What was not recorded, so that the sums say less than was spent."""
        parts = [
            f"{words} of {n:,}"
            for n, words in ((self.total.no_wall, "wall time"), (self.total.no_cpu, "CPU time"))
            if n
        ]
        if not parts:
            return ""
        of = f"of {self.total.attempts:,} attempts"
        return f"Not recorded, and counted as 0: {' and '.join(parts)} {of}."

    @property
    def sentence(self) -> str:
        lost = f"{self.lost.attempts:,} left no result"
        if self.lost.attempts:
            lost += f" and took {_hours(self.lost)}"
        each = f"{self.total.attempts:,} attempts took {_hours(self.total)}; {lost}."
        return f"{each} {self.unknown}".rstrip()


def spent(statuses: Iterable[RunStatus]) -> Spent:
    """On these runs, each of which must stand there once: failed and killed attempts included."""
    attempts = [attempt for status in statuses for attempt in status.tries]
    lost = [attempt for attempt in attempts if attempt.outcome not in ("finished", "running")]
    return Spent(Account.of(attempts), Account.of(lost))


def _hours(account: Account) -> str:
    unit, name = (3600.0, "h") if account.cpu_seconds > 3600 else (1.0, "s")
    wall, cpu = account.wall_seconds / unit, account.cpu_seconds / unit
    return f"{wall:,.1f} {name} of wall time and {cpu:,.1f} {name} of CPU time"


# What configs/costs.yaml holds --------------------------------------------------------------------


def text(root: Path) -> str:
    """The measurements of a results folder, as configs/costs.yaml holds them."""
    lines = [
        "# yaml-language-server: $schema=../harness/schema/costs.json",
        "# Medians over finished runs: python -m harness.cost results > configs/costs.yaml",
        f"measured_on: {json.dumps(_machines(root))}",
        "agents:",
    ]
    for agent, found in measured(root).items():
        lines.append(f"  {agent}:")
        lines += [f"    {env}: {one.model_dump_json()}" for env, one in found.items()]
    return "\n".join(lines) + "\n"


def _machines(root: Path) -> str:
    found = {
        json.loads(path.read_text())["machine"]["cpu"]
        for path in _some(root.glob("runs/*/*/*/result.json"))
    }
    return ", ".join(sorted(found))


if __name__ == "__main__":
    print(text(Path(sys.argv[1])), end="")
