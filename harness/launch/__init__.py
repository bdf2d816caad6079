"""Files that start a sweep on a cluster or in a cloud, made from one typed description.

Nothing is started here: the user's own command does it, which stands in what is printed.
"""

from harness.launch.plan import GPUS, Gpu, Plan
from harness.launch.write import TARGETS, Written, write

__all__ = ["GPUS", "TARGETS", "Gpu", "Plan", "Written", "write"]
