"""Publish runs as they end, while others are trained."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from types import TracebackType

from harness.config.strict import UserError
from harness.spec import Metric, RunSpec
from harness.store.bucket import Bucket
from harness.store.published import came_of, publish
from harness.store.reader import Store
from harness.store.writer import Busy

EVERY = 2.0  # seconds between two looks at the store


class Unpublished(Exception):
    """Runs have ended, and the bucket did not take them."""


class Publisher:
    """While it is entered, a thread publishes what comes of these runs; on exit, the rest.

    It is a thread of the command, not of its workers: these are the same on every machine, and know
    of no bucket.

    :param metrics: that are made of a run once it is finished, and published with it.
    """

    def __init__(
        self, specs: Sequence[RunSpec], bucket: Bucket, store: Store, metrics: Sequence[Metric]
    ) -> None:
        self._bucket, self._store, self._metrics = bucket, store, metrics
        self._waiting = list(specs)
        self._sent: dict[str, str] = {}  # by key, the hash of what was published
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._refused = ""  # the last thing that went wrong, told once

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """:raises Unpublished: if the bucket does not take all, and nothing else went wrong."""
        self._ended.set()
        self._thread.join()
        try:
            self._look(last=True)
        except UserError as refused:
            if error is None:
                raise Unpublished(str(refused)) from None
            print(refused, file=sys.stderr)

    def _watch(self) -> None:
        while not self._ended.wait(EVERY):
            try:
                self._look()
            except UserError as error:  # it is tried again
                if str(error) != self._refused:
                    self._refused = str(error)
                    print(error, file=sys.stderr)

    def _look(self, last: bool = False) -> None:
        for spec in list(self._waiting):
            if self._ended.is_set() and not last:
                return
            hash_ = "" if self._store.running(spec) else came_of(spec, self._store)
            if not hash_ or self._sent.get(spec.key) == hash_:
                continue
            is_finished = self._store.finished(spec)
            if is_finished and not last and not self._store.looked_at(spec, self._metrics):
                continue
            try:
                publish(spec, self._bucket, self._store)
            except Busy:  # it is being trained once more
                continue
            self._sent[spec.key] = hash_
            if is_finished:
                self._waiting.remove(spec)
