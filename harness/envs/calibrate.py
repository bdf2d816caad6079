"""Measure an environment's anchors: `python -m harness.envs.calibrate CARD ... [--best]`.

Prints them as they stand in the card: what chance scores, and with --best what the shortest plan
does (MiniGrid only).
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence

from harness.config import strict
from harness.envs import Card, card, make
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
    """The mean raw return of shortest plans made with the whole map in view.

    :raises TypeError: outside MiniGrid.
    """
    from minigrid.minigrid_env import MiniGridEnv

    from harness.envs.planner import Planner

    env = make(card, training=False)
    grid = env.unwrapped
    if not isinstance(grid, MiniGridEnv):
        raise TypeError(f"{card.name} is no MiniGrid task: its best score cannot be planned")
    returns = []
    for k in range(episodes):
        env.reset(seed=seed + k)
        plan = Planner(grid).plan()
        returns.append(sum(float(env.step(action)[1]) for action in plan or ()))
    env.close()
    source = "upper bound, shortest plans with the whole map in view"
    return _anchor(returns, f"{source}: {_command(card)} --best")


def _command(card: Card) -> str:
    return f"python -m harness.envs.calibrate {card.name}"


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


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure an environment's anchors.")
    parser.add_argument("names", nargs="+", metavar="CARD", help="an environment's name")
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--best", action="store_true", help="also the best score (MiniGrid only)")
    given = parser.parse_args()
    try:
        cards = [card(name) for name in given.names]
    except (KeyError, strict.UserError) as error:
        parser.error(str(error.args[0]))
    if given.best and not all(str(found.id).startswith("minigrid:") for found in cards):
        parser.error("--best can plan MiniGrid's tasks only")
    for found in cards:
        print(f"# {found.name}")
        print(block("random", random_score(found, given.episodes, given.seed)), flush=True)
        if given.best:
            print(block("reference", best_score(found, given.episodes, given.seed)), flush=True)


if __name__ == "__main__":
    main()
