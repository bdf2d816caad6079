"""Whether environments can be drawn without a screen.

`python -m harness.doctor.rendering ENV` draws one, in a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping

from harness.doctor.finding import Failed, Finding, tried

# An environment of each family that draws in its own way.
FAMILIES = {
    "classic control": "CartPole-v1",
    "MiniGrid": "MiniGrid-Empty-Random-5x5-v0",
    "Box2D": "LunarLander-v3",
    "Atari": "Pong-v5",
    "MuJoCo": "Hopper-v5",
    "pybullet": "PushPose-v0",
}
SOFTWARE = {"MUJOCO_GL": "osmesa"}  # MuJoCo draws with it on any processor
PACKAGES = {  # of Debian and Ubuntu
    "MuJoCo": "apt-get install libegl1 libgl1 libopengl0, or libosmesa6 and export MUJOCO_GL=osmesa"
}


def findings() -> Iterator[Finding]:
    for family in FAMILIES:
        yield drawn(family)


def drawn(family: str) -> Finding:
    part = f"draw {family}"
    try:
        return _finding(part, _asked(family, {}))
    except Failed as error:
        why = error
    if family == "MuJoCo" and os.environ.get("MUJOCO_GL") != SOFTWARE["MUJOCO_GL"]:
        try:
            done = _finding(part, _asked(family, SOFTWARE))
        except Failed:
            pass
        else:
            text, change = f"{done.text} by osmesa, not by EGL: {why}", "export MUJOCO_GL=osmesa"
            return Finding(part, text, "warning", change, done.facts)
    text = f"{FAMILIES[family]} cannot be drawn: {why}"
    change = PACKAGES.get(family, f"harness preview {FAMILIES[family]} shows the error")
    return Finding(part, text, "warning", change)


def _asked(family: str, environment: Mapping[str, str]) -> dict[str, object]:
    return tried(__name__, FAMILIES[family], environment=environment)


def _finding(part: str, told: Mapping[str, object]) -> Finding:
    return Finding(part, str(told["missing"] or told["drawn"]), facts=told)


def draw(env: str) -> dict[str, str]:
    """Draw an environment once; `missing` tells which package it lacks, and is no error."""
    from harness.config.strict import UserError
    from harness.envs import card
    from harness.envs.picture import picture, to_draw

    try:
        drawing = to_draw(card(env))
    except ModuleNotFoundError as error:
        return {"missing": f"not installed: {error}", "drawn": ""}
    drawing.reset(seed=0)
    try:
        pixels = picture(drawing, env)
    except UserError as error:
        raise SystemExit(str(error)) from None
    drawing.close()
    if pixels.min() == pixels.max():
        raise SystemExit(f"{env}: every pixel has the same colour")
    height, width, _ = pixels.shape
    return {"missing": "", "drawn": f"{env}, {width} x {height} pixels"}


if __name__ == "__main__":
    print(json.dumps(draw(sys.argv[1])))
