"""Runs of every agent, small enough to train in a second or two."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import Any

import gymnasium as gym
from family import some
from probe_envs_agents import Goals, Rounded, continuous, discrete

from baselines import AGENTS, BONUSES, REPLAY, entry, names, split
from harness import envs
from harness.setting import Layer
from harness.spec import Engine, Evaluation, RunSpec
from harness.store.reader import Store
from harness.sweep.request import Request
from harness.sweep.resolve import resolve

ENTRIES = {name: entry(name) for name in names()}  # every agent, with its bonus if it has one
STEPS = 256
PROTOCOL = Evaluation(every=100, episodes=2, final_episodes=3)
SMALL_NET = {"policy_kwargs": {"net_arch": [8]}}
SMALL_LSTM = {"policy_kwargs": {"net_arch": [8], "lstm_hidden_size": 8}}
ON_POLICY = {"n_envs": 2, "n_steps": 32, "batch_size": 32, "n_epochs": 2}
OFF_POLICY = {"learning_starts": 50, "buffer_size": 1000, "batch_size": 16, "train_freq": 8}
OFF_POLICY |= {"gradient_steps": 1}
HINDSIGHT = OFF_POLICY | {"learning_starts": 120}  # more than one of PushPose's episodes
SMALL_DREAMER = {"deter": 8, "groups": 2, "classes": 4, "units": 8, "layers": 1, "bins": 9}
SMALL_DREAMER |= {"batch_size": 2, "batch_length": 8, "imagination_horizon": 3}
SMALL_DREAMER |= {"learning_starts": 50, "train_freq": 8}

# Of PPO, DQN, SAC, Dreamer and their kind, behind the same adapter or with the same networks.
SIBLINGS = {"a2c", "trpo", "qrdqn", "td3", "tqc", "crossq", "tqc_her", "dqn_her", "dqn_reset"}
SIBLINGS |= {"plan2explore"}
# Bonuses that a learner takes as it takes RND; each has tests of its own in every test run.
LIKE_RND = {"icm", "rf", "disagreement", "ngu", "e3b", "count", "ride", "noveld"}

# Agents whose hyper-parameters come in groups, or have names of their own.
NESTED = {
    "world_model": {
        "vae": {"epochs": 1},
        "rnn": {"hidden_size": 8, "sequence_length": 10, "epochs": 2},
        "dream": {"horizon": 20},
        "controller": {"population": 4, "episodes": 2, "generations": 2},
    },
    "max": {
        "exploration_steps": 200,
        "learning_starts": 20,
        "train_freq": 16,
        "ensemble_size": 2,
        "net_arch": [8],
        "batch_size": 8,
        "gradient_steps": 2,
        "imagined_episodes": 2,
        "horizon": 4,
        "policy_steps": 2,
        "task_policy_steps": 3,
        "policy_batch_size": 8,
        "policy_net_arch": [8],
    },
}
HPARAMS = NESTED | {
    "ppo": ON_POLICY | SMALL_NET,
    "a2c": {"n_envs": 2, "n_steps": 8} | SMALL_NET,
    "dqn": OFF_POLICY | SMALL_NET,
    "dqn_reset": OFF_POLICY | SMALL_NET | {"reset_every": 64},
    "sac": OFF_POLICY | SMALL_NET,
    "td3": OFF_POLICY | SMALL_NET,
    "qrdqn": OFF_POLICY | SMALL_NET,
    "tqc": OFF_POLICY | SMALL_NET,
    "trpo": {"n_envs": 2, "n_steps": 32, "batch_size": 32} | SMALL_NET,
    "recurrent_ppo": ON_POLICY | SMALL_LSTM,
    "maskable_ppo": ON_POLICY | SMALL_NET,
    "ars": {"n_delta": 1, "n_top": 1},
    "crossq": OFF_POLICY | SMALL_NET,
    "sac_her": HINDSIGHT | SMALL_NET,
    "tqc_her": HINDSIGHT | SMALL_NET,
    "dqn_her": HINDSIGHT | SMALL_NET,
    "dreamer": SMALL_DREAMER,
    "plan2explore": SMALL_DREAMER | {"members": 2},
}
SOON = {"warmup_steps": 20, "bonus_batch_size": 8}
HPARAMS |= {
    name: HPARAMS[learner] | (SOON if AGENTS[learner].bonuses == REPLAY else {})
    for name, (learner, bonus) in zip(ENTRIES, map(split, ENTRIES), strict=True)
    if bonus
}


def each(names: Iterable[str], slow: Container[str] = ()) -> list[Any]:
    """Agents as parameters. Every test run asks each kind of agent, PPO and DQN with RND, and what
    is new; their siblings and all other pairs of a learner and a bonus are slow.

    :param slow: more of them.
    """
    asked = {*AGENTS} - SIBLINGS
    asked |= {f"{learner}_{b}" for learner in ("ppo", "dqn") for b in BONUSES if b not in LIKE_RND}
    return some(names, but={*slow, *ENTRIES.keys() - asked})


def tiny(
    agent: str,
    seed: int = 0,
    steps: int = STEPS,
    env: str | None = None,
    rehearse: bool = False,
    engine: str = "sb3",
    **hparams: object,
) -> RunSpec:
    """A spec of `agent`, in the smallest environment it can act in unless another is named."""
    entry = ENTRIES[agent]
    smallest, wrappers = "CartPole-v1" if "discrete" in entry.actions else "Pendulum-v1", []
    if "vector" not in entry.observations and not entry.goals:
        smallest = "Chain-10"
    if entry.goals:
        smallest = "PushPoseDirections-v0" if "discrete" in entry.actions else "PushPose-v0"
        wrappers = ["goal_observation"]
    if entry.envs:
        smallest = entry.envs[0]
    env = env or smallest
    chosen = HPARAMS.get(agent, {}) | hparams
    layers = (Layer("tests/support/tiny.py", chosen),)
    asked = Request(agent, env, steps, seed, layers, wrappers, engine=Engine(name=engine))
    spec = resolve(asked, rehearse=rehearse)
    return spec.model_copy(update={"evaluation": PROTOCOL})


def env_of(agent: str) -> Callable[[], gym.Env[Any, Any]]:
    """Makes the smallest environment that the agent can act in: a probe, where it is no script."""
    entry = ENTRIES[agent]
    if entry.envs:
        return lambda: envs.make(envs.card(entry.envs[0]))
    walk = discrete if "discrete" in entry.actions else continuous
    if "vector" not in entry.observations and not entry.goals:
        return lambda: Rounded(discrete())
    return (lambda: Goals(walk())) if entry.goals else walk


def files(store: Store, spec: RunSpec, name: str) -> bytes:
    return (store.folder(spec) / name).read_bytes()


def store_at(path: Path) -> Store:
    return Store(path / "results")
