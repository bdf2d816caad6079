"""`harness merge`: bring home what shards published, or what lies in another results folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import option, verb

if TYPE_CHECKING:
    from harness.store.bucket import Bucket
    from harness.store.merge import Merged
    from harness.store.reader import Store

EVERY = 30.0  # seconds between two lines about how far it is


def merge(
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="DIR|URL|ARCHIVE...",
            help="What the shards gave as --results: a folder, gs://..., s3://... or file://..., "
            "or an archive of `harness bundle`.",
        ),
    ],
    results: option.Results = option.DEFAULT_RESULTS,
) -> None:
    """Bring runs home from a bucket or another results folder: each compared, none overwritten."""
    with verb.users_errors("What was brought home is kept; the same command goes on."):
        from harness.store.merge import merge as bring

        store, is_whole = verb.open_store(results), True
        sweeps = dict[str, None]()
        for name in source:
            with _opened(name, store) as bucket:
                merged = bring(bucket, store, _progress(name))
            _tell(name, merged)
            sweeps |= dict.fromkeys(merged.sweeps)
            is_whole = is_whole and merged.is_whole
        for name in sweeps:
            _standing(name, store)
        if not is_whole:
            raise typer.Exit(verb.SOME_FAILED)


@contextmanager
def _opened(name: str, store: Store) -> Iterator[Bucket]:
    """:raises UserError: if there is nothing to read, or it is where runs are to be brought to."""
    from pathlib import Path

    from harness.store.bucket import Bucket, is_url
    from harness.store.bundle import unpack
    from harness.store.scratch import scratch

    if is_url(name):
        yield Bucket(name)
    elif Path(name).is_file():
        with scratch() as folder:
            yield Bucket(str(unpack(Path(name), folder / "archive").results))
    elif not Path(name).is_dir():
        raise verb.user_error(name, "there is no such folder or archive")
    elif Path(name).resolve() == store.root.resolve():
        raise verb.user_error(name, "that is the results folder itself: its runs are here")
    else:
        yield Bucket(name)


def _progress(name: str) -> Callable[[int, int], None]:
    said = time.monotonic()

    def tick(done: int, of: int) -> None:
        nonlocal said
        if time.monotonic() - said > EVERY:
            said = time.monotonic()
            verb.console().print(f"{name}: {done:,} of {of:,} runs", soft_wrap=True)

    return tick


def _tell(name: str, merged: Merged) -> None:
    parts = {
        "brought home": merged.came, "here before": merged.were, "failed": merged.failed,
        "made more than once to the same bits": merged.twice, "not whole": merged.lost,
        "made to other bits": merged.apart, "being trained here": merged.busy,
    }  # fmt: skip
    counts = (f"{len(runs):,} {what}" for what, runs in parts.items() if runs)
    verb.console().print(f"{name}: {', '.join(counts) or 'no runs'}", soft_wrap=True)
    for lines in (merged.twice, merged.damaged, merged.lost, merged.apart, merged.busy):
        verb.warn(lines)


def _standing(name: str, store: Store) -> None:
    """How many of a sweep's runs are here now, and what to do next."""
    from collections import Counter

    from harness.store.files import Damaged

    try:
        runs = {run.key: run for run in store.sweep(name).runs}.values()
    except Damaged as error:
        verb.warn([error])
        return
    states = Counter(store.status(run).state for run in runs)
    counts = ", ".join(f"{n:,} {state}" for state, n in states.most_common())
    verb.console().print(f"sweep {name}: {counts}. harness report {name}", soft_wrap=True)
