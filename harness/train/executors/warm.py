"""The last module that the server of workers imports: what each run would else do by itself.

The first optimizer that torch makes imports torch._dynamo, which takes a second of CPU, and the
engine lockstep is compiled. The sources of what is imported by then are hashed once for all runs.
"""

import sys

from harness import provenance

if "torch" in sys.modules:
    import torch._dynamo  # noqa: F401 - for what importing it leaves behind

for name in [name for name in sys.modules if name.startswith("baselines.lockstep.")]:
    getattr(sys.modules[name], "warm", lambda: None)()

provenance.snapshot()
