"""Lockstep's DQN is SB3's: the same transitions move the same parameters."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("numba")

from baselines.api import NoProgress, Task
from baselines.lockstep.dqn import DQN
from baselines.lockstep.reset import DQNReset as CompiledDQNReset
from baselines.reset import DQNReset
from baselines.sb3 import agent_class

BASE = {"learning_rate": 1e-3, "batch_size": 32, "buffer_size": 500, "learning_starts": 10_000}
SETTINGS = {
    "defaults": {},
    "a gradient that is clipped": {"max_grad_norm": 0.1},
    "a gradient that is never clipped": {"max_grad_norm": 1e6},
    "several environments": {"n_envs": 4},
    "other networks": {"policy_kwargs": {"net_arch": [32, 16, 8], "activation_fn": "tanh"}},
    "a linear network": {"policy_kwargs": {"net_arch": []}},
}


class Scaled(gym.RewardWrapper):
    """Rewards on both sides of where Huber's loss turns linear."""

    def reward(self, reward):
        return 3.0 * float(np.sin(self.env.unwrapped.state[0] * 100))


def made(kind, **hparams):
    task = Task(lambda: Scaled(gym.make("CartPole-v1")), 10_000, seed=3, env_seed=11)
    return kind(task, kind.Config.model_validate(BASE | hparams))


PLAIN = agent_class("dqn"), DQN


