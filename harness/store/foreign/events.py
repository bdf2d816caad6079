"""TensorBoard event files, read with the package `tensorboard`: one tag of each run's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.config.strict import UserError, suggest
from harness.config.tree import grouped
from harness.store.foreign.monitor import rolling
from harness.store.foreign.names import Names, files, name_of
from harness.store.foreign.series import EPISODES, ONE_RUN, Cell, Flaws, Score, Series, digest

FILES = "events.out.tfevents.*"
# What Stable-Baselines3 logs: returns of training, and of its EvalCallback.
USUAL = ("eval/mean_reward", "rollout/ep_rew_mean", *EPISODES)


def runs(root: Path, tag: str, names: Names) -> list[Series]:
    """Those below a folder: each folder with event files is one.

    :raises UserError: without the package, or with all that is wrong.
    """
    folders = grouped((file.parent, file) for file in files(root, FILES))
    flaws, found = Flaws(), []
    for folder, mine in folders.items():
        whose = names.of(name_of(folder, root), flaws, folder)
        scores = _scores(mine[0] if not root.is_dir() else folder, tag, flaws)
        if whose is not None and scores:
            found.append(Series(whose, mine[0], digest(*mine), tag, scores))
    flaws.check()
    return found


def _scores(place: Path, tag: str, flaws: Flaws) -> list[Score]:
    """The curve of a tag; of one that has every training episode, as of a monitor file."""
    values: list[tuple[int, float]] = []
    for step, value in _read(place, tag):
        cell = Cell(place, 0, tag, str(value))
        number = cell.number(flaws)
        if number is None:
            continue
        several = tag in EPISODES  # environments side by side end episodes at one step
        if values and (step < values[-1][0] or (step == values[-1][0] and not several)):
            cell.wrong(flaws, f"step {step:,} after step {values[-1][0]:,}: {ONE_RUN}; keep "
                       "each run's event files in a folder of its own")  # fmt: skip
            return []
        values.append((step, number))
    if tag in EPISODES and values:
        return rolling(values)
    return [Score(step, value) for step, value in values]


def _read(place: Path, tag: str) -> list[tuple[int, float]]:
    """Steps and values of a tag, whichever way it was logged."""
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.util import tensor_util
    except ImportError:
        message = (
            "reading event files needs the package tensorboard: "
            "pip install 'rl-ablation-harness[import]'"
        )
        raise UserError.of(place, message) from None
    events: Any = EventAccumulator(str(place), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    tags = events.Tags()
    if tag in tags["scalars"]:
        return [(event.step, event.value) for event in events.Scalars(tag)]
    if tag in tags["tensors"]:
        return [
            (event.step, float(tensor_util.make_ndarray(event.tensor_proto)))
            for event in events.Tensors(tag)
        ]
    known = [*tags["scalars"], *tags["tensors"]]
    usual = next((each for each in USUAL if each in known), "")
    hint = f" --tag {usual}?" if usual else suggest(tag, known)
    message = f"no tag '{tag}'.{hint}" if tag else f"which tag? Give --tag.{suggest('', known)}"
    raise UserError.of(place, message)
