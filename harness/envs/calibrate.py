"""Measure an environment's anchors: a random policy's score, and in MiniGrid the best one's."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from harness.envs import Card, make
from harness.spec import Anchor

EPISODES = 1_000
SEED = 0


def random_score(card: Card, episodes: int = EPISODES, seed: int = SEED) -> Anchor:
    """The mean raw return of actions drawn uniformly from the whole action space."""
    env = make(card, training=False)
    env.action_space.seed(seed)
    returns = []
    for k in range(episodes):
        env.reset(seed=seed + k)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total += float(reward)
            over = terminated or truncated
        returns.append(total)
    env.close()
    return _anchor(returns, f"measured, uniform actions: {_command(card)}")


def best_score(card: Card, episodes: int = EPISODES, seed: int = SEED) -> Anchor:
    """The mean raw return of shortest paths on the fully observed map.

    :raises ValueError: outside MiniGrid.
    """
    from minigrid.minigrid_env import MiniGridEnv

    from harness.envs.planner import Planner

    env = make(card, training=False)
    grid = env.unwrapped
    if not isinstance(grid, MiniGridEnv):
        raise ValueError(f"{card.name} is no MiniGrid task: its best score cannot be planned")
    returns = []
    for k in range(episodes):
        env.reset(seed=seed + k)
        plan = Planner(grid).plan()
        returns.append(sum(float(env.step(action)[1]) for action in plan or ()))
    env.close()
    source = "upper bound, shortest paths with full observability"
    return _anchor(returns, f"{source}: {_command(card)} --best")


def _command(card: Card) -> str:
    return f"harness calibrate-env {card.name}"


def _anchor(returns: Sequence[float], source: str) -> Anchor:
    error = statistics.stdev(returns) / math.sqrt(len(returns))
    return Anchor(
        score=statistics.fmean(returns),
        standard_error=error,
        episodes=len(returns),
        source=source,
    )


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
