"""The reader of all searches: how far each is, asked without disturbing one that runs.

A study is read from a copy in memory of its journal, or from its SQLite file, where nothing is
made. Looking turns no search away that starts meanwhile, and no server is connected to on the word
of a record.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url

from harness.config.name import shortened
from harness.config.secret import without_password
from harness.store.files import Damaged, lock_is_held, read_json, read_lines, size
from harness.store.layout import LOCK
from harness.store.reader import Store

JOURNAL, BEST = "journal.log", "best.yaml"  # in the folder of each arm
STATE = "search.json"  # what the search says of itself: its stage, its budget, its storage
SEARCHING, CONFIRMING, DONE = "searching", "confirming", "done"

# What a search writes on its trials.
STEPS, SECONDS, FULL = "steps", "seconds", "full"


class Standing(NamedTuple):
    """One arm of a search as it stands."""

    search: str
    arm: str
    stage: str
    running: bool  # a living process is at it
    done: int  # trials that were told, those that were stopped early among them
    open: int  # trials that were being evaluated when it last wrote its state
    failed: int
    best: float | None  # of the trials that were run on all seeds
    spent: str  # of what was given
    problem: str  # why its trials could not be read


def standings(store: Store) -> list[Standing]:
    """Every arm of every search in this store."""
    globs = (store.root.glob(f"searches/*/*/{name}") for name in (STATE, JOURNAL, BEST))
    folders = {path.parent for paths in globs for path in paths}
    return [_standing(folder) for folder in sorted(folders)]


def _standing(folder: Path) -> Standing:
    state: dict[str, Any] = {}
    trials, problem = list[FrozenTrial](), ""
    try:
        state = read_json(folder / STATE, {"stage": str, "running": int, "budget": dict}) or {}
        trials = _trials(folder, state)
    except Damaged as error:
        problem = f"damaged: {error}: `harness tune` with the search's file makes it anew"
    except NotAskedError as error:
        problem = without_password(str(error))
    except Exception as error:  # each driver of a database has its own kinds
        cause = error.__cause__ or error  # Optuna's own words for it say nothing
        problem = without_password(f"{type(cause).__name__}: {cause}".splitlines()[0])
    states = [trial.state for trial in trials]
    values = [t.value for t in trials if t.user_attrs.get(FULL) and t.value is not None]
    # Without a state a search is over if it has a winner.
    stage = state.get("stage") or (DONE if (folder / BEST).exists() else SEARCHING)
    return Standing(
        search=folder.parent.name,
        arm=folder.name,
        stage=stage,
        running=lock_is_held(folder / LOCK),
        done=sum(s in (TrialState.COMPLETE, TrialState.PRUNED) for s in states),
        open=state.get("running", 0),
        failed=states.count(TrialState.FAIL),
        best=max(values, default=None),
        spent=_spent(trials, state.get("budget", {})),
        problem=problem,
    )


# Studies -----------------------------------------------------------------------------------------


def _trials(folder: Path, state: dict[str, Any]) -> list[FrozenTrial]:
    name, where = f"{folder.parent.name}.{folder.name}", state.get("storage")
    if where and "://" in where:
        return _trials_in(_database(where), name) or []
    return journal(Path(where) if where else folder / JOURNAL, name, begun=bool(state))


def journal(path: Path, name: str, begun: bool) -> list[FrozenTrial]:
    """The trials of a study, from a copy of its journal. A record that is half written is none.

    :param begun: the search has said that it has a study.
    :raises Damaged: if there is none then, or the file holds anything but a journal.
    """
    length = size(path)
    if not begun and not length:
        return []
    log = read_lines(path)
    if log.damage:
        raise Damaged(*log.damage)
    try:
        trials = _trials_in(JournalStorage(_Copy(log.rows)), name)
    except Exception as error:  # Optuna asks a record for whatever it expects there
        why = f"it holds no records of a study ({type(error).__name__}: {error})"
        raise Damaged(path, shortened(why)) from None
    if trials is None and begun:
        why = "it is gone" if length is None else f"the study {name} is not in it"
        raise Damaged(path, why)
    return trials or []


def _trials_in(storage: BaseStorage | None, name: str) -> list[FrozenTrial] | None:
    """None: there is no such study."""
    if storage is None or name not in {s.study_name for s in storage.get_all_studies()}:
        return None
    return optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)


class NotAskedError(Exception):
    """A server that a record names, which may be anybody's."""


def _database(where: str) -> BaseStorage | None:
    """The SQLite file that a record names; None: there is none, and SQLite would make it.

    :raises NotAskedError: for anything else: to connect to it tells a stranger who is asking.
    """
    url = make_url(where)
    if url.drivername != "sqlite":
        raise NotAskedError(
            f"its trials are in {where}: only `harness tune` with its file asks there"
        )
    if not Path(url.database or "").is_file():
        return None
    return RDBStorage(str(url.set(query={})), skip_table_creation=True)


class _Copy(BaseJournalBackend):
    """What a journal held when it was read."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self._records = records

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        return self._records[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> NoReturn:
        raise PermissionError("a search is only read here")


def _spent(trials: Iterable[FrozenTrial], budget: dict[str, float | None]) -> str:
    """In the unit in which it was given; in steps where nobody wrote that down."""
    ended = list(trials)
    steps = sum(int(trial.user_attrs.get(STEPS, 0)) for trial in ended)
    unit, limit = next(((k, v) for k, v in budget.items() if v is not None), ("steps", None))
    if unit == "trials":
        used = sum(trial.state.is_finished() for trial in ended)
    elif unit == "run_minutes":
        used = round(sum(trial.user_attrs.get(SECONDS, 0.0) for trial in ended) / 60)
    else:
        used = steps
    text = f"{used:,}" if limit is None else f"{used:,} of {limit:,}"
    text += f" {unit.replace('_', '-')}"
    return text if unit == "steps" else f"{text}, {steps:,} steps"
