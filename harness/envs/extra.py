"""What some environments need beyond the plain installation, and how to say so."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

# Extras in pyproject.toml.
Extra = Literal["atari", "box2d", "minatar", "mujoco", "pixels", "robots"]
MODULES: dict[Extra, str] = {
    "atari": "ale_py",
    "box2d": "Box2D",
    "minatar": "minatar",
    "mujoco": "mujoco",
    "pixels": "cv2",
    "robots": "pybullet",
}


def installed(extra: Extra | None) -> bool:
    """Whether what needs this extra can be made. None: it needs nothing."""
    return extra is None or find_spec(MODULES[extra]) is not None


def need(extra: Extra | None, what: str) -> None:
    """:raises ModuleNotFoundError: if it is not installed; the message tells the way out."""
    if extra is not None and not installed(extra):
        raise ModuleNotFoundError(
            f"{what} needs {MODULES[extra]}: pip install 'rl-ablation-harness[{extra}]'"
        )
