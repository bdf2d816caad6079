"""Where every random number of a run comes from: disjoint streams made from one seed."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

# The two highest bits of a 31-bit seed say what it is for, so the pools cannot meet.
ROOM = 1 << 29  # reset seeds of training lie below it
_POOLS = {"train": 0, "curve": 1, "final": 2, "model": 3}
_PARALLEL = 1 << 16  # room for env_seed + i


class Streams(NamedTuple):
    """The seeds of one run."""

    agent: int  # weights, exploration, minibatches
    env: int  # the i-th parallel training environment is first reset with env + i


def streams(seed: int, passed: int = 0) -> Streams:
    """The training seeds that belong to `seed`: equal for every agent, so that arms are paired.

    :param passed: barriers, after each of which training environments are seeded anew.
    """
    env = f"env/{passed}" if passed else "env"
    return Streams(agent=_draw("agent", seed), env=_draw(env, seed) // _PARALLEL * _PARALLEL)


def episode_seeds(pool: str, env: str, seed: int, n: int) -> list[int]:
    """Reset seeds of `n` episodes to judge by, disjoint from training and from the other pools.

    :param pool: "curve" for the evaluations along the way, "final" for the one that is reported,
        "model" for what a learner's model of the environment is held against.
    :param env: the environment's name. At one `seed`, all arms of a sweep get the same episodes.
    """
    drawn = dict.fromkeys(_draw(f"{env}/{k}", seed) for k in range(n))
    k = n
    while len(drawn) < n:  # two of 2^29 may collide: draw on
        drawn[_draw(f"{env}/{k}", seed)] = None
        k += 1
    return [_POOLS[pool] * ROOM + value for value in drawn]


def _draw(role: str, seed: int) -> int:
    digest = hashlib.sha256(f"{role}/{seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % ROOM


@contextmanager
def untouched_rng(seed: int) -> Iterator[None]:
    """Seed the global generators for the time of the block, then put them back as they were.

    Libraries draw from them (SB3's exploration, torch's distributions), so whatever is done between
    two training steps, an evaluation above all, would otherwise change what is learned.
    """
    torch = sys.modules.get("torch")
    cuda = torch.cuda if torch and torch.cuda.is_initialized() else None
    before = random.getstate(), np.random.get_state()
    before_torch = torch and torch.get_rng_state()
    before_cuda = cuda and cuda.get_rng_state_all()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch:
        torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        if torch:
            torch.set_rng_state(before_torch)
        if cuda:
            cuda.set_rng_state_all(before_cuda)
