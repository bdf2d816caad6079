"""Folders among the system's temporary files. What a killed command left there, the next removes.

Of two containers or machines that share these files, none can tell by a process id whether the
other's command is alive; by a lock it can.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.store.files import lock_is_held, locked

PREFIX, LOCK = "harness-", "lock"


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder, for one command. A process forked from this one leaves it alone."""
    remove_left()
    folder, mine = Path(tempfile.mkdtemp(prefix=PREFIX)), os.getpid()
    try:
        with locked(folder / LOCK):
            (folder / LOCK).write_text(str(os.getpid()))
            yield folder
    finally:
        if os.getpid() == mine:
            shutil.rmtree(folder, ignore_errors=True)


def remove_left() -> None:
    """Remove the folders of commands that were killed."""
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_left(left):
            shutil.rmtree(left, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Of this user, and nobody holds it. A lock that is empty is about to be taken."""
    with suppress(OSError):
        facts, lock = folder.lstat(), (folder / LOCK).lstat()
        return facts.st_uid == os.getuid() and lock.st_size > 0 and not lock_is_held(folder / LOCK)
    return False
