"""A run that is made on a machine without this results folder: how it is seen here, and comes home.

There it is made in a results folder of its own. Signs of life come here while it lasts, so that
whoever looks sees it run; when it has ended, its files come in parcels, and what they are is taken
home as from any other results folder: see merge.py.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from harness.spec import RunSpec
from harness.store import files, layout, published, run_files, writer
from harness.store.bucket import Bucket, is_plain
from harness.store.merge import Merged, merge
from harness.store.reader import Store

SIGNS = (layout.SPEC, layout.ATTEMPTS, layout.PROGRESS, layout.EVALS)
LONGEST = 2**20  # bytes of a file that is a sign of life
PARCEL = 4 * 2**20  # bytes: what is larger comes in several


# There --------------------------------------------------------------------------------------------


class Watcher:
    """Looks at the files of a run for what has changed since it last told."""

    def __init__(self, spec: RunSpec, store: Store) -> None:
        self._folder = store.folder(spec)
        self._told: dict[str, bytes] = {}

    def news(self) -> dict[str, bytes]:
        """The signs of life that are new, each whole."""
        new = {}
        for name in SIGNS:
            path = self._folder / name
            if (files.size(path) or LONGEST) < LONGEST:
                content = files.read(path) or b""
                if content != self._told.get(name):
                    new[name] = content
        self._told |= new
        return new


class Part(NamedTuple):
    """Some bytes of a file; the next part of the same name is what follows."""

    name: str  # its path in the results folder
    content: bytes


def parcels(spec: RunSpec, store: Store) -> Iterator[list[Part]]:
    """What came of a run, the file that tells it last. Nothing, if nothing came of it."""
    parcel, room = list[Part](), PARCEL
    for folder, names in published.contents(spec, store).items():
        for name in names:
            for content in _pieces(folder / name):
                if len(content) > room:
                    yield parcel
                    parcel, room = [], PARCEL
                path = (folder / name).relative_to(store.root)
                parcel.append(Part(path.as_posix(), content))
                room -= len(content)
    if parcel:
        yield parcel


def _pieces(path: Path) -> Iterator[bytes]:
    """At least one, which may be empty."""
    with path.open("rb") as file:
        yield file.read(PARCEL)
        while content := file.read(PARCEL):
            yield content


# Here ---------------------------------------------------------------------------------------------


class Held:
    """A run that is being made elsewhere: nobody here makes it meanwhile.

    :raises writer.Busy: if somebody here does.
    """

    def __init__(self, spec: RunSpec, store: Store) -> None:
        self._folder = store.folder(spec)
        self._lock = ExitStack()
        writer.clear_way(self._folder, store.root)
        self._lock.enter_context(writer.claimed(self._folder))

    def hear(self, signs: Mapping[str, bytes]) -> None:
        """Show them, so that `Store` tells of the run as of one that is made here."""
        for name in set(SIGNS).intersection(signs):
            content = signs[name]
            if name == layout.ATTEMPTS:
                content = self._starts(content)
            files.write_whole(self._folder / name, content, sync=False)

    def _starts(self, content: bytes) -> bytes:
        """The log of attempts, with the first line of the one that is under way."""
        path = self._folder / layout.ATTEMPTS
        known = path.read_bytes() if path.is_file() else b""
        start = content.partition(b"\n")[0] + b"\n"
        return known if start in known else known + start

    def lost(self) -> None:
        """It will not come to an end: the attempt was lost."""
        started = run_files.attempts(self._folder).rows
        if started and "ended" not in started[-1]:
            writer.end_attempt(self._folder, "lost")

    def release(self) -> None:
        self._lock.close()


class Arrival:
    """The files of a run that come from elsewhere, in a results folder of their own."""

    def __init__(self, folder: Path, spec: RunSpec) -> None:
        self._spec, self._store = spec, Store(folder)

    def take(self, parcel: Sequence[Part]) -> None:
        """:raises ValueError: if a part is of no file that such a folder has."""
        for part in parcel:
            if not is_plain(part.name):
                raise ValueError(f"{part.name} is no file of a results folder")
            path = self._store.root / part.name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(part.content)

    @property
    def outcome(self) -> str:
        """A hash of what came of the run; empty: nothing did."""
        return published.came_of(self._spec, self._store)

    def result(self) -> dict[str, object] | None:
        """Of a run that finished, and of which all files have come as it left them."""
        return run_files.finished(self._store.folder(self._spec), deep=True)[0]

    def remove(self) -> None:
        shutil.rmtree(self._store.root, ignore_errors=True)

    def bring_home(self, store: Store) -> Merged:
        return merge(Bucket(str(self._store.root)), store, lambda done, of: None)
