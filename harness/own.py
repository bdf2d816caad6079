"""Functions of the user's own: metrics, which make a number of each run, and figures."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import gymnasium as gym
import numpy as np

from harness import provenance
from harness.config import declared, study
from harness.config.name import shortened
from harness.config.strict import suggest
from harness.spec import Metric

if TYPE_CHECKING:
    import pandas as pd

# Scores, and columns in which results are told.
TAKEN = {
    "agent", "arm", "attempts", "auc", "cvar", "env", "environment", "episodes", "final", "key",
    "mean", "run", "score", "sd", "seed", "state", "step", "steps", "steps_trained",
}  # fmt: skip


@dataclass(frozen=True)
class Episode:
    """One episode after training, of `n` steps: what a metric `f(episode)` is given."""

    env: str
    seed: int
    #: (n + 1, ...): `observations[0]` is the first of the episode. A list if they are no arrays.
    observations: Any
    actions: Any  #: (n, ...)
    rewards: Any  #: (n,): the environment's own
    infos: Sequence[Mapping[str, Any]]  #: n + 1: `infos[0]` is that of the reset
    terminated: bool  #: False: it was cut off by the time limit


@dataclass(frozen=True)
class Run:
    """One finished run: what a metric `f(run)` is given."""

    agent: str
    env: str
    seed: int
    steps: int
    hparams: Mapping[str, Any]
    evaluations: pd.DataFrame  #: a row for each evaluation: step, final, mean, sd, episodes
    training: pd.DataFrame  #: step, seconds of CPU time, and what training logged
    costs: Mapping[str, float]  #: wall_seconds, cpu_seconds, peak_memory_mb, steps_trained
    #: Where training went, by cell of a plane: `store.run_files.Visits`; None: states are no cells.
    visits: Any = None


class Recorder(gym.Wrapper[Any, Any, Any, Any]):
    """Hands over each episode when it ends."""

    def __init__(self, env: gym.Env[Any, Any], name: str, ended: Callable[[Episode], None]) -> None:
        super().__init__(env)
        self._name, self._ended = name, ended

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        assert seed is not None
        self._seed = seed
        self._observations, self._infos = [copy.deepcopy(observation)], [copy.deepcopy(info)]
        self._actions: list[Any] = []
        self._rewards: list[float] = []
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._observations.append(copy.deepcopy(observation))
        self._actions.append(copy.deepcopy(action))
        self._rewards.append(float(reward))
        self._infos.append(copy.deepcopy(info))
        if terminated or truncated:
            self._ended(self.episode(bool(terminated)))
        return observation, reward, terminated, truncated, info

    def episode(self, terminated: bool = False) -> Episode:
        """What was recorded since the reset."""
        plain = isinstance(self._observations[0], np.ndarray | np.generic | int | float)
        return Episode(
            env=self._name,
            seed=self._seed,
            observations=_fixed(np.stack(self._observations)) if plain else self._observations,
            actions=_fixed(np.array(self._actions)),
            rewards=_fixed(np.array(self._rewards)),
            infos=self._infos,
            terminated=terminated,
        )


def _fixed(array: Any) -> Any:
    """Not to be written to: every metric is given the same episode."""
    array.setflags(write=False)
    return array


class Found(NamedTuple):
    """A function of the user's own, or of a package."""

    name: str  # by which the user calls it
    target: str  # "module:function"
    takes: str  # the name of its one argument
    about: str  # the first line of its docstring


def find(group: str, given: str, takes: Sequence[str]) -> Found:
    """
    :param group: "metrics" or "figures".
    :param given: "module:function", or the name that a package declares one by.
    :param takes: what its one argument may be called.
    :raises ValueError: if there is no such function; the message tells the way out.
    """
    try:
        target = declared.target(group, given, ())
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    if ":" not in target:
        known = suggest(given, declared.names(group))
        raise ValueError(f"'{given}' is none of the {group}: name yours, module:function.{known}")
    made = study.function(target)
    taken = [p.name for p in inspect.signature(made).parameters.values() if p.default is p.empty]
    if len(taken) != 1 or taken[0] not in takes:
        able = " or ".join(f"({name})" for name in takes)
        raise ValueError(f"'{target}' takes ({', '.join(taken)}): it must take {able}")
    about = (inspect.getdoc(made) or "").partition("\n")[0].strip()
    if not about:
        raise ValueError(f"'{target}' has no docstring: the report prints its first line")
    name = target.partition(":")[2] if given == target else given
    return Found(name, target, taken[0], shortened(about))


def metric(given: str) -> Metric:
    """A metric, and the digest of its source; see `find`."""
    name, target, takes, about = find("metrics", given, ("episode", "run"))
    if name in TAKEN:
        raise ValueError(f"'{name}' is taken by a column of results: rename the function")
    of = cast(Literal["episode", "run"], takes)
    return Metric(name=name, target=target, of=of, version=version(target), about=about)


def figure(given: str) -> Found:
    """A figure of a report; see `find`, and harness/report/own.py for what it is given."""
    return find("figures", given, ("data",))


def figures(targets: Iterable[str]) -> dict[str, Callable[..., Any] | str]:
    """The functions that draw a report's figures; in place of one, why it may not or cannot."""
    found: dict[str, Callable[..., Any] | str] = {}
    for target in targets:
        try:
            found[target] = study.function(target)
        except ValueError as error:
            found[target] = str(error)
    return found


def version(target: str) -> str:
    """A digest of the source of "module:function", which is imported."""
    return provenance.fingerprint(target.partition(":")[0])


def number(value: Any) -> float:
    """What a metric returned.

    :raises ValueError: if it is no finite number.
    """
    try:
        made = float(value) if not isinstance(value, str) else math.nan
    except (TypeError, ValueError):
        made = math.nan
    if not math.isfinite(made):
        raise ValueError(f"it returned {shortened(repr(value))}, which is no finite number")
    return made
