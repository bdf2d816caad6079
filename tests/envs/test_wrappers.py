"""Every wrapper does what its line in the table says, and what a card declares to vary, varies."""

import math

import gymnasium as gym
import numpy as np
import pytest

from harness.envs import WRAPPERS, card, card_names, check_wrapper, complete, extra, make
from harness.envs.varied import Varied

VARYING = [n for n in card_names() if card(n).variants and extra.installed(card(n).extra)]
# An environment and options with which each wrapper can be tried.
TRIALS = {
    "flatten": ("Blackjack-v1", {}),
    "flat_image": ("MiniGrid-Unlock-v0", {}),
    "cell_image": ("MiniGrid-Unlock-v0", {}),
    "action_masks": ("MiniGrid-Unlock-v0", {}),
    "frame_stack": ("Acrobot-v1", {"frames": 3}),
    "time_aware": ("Acrobot-v1", {}),
    "mask_observation": ("CartPole-v1", {"hide": ["velocities"]}),
    "observation_noise": ("Pendulum-v1", {"std": [0.1, 0.1, 1.0]}),
    "noisy_tv": ("MountainCar-v0", {"idle": 1}),
    "single_precision": ("Acrobot-v1", {}),
    "resize": ("images", {"width": 5, "height": 4}),
    "grey": ("images", {}),
    "sticky_actions": ("Acrobot-v1", {"probability": 0.5}),
    "random_actions": ("Acrobot-v1", {"probability": 0.5}),
    "gaussian_actions": ("Pendulum-v1", {"std": 0.3}),
    "annealed_random_actions": ("Pendulum-v1", {"steps": 40}),
    "annealed_gaussian_actions": ("Pendulum-v1", {"steps": 40}),
    "push_frame": ("PushPose-v0", {"observations": "world", "actions": "world"}),
    "goal_observation": ("PushPose-v0", {}),
    "stall_clock": ("PushPose-v0", {}),
    "error_shaping": ("PushPose-v0", {"gamma": 0.97, "weights": {"distance": 10.0}}),
    "scale_reward": ("Acrobot-v1", {"factor": 7}),
    "clip_reward": ("Pendulum-v1", {"low": -0.5}),
    "sign_reward": ("Pendulum-v1", {}),
    "log_reward": ("Pendulum-v1", {}),
    "normalize_reward": ("Pendulum-v1", {}),
    "living_reward": ("CartPole-v1", {"amount": -0.5}),
    "cartpole_potential": ("CartPole-v1", {"gamma": 0.9}),
    "stall": ("MountainCar-v0", {"patience": 3, "penalty": 5.0, "tolerance": 0.02, "watch": [0]}),
}
TRAINING_ONLY = [
    name for name, entry in WRAPPERS.items() if entry.kind == "training" and name in TRIALS
]
NOISY = ["observation_noise", "random_actions", "gaussian_actions", "noisy_tv"]
NEEDS = {"resize": "pixels"} | dict.fromkeys(
    ["push_frame", "goal_observation", "stall_clock", "error_shaping"], "robots"
)
# One needs another wrapper inside it, one changes no reward: tests/envs/test_push_pose.py has them.
ELSEWHERE = {"stall_end", "curriculum"}


class Images(gym.Env):
    """Random colour images, and the action as the reward."""

    def __init__(self):
        self.observation_space = gym.spaces.Box(0, 255, (8, 10, 3), np.uint8)
        self.action_space = gym.spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._image(), {}

    def step(self, action):
        return self._image(), float(action), False, False, {}

    def _image(self):
        return self.np_random.integers(0, 256, (8, 10, 3), np.uint8)


class Script(gym.Env):
    """Shows the numbers and pays the rewards that it was given."""

    def __init__(self, observations, rewards=None, ends=False):
        self.observation_space = gym.spaces.Box(-np.inf, np.inf, (2,))
        self.action_space = gym.spaces.Discrete(2)
        self.observations = observations
        self.rewards = rewards or [0.0] * len(observations)
        self.ends = ends

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self._see(), {}

    def step(self, action):
        self.t += 1
        over = self.ends and self.t == len(self.observations) - 1
        return self._see(), self.rewards[self.t], over, False, {}

    def _see(self):
        return np.array(self.observations[self.t], np.float32)


