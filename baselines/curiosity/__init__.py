"""Curiosity: bonuses for what is new, and the learners that use them.

Each bonus `x` in the table makes a learner `baselines.curiosity:ppo_x`.
"""

from __future__ import annotations

from typing import Any

from baselines import target

# name -> "module:class", a `bonus.Bonus`. This is the one place where a bonus is registered.
BONUSES: dict[str, str] = {
    "rnd": "baselines.curiosity.rnd:RND",
    "icm": "baselines.curiosity.icm:ICM",
    "rf": "baselines.curiosity.rf:RF",
    "disagreement": "baselines.curiosity.disagreement:Disagreement",
    "count": "baselines.curiosity.count:Count",
    "ngu": "baselines.curiosity.ngu:NGU",
    "e3b": "baselines.curiosity.e3b:E3B",
}


def load_bonus(name: str) -> Any:
    """The class of a bonus, imported only now."""
    return target.attribute(BONUSES[name])


def __getattr__(name: str) -> Any:
    if name.startswith("ppo_") and name.removeprefix("ppo_") in BONUSES:
        # These need this module complete.
        from baselines.curiosity.agent import agent_class
        from baselines.curiosity.ppo import CuriosityPPO
        from baselines.curiosity.settings import settings_of

        return agent_class(name, CuriosityPPO, settings_of(name.removeprefix("ppo_")))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
