"""DQN that is reset now and then: what is drawn anew, when, and what stays."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from probe_envs_agents import discrete

from baselines import AGENTS, ENGINES, LOCKSTEP, SB3
from baselines.api import NoProgress, Task
from baselines.reset import EPISODES, Plateau, parameters

STEPS = 400
of_every_engine = pytest.mark.parametrize("engine", ENGINES)
LAST = {"q_net.2.weight", "q_net.2.bias"}  # of the network: a hidden layer, its activation, this


class Diary(NoProgress):
    """Remembers how many resets there had been, by step."""

    def __init__(self):
        self.resets = {}

    def log(self, step, metrics):
        self.resets[step] = metrics.get("train/resets", 0)


def made(engine=SB3, name="dqn_reset", steps=STEPS, env=discrete, **more):
    if engine == LOCKSTEP:
        pytest.importorskip("numba")
    settings = {"learning_starts": 20, "buffer_size": 500, "batch_size": 8, "train_freq": 4}
    settings |= {"policy_kwargs": {"net_arch": [8]}, "target_update_interval": 30}
    learner = AGENTS[name].under(engine).load()
    return learner(Task(env, steps=steps, seed=1), learner.Config(**settings, **more))


def trained(*given, **more):
    agent, diary = made(*given, **more), Diary()
    agent.learn(diary)
    return agent, diary


def resets(engine, **more):
    return trained(engine, **more)[0].model.resets


def snapshot(network):
    return {name: value.detach().clone() for name, value in network.named_parameters()}


def changed(before, network):
    return {n for n, value in network.named_parameters() if not torch.equal(value, before[n])}


@of_every_engine
def test_without_a_reset_it_is_dqn_bit_for_bit(engine):
    ours = trained(engine, reset_every=None)[0].weights()
    theirs = trained(engine, "dqn")[0].weights()

    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours[name], value)


@of_every_engine
@pytest.mark.parametrize("layers", ["last", "all"])
def test_a_reset_draws_its_layers_anew_in_both_networks_and_leaves_the_others(engine, layers):
    model = trained(engine, reset_every=None, reset_layers=layers)[0].model
    before, target = snapshot(model.q_net), snapshot(model.q_net_target)

    model._reset()

    drawn = LAST if layers == "last" else set(before)
    assert changed(before, model.q_net) == changed(target, model.q_net_target) == drawn
    online, target = snapshot(model.q_net), snapshot(model.q_net_target)
    assert all(torch.equal(online[name], target[name]) for name in drawn)


@of_every_engine
def test_a_reset_layer_has_the_distribution_of_a_new_one(engine):
    model = made(engine).model
    draws = []
    for _ in range(200):
        model._reset()
        draws.append(parameters(model.q_net, whole=False)["q_net.2.weight"].detach().numpy().copy())

    # torch draws a linear layer's weights evenly within 1 / sqrt(inputs), here 8.
    values, edge = np.abs(np.concatenate(draws)).ravel(), 1 / np.sqrt(8)
    assert values.max() <= edge
    assert values.mean() == pytest.approx(edge / 2, rel=0.03)


@of_every_engine
@pytest.mark.parametrize("layers", ["last", "all"])
def test_adam_forgets_what_was_reset_and_nothing_else(engine, layers):
    model = trained(engine, reset_every=None, reset_layers=layers)[0].model
    model._reset()

    names = {value: name for name, value in model.q_net.named_parameters()}
    state = {names[value]: memory for value, memory in model.policy.optimizer.state.items()}
    drawn = LAST if layers == "last" else set(state)
    assert set(state) == set(names.values())
    for name, memory in state.items():
        assert {bool(each.any()) for each in memory.values()} == {name not in drawn}, name


def test_the_replay_buffer_stays():
    model = trained(reset_every=None)[0].model
    before = model.replay_buffer.observations.copy(), model.replay_buffer.pos
    model._reset()

    np.testing.assert_array_equal(model.replay_buffer.observations, before[0])
    assert model.replay_buffer.pos == before[1] == STEPS


@of_every_engine
@pytest.mark.parametrize(("every", "until", "times"), [(100, 1.0, 4), (100, 0.5, 2), (150, 1.0, 2)])
def test_resets_come_in_their_rhythm_until_their_end(engine, every, until, times):
    assert resets(engine, reset_every=every, reset_until=until) == times


def test_resets_are_counted_in_what_is_logged():
    diary = trained(steps=2_100, reset_every=500, reset_until=1.0)[1]

    assert list(diary.resets.values()) == [2, 4, 4]


@of_every_engine
def test_a_return_that_rises_no_more_resets_once_for_each_time_of_patience(engine):
    def flat():
        same = gym.wrappers.TransformReward(discrete(), lambda reward: 0.0)
        return gym.wrappers.TimeLimit(same, 5)

    settings = {"reset_every": None, "reset_on_plateau": 50, "reset_until": 1.0}
    model = trained(engine, env=flat, **settings)[0].model
    # Updates come every 4 steps, after 20. The 20th episode since ends with step 120, and the 20th
    # since the reset at 172 with step 270.
    assert (model.resets, model._last_reset) == (2, 320)


# PLATEAU


def fed(returns, length=10):
    plateau = Plateau(0)
    for i, value in enumerate(returns, start=1):
        plateau.add(value, i * length)
    return plateau


def test_a_plateau_begins_with_the_best_mean():
    returns = [*range(EPISODES + 30), *[EPISODES + 29] * 100]
    plateau = fed(returns)
    # The mean of the last EPISODES rises until the window holds the highest value only.
    best = (EPISODES + 30 + EPISODES - 1) * 10

    assert not plateau.stalled(best + 99, patience=100)
    assert plateau.stalled(best + 100, patience=100)


def test_too_few_episodes_are_no_plateau():
    assert not fed([1.0] * (EPISODES - 1)).stalled(10**9, patience=1)
    assert fed([1.0] * EPISODES).stalled(10**9, patience=1)


def test_a_return_that_rises_is_no_plateau():
    assert not fed(range(500)).stalled(5_000, patience=1)


def test_equal_returns_are_a_plateau():
    assert fed([7.0] * 200).stalled(2_000, patience=1_000)
    assert not fed([7.0] * 200).stalled(EPISODES * 10 + 999, patience=1_000)