def bare(name):
    """MiniGrid's own environment, dictionary observations and all."""
    return Images() if name == "images" else make(card(name).model_copy(update={"wrappers": ()}))


def tried(name):
    """The environment of its trial, in the wrapper."""
    if not extra.installed(NEEDS.get(name)):
        pytest.skip(f"needs the extra {NEEDS[name]}")
    env_name, options = TRIALS[name]
    return WRAPPERS[name].apply(bare(env_name), **options)


def walk(env, steps, seed=0):
    """(observation, reward, terminated, truncated) of random steps; episodes go on from resets."""
    env.action_space.seed(seed)
    observation, _ = env.reset(seed=seed)
    yield observation, 0.0, False, False
    for _ in range(steps):
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        yield observation, reward, terminated, truncated
        if terminated or truncated:
            env.reset()


def taken(env, action, steps=1):
    """What the environment inside is told when `action` is decided again and again."""
    still, _ = env.unwrapped.reset(seed=0)
    env.reset(seed=0)
    told = []
    env.unwrapped.step = lambda given: told.append(given) or (still, 0.0, False, False, {})
    for _ in range(steps):
        env.step(action)
    return told


# THE TABLE


def test_every_wrapper_has_a_trial():
    assert set(TRIALS) == set(WRAPPERS) - ELSEWHERE


@pytest.mark.parametrize("name", TRIALS)
def test_a_wrapped_environment_keeps_its_spaces_and_repeats_itself(name):
    _, options = TRIALS[name]
    assert not check_wrapper({"name": name, **options})
    first, second = tried(name), tried(name)
    for one, other in zip(walk(first, 50), walk(second, 50), strict=True):
        assert first.observation_space.contains(one[0])
        assert one[1] == other[1]
        np.testing.assert_equal(one[0], other[0])  # of a dict, each of its arrays


@pytest.mark.parametrize("name", [*NOISY, "annealed_random_actions", "annealed_gaussian_actions"])
def test_a_seeded_reset_begins_the_noise_anew(name):
    fresh, used = tried(name), tried(name)
    for _ in walk(used, 30, seed=1):
        pass
    for one, other in zip(walk(fresh, 60), walk(used, 60), strict=True):
        assert np.array_equal(one[0], other[0])


@pytest.mark.parametrize("name", NOISY)
def test_noise_leaves_the_starts_of_the_coming_episodes_as_they_were(name):
    plain, noisy = bare(TRIALS[name][0]), tried(name)
    for env in (plain, noisy):
        env.reset(seed=4)
        for _ in range(5):
            env.step(env.action_space.sample())
        env.reset()
    assert np.array_equal(plain.unwrapped.state, noisy.unwrapped.state)


@pytest.mark.parametrize("name", TRAINING_ONLY)
def test_training_only_wrappers_change_training_and_never_the_score(name):
    env_name, options = TRIALS[name]
    raw, training, scored = (
        [reward for _, reward, *_ in walk(env, 40)]
        for env in (
            make(card(env_name)),
            make(card(env_name), [{"name": name, **options}], training=True),
            make(card(env_name), [{"name": name, **options}], training=False),
        )
    )
    assert scored == raw != training


def test_wrappers_apply_in_the_order_given():
    wrappers = [{"name": "clip_reward", "low": -1.0}, {"name": "scale_reward", "factor": 10}]
    rewards = [reward for _, reward, *_ in walk(make(card("Acrobot-v1"), wrappers), 5)]
    assert rewards[1:] == [-10.0] * 5


@pytest.mark.parametrize(
    ("wrapper", "way_out"),
    [
        ({"name": "stick_actions"}, "Did you mean 'sticky_actions'?"),
        ({"name": "sticky_actions", "probabilty": 0.1}, "Did you mean 'probability'?"),
        ({"name": "sticky_actions", "probability": 1.5}, "less than 1"),
        ({"name": "sticky_actions", "probability": "often"}, "number"),
        ({"name": "scale_reward"}, "factor: this key is required"),
        ({"name": "sign_reward", "factor": 2}, "unknown key 'factor'"),
        ({"name": "mask_observation", "hide": []}, "at least 1"),
        ({"probability": 0.1}, "needs a 'name'"),
    ],
)
def test_a_wrong_wrapper_is_told_the_way_out(wrapper, way_out):
    (message,) = check_wrapper(wrapper)
    assert way_out in message


