"""The two shapes of a table over arms and environments; every cell knows the runs behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.report.document import Cell, behind
from harness.report.evidence import Evidence

Rows = tuple[tuple[str, ...], ...]


def by_pair(evidence: Evidence, rows: Callable[[str, str], Iterable[Iterable[str]]]) -> Rows:
    """Environment by environment, the rows of every arm.

    :param rows: of an arm in an environment: what comes after these two.
    """
    return tuple(
        (env, arm, *behind(cells, evidence.keys(arm, env)))
        for arm, env in evidence.pairs
        for cells in rows(arm, env)
    )


def by_arm(evidence: Evidence, cell: Callable[[str, str], str]) -> Rows:
    """Arms down, environments across.

    :param cell: of an arm in an environment; it is not asked where the arm is not trained.
    """

    def known(arm: str, env: str) -> str:
        text = cell(arm, env) if arm in evidence.arms_on(env) else ""
        return Cell(text, evidence.keys(arm, env)) if text else ""

    envs = evidence.sweep.envs
    return tuple((arm, *(known(arm, env) for env in envs)) for arm in evidence.sweep.arms)
