"""The last module that the server of workers imports: what each run would else do by itself.

The first optimizer that torch makes imports torch._dynamo, which takes a second of CPU, and the
engine lockstep is compiled. The sources of what is imported by then are hashed once for all runs.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from harness import provenance

POLL = 0.2  # seconds between two looks at whether somebody is still there
COMPILE = f"""\
import importlib, os, sys, threading, time

def end(parent):
    while os.getppid() == parent:
        time.sleep({POLL})
    os._exit(1)

threading.Thread(target=end, args=[os.getppid()], daemon=True).start()
for name in sys.argv[1:]:
    importlib.import_module(name).warm()
"""


def _compiled(names: list[str]) -> bool:
    """In a process that ends with this one, as this one does with the command that started it."""
    command, parent = [sys.executable, "-c", COMPILE, *names], os.getppid()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if os.getppid() != parent:
                process.kill()
                sys.exit()
            time.sleep(POLL)
    return process.returncode == 0


def compile_lockstep() -> None:
    """What is not on disk yet is compiled in a process of its own: a compiler leaves 200 MB behind,
    which every run that is forked from here would be said to take."""
    loaded = [name for name in sys.modules if name.startswith("baselines.lockstep.")]
    names = [name for name in loaded if hasattr(sys.modules[name], "warm")]
    if not names:
        return
    folder: Path | None = sys.modules["baselines.lockstep.kernel"].CACHE
    if folder is not None and (new := [name for name in names if not (folder / name).exists()]):
        for name in new if _compiled(new) else ():
            (folder / name).touch()
    for name in names:
        sys.modules[name].warm()


if "torch" in sys.modules:
    import torch._dynamo  # noqa: F401 - for what importing it leaves behind

compile_lockstep()
provenance.snapshot()
