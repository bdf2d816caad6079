"""A reproducible benchmark and ablation harness for reinforcement learning.

`import harness as h` is instant: `h.Sweep`, `h.RunSpec`, `h.results`, `h.load` (see
`harness.python`) and `h.stats` are imported when they are first asked for.
"""

TYPE_CHECKING = False  # as typing's, which would have to be imported
if TYPE_CHECKING:
    from harness import stats as stats
    from harness.python import RunSpec as RunSpec
    from harness.python import Sweep as Sweep
    from harness.python import load as load
    from harness.python import results as results

__version__ = "0.1.0"
__all__ = ["RunSpec", "Sweep", "__version__", "load", "results", "stats"]


def __getattr__(name: str) -> object:
    if name == "stats":
        import harness.stats

        return harness.stats
    if name in __all__:
        import harness.python

        return getattr(harness.python, name)
    raise AttributeError(f"module 'harness' has no attribute '{name}'")
