"""A picture of an environment: frames of a random episode, and of scripted ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from baselines import AGENTS
from baselines.api import Task
from harness import agents, envs
from harness.seeding import untouched_rng

FRAMES = 8
INCHES = 1.5  # the side of a frame

Script = Callable[[gym.Env[Any, Any], Any], Any]  # environment, observation -> action


def draw(name: str, seed: int, path: Path) -> None:
    """Write the contact sheet of one environment.

    :raises KeyError: if there is no such environment.
    """
    card = envs.card(name)
    rows = {label: _episode(card, script, seed) for label, script in _scripts(card).items()}
    matplotlib.use("Agg")
    figure = Figure(figsize=(INCHES * FRAMES, (INCHES + 0.6) * len(rows)), layout="constrained")
    strips = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for strip, (label, (frames, total)) in zip(strips, rows.items(), strict=True):
        title = f"{name}, {label}: return {total:.4g} in {max(frames)} steps"
        strip.suptitle(title, x=0.005, ha="left", fontsize=9, fontweight="bold")
        panels = strip.subplots(1, FRAMES)
        for panel in panels:
            panel.axis("off")
        for panel, (step, frame) in zip(panels, frames.items(), strict=False):
            panel.imshow(frame)
            panel.set_title(f"step {step}", fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def _scripts(card: envs.Card) -> dict[str, Script]:
    """Chance, and whatever plays without learning."""
    names = [name for name, entry in AGENTS.items() if not entry.learns]
    fit = [name for name in names if agents.unfit(name, card.name, card.actions) is None]
    found: dict[str, Script] = {name: _agent(card, name) for name in fit}
    if card.name.startswith("MiniGrid"):
        found["shortest plan"] = _plan()
    if card.name.startswith("DeepSea"):
        found["straight to the treasure"] = _dive
    return found


def _agent(card: envs.Card, name: str) -> Script:
    task = Task(make_env=lambda: envs.make(card), steps=0)
    agent = agents.make(name, task, agents.resolve(name, card.name, []).hparams)
    state: Any = None

    def act(env: gym.Env[Any, Any], observation: Any) -> Any:
        nonlocal state
        actions, state = agent.predict(observation[None], state)
        return actions[0]

    return act


def _dive(env: gym.Env[Any, Any], observation: Any) -> Any:
    world: Any = env.unwrapped
    return world.best_action()


def _plan() -> Script:
    from harness.envs.planner import Planner

    left: list[int] = []

    def act(env: gym.Env[Any, Any], observation: Any) -> Any:
        if not left:
            world: Any = env.unwrapped
            left.extend(int(action) for action in Planner(world).plan() or ())
        return left.pop(0)

    return act


def _episode(
    card: envs.Card, script: Script, seed: int
) -> tuple[dict[int, NDArray[np.uint8]], float]:
    """Frames by step, evenly spread, and the return: played once to see, once to draw."""
    actions, total = [], 0.0
    env = envs.make(card, training=False)
    with untouched_rng(seed):
        observation, _ = env.reset(seed=seed)
        over = False
        while not over:
            actions.append(script(env, observation))
            observation, reward, terminated, truncated, _ = env.step(actions[-1])
            total += float(reward)
            over = terminated or truncated
    env.close()
    seen = card.model_copy(update={"kwargs": {**card.kwargs, "render_mode": "rgb_array"}})
    env = envs.make(seen, training=False)
    env.reset(seed=seed)
    wanted = set(np.linspace(0, len(actions), FRAMES).round().astype(int).tolist())
    frames = {0: np.asarray(env.render())}
    for step, action in enumerate(actions, start=1):
        env.step(action)
        if step in wanted:
            frames[step] = np.asarray(env.render())
    env.close()
    return frames, total
