"""The last module that the server of workers imports: what a run would else import by itself.

The first optimizer that torch makes imports torch._dynamo, which takes a second of CPU in each run.
"""

import sys

if "torch" in sys.modules:
    import torch._dynamo  # noqa: F401 - for what importing it leaves behind
