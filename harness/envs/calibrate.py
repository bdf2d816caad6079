"""Measure an environment's anchors: a random policy's score, and in MiniGrid the best one's."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable
from typing import Any

from harness.envs import Card, Env, make
from harness.spec import Anchor


def random_score(card: Card, episodes: int, seed: int) -> Anchor:
    """The mean raw return of actions drawn uniformly from the whole action space."""
    env = make(card, training=False)
    env.action_space.seed(seed)
    source = f"measured, uniform actions: {_command(card)}"
    return _anchor(
        env, lambda: (env.action_space.sample() for _ in itertools.count()), episodes, seed, source
    )


def best_score(card: Card, episodes: int, seed: int) -> Anchor:
    """The mean raw return of shortest paths on the fully observed map.

    :raises ValueError: outside MiniGrid.
    """
    from minigrid.minigrid_env import MiniGridEnv

    from harness.envs.planner import Planner

    env = make(card, training=False)
    grid = env.unwrapped
    if not isinstance(grid, MiniGridEnv):
        raise ValueError(f"{card.name} is no MiniGrid task: its best score cannot be planned")
    source = f"upper bound, shortest paths with full observability: {_command(card)} --best"
    return _anchor(env, lambda: Planner(grid).plan() or (), episodes, seed, source)


def _command(card: Card) -> str:
    return f"harness calibrate-env {card.name}"


def _anchor(
    env: Env, actions: Callable[[], Iterable[Any]], episodes: int, seed: int, source: str
) -> Anchor:
    """The mean return of what `actions` says after each reset, until an episode is over."""
    returns = []
    for k in range(episodes):
        env.reset(seed=seed + k)
        total = 0.0
        for action in actions():
            _, reward, terminated, truncated, _ = env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        returns.append(total)
    env.close()
    error = statistics.stdev(returns) / math.sqrt(episodes)
    score = statistics.fmean(returns)
    return Anchor(score=score, standard_error=error, episodes=episodes, source=source)


def block(role: str, anchor: Anchor) -> str:
    """An anchor as it stands under `anchors:` in a card, to five significant digits."""
    return "\n".join(
        [
            f"  {role}:",
            f"    score: {anchor.score:.5g}",
            f"    standard_error: {anchor.standard_error:.3g}",
            f"    episodes: {anchor.episodes}",
            f'    source: "{anchor.source}"',
        ]
    )