@pytest.mark.parametrize(
    ("env", "wrapper", "way_out"),
    [
        ("CartPole-v1", {"name": "flat_image"}, "MiniGrid"),
        ("CartPole-v1", {"name": "cell_image"}, "MiniGrid"),
        ("CartPole-v1", {"name": "mask_observation", "hide": ["speed"]}, "angular_velocity"),
        ("CartPole-v1", {"name": "mask_observation", "hide": [4]}, "none of the 4 numbers"),
        ("DeepSea-5", {"name": "mask_observation", "hide": ["velocities"]}, "none by name"),
        ("CartPole-v1", {"name": "gaussian_actions"}, "Box actions"),
        ("Pendulum-v1", {"name": "noisy_tv", "idle": 0}, "no action 0"),
        ("CartPole-v1", {"name": "noisy_tv", "idle": 2}, "no action 2"),
        ("Pendulum-v1", {"name": "observation_noise", "std": [0.1]}, "1 standard deviations"),
        ("Acrobot-v1", {"name": "cartpole_potential", "gamma": 1.0}, "is for CartPole"),
        ("Acrobot-v1", {"name": "stall", "patience": 1, "penalty": 1, "watch": [6]}, "no number 6"),
    ],
)
def test_a_wrapper_that_an_environment_cannot_wear_is_refused(env, wrapper, way_out):
    assert not check_wrapper(wrapper)
    with pytest.raises((TypeError, ValueError), match=way_out):
        make(card(env), [wrapper])


def test_defaults_are_filled_in_so_that_equal_wrappers_have_equal_keys():
    assert complete({"name": "sticky_actions"}) == complete(
        {"name": "sticky_actions", "probability": 0.25}
    )
    assert complete({"name": "scale_reward", "factor": 2}) == complete(
        {"name": "scale_reward", "factor": 2.0}
    )


# ACTIONS


def test_sticky_actions_repeat_about_as_often_as_asked():
    env = make(card("MountainCarContinuous-v0"), [{"name": "sticky_actions", "probability": 0.3}])
    env.reset(seed=0)
    told = []
    env.unwrapped.step = lambda action: told.append(float(action)) or (None, 0.0, False, False, {})
    for action in range(900):
        env.step(float(action))
    repeats = np.mean(np.diff(told) == 0)
    assert 0.24 < repeats < 0.36


def test_random_actions_replace_about_as_many_as_asked_by_any_action():
    told = taken(WRAPPERS["random_actions"].apply(bare("Acrobot-v1"), probability=0.6), 0, 900)
    assert 0.35 < np.mean(np.array(told) != 0) < 0.45  # a third of them draw the 0 again
    assert set(told) == {0, 1, 2}


def test_gaussian_actions_have_their_deviation_in_halves_of_the_range():
    env = WRAPPERS["gaussian_actions"].apply(bare("Pendulum-v1"), std=0.1)  # torques of +-2
    told = np.array(taken(env, np.zeros(1, np.float32), 900))
    assert told.std() == pytest.approx(0.2, rel=0.1)
    assert told.dtype == np.float32


def test_noise_never_leaves_the_action_space():
    env = WRAPPERS["gaussian_actions"].apply(bare("Pendulum-v1"), std=5.0)
    told = taken(env, np.zeros(1, np.float32), 50)
    assert all(env.action_space.contains(action) for action in told)


def test_annealed_noise_fades_to_nothing_after_its_steps():
    env = WRAPPERS["annealed_random_actions"].apply(bare("Acrobot-v1"), steps=900, start=1.0)
    told = np.array(taken(env, 1, 1000))
    early, late = np.mean(told[:300] != 1), np.mean(told[600:900] != 1)
    assert early > 3 * late > 0
    assert (told[900:] == 1).all()


# OBSERVATIONS


