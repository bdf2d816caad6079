"""Measure an environment's anchors: a random policy's score, and in MiniGrid the best one's."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Callable, Iterable
from typing import Any

from harness.envs import Card, Env, make
from harness.spec import Anchor

# The episodes, as somebody watches them go by.
Watch = Callable[[range], Iterable[int]]


def random_score(card: Card, episodes: int, seed: int, watch: Watch = iter) -> Anchor:
    """The mean raw return of actions drawn uniformly from the whole action space."""
    env = make(card, training=False)
    env.action_space.seed(seed)
    source = f"measured, uniform actions: {_command(card, seed)}"

    def actions() -> Iterable[Any]:
        return (env.action_space.sample() for _ in itertools.count())

    return _anchor(env, actions, watch(range(episodes)), seed, source)


def best_score(card: Card, episodes: int, seed: int, watch: Watch = iter) -> Anchor:
    """The mean raw return of shortest paths on the fully observed map.

    :raises ValueError: outside MiniGrid.
    """
    from minigrid.minigrid_env import MiniGridEnv

    from harness.envs.planner import Planner

    env = make(card, training=False)
    grid = env.unwrapped
    if not isinstance(grid, MiniGridEnv):
        raise ValueError(f"{card.name} is no MiniGrid task: its best score cannot be planned")
    source = f"upper bound, shortest paths with full observability: {_command(card, seed)} --best"
    return _anchor(env, lambda: Planner(grid).plan() or (), watch(range(episodes)), seed, source)


def _command(card: Card, seed: int) -> str:
    return f"harness calibrate-env {card.name}" + (f" --seed {seed}" if seed else "")


def _anchor(
    env: Env, actions: Callable[[], Iterable[Any]], episodes: Iterable[int], seed: int, source: str
) -> Anchor:
    """The mean return of what `actions` says after each reset, until an episode is over."""
    returns = []
    for k in episodes:
        env.reset(seed=seed + k)
        total = 0.0
        for action in actions():
            _, reward, terminated, truncated, _ = env.step(action)
            total += float(reward)
            if terminated or truncated:
                break
        returns.append(total)
    env.close()
    error = statistics.stdev(returns) / math.sqrt(len(returns))
    score = statistics.fmean(returns)
    return Anchor(score=score, standard_error=error, episodes=len(returns), source=source)


def block(role: str, anchor: Anchor) -> str:
    """An anchor as it stands under `anchors:` in a card; what was measured, to five digits."""
    lines = [f"  {role}:", f"    score: {anchor.score:.12g}"]
    if anchor.standard_error is not None:
        lines[1] = f"    score: {anchor.score:.5g}"
        lines += [f"    standard_error: {anchor.standard_error:.3g}"]
        lines += [f"    episodes: {anchor.episodes}"]
    return "\n".join([*lines, f"    source: {_quoted(anchor.source)}"])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def card_of_its_own(card: Card) -> str:
    """What a registered environment's card says, without anchors, as YAML."""
    facts = {
        "summary": _quoted(card.summary),
        "id": _quoted(str(card.id)),
        "max_episode_steps": card.max_episode_steps,
        "actions": card.actions,
        "extra": card.extra,
    }
    return "".join(f"{key}: {value}\n" for key, value in facts.items() if value is not None)


def with_anchors(text: str, blocks: Iterable[str]) -> str:
    """A card with these anchors at its end, in place of those that it had."""
    kept, inside = list[str](), False
    for line in text.splitlines():
        inside = line.startswith("anchors:") or (inside and not line[:1].strip())
        if not inside:
            kept.append(line)
    return "\n".join([*kept, "anchors:", *blocks, ""])
