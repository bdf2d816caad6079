"""Bonuses that read more than flat observations: what `info` tells, rewards, and images."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from family import some
from gymnasium import spaces
from tiny import HPARAMS

import baselines
from baselines import BONUSES
from baselines.api import Config, NoProgress, Task
from baselines.curiosity.bonus import REWARD, Bonus
from baselines.curiosity.encoder import Convolutions

LEARNERS = ["ppo", "recurrent_ppo", "dqn"]
COMPILED = [*LEARNERS, "ppo (lockstep)"]
SIDE = 40  # of an image: as large as the policy's convolutions need


class House(gym.Env):
    """Places 0, 1, 2, ... from the first on; a room has three. A step pays ten times its place."""

    def __init__(self, images=False, room=lambda place: place // 3):
        self.images, self.room = images, room
        self.action_space = spaces.Discrete(2)
        shape = (SIDE, SIDE, 1) if images else (1,)
        self.observation_space = (
            spaces.Box(0, 255, shape, np.uint8) if images else spaces.Box(0, 100, shape)
        )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(4))
        return self._seen(), {}

    def step(self, action):
        self.place += 1
        info = {} if self.room is None else {"room": self.room(self.place)}
        return self._seen(), 10.0 * self.place, False, self.place >= 12, info

    def _seen(self):
        space = self.observation_space
        return np.full(space.shape, self.place, space.dtype)


class Rooms(Bonus):
    """1 / sqrt(n) at the n-th visit of a room."""

    Config = Config
    summary = "counts of rooms"
    reach = "step"
    infos = ("room", REWARD)

    def __init__(self, *given):
        super().__init__(*given)
        self.register_buffer("visits", torch.zeros(10))

    def reward(self, steps):
        place = steps.next_obs[..., 0]
        torch.testing.assert_close(steps.infos["room"], place.div(3).floor())
        torch.testing.assert_close(steps.infos[REWARD], 10 * place)
        return (1 + self.visits[steps.infos["room"].long()]).rsqrt()

    def update(self, steps):
        self.reward(steps)
        self.visits += steps.infos["room"].long().flatten().bincount(minlength=10)


class Bright(Bonus):
    """The mean of an image."""

    Config = Config
    summary = "brightness"
    reach = "step"
    observations = ("image",)
    infos = ("room",)

    def reward(self, steps):
        images = steps.next_obs.unflatten(-1, self.observation_space.shape)
        assert images.shape[-3:] == (1, SIDE, SIDE)
        bright = images.mean(dim=(-3, -2, -1))
        torch.testing.assert_close((255 * bright).div(3).add(1e-3).floor(), steps.infos["room"])
        return bright


def made(learner, kind, make_env, **hparams):
    learner, compiled, _ = learner.partition(" (lockstep)")
    name = baselines.name(learner, f"{__name__}:{kind.__name__}")
    if compiled:
        pytest.importorskip("numba")
    cls = baselines.entry(name).under(baselines.LOCKSTEP if compiled else baselines.SB3).load()
    small = HPARAMS[learner] | {"n_envs": 3, "n_steps": 1 if learner == "dqn" else 32}
    small |= {"warmup_steps": 20, "bonus_batch_size": 8} if learner == "dqn" else {}
    return cls(Task(make_env, 400), cls.Config(**small | hparams))


@pytest.mark.parametrize("scaled", some([False, True], but={False}))
@pytest.mark.parametrize("learner", COMPILED)
def test_a_bonus_is_told_the_info_and_the_raw_reward_of_each_of_its_steps(learner, scaled):
    agent = made(learner, Rooms, House, normalize={"obs": False, "reward": scaled})

    steps = agent.learn(NoProgress())

    visits = agent.weights()[f"{'novelty' if learner == 'dqn' else 'stream'}.bonus.visits"]
    assert steps - 24 <= visits.sum() <= steps  # all but what replay has not learned from
    assert (visits > 0).tolist() == [True] * 5 + [False] * 5


@pytest.mark.parametrize("learner", some(LEARNERS, but={"recurrent_ppo"}))
def test_a_bonus_reads_images_if_it_says_so(learner):
    agent = made(learner, Bright, lambda: House(images=True), batch_size=8)

    agent.learn(NoProgress())

    if learner != "dqn":
        assert isinstance(agent.model.stream.critic[0], Convolutions)


def test_what_a_bonus_reads_decides_what_the_learner_with_it_reads():
    own = baselines.entry(baselines.name("ppo", f"{__name__}:Bright"))

    assert own.observations == ("image",)
    for name in BONUSES:
        read = baselines.entry(baselines.name("ppo", name)).observations
        assert read == (*baselines.FLAT, "image")


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_bonus_that_is_not_one_number_for_each_step_is_told_so(learner, monkeypatch):
    agent = made(learner, Rooms, House)
    monkeypatch.setattr(Rooms, "reward", lambda self, steps: steps.next_obs)

    with pytest.raises(ValueError, match=r"Rooms.reward makes numbers of shape \(.*, 1\) for"):
        agent.learn(NoProgress())


@pytest.mark.parametrize(
    ("room", "why"),
    [
        (None, "asks for 'room' in `info`, and a step told nothing"),
        (lambda place: "kitchen", "it is 'kitchen': it must be a number"),
    ],
)
@pytest.mark.parametrize("learner", LEARNERS)
def test_what_an_environment_does_not_tell_in_numbers_is_said(learner, room, why):
    agent = made(learner, Rooms, lambda: House(room=room))

    with pytest.raises(ValueError, match=why):
        agent.learn(NoProgress())
