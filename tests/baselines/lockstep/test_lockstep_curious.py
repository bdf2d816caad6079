"""PPO with a bonus under lockstep: lockstep's PPO, and the bonus as it defines itself."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("numba")

from baselines import LOCKSTEP, entry
from baselines.api import NoProgress, Task
from baselines.curiosity.agent import curious
from harness.testing import check_bonus

SMALL = {"n_envs": 4, "n_steps": 50, "batch_size": 20, "n_epochs": 2}


def made(agent, env="CartPole-v1", engine=LOCKSTEP, steps=400, **hparams):
    kind = entry(agent).under(engine).load()
    task = Task(lambda: gym.make(env), steps, seed=3, env_seed=5)
    return kind(task, kind.Config.model_validate(SMALL | hparams))


@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1"])
def test_a_bonus_that_counts_nothing_leaves_ppo_bit_for_bit(env):
    plain, bonus = made("ppo", env), made("ppo_rnd", env, int_coef=0, ext_coef=1, random_rollouts=0)
    begun = bonus.weights()

    for agent in (plain, bonus):
        agent.learn(NoProgress())

    learned = bonus.weights()
    assert all(np.array_equal(value, learned[name]) for name, value in plain.weights().items())
    moved = [name for name, value in begun.items() if not np.array_equal(value, learned[name])]
    assert any("predictor" in name for name in moved), "the bonus has learned all the same"


def test_sb3s_class_loads_the_bonus_too(tmp_path):
    agent = made("ppo_rnd")
    agent.learn(NoProgress())
    agent.save(tmp_path)

    loaded = curious("ppo").load(tmp_path / "model.zip", device="cpu")

    trained = agent.model
    stream = loaded.stream.state_dict()
    assert all(value.equal(stream[name]) for name, value in trained.stream.state_dict().items())
    moments, others = (each.stream_optimizer.state_dict()["state"] for each in (trained, loaded))
    assert moments.keys() == others.keys() and len(moments) > 4
    for name, values in moments.items():
        assert all(value.equal(others[name][part]) for part, value in values.items())


def test_a_bonus_of_the_users_own_is_what_it_is_under_sb3(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2] / "own")
    monkeypatch.syspath_prepend(".")
    monkeypatch.delitem(sys.modules, "novelty", raising=False)

    check_bonus("novelty:Novelty", "CartPole-v1", engine=LOCKSTEP)