def twins(kinds=PLAIN, **hparams):
    """SB3's learner and lockstep's with the same transitions to replay."""
    theirs, ours = (made(kind, **hparams) for kind in kinds)
    for name, value in theirs.weights().items():
        assert np.array_equal(value, ours.weights()[name]), f"{name} begins elsewhere"
    for each in (theirs.model, ours.model):
        _, callback = each._setup_learn(10_000, None)
        # A target network that differs from the other one, as it does most of the time.
        with torch.no_grad():
            for parameter in each.q_net_target.parameters():
                parameter.mul_(0.9)
    model = ours.model
    model.train_freq = model.train_freq._replace(frequency=400 // model.n_envs)
    model.collect_rollouts(
        model.env, callback, model.train_freq, model.replay_buffer, learning_starts=10_000
    )
    buffer, filled = theirs.model.replay_buffer, model.filled
    buffer.observations[:filled] = model.replay.obs[:filled]
    buffer.next_observations[:filled] = model.replay.after[:filled]
    buffer.actions[:filled, :, 0] = model.replay.actions[:filled]
    buffer.rewards[:filled] = model.replay.rewards[:filled]
    buffer.dones[:filled] = model.replay.ends[:filled]
    buffer.pos = filled
    return theirs, ours


def train_both(theirs, ours, steps):
    """One `train` each, with the same batches."""
    model = ours.model
    np.random.seed(5)
    drawn = [
        (np.random.randint(0, model.filled, 32), np.random.randint(0, model.n_envs, 32))
        for _ in range(steps)
    ]
    model._update_learning_rate(model.policy.optimizer)
    losses = model.fit(*(np.stack(each) for each in zip(*drawn, strict=True)))
    np.random.seed(5)
    theirs.model.train(steps, 32)
    return losses


def apart(theirs, ours):
    ours = ours.weights()
    return max(abs(value - ours[name]).max() for name, value in theirs.weights().items())


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize(("steps", "most"), [(1, 1e-5), (50, 1e-4)])
def test_updates_move_the_parameters_as_sb3_does(name, steps, most):
    theirs, ours = twins(**SETTINGS[name])
    start = theirs.weights()

    losses = train_both(theirs, ours, steps)

    assert ours.model.flat.steps == steps == ours.model._n_updates
    assert apart(theirs, ours) < most
    moved = [abs(value - start[each]).max() for each, value in theirs.weights().items()]
    assert max(moved) > 9e-4, "the test would pass if nothing moved"
    assert losses.mean() == pytest.approx(theirs.model.logger.name_to_value["train/loss"], rel=1e-3)


@pytest.mark.parametrize("layers", ["last", "all"])
def test_updates_after_a_reset_move_the_parameters_as_sb3_does(layers):
    """Adam counts anew for what was reset, and goes on for the rest."""
    settings = {"reset_layers": layers, "reset_every": None}
    theirs, ours = twins((DQNReset, CompiledDQNReset), **settings)
    new = twins()[0].model.q_net
    drawn = {name: 0.5 * value.detach() for name, value in new.named_parameters()}
    for each in (theirs.model, ours.model):
        each._drawn = lambda: drawn

    for _ in range(2):
        train_both(theirs, ours, 20)
        assert apart(theirs, ours) < 1e-4
        for each in (theirs.model, ours.model):
            each._reset()
    train_both(theirs, ours, 20)

    assert apart(theirs, ours) < 1e-4
    first, *_, last = ours.model.flat.counts
    assert (first, last) == (20 if layers == "all" else 60, 20)


@pytest.mark.parametrize("n_envs", [1, 4])
def test_the_target_network_and_exploration_follow_as_in_sb3(n_envs):
    settings = {"target_update_interval": 12, "tau": 0.3, "exploration_fraction": 0.1}
    theirs, ours = twins(n_envs=n_envs, **settings)
    theirs.model.q_net_target.load_state_dict(ours.model.q_net_target.state_dict())
    train_both(theirs, ours, 5)
    assert not np.array_equal(ours.model.target, ours.model.flat.values)

    for each in (theirs.model, ours.model):
        each._n_calls = 0
        for step in range(30):
            each._current_progress_remaining = 1 - 0.002 * step
            each._on_step()

    assert ours.model.exploration_rate == theirs.model.exploration_rate < 1
    assert apart(theirs, ours) < 1e-5


class Cut(gym.Wrapper):
    """Is cut short after five steps, or ends by itself."""

    def __init__(self, ends):
        super().__init__(gym.make("CartPole-v1"))
        self.ends, self.last = ends, []

    def reset(self, **given):
        self.steps = 0
        return self.env.reset(**given)

    def step(self, action):
        self.steps += 1
        seen, *_ = self.env.step(action)
        over = self.steps == 5
        self.last += [seen] if over else []
        return seen, 1.0, over and self.ends, over and not self.ends, {}


@pytest.mark.parametrize("ends", [False, True], ids=["truncated", "terminated"])
def test_an_episode_that_is_cut_short_is_replayed_as_going_on_from_its_last_observation(ends):
    env = Cut(ends)
    agent = DQN(Task(lambda: env, 100), DQN.Config(learning_starts=1_000, buffer_size=100))
    agent.learn(NoProgress())

    replay = agent.model.replay
    last = np.arange(100) % 5 == 4
    assert replay.ends[:100, 0].tolist() == (last * float(ends)).tolist()
    assert np.array_equal(replay.after[:100, 0][last], env.last)
    going = np.flatnonzero(~last[:99])
    assert np.array_equal(replay.after[going, 0], replay.obs[going + 1, 0])


def test_what_is_full_is_overwritten_from_its_oldest():
    task = Task(lambda: gym.make("CartPole-v1"), 248, seed=1)
    agent = DQN(task, DQN.Config(learning_starts=1_000, buffer_size=100))
    agent.learn(NoProgress())

    assert len(agent.model.replay.obs) == 100 and agent.model.filled == 248
    replay = agent.model.replay
    going = [row for row in range(99) if row != 47 and not replay.ends[row, 0]]
    assert np.array_equal(replay.after[going, 0], replay.obs[np.add(going, 1), 0])
    assert not np.array_equal(replay.after[47, 0], replay.obs[48, 0]), "the newest"


def test_what_is_not_compiled_is_refused_by_name():
    config = DQN.Config.model_validate(
        {"normalize": True, "n_steps": 3, "policy_kwargs": {"activation_fn": "elu"}}
    )

    refused = [key for key, _ in DQN.refuses(config)]
    assert refused == ["normalize", "n_steps", "policy_kwargs.activation_fn"]
    assert not list(DQN.refuses(DQN.Config()))
