"""Environments by Gymnasium's registry: the one place that asks it for one."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import EnvSpec

from baselines import target
from harness.envs.wrappers.option import Env

# Gymnasium itself would import whatever stands before a colon.
ID = re.compile(r"(?:(?P<module>[\w.]+):)?(?P<name>(?:[\w-]+/)?[\w.-]+)", re.ASCII)
LONGEST = 200  # letters


def registered(id_: str, kwargs: Mapping[str, Any], order_enforce: bool = True) -> Env:
    """A fresh environment, without Gymnasium's checker and without a time limit.

    :param id_: see `known`.
    :param kwargs: for its constructor.
    :raises ValueError: as `known` does.
    """
    spec = known(id_)
    spec.order_enforce = order_enforce
    return gym.make(spec, max_episode_steps=-1, disable_env_checker=True, **kwargs)


def known(id_: str) -> EnvSpec:
    """What the registry says of an id: a copy.

    :param id_: "Name-v0", or "module:Name-v0" to import the module that registers it.
    :raises ValueError: if it reads otherwise, or nothing is registered by that name.
    """
    parts = ID.fullmatch(id_) if len(id_) <= LONGEST else None
    if parts is None:
        raise ValueError(f"'{id_[:LONGEST]}' is no Gymnasium id: [module:]Name-v0")
    if parts["module"]:
        target.module(parts["module"])
    try:
        return copy.copy(gym.spec(parts["name"]))
    except gym.error.Error as error:
        raise ValueError(f"{id_}: {error}") from None
