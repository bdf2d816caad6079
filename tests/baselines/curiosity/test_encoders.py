"""Bonuses read images by convolutions that fit their size, and vectors as they always did."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from family import some
from gymnasium import spaces
from small_curiosity import T, learn, same, walk
from tiny import HPARAMS, LIKE_RND, each

import baselines
from baselines import BONUSES, api, load_bonus
from baselines.api import NoProgress, Sizes, Task
from baselines.curiosity import encoder
from baselines.curiosity.bonus import Transitions
from baselines.curiosity.encoder import Convolutions, View
from baselines.curiosity.episodic import forget_episodes
from baselines.curiosity.network import mlp
from harness.config.strict import UserError
from harness.sweep.request import Request
from harness.sweep.resolve import resolve
from harness.testing import check_bonus

# Channels, height and width, as bonuses are shown them.
IMAGES = {
    "atari": (4, 84, 84),
    "car_racing": (3, 64, 64),
    "car_racing_small": (1, 32, 32),
    "minigrid": (3, 7, 7),
    "minatar": (10, 10, 10),
}
B = 2


def image_space(shape):
    return spaces.Box(0, 255, shape, np.uint8)


def make(name, shape, seed=0, **fields):
    kind = load_bonus(name)
    generator = torch.Generator().manual_seed(seed)
    return kind(image_space(shape), spaces.Discrete(2), kind.Config(**fields), generator)


def draw(shape, *lead, seed=0):
    """Images from 0 to 1, flat."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*lead, math.prod(shape), generator=generator)


class Screen(gym.Env):
    """A bright square that actions move to the left and right; a reward at the right."""

    def __init__(self, shape=(7, 7, 3)):
        self.observation_space, self.action_space = image_space(shape), spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.time, self.place = 0, int(self.np_random.integers(3))
        return self._seen(), {}

    def step(self, action):
        self.time += 1
        self.place = min(max(self.place + (1 if action else -1), 0), 5)
        return self._seen(), float(self.place == 5), self.place == 5, self.time >= 12, {}

    def _seen(self):
        image = np.zeros(self.observation_space.shape, np.uint8)
        image[self.place] = 255
        return image


# Which network


def test_a_vector_and_what_is_too_small_for_convolutions_keep_a_perceptron():
    for space in (spaces.Box(-1, 1, (5,)), spaces.Discrete(5), image_space((3, 3, 3))):
        view = encoder.whole(space)
        one, other = (torch.Generator().manual_seed(3) for _ in range(2))
        net = encoder.encoder(view, [6, 2], one, torch.nn.ELU, dense=torch.nn.ReLU)
        plain = mlp([view.dim, 6, 2], torch.nn.ELU, other)

        assert view.image is None
        assert list(map(type, net)) == list(map(type, plain))
        assert same(net.state_dict(), plain.state_dict())


@pytest.mark.parametrize(
    ("image", "layers", "width"),
    [
        ("atari", [(32, 8, 4), (64, 4, 2), (64, 3, 1)], 64 * 7 * 7),
        ("car_racing", [(32, 8, 4), (64, 4, 2), (64, 3, 1)], 64 * 4 * 4),
        ("car_racing_small", [(32, 3, 2)] * 4, 32 * 2 * 2),
        ("minigrid", [(16, 2, 1), (32, 2, 1), (64, 2, 1)], 64 * 4 * 4),
        ("minatar", [(16, 2, 1), (32, 2, 1), (64, 2, 1)], 64 * 7 * 7),
    ],
)
def test_an_image_has_convolutions_that_fit_its_size(image, layers, width):
    torso = Convolutions(IMAGES[image], torch.Generator().manual_seed(0))
    made = [each for each in torso.layers if isinstance(each, torch.nn.Conv2d)]
    found = [(each.out_channels, each.kernel_size[0], each.stride[0]) for each in made]

    assert found == layers
    assert torso.width == width
    assert torso(draw(IMAGES[image], T, B)).shape == (T, B, width)


