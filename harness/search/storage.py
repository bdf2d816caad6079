"""Where a study is kept: a journal file, repaired if a crash tore it, or any Optuna URL."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, ProgrammingError

from harness.config.secret import without_password
from harness.config.strict import UserError
from harness.config.tree import canonical, differing
from harness.search.plan import Plan
from harness.store import searches, writer
from harness.store.files import (
    Damaged,
    locked,
    read,
    read_json,
    set_aside,
    write_json,
    write_whole,
)

IDENTITY = "identity"  # the user attribute that holds what decides the study
JOURNAL = searches.JOURNAL
TRIES = 3  # at making tables, at which several commands may be at once


@contextmanager
def claimed(folder: Path, name: str, where: str = "") -> Iterator[None]:
    """Hold a search's folder, as a run's folder is held, and the file of its study.

    A server is held by nobody: several commands may be at a study there, see shared.py.

    :param where: see `connect`.
    :raises UserError: if another process is at this search.
    """
    with ExitStack() as held:
        try:
            held.enter_context(writer.claimed(folder))
            if file := _file(where):
                held.enter_context(locked(file.with_name(f"{file.name}.claim")))
        except (writer.Busy, BlockingIOError):
            message = (
                "another process is at this search: wait for it, or end it. Several work at one "
                "if its study is on a server, each with --results of its own"
            )
            raise UserError.of(name, message) from None
        yield


def _file(where: str) -> Path | None:
    """The file that holds a study; None: it is on a server, or in no file that there can be."""
    path = where
    if "://" in where:
        with suppress(ArgumentError):
            url = make_url(where)
            path = url.database or "" if url.get_backend_name() == "sqlite" else ""
    return Path(path) if path and Path(path).parent.is_dir() else None


def mend(folder: Path, name: str) -> Iterator[str]:
    """Make way for a search: what is damaged in its folder is set aside, and told in a line each.

    Of a journal whose last record a crash cut short, that record is taken out. Any other damage
    could shift the trials: the journal is set aside, and the same trials come of the runs again.
    """
    path = folder / JOURNAL
    try:
        searches.journal(path, name, begun=os.path.lexists(path) and _begun(folder))
        content = read(path) or b""
    except Damaged as error:
        aside = set_aside(error.damage.path).name
        yield f"{error}; set aside as {aside}: its trials are worked out again from their runs"
        return
    whole, _, torn = content.rpartition(b"\n")
    if torn:
        aside = set_aside(path).name
        write_whole(path, whole + b"\n" if whole else b"")
        yield f"{path}: a torn record is taken out; as it was: {aside}"


def _begun(folder: Path) -> bool:
    """Whether the search has said that it has a study."""
    try:
        return read_json(folder / searches.STATE, {}) is not None
    except Damaged:
        return False


def connect(where: str) -> BaseStorage:
    """:param where: an Optuna URL, or the path of a journal file.

    :raises UserError: if there is no such database, or no driver for it, or no journal.
    """
    try:
        if "://" not in where:
            # A killed process leaves its lock, and whoever follows waits for 30 seconds. We hold
            # the whole search (`claimed`), so the lock is nobody's.
            Path(f"{where}.lock").unlink(missing_ok=True)
            return JournalStorage(JournalFileBackend(where))
        return _database(where)
    except Exception as error:  # each driver has its own kinds
        raise _refused(where, error) from None


def _database(where: str) -> RDBStorage:
    """Makes the tables where there are none. Of commands that do so at once, one fails."""
    for _ in range(TRIES - 1):
        with suppress(IntegrityError, ProgrammingError):
            return RDBStorage(where, engine_kwargs={"pool_pre_ping": True})
    return RDBStorage(where, engine_kwargs={"pool_pre_ping": True})


@contextmanager
def answering(where: str) -> Iterator[None]:
    """Tell of a database that is gone in the middle of a search in one line.

    :raises UserError: then.
    """
    try:
        yield
    except (StorageInternalError, DBAPIError) as error:
        raise _refused(where, error.__cause__ or error) from None


def _refused(where: str, error: BaseException) -> UserError:
    why = without_password(f"{type(error).__name__}: {error}".splitlines()[0], where)
    if isinstance(error, ImportError):
        why = "no driver for it: PostgreSQL needs pip install 'rl-ablation-harness[postgres]'"
    return UserError.of("storage", why, without_password(where))


def tell(plan: Plan, folder: Path, stage: str, running: int = 0) -> None:
    """Say how far the search is, to whoever asks (`harness status`).

    :param running: trials that are being evaluated.
    """
    where = plan.file.storage
    if where:
        where = without_password(where) if "://" in where else str(Path(where).resolve())
    budget = plan.file.budget.model_dump()
    state = {"stage": stage, "running": running, "budget": budget, "storage": where}
    write_json(folder / searches.STATE, state)


def open_study(plan: Plan, storage: BaseStorage) -> optuna.Study:
    """The plan's study, begun or gone on with.

    :raises UserError: if it was begun with other settings.
    """
    study = optuna.create_study(
        storage=storage, study_name=plan.name, direction="maximize", load_if_exists=True
    )
    wanted = json.loads(canonical(plan.identity()))
    if IDENTITY not in study.user_attrs:
        study.set_user_attr(IDENTITY, wanted)
    changed = sorted(differing(study.user_attrs.get(IDENTITY, {}), wanted))
    if changed:
        said = [key.replace("runs.", "agent, default, steps or evaluation on ") for key in changed]
        message = (
            f"the study '{plan.name}' was begun with other settings ({'; '.join(said)}): give this "
            "search another name, or put them back"
        )
        raise UserError([plan.document.problem((changed[0].split(".")[0],), message)])
    return study
