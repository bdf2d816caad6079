"""C: many policies at once, evolved or trained, asleep or awake."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from probe_envs_agents import continuous, discrete
from small_world_model import make, trained

from baselines import api
from baselines.api import NoProgress
from baselines.world_models import controller
from baselines.world_models.action import ActionCode
from baselines.world_models.controller import Evolved, Policy
from harness.seeding import ROOM, streams


def test_many_policies_at_once_do_what_each_does_alone():
    policy = Policy(4, 2, [3])
    rng = np.random.default_rng(0)
    rows, features = rng.normal(size=(5, policy.size)), rng.normal(size=(5, 7, 4))
    found = policy(torch.tensor(rows), torch.tensor(features))

    for row, seen, outputs in zip(rows, features, found, strict=True):
        inner = np.tanh(seen @ row[:12].reshape(4, 3) + row[12:15])
        np.testing.assert_allclose(outputs, inner @ row[15:21].reshape(3, 2) + row[21:])


def test_the_evolution_strategy_climbs_and_leaves_the_global_generator_alone():
    config = controller.Config(episodes=1, sigma=0.5)
    evolved = Evolved(config, 2, ActionCode(spaces.Discrete(2)), lambda n: None)
    goal, played = np.arange(evolved.policy.size) / 3, []

    def play(parameters, seed):
        played.append(-((parameters - goal) ** 2).sum())
        return played[-1] if len(played) <= 1600 else None

    before = np.random.get_state()[1].copy()
    evolved.fit_real(0, play, lambda metrics: None)

    np.testing.assert_array_equal(before, np.random.get_state()[1])
    np.testing.assert_allclose(evolved.parameters, goal, atol=0.05)


@pytest.mark.parametrize("learner", ["ppo", "sac"])
def test_an_algorithm_of_stable_baselines3_may_be_the_controller(learner, tmp_path):
    hparams = {"n_envs": 2, "policy_kwargs": {"net_arch": [4]}}
    hparams |= {"n_steps": 8, "batch_size": 8} if learner == "ppo" else {"learning_starts": 10}
    group = {"learner": learner, "steps": 40, "hparams": hparams}
    agent = trained(continuous, controller=group)
    untrained = make(continuous, controller=group)
    batch = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    before = untrained.weights()
    agent.save(tmp_path)
    untrained.load(tmp_path)

    assert any(not np.array_equal(before[key], value) for key, value in agent.weights().items())
    np.testing.assert_array_equal(agent.predict(batch)[0], untrained.predict(batch)[0])


def test_sac_does_not_replay_what_an_older_model_dreamed():
    hparams = {"n_envs": 2, "policy_kwargs": {"net_arch": [4]}, "learning_starts": 10}
    group = {"learner": "sac", "steps": 40, "hparams": hparams}

    agent = trained(continuous, controller=group, data={"rounds": 3})

    assert agent.controller.agent.model.replay_buffer.size() == 20  # of two dreams side by side


def test_the_controller_may_learn_awake_within_the_budget():
    share = {"real_share": 0.5, "inputs": "z", "episodes": 1, "population": 2}
    agent, logs = make(controller=share), []

    class Diary(NoProgress):
        def log(self, step, metrics):
            logs.append((step, metrics))

    assert agent.learn(Diary()) == 120
    assert sum(len(one) for one in agent.train + agent.held_out) == 60
    awake = [step for step, metrics in logs if "train/controller_generation" in metrics]
    assert len(awake) >= 2
    assert all(60 < step < 120 for step in awake)
    assert agent.controller.parameters.any()


@pytest.mark.parametrize("shared", [True, False])
def test_candidates_of_a_generation_may_play_the_same_episodes(shared):
    config = controller.Config(population=3, episodes=2, real_share=0.5, shared_starts=shared)
    evolved = Evolved(config, 2, ActionCode(spaces.Discrete(2)), lambda n: None)
    starts = []

    def play(parameters, start):
        starts.append(start)
        return 0.0 if len(starts) <= 12 else None

    evolved.fit_real(0, play, lambda metrics: None)

    assert starts[:12] == ([0, 1] * 3 + [2, 3] * 3 if shared else [None] * 12)


def test_the_controller_never_learns_on_an_episode_that_judges(monkeypatch):
    seeds = []

    class Watched(gym.Wrapper):
        def reset(self, *, seed=None, options=None):
            seeds.append(seed)
            return super().reset(seed=seed, options=options)

    monkeypatch.setattr(api, "RESET_SEEDS", 3)  # used up soon
    share = {"real_share": 0.5, "episodes": 1, "population": 2, "shared_starts": True}
    make(lambda: Watched(discrete()), controller=share).learn(NoProgress())

    assert {seed for seed in seeds if seed is not None} == {1000, 1001, 1002}


def test_a_run_has_room_for_the_seeds_of_its_resets():
    rooms = [streams(seed).env for seed in range(100)]
    assert len(set(rooms)) == 100
    assert all(room % api.RESET_SEEDS == 0 and room + api.RESET_SEEDS <= ROOM for room in rooms)
