"""What an environment shows of itself, without a screen if there is none."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.config.failure import in_a_line
from harness.config.name import shortened
from harness.config.strict import UserError
from harness.envs.build import make
from harness.envs.card import Card
from harness.envs.wrappers.option import Env

Pixels = NDArray[np.uint8]  # (height, width, 3)

LONG_SIDE = 480  # pixels of a picture: a larger one is made smaller

# Without a screen and a sound card SDL and MuJoCo must be told so, or they complain or fail.
HEADLESS = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "MUJOCO_GL": "egl"}


def has_screen() -> bool:
    """Whether a window can be shown."""
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform != "linux" or any(os.environ.get(name) for name in names)


def to_draw(card: Card, wrappers: Sequence[Mapping[str, Any]] = ()) -> Env:
    """A fresh evaluation environment of which `picture` can be asked."""
    if not has_screen():
        for name, value in HEADLESS.items():
            os.environ.setdefault(name, value)
    try:
        return make(card, wrappers, training=False, drawn=True)
    except TypeError:  # a class without that keyword, whose `render` may draw all the same
        return make(card, wrappers, training=False)


def picture(env: Env, name: str) -> Pixels:
    """What it shows now, of LONG_SIDE at most.

    :raises UserError: if it shows nothing; the message tells the way out.
    """
    try:
        drawn: Any = env.render()
    except Exception as error:  # whatever an environment raises that cannot be drawn
        kind, said = type(error).__name__, in_a_line(error)
        raise _undrawn(
            name, f"`render` fails: {kind if said == kind else f'{kind}: {said}'}"
        ) from error
    array = np.asarray(drawn) if drawn is not None else None
    if array is None or array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        what = "nothing" if array is None else f"{array.dtype} of the shape {array.shape}"
        raise _undrawn(name, f"`render` returns {what}")
    height, width, _ = array.shape
    if max(height, width) <= LONG_SIDE:
        return array
    scale = LONG_SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(array).resize(size, Image.Resampling.BILINEAR))


def _undrawn(name: str, why: str) -> UserError:
    way_out = (
        'let the constructor of the environment take render_mode and, where it is "rgb_array", '
        "`render` return an array (height, width, 3) of uint8"
    )
    return UserError.of(name, f"it cannot be drawn, {shortened(why)}: {way_out}")
