"""One search at which several commands work, each with a results folder of its own.

They meet in the database of the study: a table there says who makes which run, and what came of
it. A batch is a function of the trials before it and of the outcomes of its runs (see loop.py), so
all commands work out the same trials, and each of these is told once. The first outcome of a run
counts, for the command that made it, too.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import sqlalchemy as sql
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.exc import DBAPIError, IntegrityError

from harness.search.score import Make, Outcome
from harness.spec import RunSpec

SERVERS = ("postgresql", "mysql", "mariadb")  # where a row can be held; elsewhere nobody shares
BEAT, STALE = 10.0, 120.0  # seconds between signs of life; without one, who made a run is gone
POLL = 1.0  # seconds between two looks at what others are at

RUNS = sql.Table(
    "harness_runs",
    sql.MetaData(),
    sql.Column("study", sql.String(255), primary_key=True),
    sql.Column("run", sql.String(32), primary_key=True),  # its key; TURN is no run
    sql.Column("holder", sql.String(255), nullable=False),
    sql.Column("beat", sql.Integer, nullable=False),  # counts signs of life: clocks may differ
    sql.Column("outcome", sql.Text),
)
TURN = "turn"  # the row that is held by whoever writes to the study


class Seen(NamedTuple):
    """The sign of life that somebody else's claim gave last, and when this process first saw it."""

    holder: str
    beat: int
    at: float


class Shared:
    """The part of this command in a search.

    :param at_once: how many runs are claimed at a time, at least; trials are claimed whole.
    :param say: is told when there is nothing to do but wait.
    """

    def __init__(
        self, storage: RDBStorage, study: str, at_once: int, say: Callable[[str], None]
    ) -> None:
        self._engine, self._study, self._at_once, self._say = storage.engine, study, at_once, say
        self._me = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex}"
        self._seen: dict[str, Seen] = {}
        with suppress(DBAPIError):  # another command made it in this moment
            RUNS.metadata.create_all(self._engine)
        self._insert(TURN)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until no other command writes to the study, and keep them waiting."""
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":  # of a machine that vanished
                connection.execute(
                    sql.text("SET LOCAL idle_in_transaction_session_timeout = 60000")
                )
            row = sql.select(RUNS).where(self._is(TURN)).with_for_update()
            connection.execute(row).all()
            yield

    def outcomes(self, groups: Sequence[Sequence[RunSpec]], make: Make) -> dict[str, Outcome]:
        """What came of these runs, by key. What nobody is at is made here, by the group."""
        is_told = False
        while True:
            known = self._known({spec.key for group in groups for spec in group})
            left = [[spec for spec in group if spec.key not in known] for group in groups]
            if not any(left):
                return known
            mine = self._claim(left)
            if mine:
                self._make(mine, make)
            else:
                if not is_told:
                    runs = len({spec.key for group in left for spec in group})
                    self._say(f"{self._study}: {runs} runs are being made by other commands")
                    is_told = True
                time.sleep(POLL)

    def _make(self, specs: list[RunSpec], make: Make) -> None:
        over = threading.Event()
        alive = threading.Thread(target=self._beat, args=(over,), daemon=True)
        alive.start()
        try:
            for key, outcome in make(specs).items():
                self._change(
                    RUNS.update().values(outcome=json.dumps(outcome)),
                    self._is(key) & RUNS.c.outcome.is_(None),
                )
        finally:
            over.set()
            alive.join()
            with suppress(DBAPIError):  # else they are free when they are stale
                mine = (RUNS.c.study == self._study) & (RUNS.c.holder == self._me)
                self._change(RUNS.delete(), mine & RUNS.c.outcome.is_(None) & (RUNS.c.run != TURN))

    def _beat(self, over: threading.Event) -> None:
        mine = (RUNS.c.study == self._study) & (RUNS.c.holder == self._me)
        while not over.wait(BEAT):
            with suppress(DBAPIError):  # the server may be back before the next one
                self._change(RUNS.update().values(beat=RUNS.c.beat + 1), mine)

    def _known(self, keys: set[str]) -> dict[str, Outcome]:
        rows = self._rows(keys)
        return {key: _outcome(row.outcome) for key, row in rows.items() if row.outcome is not None}

    def _rows(self, keys: set[str]) -> dict[str, sql.Row[Any]]:
        wanted = sql.select(RUNS).where(RUNS.c.study == self._study, RUNS.c.run.in_(keys))
        with self._engine.connect() as connection:
            return {row.run: row for row in connection.execute(wanted)}

    def _claim(self, groups: Sequence[Sequence[RunSpec]]) -> list[RunSpec]:
        """Runs that nobody else is at, from now on this command's."""
        mine: dict[str, RunSpec] = {}
        rows = self._rows({spec.key for group in groups for spec in group})
        for group in groups:
            if len(mine) >= self._at_once:
                break
            for spec in group:
                row = rows.get(spec.key)
                taken = self._insert(spec.key) if row is None else self._take_over(row)
                if spec.key not in mine and taken:
                    mine[spec.key] = spec
        return list(mine.values())

    def _insert(self, run: str) -> bool:
        """Whether there was no such row."""
        new = {"study": self._study, "run": run, "holder": self._me, "beat": 0}
        try:
            with self._engine.begin() as connection:
                connection.execute(RUNS.insert().values(new))
        except IntegrityError:
            return False
        return True

    def _take_over(self, row: sql.Row[Any]) -> bool:
        """Whether the run of this row was given up, as far as can be told."""
        seen = self._seen.get(row.run)
        if seen is None or (seen.holder, seen.beat) != (row.holder, row.beat):
            self._seen[row.run] = Seen(row.holder, row.beat, time.monotonic())
            return False
        if row.outcome is not None or time.monotonic() - seen.at < STALE:
            return False
        same = (RUNS.c.holder == row.holder) & (RUNS.c.beat == row.beat)
        return self._change(
            RUNS.update().values(holder=self._me, beat=0),
            self._is(row.run) & same & RUNS.c.outcome.is_(None),
        )

    def _is(self, run: str) -> sql.ColumnElement[bool]:
        return (RUNS.c.study == self._study) & (RUNS.c.run == run)

    def _change(self, what: sql.Update | sql.Delete, where: sql.ColumnElement[bool]) -> bool:
        """Whether there was a row for it."""
        with self._engine.begin() as connection:
            return connection.execute(what.where(where)).rowcount > 0


def join(
    storage: BaseStorage, study: str, at_once: int, say: Callable[[str], None]
) -> Shared | None:
    """This command's part in the search; None: the study is where no other command can be at it."""
    if isinstance(storage, RDBStorage) and storage.engine.dialect.name in SERVERS:
        return Shared(storage, study, at_once, say)
    return None


def _outcome(text: str) -> Outcome:
    scores, *rest = json.loads(text)
    return Outcome(tuple(scores), *rest)