def test_the_memory_of_an_encoder_is_not_that_of_a_perceptron_on_pixels():
    screen, pole = (Sizes.of(env, 1) for env in (Screen((84, 84, 4)), gym.make("CartPole-v1")))

    assert encoder.weights(screen, 512) < encoder.weights(screen, 64, 512) == 65 * 512
    assert encoder.weights(pole, 8, 3) == api.weights_of(4, 8, 3)


# Every bonus


@pytest.mark.parametrize(
    ("name", "image"),
    [  # every bonus reads one kind of images in every test run, and RND all
        pytest.param(n, i, marks=[] if n == "rnd" or i == "minigrid" else [pytest.mark.slow])
        for n in BONUSES
        for i in IMAGES
    ],
)
def test_a_bonus_of_images_is_a_number_per_step_and_all_its_state_is_saved(name, image):
    steps = walk(draw(IMAGES[image], 4, B))
    first, second = (make(name, IMAGES[image], seed) for seed in (0, 1))
    first.update(steps)
    raw = first.reward(steps)
    assert raw.shape == (3, B) and raw.isfinite().all() and (raw >= 0).all()
    second.load_state_dict(first.state_dict())
    assert torch.equal(second.reward(steps), raw)
    assert first.loss(steps.flat()).requires_grad
    convolutions = [part for part in first.modules() if isinstance(part, Convolutions)]
    assert bool(convolutions) == (name != "count")


@pytest.mark.parametrize("image", some(["minigrid", "minatar"], but={"minatar"}))
@pytest.mark.parametrize("name", some(BONUSES, but=LIKE_RND - {"e3b"}))  # a step, an episode
def test_the_bonus_of_an_image_that_comes_again_falls_and_of_a_new_one_stays(name, image):
    bonus, places = make(name, IMAGES[image]), draw(IMAGES[image], 6).round()
    seen = walk(places[torch.arange(33) % 4][:, None].expand(-1, B, -1))  # round and round
    new = walk(places[torch.tensor([4, 5])][:, None].expand(-1, B, -1))

    def bonuses():
        first = seen.each(lambda part: part[:1])
        return bonus.reward(first).mean(), bonus.reward(new).mean()

    before = bonuses()
    bonus.update(seen)
    learn(bonus, seen, passes=60)
    forget_episodes(bonus)  # of features that have changed since
    bonus.update(seen)
    after = bonuses()
    assert after[0] < 0.5 * before[0]
    assert after[1] > 2 * after[0]


# RND


@pytest.mark.parametrize(
    ("shape", "frame"),
    [
        ((4, 84, 84), (1, 84, 84)),  # grey frames
        ((12, 64, 64), (3, 64, 64)),  # frames in colour
        ((3, 64, 64), (3, 64, 64)),
        ((1, 40, 40), (1, 40, 40)),
        ((10, 10, 10), (10, 10, 10)),  # kinds of objects
        ((3, 7, 7), (3, 7, 7)),
    ],
)
def test_rnd_sees_the_last_frame_of_a_stack(shape, frame):
    bonus = make("rnd", shape)
    images = draw(shape, T, B)
    steps = Transitions(*[images] * 3, *[torch.zeros(T, B, dtype=torch.bool)] * 2)
    bonus.update(steps)
    raw = bonus.reward(steps)
    earlier, last = (part.clone() for part in [images.unflatten(-1, shape)] * 2)
    earlier[..., : shape[0] - frame[0], :, :] += 1
    last[..., shape[0] - 1, :, :] += 1

    assert bonus.view == View(math.prod(frame), frame)
    assert torch.equal(bonus.reward(steps._replace(next_obs=earlier.flatten(-3))), raw)
    assert not torch.equal(bonus.reward(steps._replace(next_obs=last.flatten(-3))), raw)


