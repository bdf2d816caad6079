"""Algorithms of SB3's kind that somebody else has written, by "module:Class"."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from stable_baselines3 import A2C
from stable_baselines3.common.policies import ActorCriticPolicy

from baselines import entry
from baselines.api import Task
from harness import agents, envs
from harness.config import study
from harness.sweep.request import Request
from harness.sweep.resolve import resolve
from harness.testing import check_agent

THEIRS = '''\
"""As a package of somebody else's may have it."""

import torch
from stable_baselines3 import A2C


class Scaled(A2C):
    """A2C with another entropy bonus, and a running mean of its rewards."""

    actions = ("discrete",)

    def __init__(self, policy, env, entropy_scale: float = 2.0, **kwargs):
        super().__init__(policy, env, **kwargs)
        self.ent_coef *= entropy_scale
        self.policy.register_buffer("mean_reward", torch.zeros(()))

    def train(self):
        self.policy.mean_reward += 0.1 * float(self.rollout_buffer.rewards.mean())
        super().train()
'''
SMALL = {"policy_kwargs": {"net_arch": [8]}}
# Of SBX, with settings with which each learns in a few steps.
SBX = {
    "PPO": ("CartPole-v1", 64, {"n_steps": 32, "batch_size": 32, "n_epochs": 1}),
    "DQN": ("CartPole-v1", 60, {"learning_starts": 20, "batch_size": 8}),
    "SAC": ("Pendulum-v1", 60, {"learning_starts": 20, "batch_size": 8}),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, fresh in (("_folder", None), ("_trusted", False), ("_named", set())):
        monkeypatch.setattr(study, name, fresh)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.py").write_text(THEIRS)
    yield tmp_path
    sys.modules.pop("theirs", None)


def test_a_subclass_of_an_algorithm_is_an_agent_with_a_config_from_its_constructor(folder):
    check_agent("theirs:Scaled", "CartPole-v1", steps=40, hparams=SMALL | {"entropy_scale": 3.0})

    spec = resolve(Request("theirs:Scaled", "CartPole-v1", 40, layers=()))
    assert spec.hparams["entropy_scale"] == 2.0 and spec.hparams["n_steps"] == 5
    assert agents.entry("theirs:Scaled").actions == ("discrete",)


def test_what_a_subclass_learns_beside_its_network_is_saved_with_it(folder, tmp_path):
    study.enter(folder)
    study.name("theirs:Scaled")
    config = agents.config("theirs:Scaled", SMALL).model_dump()
    task = Task(lambda: envs.make(envs.card("CartPole-v1")), steps=40)
    first, again = (agents.make("theirs:Scaled", task, config) for _ in range(2))
    first.model.learn(40)

    first.save(tmp_path)
    again.load(tmp_path)

    learned = first.weights()["policy.mean_reward"]
    assert learned > 0 and again.weights()["policy.mean_reward"] == learned


class Own(ActorCriticPolicy):
    """As SBX's, it reads observations by itself."""

    def predict(self, observation, *rest, **more):
        return super().predict(observation, *rest, **more)


class Plain(A2C): ...


class Other(A2C):
    policy_aliases = {"MlpPolicy": Own}  # noqa: RUF012


class Told(Other):
    observations = ("discrete",)


@pytest.mark.parametrize(
    ("kind", "read", "unread"),
    [(Plain, "dict", "other"), (Other, "vector", "discrete"), (Told, "discrete", "vector")],
)
def test_a_policy_that_reads_observations_by_itself_is_promised_vectors_and_images_only(
    kind, read, unread
):
    observations = entry(f"{__name__}:{kind.__name__}").observations

    assert read in observations and unread not in observations


@pytest.mark.slow
@pytest.mark.parametrize("name", SBX)
def test_an_algorithm_of_sbx_keeps_every_rule_of_an_agent(folder, name):
    pytest.importorskip("sbx")
    env, steps, hparams = SBX[name]

    check_agent(f"sbx:{name}", env, steps, SMALL | hparams)


def test_flaxs_networks_are_told_saved_and_put_back(folder, tmp_path):
    pytest.importorskip("sbx")
    study.name("sbx:PPO")
    config = agents.config("sbx:PPO", SMALL).model_dump()
    task = Task(lambda: envs.make(envs.card("CartPole-v1")), steps=64)
    first, other = (agents.make("sbx:PPO", Task(task.make_env, 64, seed=s), config) for s in (0, 1))
    batch = np.zeros((3, 4), np.float32)
    before = first.model.policy.noise_key
    sampled = first.predict(batch, deterministic=False)[0]

    first.save(tmp_path)
    other.load(tmp_path)

    assert (first.model.policy.noise_key == before).all() and len(sampled) == 3
    assert first.weights().keys() == other.weights().keys() and first.weights()
    assert all(np.array_equal(a, other.weights()[name]) for name, a in first.weights().items())
