"""How fast CarRacing's small frames are, and how far they are from the original's.

    python -m benchmarks.car_racing [--frames 1000] [--repeats 3] [--png sheet.png]

Both play the same episodes with the same actions, one after the other, so that a busy machine slows
both. The difference is to the mean over the points of the original's window that a pixel covers.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import gymnasium as gym
import numpy as np
import pygame
from gymnasium.envs.box2d.car_racing import CarRacing
from PIL import Image

from harness.envs.car_racing import LUMINANCE, SmallCarRacing

TRACK = slice(0, 700)  # rows of the window above the bar
SHEET = (0, 15, 60, 150, 250)  # frames that the picture shows


def actions(frames: int, seed: int) -> np.ndarray:
    """Random drives that keep each action for a while: (frames, 3)."""
    rng = np.random.default_rng(seed)
    drawn = rng.uniform([-0.4, 0.0, -0.8], [0.4, 0.7, 0.2], (frames // 10 + 1, 3))
    return np.repeat(drawn.clip([-1, 0, 0]), 10, axis=0)[:frames].astype(np.float32)


def seconds(env: gym.Env, frames: int, seed: int) -> float:
    """CPU seconds of an episode's first frames, reset excluded."""
    env.reset(seed=seed)
    start = time.process_time()
    for action in actions(frames, seed):
        env.step(action)
    return time.process_time() - start


def pairs(size: int, grey: bool, frames: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(ours, the original's shrunk) for each frame; their rewards must agree."""
    ours, theirs = SmallCarRacing(size, grey), CarRacing()
    frame, _ = ours.reset(seed=seed)
    theirs.reset(seed=seed)
    found = [(frame, shrunk(theirs, size, grey))]
    for action in actions(frames, seed):
        frame, reward, *_ = ours.step(action)
        _, expected, *_ = theirs.step(action)
        assert reward == expected
        found.append((frame, shrunk(theirs, size, grey)))
    return found


def shrunk(env: CarRacing, size: int, grey: bool) -> np.ndarray:
    window = pygame.surfarray.array3d(env.surf).swapaxes(0, 1)[TRACK]
    image = np.asarray(Image.fromarray(window).resize((size, size), Image.Resampling.BOX))
    return np.rint(image @ LUMINANCE).astype(np.uint8)[..., None] if grey else image


def differences(found: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    """The mean absolute difference of 255, and the share of pixels that are off by more than 30."""
    errors = np.array([np.abs(one.astype(int) - other) for one, other in found])
    return float(errors.mean()), float((errors.max(axis=-1) > 30).mean())


def sheet(found: list[tuple[np.ndarray, np.ndarray]], path: Path, zoom: int = 4) -> None:
    """Ours, the original's, and four times their difference, from top to bottom."""
    columns = []
    for one, other in (found[i] for i in SHEET if i < len(found)):
        gap = np.clip(4 * np.abs(one.astype(int) - other), 0, 255).astype(np.uint8)
        columns.append(np.vstack([one, other, gap]))
    image = np.repeat(np.repeat(np.hstack(columns), zoom, axis=0), zoom, axis=1)
    Image.fromarray(np.broadcast_to(image, (*image.shape[:2], 3)).copy()).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=1_000, help="of each episode")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--png", type=Path, help="write frames of both side by side")
    given = parser.parse_args()
    for size, grey in ((64, False), (32, True)):
        ours, theirs = SmallCarRacing(size, grey), CarRacing()
        timed = [
            (seconds(ours, given.frames, seed), seconds(theirs, given.frames, seed))
            for seed in range(given.repeats)
        ]
        ratio = median(slow / fast for fast, slow in timed)
        mine, original = (given.frames / median(column) for column in zip(*timed, strict=True))
        found = pairs(size, grey, min(given.frames, 300), seed=3)
        mean, off = differences(found)
        print(
            f"{size} x {size} {'grey' if grey else 'colour'}: {mine:.0f} frames/s against "
            f"{original:.0f}, {ratio:.1f} times; difference {mean:.2f} of 255 on average, "
            f"{100 * off:.2f} % of pixels off by more than 30"
        )
        if given.png:
            sheet(found, given.png.with_stem(f"{given.png.stem}_{size}"))


if __name__ == "__main__":
    main()
