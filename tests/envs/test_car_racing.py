"""The small frames of CarRacing show what the original's do, in the very same race."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("Box2D", reason="needs the extra box2d")

from benchmarks.car_racing import actions, differences, pairs
from harness.envs.car_racing import SmallCarRacing


def race(env, frames, seed=5):
    """The frames of an episode and its rewards, resets included."""
    observation, _ = env.reset(seed=seed)
    seen, rewards = [observation], []
    for action in actions(frames, seed=1):
        observation, reward, *_ = env.step(action)
        seen.append(observation)
        rewards.append(reward)
    return np.array(seen), rewards


@pytest.mark.slow
@pytest.mark.parametrize(("size", "grey"), [(64, False), (32, True)])
def test_frames_differ_visibly_in_nothing_from_the_originals_shrunk(size, grey):
    mean, off = differences(pairs(size, grey, frames=90, seed=3))
    # Of 255. Edges that fall between two points are off by up to a quarter of a pixel.
    assert mean < 2.0
    assert off < 0.01


def test_a_reset_with_a_seed_repeats_the_race_after_any_other():
    used = SmallCarRacing()
    for seed in (7, 8):
        race(used, 120, seed)
    fresh_frames, fresh_rewards = race(SmallCarRacing(), 150)
    frames, rewards = race(used, 150)
    assert np.array_equal(frames, fresh_frames)
    assert rewards == fresh_rewards


def digest():
    frames, rewards = race(SmallCarRacing(), 60)
    return hashlib.sha256(frames.tobytes() + repr(rewards).encode()).hexdigest()


def test_a_new_process_repeats_the_race():
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path += {[here]}; import test_car_racing as t; print(t.digest())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == digest()


def test_skipping_frames_loses_no_reward_and_shows_the_last_of_them():
    every, fourth = SmallCarRacing(), SmallCarRacing(frame_skip=4)
    every.reset(seed=2)
    fourth.reset(seed=2)
    for action in actions(15, seed=2):
        steps = [every.step(action) for _ in range(4)]
        observation, reward, *_ = fourth.step(action)
        assert np.array_equal(observation, steps[-1][0])
        assert reward == pytest.approx(sum(step[1] for step in steps))


def test_an_episode_that_ends_within_skipped_frames_ends_there():
    env = SmallCarRacing(frame_skip=4)
    env.reset(seed=0)
    env.car.hull.position = (1e3, 0)  # beyond the playfield
    _, reward, terminated, _, info = env.step(np.zeros(3, np.float32))
    assert terminated and reward == -100 and info["lap_finished"] is False


def test_pictures_for_people_are_still_the_originals():
    env = SmallCarRacing(render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (400, 600, 3)


def test_five_actions_drive_as_the_originals_do():
    env = SmallCarRacing(size=32, grey=True, continuous=False)
    assert env.action_space.n == 5
    frames = [env.reset(seed=0)[0], *(env.step(3)[0] for _ in range(60))]
    assert env.observation_space.contains(frames[-1])
    assert not np.array_equal(frames[-2], frames[-1])
