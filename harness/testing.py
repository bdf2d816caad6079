"""What an agent, an environment and a bonus of your own owe the harness, asked in a minute.

    from harness.testing import check_agent, check_bonus, check_env

    def test_mine():
        check_env("corridor")
        check_agent("mine:Mine", "corridor", steps=600)

Names are those of a sweep file; modules and cards are looked for in the current folder. What does
not hold is an AssertionError with a sentence, what cannot be read a UserError with the way out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import gymnasium as gym
import numpy as np
from gymnasium.utils.env_checker import check_env as gymnasiums_check
from gymnasium.vector.utils import concatenate, create_empty_array

from baselines import SB3
from baselines.api import Agent, Barrier, NoProgress, Resumable, Task
from baselines.space import action_kind, shown
from harness import agents, envs, setting
from harness.config import study
from harness.seeding import streams, untouched_rng
from harness.spec import RunSpec
from harness.sweep.request import Request
from harness.sweep.resolve import resolve

EPISODE = 5  # steps after which the probe of truncation ends an episode
LONGEST = 1_000  # steps that are looked at of an environment without a limit
OBSERVATIONS = 3  # in the batch that an agent is asked to act on

Weights = Mapping[str, np.ndarray]
Around = Callable[[gym.Env[Any, Any]], gym.Env[Any, Any]]


def check_env(env: str) -> None:
    """An environment, by its name in a sweep: it repeats itself, and its spaces hold.

    :raises AssertionError: if it does not.
    """
    study.enter(Path())
    study.name(env)
    card = envs.card(env)
    envs.check(card)
    make = partial(envs.make, card)
    first = make()
    gymnasiums_check(first.unwrapped, skip_render_check=True)
    kind = action_kind(first.action_space)
    assert kind == card.actions, f"{env} has {kind} actions, and its card says {card.actions}"
    other = make()
    for name in ("observation_space", "action_space"):
        here, there = getattr(first, name), getattr(other, name)
        assert here == there, f"{name} of {env} changes: {shown(here)}, then {shown(there)}"
    told = _episode(make(), 0)
    assert told == _episode(make(), 0), f"{env} does not repeat itself from the same seed"
    _episode(first, 1)
    assert told == _episode(first, 0), f"what came before changes an episode of {env}"
    if card.max_episode_steps is None:
        assert len(told) <= LONGEST, (
            f"an episode of {env} lasts more than {LONGEST} steps: give the card max_episode_steps"
        )


def _episode(env: gym.Env[Any, Any], seed: int) -> list[Any]:
    """All that an environment shows to random actions, as bytes."""
    space = env.observation_space
    obs, _ = env.reset(seed=seed)
    env.action_space.seed(seed)
    told: list[Any] = [_bytes(space, obs)]
    over = False
    while not over and len(told) <= LONGEST:
        obs, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert space.contains(obs), f"an observation is not in {shown(space)}: {obs}"
        told.append((_bytes(space, obs), float(reward), bool(terminated), bool(truncated)))
        over = terminated or truncated
    return told


def _bytes(space: gym.Space[Any], obs: Any) -> bytes:
    """Equal for equal observations."""
    return np.asarray(gym.spaces.flatten(space, obs)).tobytes()


def check_agent(
    agent: str,
    env: str,
    steps: int,
    hparams: Mapping[str, Any] | None = None,
    bonus: str | None = None,
    bootstraps: bool = True,
    engine: str = SB3,
) -> None:
    """An agent on one environment: it repeats itself, and looking at it changes nothing.

    It is trained seven times for `steps` environment steps: choose few, and small networks.

    :param agent: "module:Class", or a name from `harness ls agents`.
    :param hparams: as in a sweep.
    :param bonus: "module:Class", or a name from `harness ls bonuses`.
    :param bootstraps: whether it estimates values: truncation must then not count as termination.
    :param engine: what trains it.
    :raises AssertionError: if it does not hold.
    :raises UserError: if it cannot be trained so at all.
    """
    study.enter(Path())
    study.name(agent, bonus or "")
    name = agents.named(agent)
    if bonus:
        name = agents.with_bonus(name, bonus)
    layers = (setting.Layer("here", hparams or {}),)
    spec = resolve(Request(name, env, steps, layers=layers, engine={"name": engine}))
    probe = _Probe(spec, partial(envs.make, envs.card(env)))
    first = probe.train()
    weights = first.weights()
    assert probe.reported <= probe.taken <= steps, (
        f"{name} learned from {probe.reported} steps and took {probe.taken} of a budget of {steps}"
    )
    learns = agents.entry(name).learns
    assert weights or not learns, f"{name} tells no weights: `weights` holds all that was learned"
    assert _equal(weights, probe.train().weights()), f"{name} does not repeat itself from a seed"
    if learns:
        assert not _equal(weights, probe.make().weights()), f"{name} learns nothing"
        assert not _equal(weights, probe.train(seed=1).weights()), f"{name} ignores its seed"
    assert _equal(weights, probe.train(look=True).weights()), (
        f"looking at {name} while it trains changes what it learns: `predict` draws from, or "
        "changes, what training uses"
    )
    batch = probe.batch()
    actions, _ = first.predict(batch)
    space = probe.space
    assert len(actions) == OBSERVATIONS and all(space.contains(_like(space, a)) for a in actions), (
        f"{name} takes actions that are not in {shown(space)}: {actions}"
    )
    with tempfile.TemporaryDirectory() as folder:
        first.save(Path(folder))
        again = probe.make(seed=1)
        again.load(Path(folder))
    assert _equal(weights, again.weights()), f"{name} does not load what it saved"
    if learns:
        acts = again.predict(batch)[0]
        assert np.array_equal(actions, acts), f"{name}, loaded, acts otherwise"
    if bootstraps and learns:
        cut, ended = (probe.train(around=partial(_Ends, terminated=end)) for end in (False, True))
        assert not _equal(cut.weights(), ended.weights()), (
            f"{name} learns the same whether an episode is truncated or terminates: bootstrap "
            "through truncation, or say bootstraps=False if it estimates no values"
        )
    if learns and isinstance(first, Resumable) and not agents.unkept(first):
        _check_barrier(name, probe)


def _check_barrier(name: str, probe: _Probe) -> None:
    """That it stops at a barrier, and that another one goes on from there with what it kept."""
    from baselines import state  # imports torch

    before, steps, passed = probe.make(barrier=1), probe.spec.steps, 0
    try:
        with untouched_rng(0):
            before.learn(NoProgress())
    except Barrier as reached:
        passed = reached.step
    assert passed, (
        f"{name} has `kept` and passes no barrier in {steps} steps: once `task.barrier` steps are "
        "done and its state is whole, `learn` raises Barrier. Or is its first update the last?"
    )
    after = probe.make()
    there = cast("Any", before).kept()
    state.put_back(cast("Any", after).kept(), state.taken(there))
    for ring, filled in zip(there.rings, cast("Any", after).kept().rings.values(), strict=True):
        for part, array in filled.arrays.items():
            array[...] = there.rings[ring].arrays[part]
    assert _equal(before.weights(), after.weights()), (
        f"{name} does not go on from a barrier with what it had learned: `kept` leaves some out"
    )
    probe.taken = 0
    after.learn(NoProgress())
    assert 0 < probe.taken <= steps - passed, (
        f"{name} went on from step {passed} of {steps} and took {probe.taken} steps more: `kept` "
        "tells how many are done, and `learn` goes on from there"
    )


def check_bonus(
    bonus: str,
    env: str,
    steps: int = 512,
    hparams: Mapping[str, Any] | None = None,
    engine: str = SB3,
) -> None:
    """A bonus, with PPO: all that `check_agent` asks of the pair.

    :param bonus: "module:Class", or a name from `harness ls bonuses`.
    :param hparams: of PPO and of the bonus; default: small ones of PPO.
    :param engine: what trains PPO.
    :raises AssertionError: if it does not hold.
    """
    small = {"n_envs": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 2}
    check_agent("ppo", env, steps, small if hparams is None else hparams, bonus, engine=engine)


class _Probe:
    """Trains one agent again and again, and remembers the steps of the last time."""

    def __init__(self, spec: RunSpec, make_env: Callable[[], Any]) -> None:
        self.spec, self.make_env = spec, make_env
        self.space = make_env().action_space
        self.reported = self.taken = 0

    def make(
        self, seed: int = 0, around: Around = lambda env: env, barrier: int | None = None
    ) -> Agent:
        def make_env() -> gym.Env[Any, Any]:
            return around(_Counted(self.make_env(), self))

        drawn = streams(seed)
        spec = self.spec
        task = Task(make_env, spec.steps, seed=drawn.agent, env_seed=drawn.env, barrier=barrier)
        return agents.make(spec.agent, task, spec.hparams, spec.engine.name)

    def train(self, seed: int = 0, look: bool = False, around: Around = lambda env: env) -> Agent:
        self.taken = 0
        with untouched_rng(seed):
            agent = self.make(seed, around)
            self.reported = agent.learn(_Look(agent, self.batch()) if look else NoProgress())
        return agent

    def batch(self) -> Any:
        """First observations, as `predict` takes them."""
        env = self.make_env()
        each = [env.reset(seed=seed)[0] for seed in range(OBSERVATIONS)]
        space = env.observation_space
        empty: Any = create_empty_array(space, OBSERVATIONS)
        return concatenate(space, each, empty)


class _Look(NoProgress):
    """Asks the agent for actions at every step."""

    def __init__(self, agent: Agent, batch: Any) -> None:
        self.agent, self.batch = agent, batch

    def at(self, step: int) -> None:
        with untouched_rng(step):
            self.agent.predict(self.batch, deterministic=step % 2 == 0)


class _Counted(gym.Wrapper[Any, Any, Any, Any]):
    """Counts the steps that an agent takes."""

    def __init__(self, env: gym.Env[Any, Any], probe: _Probe) -> None:
        super().__init__(env)
        self.probe = probe

    def step(self, action: Any) -> Any:
        self.probe.taken += 1
        return super().step(action)


class _Ends(gym.Wrapper[Any, Any, Any, Any]):
    """Ends every episode after a few steps, one way or the other."""

    def __init__(self, env: gym.Env[Any, Any], terminated: bool) -> None:
        super().__init__(env)
        self.terminated = terminated

    def reset(self, **kwargs: Any) -> Any:
        self.time = 0
        return super().reset(**kwargs)

    def step(self, action: Any) -> Any:
        obs, reward, *_, info = super().step(action)
        self.time += 1
        over = self.time >= EPISODE
        return obs, reward, over and self.terminated, over and not self.terminated, info


def _equal(one: Weights, other: Weights) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f")
        for name in one
    )


def _like(space: gym.Space[Any], action: Any) -> Any:
    """An action of a batch as its space has it: a whole number is no array."""
    return np.asarray(action, space.dtype) if space.shape else action
