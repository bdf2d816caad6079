"""The reader of all searches: how far each is, asked without disturbing one that runs.

A study is read from a copy in memory of its journal, or from its database, where nothing is made. A
search's folder is never held.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url

from harness.files import Damaged, read_json
from harness.secret import without_password
from harness.store import Store, lock_is_held

JOURNAL, BEST = "journal.log", "best.yaml"  # in the folder of each arm
STATE = "search.json"  # what the search says of itself: its stage, its budget, its storage
SEARCHING, CONFIRMING, DONE = "searching", "confirming", "done"

# What is connected to on the word of a search's record alone, and with which options.
DRIVERS = {"sqlite", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"}
DRIVERS |= {"mysql", "mysql+pymysql", "mysql+mysqlconnector", "mariadb+pymysql"}
OPTIONS = ("sslmode", "charset")

# What a search writes on its trials.
STEPS, SECONDS, FULL = "steps", "seconds", "full"


class Standing(NamedTuple):
    """One arm of a search as it stands."""

    search: str
    arm: str
    stage: str
    running: bool  # a living process is at it
    done: int  # trials that were told, those that were stopped early among them
    open: int  # trials that were begun and not told
    failed: int
    best: float | None  # of the trials that were run on all seeds
    spent: str  # of what was given
    problem: str  # why its trials could not be read


def standings(store: Store) -> list[Standing]:
    """Every arm of every search in this store."""
    folders = sorted({path.parent for path in _signs(store.root)})
    return [_standing(folder) for folder in folders]


def _signs(root: Path) -> Iterator[Path]:
    for name in (STATE, JOURNAL, BEST):
        yield from root.glob(f"searches/*/*/{name}")


def _standing(folder: Path) -> Standing:
    said: dict[str, Any] = {}
    trials, problem = list[FrozenTrial](), ""
    try:
        said = read_json(folder / STATE, {"stage": str, "budget": dict}) or {}
        trials = _trials(folder, said)
    except Damaged as error:
        problem = f"damaged: {error}: `harness tune` writes it again"
    except Exception as error:  # each driver of a database has its own kinds
        cause = error.__cause__ or error  # Optuna's own words for it say nothing
        problem = without_password(f"{type(cause).__name__}: {cause}".splitlines()[0])
    states = [trial.state for trial in trials]
    values = [t.value for t in trials if t.user_attrs.get(FULL) and t.value is not None]
    # A search from before it told its stage is over if it has a winner.
    stage = said.get("stage") or (DONE if (folder / BEST).exists() else SEARCHING)
    return Standing(
        search=folder.parent.name,
        arm=folder.name,
        stage=stage,
        running=_is_held(folder / "lock"),
        done=sum(s in (TrialState.COMPLETE, TrialState.PRUNED) for s in states),
        open=sum(not s.is_finished() for s in states),
        failed=states.count(TrialState.FAIL),
        best=max(values, default=None),
        spent=_spent(trials, said.get("budget", {})),
        problem=problem,
    )


def _is_held(path: Path) -> bool:
    """Whether some process holds a lock, asked of the kernel: trying to take it could turn away a
    search that starts at that moment.
    """
    try:
        rows, inode = Path("/proc/locks").read_text().splitlines(), path.stat().st_ino
    except FileNotFoundError:  # no such lock; or no Linux
        return not Path("/proc/locks").exists() and lock_is_held(path)
    return any(" FLOCK " in row and row.split()[-3].endswith(f":{inode}") for row in rows)


# Studies -----------------------------------------------------------------------------------------


def _trials(folder: Path, said: dict[str, Any]) -> list[FrozenTrial]:
    where = said.get("storage") or str(folder / JOURNAL)
    storage = _database(where) if "://" in where else _journal(Path(where))
    if storage is None:
        return []
    names = {study.study_name for study in storage.get_all_studies()}
    name = f"{folder.parent.name}.{folder.name}"
    if name not in names:  # it has only just begun
        return []
    return optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)


def _journal(path: Path) -> BaseStorage | None:
    return JournalStorage(_Copy(path)) if path.is_file() else None


def _database(where: str) -> BaseStorage | None:
    """What a record says of where it is, which is followed to no more than a database.

    :raises ValueError: for another driver than `DRIVERS`: SQLAlchemy would import it.
    """
    url = make_url(where)
    if url.drivername not in DRIVERS:
        raise ValueError(f"a search's own record may not choose the driver {url.drivername}")
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        return None  # SQLite would make it
    url = url.set(query={name: url.query[name] for name in OPTIONS if name in url.query})
    return RDBStorage(url.render_as_string(hide_password=False), skip_table_creation=True)


class _Copy(BaseJournalBackend):
    """What a journal held when it was read, but for records that are half written."""

    def __init__(self, path: Path) -> None:
        self._records = list(_whole(path.read_bytes()))

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return self._records[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> NoReturn:
        raise PermissionError("a search is only read here")


def _whole(text: bytes) -> Iterator[dict[str, Any]]:
    for line in text.splitlines(keepends=True):
        if is_record(line):
            yield json.loads(line)


def is_record(line: bytes) -> bool:
    """Whether a line of a journal is whole."""
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _spent(trials: Iterable[FrozenTrial], budget: dict[str, float | None]) -> str:
    """In the unit in which it was given; in steps where nobody wrote that down."""
    told = list(trials)
    steps = sum(int(trial.user_attrs.get(STEPS, 0)) for trial in told)
    unit, given = next(((k, v) for k, v in budget.items() if v is not None), ("steps", None))
    if unit == "trials":
        used = sum(trial.state.is_finished() for trial in told)
    elif unit == "run_minutes":
        used = round(sum(trial.user_attrs.get(SECONDS, 0.0) for trial in told) / 60)
    else:
        used = steps
    text = f"{used:,}" if given is None else f"{used:,} of {given:,}"
    text += f" {unit.replace('_', '-')}"
    return text if unit == "steps" else f"{text}, {steps:,} steps"
