"""What the parts of an ablation do: main effects, interactions, and a path from none to all.

An arm is known by the components it has, so no two arms may have the same. One-in, leave-one-out
and factorial designs, and what lies between them, then need no cases of their own: an effect is
averaged over all arms that show it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

Members = Mapping[str, frozenset[str]]  # arm -> its components


class Effect(NamedTuple):
    """A weighted sum of arms."""

    components: tuple[str, ...]  #: one: what it adds; two: what they add together beyond each alone
    weights: dict[str, float]  #: arm -> weight
    contexts: int  #: the number of pairs, or of squares, of arms that it is averaged over


def effects(members: Members) -> list[Effect]:
    """Every main effect and every interaction of two that the arms can show.

    The main effect of a component is the mean difference between arms with it and the same arms
    without it; in a leave-one-out design that is its effect beside all others, in a one-in design
    its effect alone. An interaction is how much one's effect grows by the other's presence.
    """
    names = sorted(set().union(*members.values())) if members else []
    wanted = [*((name,) for name in names), *itertools.combinations(names, 2)]
    return [found for parts in wanted if (found := _effect(parts, members))]


def _effect(parts: tuple[str, ...], members: Members) -> Effect | None:
    arm_with = _arms(members)
    weights: dict[str, float] = {}
    contexts = 0
    for rest in arm_with:
        corners = list(_corners(rest, parts))
        if rest & set(parts) or not all(corner in arm_with for corner, _ in corners):
            continue
        contexts += 1
        for corner, sign in corners:
            weights[arm_with[corner]] = weights.get(arm_with[corner], 0.0) + sign
    if not contexts:
        return None
    return Effect(parts, {arm: sum_ / contexts for arm, sum_ in weights.items()}, contexts)


def _corners(rest: frozenset[str], parts: tuple[str, ...]) -> Iterator[tuple[frozenset[str], int]]:
    """The arms that put in none, some and all of `parts`, and their signs."""
    for size in range(len(parts) + 1):
        for chosen in itertools.combinations(parts, size):
            yield rest | set(chosen), (-1) ** (len(parts) - size)


def path(members: Members, score: Mapping[str, float]) -> list[str]:
    """Arms from the fewest components to the most, one more at each step, the best arm first.

    The greedy path of Fawcett and Hoos (2016), "Analysing differences between algorithm
    configurations through ablation", over the arms that there are. Its order is chosen by the
    scores that it then shows: it describes, and tests nothing.

    :return: nothing when the arms do not lead from the one to the other.
    """
    arm_with = _arms(members)
    if not arm_with:
        return []
    here, end = min(arm_with, key=len), max(arm_with, key=len)
    found = [arm_with[here]]
    while here != end:
        steps = [here | {name} for name in end - here if here | {name} in arm_with]
        if not steps:
            return []
        here = max(steps, key=lambda members: (score[arm_with[members]], sorted(members)))
        found.append(arm_with[here])
    return found if len(found) > 1 else []


def _arms(members: Members) -> dict[frozenset[str], str]:
    """The arm with each set of components.

    :raises ValueError: if two have the same: neither stands for both.
    """
    found: dict[frozenset[str], str] = {}
    for arm, components in members.items():
        if components in found:
            parts = ", ".join(sorted(components)) or "none"
            raise ValueError(f"{found[components]} and {arm} have the same components: {parts}")
        found[components] = arm
    return found