def test_time_aware_observes_the_share_of_the_limit():
    env = make(card("Acrobot-v1"), [{"name": "time_aware"}])
    times = [observation[-1] for observation, *_ in walk(env, 3)]
    assert times == pytest.approx([0, 1 / 500, 2 / 500, 3 / 500])
    assert env.observation_space.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "velocities"),
    [
        ("CartPole-v1", [1, 3]),
        ("CartPoleLengths-v1", [1, 3]),
        ("Pendulum-v1", [2]),
        ("Acrobot-v1", [4, 5]),
        ("MountainCar-v0", [1]),
        ("MountainCarSparse-v0", [1]),
        ("MountainCarContinuous-v0", [1]),
    ],
)
def test_hidden_velocities_read_zero_and_nothing_else_changes(name, velocities):
    masked = make(card(name), [{"name": "mask_observation", "hide": ["velocities"]}])
    pairs = zip(walk(make(card(name)), 5), walk(masked, 5), strict=True)
    for (seen, *_), (left, *_) in pairs:
        assert masked.observation_space.contains(left)
        assert not left[velocities].any()
        assert np.array_equal(np.delete(left, velocities), np.delete(seen, velocities))


def test_numbers_are_hidden_by_name_or_by_place():
    by_name, by_place = (
        make(card("CartPole-v1"), [{"name": "mask_observation", "hide": [what]}])
        for what in ("angle", 2)
    )
    for one, other in zip(walk(by_name, 5), walk(by_place, 5), strict=True):
        assert np.array_equal(one[0], other[0])


def test_observation_noise_has_the_deviation_of_each_number():
    still = Script([(0.0, 0.0)] * 1001)
    env = WRAPPERS["observation_noise"].apply(still, std=[0.5, 0.0])
    seen = np.array([observation for observation, *_ in walk(env, 1000)])
    assert seen.std(axis=0) == pytest.approx([0.5, 0.0], rel=0.1)


def test_stacked_images_lie_behind_one_another_in_their_channels():
    env = WRAPPERS["frame_stack"].apply(Images(), frames=2)
    plain = [observation for observation, *_ in walk(Images(), 3)]
    stacked = [observation for observation, *_ in walk(env, 3)]
    assert env.observation_space.shape == (8, 10, 6)
    assert np.array_equal(stacked[2], np.concatenate([plain[1], plain[2]], axis=2))


def test_cells_are_bytes_with_the_channels_first_and_as_far_apart_as_they_were():
    wrap = WRAPPERS["cell_image"].apply
    grid = wrap(bare("MiniGrid-DoorKey-5x5-v0"))
    for image, *_ in walk(grid, 60):
        plain = grid.unwrapped.gen_obs()["image"]
        assert grid.observation_space.contains(image)
        for channel, largest in enumerate((10, 5, 2)):
            assert np.array_equal(np.rint(image[channel] / 255 * largest), plain[..., channel])


def test_cells_of_minatar_are_bytes_with_the_channels_first():
    pytest.importorskip("minatar")
    game = bare("MinAtar-Seaquest-v0")
    env = WRAPPERS["cell_image"].apply(game)
    assert env.observation_space == gym.spaces.Box(0, 255, (10, 10, 10), np.uint8)
    for image, *_ in walk(env, 20):
        cells = env.unwrapped._game.state()
        assert env.observation_space.contains(image)
        assert np.array_equal(image == 255, cells.transpose(2, 0, 1)) and cells.any()
        assert set(np.unique(image)) == {0, 255}


def test_grey_images_keep_one_channel():
    assert tried("grey").observation_space.shape == (8, 10, 1)


def test_resized_images_have_the_height_and_width_asked_for():
    assert tried("resize").reset(seed=0)[0].shape == (4, 5, 3)


# NOISY TV


def screens(env, actions):
    env.reset(seed=0)
    return [tuple(env.step(action)[0][-8:]) for action in actions]


def test_the_remote_changes_the_picture_and_leaves_the_environment_idle():
    env = tried("noisy_tv")
    assert env.action_space.n == 4
    seen = screens(env, [0, 1, 2])
    assert len(set(seen)) == 1
    assert len(set(screens(env, [3] * 60))) > 5
    assert taken(tried("noisy_tv"), 3) == [1]


