"""Thousands of resets leave nothing behind: no memory, no open files, no bodies in a world."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from functools import cache

import gymnasium as gym
import numpy as np
import psutil
import pytest

from harness.envs import card, card_names, make
from harness.envs.extra import installed

LIBC = ctypes.CDLL(None)
RESETS = 10_000
WARM_UP = 500  # caches fill, and what is made once is made
# What may be more after them. Over 2,000 resets no card but CarRacing grew by more than 34 objects
# or 60 KiB; one object or half a KiB left behind at every reset is found.
OBJECTS = 5_000
MEMORY = 4 << 20  # bytes
# Box2D 2.3.10 loses 2.5 KiB with every car that Gymnasium makes and destroys: 25 MiB here.
BOX2D_MEMORY = 35 << 20
# Their resets take 1.5 to 14 ms, and three times that on a slow machine: a quarter must do.
SLOW = {"box2d", "atari"}
SHARE = 0.25
SLOW_CARDS = {"PushPosePixels-v0", "PushPoseSplit-v0"}


def is_slow(name: str) -> bool:
    return card(name).extra in SLOW or name in SLOW_CARDS


def marks(name: str) -> list[pytest.MarkDecorator]:
    extra = card(name).extra
    missing = pytest.mark.skipif(not installed(extra), reason=f"needs the extra '{extra}'")
    return [missing, *([pytest.mark.slow] if is_slow(name) else [])]


CARDS = [pytest.param(name, marks=marks(name)) for name in card_names()]


@cache
def bullet():
    return pytest.importorskip("pybullet")


def held(env: gym.Env) -> dict[str, int]:
    """What the process holds now: all of it may only be more by chance."""
    gc.collect()
    if hasattr(LIBC, "malloc_trim"):  # glibc keeps freed pages, in which a leak would hide
        LIBC.malloc_trim(ctypes.c_size_t(0))
    found = {"objects": sys.getallocatedblocks(), "memory": psutil.Process().memory_info().rss}
    files = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
    found["files"] = len(os.listdir(files))
    scene = getattr(env.unwrapped, "scene", None)
    if scene is not None:
        clients = [bullet().getConnectionInfo(physicsClientId=i) for i in range(64)]
        found["clients"] = sum(client["isConnected"] for client in clients)
        found["bodies"] = bullet().getNumBodies(physicsClientId=scene._bullet._client)
    return found


def grown(env: gym.Env, resets: int = RESETS) -> dict[str, int]:
    """What the process holds more after so many resets, each with a step, than before them."""
    env.action_space.seed(0)

    def begin(episodes: int) -> None:
        for _ in range(episodes):
            env.reset()
            env.step(env.action_space.sample())

    env.reset(seed=0)
    begin(WARM_UP)
    before = held(env)
    begin(resets)
    return {name: value - before[name] for name, value in held(env).items()}


def leaks(growth: dict[str, int], memory: int = MEMORY, share: float = 1.0) -> dict[str, int]:
    """Those that grew by more than chance, after this share of all resets."""
    allowed = {"objects": share * OBJECTS, "memory": share * memory}
    return {name: more for name, more in growth.items() if more > allowed.get(name, 0)}


@pytest.mark.slow
@pytest.mark.parametrize("name", CARDS)
def test_thousands_of_resets_leave_nothing_behind(name):
    env, share = make(card(name)), SHARE if is_slow(name) else 1.0
    growth = grown(env, round(share * RESETS))
    env.close()

    memory = BOX2D_MEMORY if card(name).extra == "box2d" else MEMORY
    assert not leaks(growth, memory, share), growth


# THE TEST ITSELF


class Leak(gym.Wrapper):
    """Keeps something at every reset."""

    def __init__(self, keep):
        super().__init__(make(card("DeepSea-10")))
        self.keep, self.kept = keep, []

    def reset(self, **options):
        self.kept.append(self.keep())
        return self.env.reset(**options)


def native(size: int):
    """Memory that Python knows nothing of, touched as whatever uses it would."""
    LIBC.malloc.restype = ctypes.c_void_p
    address = LIBC.malloc(ctypes.c_size_t(size))
    ctypes.memset(address, 1, size)
    return None


@pytest.mark.parametrize(
    ("keep", "resets", "found"),
    [
        (lambda: object(), RESETS, "objects"),
        (lambda: np.zeros(100), RESETS, "objects"),
        (lambda: native(1024), RESETS, "memory"),
        (lambda: os.open(os.devnull, os.O_RDONLY), 3, "files"),
    ],
    ids=["object", "array", "native", "file"],
)
def test_a_deliberate_leak_is_found(keep, resets, found):
    env = Leak(keep)
    growth = grown(env, resets)
    for item in env.kept:
        if isinstance(item, int):
            os.close(item)

    assert found in leaks(growth), growth


@pytest.mark.skipif(not installed("robots"), reason="needs the extra 'robots'")
@pytest.mark.parametrize("what", ["bodies", "clients"])
def test_a_deliberate_leak_in_the_world_is_found(what):
    env = make(card("PushPose-v0"))
    engine, scene, opened = bullet(), env.unwrapped.scene, []
    add = {
        "bodies": lambda: engine.createMultiBody(1.0, physicsClientId=scene._bullet._client),
        "clients": lambda: opened.append(engine.connect(engine.DIRECT)),
    }[what]
    before = held(env)
    add()
    growth = {name: value - before[name] for name, value in held(env).items()}
    for client in opened:
        engine.disconnect(physicsClientId=client)
    env.close()

    assert what in leaks(growth), growth
