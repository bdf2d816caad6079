"""PPO with a bonus under lockstep: lockstep's PPO, and the bonus as it defines itself."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from places import MANY

pytest.importorskip("numba")

from baselines import LOCKSTEP, SB3, entry
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


# The compiled twin of a bonus, beside the bonus's own code ----------------------------------------

ENVS = ["CartPole-v1", "Pendulum-v1", "FrozenLake-v1", MANY]
SETTINGS = {
    "rnd": {},
    "rnd, raw observations": {"normalize_obs": False},
    "rnd, a share of each minibatch": {"update_proportion": 0.4},
    "rnd, other networks": {
        "predictor_net": [24, 16, 8], "target_net": [], "features_dim": 5, "int_net_arch": [12]
    },
    "rnd, linear networks": {"predictor_net": [], "int_net_arch": []},
    "rnd, a last minibatch that is smaller": {"int_batch_size": 60},
    "noveld": {},
    "noveld, a share of each minibatch": {"update_proportion": 0.4},
    "count": {},
    "icm": {"feature_space": "random"},
}  # fmt: skip
# Every bonus and setting in one environment, and RND in all.
PAIRS = [
    pytest.param(name, env, marks=[] if name == "rnd" or env == ENVS[0] else [pytest.mark.slow])
    for name in SETTINGS
    for env in ENVS
]


def twins(env, name, **hparams):
    """SB3's learner and lockstep's in one state, lockstep's rollout, and its returns."""
    agent = f"ppo_{name.partition(',')[0]}"
    hparams = {"int_batch_size": 20} | SETTINGS[name] | hparams
    theirs, ours = (made(agent, env, engine, **hparams).model for engine in (SB3, LOCKSTEP))
    _, callback = ours._setup_learn(10_000, None)
    for _ in range(2):  # at random, then by the policy
        ours.collect_rollouts(ours.env, callback, ours.rollout_buffer, 50)
        if ours._rollout is None:
            ours.train()
    theirs.stream.load_state_dict(ours.stream.state_dict())
    theirs.stream_optimizer.load_state_dict(copy.deepcopy(ours.stream_optimizer.state_dict()))
    theirs._rng = np.random.default_rng(5)
    ours._rng = np.random.default_rng(5)
    theirs.stream.bonus.generator.set_state(ours.stream.bonus.generator.get_state())
    steps, returns = ours._rollout
    return theirs, ours, steps, returns


def learned(model):
    """What both optimisers have moved."""
    return torch.cat([each.detach().flatten() for each in model.stream.parameters()])


@pytest.mark.parametrize(("name", "env"), PAIRS)
def test_fifty_updates_move_the_bonus_and_its_critic_as_torch_does(name, env):
    theirs, ours, steps, returns = twins(env, name)
    flat, returns = steps.flat(), 10 * returns.flatten()
    begun = learned(ours).clone()

    passes = -(-50 // -(-len(returns) // ours.curiosity_config.int_batch_size))
    losses = [[each._learn(flat, returns) for _ in range(passes)] for each in (theirs, ours)]

    assert (learned(theirs) - learned(ours)).abs().max() < 1e-4
    assert (begun - learned(ours)).abs().max() > 1e-3, "the test would pass if nothing moved"
    for wanted, found in zip(*losses, strict=True):
        assert found == pytest.approx(wanted, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("env", ENVS)
@pytest.mark.parametrize("name", ["rnd", "rnd, a share of each minibatch"])
def test_one_update_moves_the_bonus_and_its_critic_as_torch_does(env, name):
    theirs, ours, steps, returns = twins(env, name, int_batch_size=200)

    for each in (theirs, ours):
        each._learn(steps.flat(), returns.flatten())

    assert (learned(theirs) - learned(ours)).abs().max() < 1e-5


@pytest.mark.parametrize(("name", "env"), PAIRS)
def test_what_a_step_earns_and_what_is_known_of_observations_is_as_in_torch(name, env):
    theirs, ours, steps, _ = twins(env, name)

    assert torch.allclose(theirs._raw(steps), ours._raw(steps), rtol=1e-4, atol=1e-6)
    assert torch.allclose(theirs._values(ours_seen := torch.from_numpy(ours.seen)),
                          ours._values(ours_seen), atol=1e-5)  # fmt: skip
    theirs._update(steps)
    ours._update(steps)
    mine = ours.stream.bonus.state_dict()
    for part, value in theirs.stream.bonus.state_dict().items():
        assert torch.allclose(value, mine[part], rtol=1e-6, atol=1e-9), part


# Files and bonuses of the user's own -------------------------------------------------------------


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
