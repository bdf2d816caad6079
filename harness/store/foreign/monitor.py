"""Stable-Baselines3's `monitor.csv`: the return r, length l and time t of every training episode.

They are returns of training, with its exploration and below whatever wraps the Monitor. The curve
is the mean of the last 100 episodes, as in SB3's own `rollout/ep_rew_mean`; so is the final score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.config.tree import grouped
from harness.store.foreign.names import Names, files, name_of
from harness.store.foreign.series import Flaws, Score, Series, digest
from harness.store.foreign.table import read, text_of

SUFFIX = "monitor.csv"
WINDOW = 100  # episodes; `stats_window_size` of SB3
POINTS = 100  # of a curve, at most
# The way out where files of a folder are not the environments of one run.
APART = "give each run a folder of its own, or --run '{seed}.monitor.csv'"
HEAD = "#"  # begins the first line, and JSON follows


class Episode(NamedTuple):
    """One of training."""

    time: float
    steps: int
    episode_return: float


def is_monitor(path: Path) -> bool:
    return text_of(path).startswith(HEAD + "{")


def runs(root: Path, names: Names) -> list[Series]:
    """Those below a folder, or the one of a file.

    The files of one folder are the environments of one run, as SB3 reads them, unless --run is a
    pattern of files.
    """
    alone = names.of_files or not root.is_dir()
    groups = grouped(
        (name_of(file if alone else file.parent, root), file) for file in files(root, f"*{SUFFIX}")
    )
    flaws = Flaws()
    found = [run for name, of in groups.items() if (run := _run(name, of, names, flaws))]
    flaws.check()
    return found


def _run(name: str, of: list[Path], names: Names, flaws: Flaws) -> Series | None:
    episodes: list[Episode] = []
    known: dict[str, str] = {}
    times: list[tuple[float, float, Path]] = []  # from when to when each was written
    for file in of:
        head = _head(file, flaws)
        if head is None:
            continue
        env = str(head.get("env_id"))
        if env != "None" and known.setdefault("env", env) != env:
            flaws.add(file, 1, "env_id", f"{env}, and {known['env']} in {of[0].name}: {APART}")
        start = float(head.get("t_start", 0.0))
        if mine := list(_episodes(file, start, flaws)):
            episodes += mine
            times.append((start, mine[-1].time, file))
    for (_, end, first), (start, _, file) in pairwise(sorted(times)):
        if start >= end:
            what = f"it begins when {first.name} had ended, as environments of one run do not"
            flaws.add(file, 1, "t_start", f"{what}: {APART}")
    whose = names.of(name, flaws, of[0], known)
    if whose is None or not episodes:
        return None
    episodes.sort(key=lambda episode: episode.time)
    ends = accumulate(episode.steps for episode in episodes)
    returns = (episode.episode_return for episode in episodes)
    curve = rolling(list(zip(ends, returns, strict=True)))
    return Series(whose, of[0], digest(*of), "r", curve)


def _head(file: Path, flaws: Flaws) -> dict[str, Any] | None:
    first = text_of(file).partition("\n")[0]
    try:
        head = json.loads(first.removeprefix(HEAD))
        if first.startswith(HEAD) and isinstance(head, dict):
            return head
    except ValueError:
        pass
    message = f"no monitor file of Stable-Baselines3: its first line is {HEAD}{{...}}"
    flaws.add(file, 1, "", message)
    return None


def _episodes(file: Path, start: float, flaws: Flaws) -> Iterator[Episode]:
    table = read(file, skip=1)
    if missing := [column for column in "rlt" if column not in table.head]:
        flaws.add(file, 2, "", f"no column '{missing[0]}': a monitor file has r, l and t")
        return
    latest = -math.inf
    for row in table.rows:
        value, length = table.cell(row, "r").number(flaws), table.cell(row, "l").whole(flaws)
        time = table.cell(row, "t").number(flaws)
        if value is not None and length is not None and time is not None:
            if length < 1:
                table.cell(row, "l").wrong(flaws, "an episode has at least one step")
            if time < latest:
                message = (
                    f"{time:g} after {latest:g}: another training was added to the file. Cut it "
                    "into a file for each, with the first two lines"
                )
                table.cell(row, "t").wrong(flaws, message)
            latest = time
            yield Episode(start + time, length, value)


def rolling(episodes: Sequence[tuple[int, float]]) -> list[Score]:
    """The mean of the last episodes, at even distances: of most budgets, the same for all seeds.

    :param episodes: the step at which each ended, and its return.
    """
    every = _round(episodes[-1][0] / POINTS)
    scores, before = list[Score](), 0
    for i, (step, _) in enumerate(episodes, start=1):
        if i == len(episodes) or step // every > before // every:
            latest = tuple(value for _, value in episodes[max(0, i - WINDOW) : i])
            at = step if i == len(episodes) else step // every * every
            if scores and scores[-1].step == at:  # of several environments at one step
                scores.pop()
            scores.append(Score(at, float(np.mean(latest)), latest))
        before = step
    return scores


def _round(distance: float) -> int:
    """The next of 1, 2, 5, 10, 20, ..."""
    size = 10 ** math.floor(math.log10(max(1.0, distance)))
    return next(int(size * factor) for factor in (1, 2, 5, 10) if size * factor >= distance)
