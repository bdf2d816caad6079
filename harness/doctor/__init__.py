"""Whether a machine can train: each part is tried, and what to change is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from harness.doctor import gpu, machine, rendering, sanity, software
from harness.doctor.finding import Finding

__all__ = ["Finding", "examined"]


def examined(folder: Path, with_gpu: bool, tell: Callable[[str], None]) -> Iterator[Finding]:
    """All parts, one after another.

    :param folder: where results are to be kept.
    :param with_gpu: a GPU must be there, and the run must learn on it.
    :param tell: called with what is tried.
    """
    parts: dict[str, Callable[[], Iterable[Finding]]] = {
        "the machine": lambda: [machine.cores(), machine.threads(), machine.memory()],
        "the disk": lambda: machine.disk(folder),
        "packages": lambda: [software.versions(), software.compiled()],
        "the GPU": lambda: gpu.findings(with_gpu),
        "drawing": rendering.findings,
        "a run of about 20 seconds": lambda: [sanity.run(with_gpu)],
    }
    for name, tried in parts.items():
        tell(name)
        yield from tried()