@pytest.mark.parametrize("first", [True, False])
def test_the_last_frame_is_the_newest_one_wherever_the_channels_stand(first):
    shape = (4, 40, 40) if first else (40, 40, 4)

    class Stack(Screen):
        def _seen(self):
            frames = np.array([10 * max(self.time - ago, 0) for ago in (3, 2, 1, 0)], np.uint8)
            at = frames[:, None, None] if first else frames
            return np.broadcast_to(at, shape).copy()

    config = {"n_envs": 1, "n_steps": 8, "batch_size": 8, "random_rollouts": 0}
    kind = baselines.entry("ppo_rnd").load()
    agent = kind(Task(lambda: Stack(shape), 8), kind.Config(**config))
    agent.learn(NoProgress())
    steps, _ = agent.model._rollout

    newest = agent.model.stream.bonus.view.of(steps.next_obs[:3])
    expected = torch.tensor([10.0, 20, 30]) / 255
    torch.testing.assert_close(newest, expected[:, None, None].expand_as(newest))


def test_rnd_whitens_each_pixel_by_its_own_moments_and_clips_at_five():
    shape = (1, 40, 40)
    bonus = make("rnd", shape)
    seen = draw(shape, 200) * torch.linspace(0.1, 1, 1600) + torch.linspace(0, 3, 1600)
    bonus.update(walk(seen[:, None]))
    white = bonus.whiten(seen[1:])

    torch.testing.assert_close(white.mean(dim=0), torch.zeros(1600), rtol=0, atol=1e-4)
    torch.testing.assert_close(white.std(dim=0, correction=0), torch.ones(1600), rtol=0, atol=1e-2)
    assert bonus.whiten(seen[:1] + 1e3).unique() == 5
    assert bonus.whiten(seen[:1] - 1e3).unique() == -5
    read = []
    bonus.target.register_forward_hook(lambda _, given, __: read.append(given[0]))
    bonus.reward(walk(seen[:, None]))
    assert torch.equal(read[0][:, 0], white), "what is whitened is what the networks see"


def test_rnd_has_the_networks_of_the_paper_where_it_is_told_their_widths():
    given = {"features_dim": 512, "target_net": [], "predictor_net": [512, 512]}
    bonus = make("rnd", (4, 84, 84), **given)

    def kinds(net):
        return [type(part).__name__ for part in (*net[0].layers, *net[1:])]

    convolutions = ["Conv2d", "LeakyReLU"] * 3
    assert kinds(bonus.target) == [*convolutions, "Linear"]
    assert kinds(bonus.predictor) == [*convolutions, *["Linear", "ReLU"] * 2, "Linear"]
    assert bonus.target[0].layers[0].weight.shape == (32, 1, 8, 8)
    assert bonus.target[-1].weight.shape == (512, 64 * 7 * 7)
    assert not any(weight.requires_grad for weight in bonus.target.parameters())


# Learners


@pytest.mark.parametrize("learner", some(["ppo", "recurrent_ppo", "dqn"], but={"recurrent_ppo"}))
def test_a_learner_with_a_bonus_learns_from_images_alike_from_the_same_seed(learner):
    kind = baselines.entry(f"{learner}_rnd").load()
    small = HPARAMS[f"{learner}_rnd"] | {"n_envs": 2, "n_steps": 1 if learner == "dqn" else 32}
    weights = []
    for seed in (0, 0, 1):
        agent = kind(Task(Screen, 200, seed=seed), kind.Config(**small))
        agent.learn(NoProgress())
        weights.append(agent.weights())
    alike = [
        all(np.array_equal(value, each[key]) for key, value in weights[0].items())
        for each in weights
    ]
    assert alike == [True, True, False]


@pytest.mark.parametrize("name", each([f"ppo_{bonus}" for bonus in BONUSES]))
def test_all_that_is_asked_of_a_bonus_holds_on_images(name):
    check_bonus(baselines.split(name)[1], "MiniGrid-MultiRoomImage-N4-S5-v1", steps=192)


def test_the_compiled_engine_refuses_images_with_the_way_out():
    asked = Request(
        "ppo_rnd", "MiniGrid-MultiRoomImage-N4-S5-v1", 10_000, engine={"name": "lockstep"}
    )
    with pytest.raises(UserError, match=r"lockstep reads vector.* only, not Box \(3, 7, 7\) uint8"):
        resolve(asked, rehearse=True)
