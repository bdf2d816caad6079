"""The last module that the server of workers imports: what each run would else do by itself.

The first optimizer that torch makes imports torch._dynamo, which takes a second of CPU, and the
engine lockstep is compiled. The sources of what is imported by then are hashed once for all runs.
"""

import subprocess
import sys
from pathlib import Path

from harness import provenance

COMPILE = "import importlib, sys; [importlib.import_module(name).warm() for name in sys.argv[1:]]"


def compile_lockstep() -> None:
    """What is not on disk yet is compiled in a process of its own: a compiler leaves 200 MB behind,
    which every run that is forked from here would be said to take."""
    loaded = [name for name in sys.modules if name.startswith("baselines.lockstep.")]
    names = [name for name in loaded if hasattr(sys.modules[name], "warm")]
    if not names:
        return
    folder: Path | None = sys.modules["baselines.lockstep.kernel"].CACHE
    if folder is not None and (new := [name for name in names if not (folder / name).exists()]):
        done = subprocess.run([sys.executable, "-c", COMPILE, *new], capture_output=True)
        for name in new if done.returncode == 0 else ():
            (folder / name).touch()
    for name in names:
        sys.modules[name].warm()


if "torch" in sys.modules:
    import torch._dynamo  # noqa: F401 - for what importing it leaves behind

compile_lockstep()
provenance.snapshot()
