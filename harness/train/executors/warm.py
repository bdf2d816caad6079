"""The last module that the server of workers imports: what each run would else do by itself.

The first optimizer that torch makes imports torch._dynamo, which takes a second of CPU. The sources
of what is imported by then are hashed once for all runs.
"""

import sys

from harness import provenance

if "torch" in sys.modules:
    import torch._dynamo  # noqa: F401 - for what importing it leaves behind

provenance.snapshot()