def test_a_finite_television_shows_the_same_pictures_in_every_episode():
    env = WRAPPERS["noisy_tv"].apply(bare("MountainCar-v0"), idle=1, patterns=3)
    seen = {tuple(observation[-8:]) for observation, *_ in walk(env, 300, seed=1)}
    seen |= {tuple(observation[-8:]) for observation, *_ in walk(env, 300, seed=2)}
    assert len(seen) == 3


def test_an_endless_television_never_repeats_itself():
    env = WRAPPERS["noisy_tv"].apply(bare("Pendulum-v1"), patterns=None)
    seen = [tuple(observation[-8:]) for observation, *_ in walk(env, 100)]
    assert len(set(seen)) == len(seen)


def test_without_a_remote_every_step_shows_another_picture():
    env = WRAPPERS["noisy_tv"].apply(bare("MountainCar-v0"))
    assert env.action_space.n == 3
    assert len(set(screens(env, [1] * 60))) > 5


# REWARDS


def test_log_reward_keeps_signs_and_compresses_magnitudes():
    env = WRAPPERS["log_reward"].apply(Script([(0, 0)] * 4, [0.0, 1e6, -1e6, 0.0]))
    rewards = [reward for _, reward, *_ in walk(env, 3)]
    assert rewards[1:] == pytest.approx([math.log(1e6 + 1), -math.log(1e6 + 1), 0.0])


@pytest.mark.parametrize("gamma", [0.9, 1.0])
def test_shaping_by_a_potential_adds_the_same_to_every_episode_that_falls(gamma):
    """The discounted sum of F telescopes to -phi(s0): no behaviour gains by it."""
    options = {"gamma": gamma, "angle": 2.0, "velocity": 0.3}
    shaped = WRAPPERS["cartpole_potential"].apply(bare("CartPole-v1"), **options)
    for seed in range(3):
        for policy in ([0], [1, 0, 0]):
            shaped.reset(seed=seed)
            _, _, angle, turning = shaped.unwrapped.state
            start = -2.0 * (angle / shaped.unwrapped.theta_threshold_radians) ** 2
            start -= 0.3 * turning**2
            extra_reward, t, over = 0.0, 0, False
            while not over:
                _, reward, over, _, _ = shaped.step(policy[t % len(policy)])
                extra_reward += gamma**t * (reward - 1.0)
                t += 1
            assert extra_reward == pytest.approx(-start)


def test_an_episode_that_stands_still_ends_with_a_penalty_as_a_termination():
    env = WRAPPERS["stall"].apply(
        Script([(0, 0), (1, 0), (1, 0.5), (1.05, 0.5), (1, 9)]),
        patience=2, penalty=7.0, tolerance=0.1, watch=[0],
    )  # fmt: skip
    ends = [(reward, terminated) for _, reward, terminated, _ in walk(env, 3)]
    assert ends == [(0.0, False), (0.0, False), (0.0, False), (-7.0, True)]


def test_a_slow_drift_is_no_standstill():
    drift = Script([(0.06 * t, 0.0) for t in range(20)])
    env = WRAPPERS["stall"].apply(drift, patience=3, penalty=7.0, tolerance=0.1)
    assert not any(terminated for _, _, terminated, _ in walk(env, 19))


def test_an_episode_that_ends_by_itself_is_not_punished_for_standing_still():
    env = WRAPPERS["stall"].apply(Script([(0, 0)] * 3, ends=True), patience=2, penalty=7.0)
    assert [reward for _, reward, *_ in walk(env, 2)][-1] == 0.0


def test_an_episode_that_the_time_limit_cuts_off_as_it_stalls_is_truncated_without_a_penalty():
    limited = gym.wrappers.TimeLimit(Script([(0, 0)] * 5), max_episode_steps=2)
    env = WRAPPERS["stall"].apply(limited, patience=2, penalty=7.0)
    assert [rest for _, *rest in walk(env, 2)][-1] == [0.0, False, True]


# TASKS OF OURS


