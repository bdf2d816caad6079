"""Whose work a report shows: of each arm of a claim the median seed and the worst."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from harness.spec import ResolvedSweep, RunSpec
from harness.store.reader import Store


class Role(NamedTuple):
    """A run, and what it stands for."""

    run: RunSpec
    words: str  # median of 10 seeds


def roles(sweep: ResolvedSweep, final: Callable[[RunSpec], float | None]) -> list[Role]:
    """Of a sweep without claims, those of every arm.

    :param final: the score of a run after training; None: it is not finished.
    """
    pairs = [
        (arm, env)
        for claim in sweep.claims
        for env in ([claim.env] if claim.env else sweep.envs)
        for arm in claim.arms
    ]
    pairs = pairs or [(arm, env) for env in sweep.envs for arm in sweep.arms]
    return [role for arm, env in dict.fromkeys(pairs) for role in _of(sweep, arm, env, final)]


def unfilmed(sweep: ResolvedSweep, store: Store) -> list[RunSpec]:
    """The runs whose work a report would show, and of which there is no film, each once."""

    def final(run: RunSpec) -> float | None:
        result = store.result(run)
        return None if result is None else float(result["final"]["mean"])

    runs = {role.run.key: role.run for role in roles(sweep, final)}
    return [run for run in runs.values() if store.film(run) is None]


def _of(
    sweep: ResolvedSweep, arm: str, env: str, final: Callable[[RunSpec], float | None]
) -> Iterator[Role]:
    runs = [run for run in sweep.made if (run.arm, run.env) == (arm, env)]
    scored = [(score, run.seed, run) for run in runs if (score := final(run)) is not None]
    ranked = [run for _, _, run in sorted(scored, key=lambda each: each[:2])]
    if not ranked:
        return
    n = f"{len(ranked)} seeds" if len(ranked) == len(runs) else f"{len(ranked)} finished"
    median, worst = ranked[(len(ranked) - 1) // 2], ranked[0]
    if median is worst:
        yield Role(worst, f"worst of {n}" if len(ranked) > 1 else "the only seed")
        return
    yield Role(median, f"median of {n}")
    yield Role(worst, f"worst of {n}")
