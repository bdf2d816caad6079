"""A picture of episodes: random and scripted ones of an environment, or those of a trained run."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from baselines import AGENTS
from baselines.api import Task
from harness import agents, envs, setting
from harness.config.strict import UserError
from harness.seeding import episode_seeds
from harness.store.run_files import final_returns
from harness.train.recorder import recorded
from harness.train.trained import trained

FORMATS = (".png", ".pdf", ".svg", ".jpg")  # of the picture, by the end of its file's name
FRAMES = 8
INCHES = 1.5  # the side of a frame

# Without a screen and a sound card SDL and MuJoCo must be told so, or they complain or fail.
HEADLESS = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "MUJOCO_GL": "egl"}

Wrappers = Sequence[Mapping[str, Any]]


class Film(NamedTuple):
    """What is seen of an episode: frames and infos by step, evenly spread."""

    frames: dict[int, NDArray[np.uint8]]
    infos: dict[int, dict[str, Any]]
    total: float  # its return


def draw(name: str, seed: int, path: Path) -> None:
    """Write the contact sheet of one environment.

    :raises KeyError: if there is no such environment.
    """
    card = envs.card(name)
    rows = {}
    for label, actions in _scripted(card, seed).items():
        made = film(card, (), actions, seed)
        rows[f"{name}, {label}: {_outcome(made)}"] = made
    _sheet(card, rows, path)


def draw_run(folder: Path, path: Path, trust: bool = False) -> str:
    """Write a film strip of a run's first success and one of its first failure.

    They are the first among its final evaluation's episodes, played once more by the saved model.
    Where an environment has no success, they are the best and the worst episode.

    :param folder: the run's.
    :param trust: see `trained`.
    :return: a warning, if these are not the very episodes that were scored then.
    :raises UserError: if the run is not finished, or its agent or card has changed since.
    """
    run = trained(folder, trust=trust)
    spec, card = run.spec, run.card
    seeds = episode_seeds("final", spec.env, spec.seed, spec.evaluation.final_episodes)
    played, steps = recorded(
        lambda: envs.make(card, spec.wrappers, training=False), run.agent, seeds,
        spec.evaluation.deterministic, observed=False,
    )  # fmt: skip
    rows: dict[str, Film | None] = {}
    for what, i in chosen(played.returns, played.last_infos).items():
        if i is None:
            rows[f"{spec}: {what}"] = None
            continue
        made, total = film(card, spec.wrappers, steps[i].actions, seeds[i]), played.returns[i]
        rows[f"{spec}: {what}, here number {i + 1}: {_outcome(made)}"] = made
        if not math.isclose(made.total, total, rel_tol=1e-6, abs_tol=1e-6):
            raise RuntimeError(f"{spec.env} does not repeat itself: {made.total}, {total}")
    _sheet(card, rows, path)
    if played.returns == final_returns(folder):
        return ""
    return "these episodes differ from those that were scored: another machine or other packages"


def chosen(
    returns: Sequence[float], last_infos: Sequence[Mapping[str, Any]]
) -> dict[str, int | None]:
    """The first success and the first failure, or the best and the worst: which episodes."""
    episodes = f"{len(returns)} final episodes"
    if "success" in last_infos[0]:
        ends = [bool(info["success"]) for info in last_infos]
        return {
            f"{ends.count(end)} {what} in {episodes}": ends.index(end) if end in ends else None
            for what, end in {"successes": True, "failures": False}.items()
        }
    best, worst = int(np.argmax(returns)), int(np.argmin(returns))
    if best == worst:
        return {f"the same return in {episodes}": best}
    return {f"the best of {episodes}": best, f"the worst of {episodes}": worst}


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
    if card.name.startswith("DeepSea"):
        dive: list[Any] = []
        actions["straight to the treasure"] = dive
        for _ in range(world.size):
            dive.append(world.best_action())
            env.step(dive[-1])
    env.close()
    return actions


def film(card: envs.Card, wrappers: Wrappers, actions: Sequence[Any], seed: int) -> Film:
    """Take the actions again, this time with a camera."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        for name, value in HEADLESS.items():
            os.environ.setdefault(name, value)
    seen = card.model_copy(update={"kwargs": {**card.kwargs, "render_mode": "rgb_array"}})
    try:
        env = envs.make(seen, wrappers, training=False)
    except TypeError as error:  # a class without that keyword
        why = f"{card.name} cannot be drawn, it must take render_mode: {error}"
        raise UserError.of("preview", why) from None
    _, info = env.reset(seed=seed)
    wanted = set(np.linspace(0, len(actions), FRAMES).round().astype(int).tolist())
    made, total = Film({0: np.asarray(env.render())}, {0: info}, 0.0), 0.0
    for step, action in enumerate(actions, start=1):
        _, reward, _, _, info = env.step(action)
        total += float(reward)
        if step in wanted:
            made.frames[step], made.infos[step] = np.asarray(env.render()), info
    env.close()
    return made._replace(total=total)


def _outcome(made: Film) -> str:
    return f"return {made.total:.4g} in {max(made.frames)} steps"


def _sheet(card: envs.Card, rows: Mapping[str, Film | None], path: Path) -> None:
    """A strip of frames for each title; None: the title says why there is none."""
    matplotlib.use("Agg")
    heights = [0.3 if made is None else INCHES + 0.6 for made in rows.values()]
    figure = Figure(figsize=(INCHES * FRAMES, sum(heights) + 0.2), layout="constrained")
    names = " and ".join(measure.name for measure in card.measures.values())
    note = f" Above each frame: {names}." if names else ""
    figure.supxlabel(card.summary + note, x=0.005, ha="left", fontsize=8, color="0.4")
    strips = figure.subfigures(len(rows), 1, squeeze=False, height_ratios=heights)[:, 0]
    for strip, (title, made) in zip(strips, rows.items(), strict=True):
        strip.suptitle(title, x=0.005, ha="left", fontsize=9, fontweight="bold")
        if made is None:
            continue
        panels = strip.subplots(1, FRAMES)
        for panel in panels:
            panel.axis("off")
        for panel, (step, frame) in zip(panels, made.frames.items(), strict=False):
            panel.imshow(frame)
            panel.set_title(caption(step, made.infos[step], card.measures), fontsize=7.5)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def caption(step: int, info: Mapping[str, Any], measures: Mapping[str, envs.Measure]) -> str:
    """`step 12: 4.1 cm, 9.0°`: the step, and what the card tells of it."""
    measured = ", ".join(m.written(float(info[key])) for key, m in measures.items())
    return f"step {step}: {measured}" if measured else f"step {step}"