def test_the_sparse_car_pays_once_at_the_flag_and_moves_as_the_other():
    dense, sparse = make(card("MountainCar-v0")), make(card("MountainCarSparse-v0"))
    observation, _ = dense.reset(seed=0)
    sparse.reset(seed=0)
    rewards, over = [], False
    while not over:
        action = 2 if observation[1] >= 0 else 0  # with the motion: climbs in about 120 steps
        observation, _, over, truncated, _ = dense.step(action)
        seen, reward, terminated, _, _ = sparse.step(action)
        rewards.append(reward)
        assert np.array_equal(seen, observation) and terminated == over and not truncated
    assert rewards == [0.0] * (len(rewards) - 1) + [1.0]


# VARIANTS


def played(name, split, episodes=40):
    """The variants drawn and the first observations, from one seeded reset on."""
    env = make(card(name), split=split)
    drawn = [env.reset(seed=0 if k == 0 else None) for k in range(episodes)]
    return [info["variant"] for _, info in drawn], [tuple(seen) for seen, _ in drawn]


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", VARYING)
def test_every_variant_is_drawn_and_the_draws_follow_from_the_seed(name, split):
    drawn, starts = played(name, split)
    assert set(drawn) == set(range(len(getattr(card(name).variants, split))))
    assert (drawn, starts) == played(name, split)


@pytest.mark.parametrize("name", VARYING)
def test_no_variant_is_in_training_and_in_the_test(name):
    variants = card(name).variants
    for one in variants.train:
        for other in variants.test:
            assert (
                one.attributes != other.attributes
                or one.options != other.options
                or (one.layouts[1] <= other.layouts[0] or other.layouts[1] <= one.layouts[0])
            )


@pytest.mark.parametrize("name", VARYING)
def test_variants_are_part_of_what_decides_a_run(name):
    plain = card(name).model_copy(update={"variants": None})
    assert "variants" in card(name).identity()
    assert "variants" not in plain.identity()


@pytest.mark.parametrize("split", ["train", "test"])
def test_what_cartpole_derives_from_its_pole_follows_it(split):
    env = make(card("CartPoleLengths-v1"), split=split)
    cart = env.unwrapped
    for k in range(20):
        env.reset(seed=k)
        assert cart.polemass_length == pytest.approx(cart.masspole * cart.length)
        assert cart.total_mass == pytest.approx(cart.masspole + cart.masscart)


def test_a_variant_leaves_nothing_behind_for_the_next():
    env = make(card("CartPoleLengths-v1"), split="test")
    cart, variants = env.unwrapped, card("CartPoleLengths-v1").variants.test
    plain = {"length": 0.5, "polemass_length": 0.05, "gravity": 9.8}
    for k in range(20):
        _, info = env.reset(seed=k)
        expected = plain | variants[info["variant"]].attributes
        assert {name: getattr(cart, name) for name in plain} == pytest.approx(expected)


def test_both_splits_start_an_episode_of_one_seed_alike_where_only_the_physics_vary():
    starts = [make(card("CartPoleLengths-v1"), split=s).reset(seed=3)[0] for s in ("train", "test")]
    assert np.array_equal(*starts)


def test_layouts_come_from_their_range_alone():
    env = make(card("MiniGrid-DoorKeyLayouts-6x6-v0"))
    known = set()
    for seed in range(50):
        env.unwrapped.reset(seed=seed)
        known.add(env.unwrapped.grid.encode().tobytes())
    for k in range(80):
        env.reset(seed=1000 if k == 0 else None)
        assert env.unwrapped.grid.encode().tobytes() in known


def test_an_attribute_that_an_environment_lacks_is_refused():
    wrong = (
        card("CartPoleLengths-v1")
        .variants.train[0]
        .model_copy(update={"attributes": {"lenght": 1.0}})
    )
    with pytest.raises(AttributeError, match="lenght"):
        Varied(bare("CartPole-v1"), [wrong])


# EXTRAS


def test_without_its_extra_an_environment_tells_what_to_install(monkeypatch):
    monkeypatch.setattr(extra, "find_spec", lambda module: None)
    with pytest.raises(ModuleNotFoundError, match=r"CarRacing64-v3 .*\[box2d\]"):
        make(card("CarRacing64-v3"))
    with pytest.raises(ModuleNotFoundError, match=r"resize .*\[pixels\]"):
        WRAPPERS["resize"].apply(Images(), width=5, height=4)
