"""From the default to the selected configuration, one change at a time, run on fresh seeds.

Which goes first is said by the forest (ablation with surrogates, Biedenkapp et al. 2017, AAAI): at
every step the change that it expects most of. What each step is worth is then measured.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from optuna.trial import FrozenTrial

from harness.config.tree import get
from harness.search import suggest
from harness.search.confirm import hparams
from harness.search.dimension import dimensions
from harness.search.plan import PATH, Plan
from harness.search.score import Outcome, Trainer
from harness.search.surrogate import Forest
from harness.spec import RunSpec


class Step(NamedTuple):
    """A configuration on the way, and the change that led to it."""

    change: str  # "learning_rate: 0.0003 -> 0.001"; empty for the default
    specs: list[RunSpec]
    outcome: Outcome


def order(plan: Plan, best: FrozenTrial, forest: Forest) -> list[list[str]]:
    """The hyper-parameters that differ, in the order in which they are changed.

    Those that mean nothing without another go with it.
    """
    start = suggest.default_params(plan.space, plan.base[0].hparams)
    left = _groups(plan, hparams(best))
    now, groups = start or {}, []  # of a default outside the space the forest knows nothing
    while left:
        ahead = [_moved(plan, now, best.params, group) for group in left]
        i = int(forest.predict(ahead).argmax())
        now = ahead[i]
        groups.append(left.pop(i))
    return groups


def _groups(plan: Plan, chosen: dict[str, Any]) -> list[list[str]]:
    """What differs from the default, each with what is conditional on it."""
    differs = [n for n, value in chosen.items() if get(plan.base[0].hparams, n) != value]
    heads = [n for n in differs if not set(plan.space[n].when) & set(differs)]
    return [
        [head, *(n for n in differs if n not in heads and head in plan.space[n].when)]
        for head in heads
    ]


def _moved(
    plan: Plan, now: dict[str, Any], goal: dict[str, Any], group: list[str]
) -> dict[str, Any]:
    keys = [one.key for one in dimensions(plan.space) if one.name in group]
    return now | {key: goal[key] for key in keys if key in goal}


def run(trainer: Trainer, best: FrozenTrial, forest: Forest) -> tuple[Step, ...]:
    """The default, every step, and the selected configuration, on seeds that chose none of them."""
    plan, goal, default = trainer.plan, hparams(best), trainer.plan.base[0].hparams
    instances, chosen = plan.pool(PATH, plan.file.confirm.path_seeds), dict[str, Any]()
    changes, specs = [""], [plan.specs({}, instances, label="default")]
    for group in order(plan, best, forest):
        changes.append(", ".join(f"{name}: {get(default, name)} → {goal[name]}" for name in group))
        chosen |= {name: goal[name] for name in group}
        specs.append(plan.specs(chosen, instances, label=f"+ {group[0]}"))
    return tuple(map(Step, changes, specs, trainer.outcomes(specs)))
