"""A wrapper of the user's own, by "module:name": a class of Gymnasium's, or a function.

It says where it acts, by an attribute `kind` or by what it is derived from: see KINDS.
"""

from __future__ import annotations

import inspect
import math
from types import FunctionType
from typing import Any, get_args

import gymnasium as gym

from harness import provenance
from harness.config import study
from harness.config.failure import in_a_line
from harness.envs.wrappers.option import Env
from harness.envs.wrappers.wrapper import Kind, Wrapper, options

KINDS: dict[type, Kind] = {
    gym.RewardWrapper: "training",
    gym.ObservationWrapper: "both",
    gym.ActionWrapper: "both",
}
TOLERANCE = 1e-5  # by which rewards may differ that went through other types of floats


def own(name: str) -> Wrapper:
    """:raises ValueError: if it is no wrapper, or cannot be used; the message tells the way out."""
    apply = study.thing(name)
    made_by_class = isinstance(apply, type) and issubclass(apply, gym.Wrapper)
    if not (made_by_class or isinstance(apply, FunctionType)):
        raise ValueError(
            f"'{name}' is no wrapper: a subclass of gymnasium.Wrapper, or a function that takes an "
            "environment and returns one"
        )
    try:
        taken = options(apply).model_fields.keys()
    except Exception as error:  # whatever its annotations raise
        why = f"its signature does not say its options: {in_a_line(error)}"
        raise ValueError(f"'{name}': {why}") from None
    if reserved := taken & {"name", "version"}:
        raise ValueError(f"'{name}': an option cannot be called {' or '.join(sorted(reserved))}")
    version = vars(apply).get("version")  # that of a base says nothing of what is derived from it
    if version is not None and not (type(version) is int and version > 0):
        raise ValueError(f"'{name}' has a version {version!r}: a whole number from 1 on")
    return Wrapper(
        apply,
        (inspect.getdoc(apply) or "").partition("\n")[0],
        _kind(name, apply),
        bool(getattr(apply, "moves", False)),
        version if version is not None else provenance.fingerprint(name.partition(":")[0]),
    )


def _kind(name: str, apply: Any) -> Kind:
    bases = apply.__mro__ if isinstance(apply, type) else ()
    derived = next((KINDS[base] for base in bases if base in KINDS), None)
    kind = next((each for each in get_args(Kind) if each == getattr(apply, "kind", derived)), None)
    if kind is None:
        called = name.partition(":")[2]
        raise ValueError(
            f"'{name}' does not say where it acts: write {called}.kind = \"training\" below it for "
            'a means of learning, or "both" for a part of the task, which is evaluated too'
        )
    if kind == "both" and derived == "training":
        raise ValueError(
            f"'{name}' changes rewards, so its kind is training: it is never evaluated"
        )
    found: Kind = kind
    return found


class Paid(gym.Wrapper[Any, Any, Any, Any]):
    """Adds up what the environment pays."""

    paid = 0.0

    def step(self, action: Any) -> Any:
        told = self.env.step(action)
        self.paid += float(told[1])
        return told


class Unpaid(gym.Wrapper[Any, Any, Any, Any]):
    """Sees that a wrapper that is evaluated leaves rewards as they are: scores are made of them."""

    def __init__(self, env: Env, inner: Paid, name: str) -> None:
        super().__init__(env)
        self._inner, self._name = inner, name

    def step(self, action: Any) -> Any:
        self._inner.paid = 0.0
        told = self.env.step(action)
        paid = self._inner.paid
        if not math.isclose(told[1], paid, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            raise RuntimeError(
                f"{self._name} makes a reward of {told[1]:g} out of {paid:g}: what changes rewards "
                'acts in training alone (kind = "training"), for scores are the environment\'s own'
            )
        return told


def worn(wrapper: Wrapper, name: str, env: Env, training: bool, given: dict[str, Any]) -> Env:
    """The environment with it.

    :raises TypeError: if it makes something else.
    """
    paid = None if training else Paid(env)
    made = wrapper.apply(env if paid is None else paid, **given)
    if not isinstance(made, gym.Env):
        raise TypeError(f"'{name}' returns {type(made).__name__}, not an environment")
    return made if paid is None else Unpaid(made, paid, name)
