"""Episodes of an environment that nobody has to learn for: random ones, and scripted ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baselines import AGENTS
from baselines.api import Task
from harness import agents, envs, setting
from harness.envs.picture import to_draw
from harness.train.film import Camera, Film
from harness.train.recorder import recorded


def films(name: str, seed: int) -> dict[str, Film]:
    """A film by what acts in it.

    :param seed: of the reset.
    :raises KeyError: if there is no such environment.
    """
    card = envs.card(name)
    return {label: film(card, actions, seed) for label, actions in _scripted(card, seed).items()}


def film(card: envs.Card, actions: Sequence[Any], seed: int) -> Film:
    """What these actions do."""
    made = Film(card.name, seed)
    env = Camera(to_draw(card), card, {seed: made})
    env.reset(seed=seed)
    for action in actions:
        env.step(action)
    env.close()
    return made


# Families whose environments know their `best_action`.
BEST = {
    "DeepSea": "straight to the treasure",
    "TMaze": "towards the goal",
    "Chain": "always to the right",
}


def _scripted(card: envs.Card, seed: int) -> dict[str, Sequence[Any]]:
    """The actions of an episode of chance, and of whatever plays without learning."""
    actions: dict[str, Sequence[Any]] = {}
    for name, entry in AGENTS.items():
        if entry.learns or agents.unfit(name, card.name, card.actions) is not None:
            continue
        task = Task(make_env=lambda: envs.make(card, training=False), steps=0)
        agent = agents.make(name, task, setting.resolve(name, card.name, []).hparams)
        _, (episode,) = recorded(task.make_env, agent, [seed], True, observed=False)
        actions[name] = list(episode.actions)
    env = envs.make(card, training=False)
    env.reset(seed=seed)
    world: Any = env.unwrapped
    if card.name.startswith("MiniGrid"):
        from harness.envs.planner import Planner

        actions["shortest plan"] = Planner(world).plan() or ()
    for family, name in BEST.items():
        if card.name.startswith(family):
            best: list[Any] = []
            actions[name], ended = best, False
            while not ended:
                best.append(world.best_action())
                *_, terminated, truncated, _ = env.step(best[-1])
                ended = terminated or truncated
    env.close()
    return actions
