"""PushPose repeats bit for bit, means what its numbers say, and is helped in training only."""

import gc
import hashlib
import math
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

pytest.importorskip("pybullet", reason="the extra `robots` is not installed")

from baselines import AGENTS
from baselines.api import Task
from harness.envs import card, make
from harness.envs.push_pose import CELL, DIRECTIONS, LENGTH, RING, SPEED, PushPose, Settings
from harness.envs.push_scene import DECISION, TABLE, Physics, Pose, Scene
from harness.seeding import episode_seeds
from harness.train.evaluate import Evaluator

SHAPES = ("box", "t", "cylinder")

CARDS = [
    f"PushPose{kind}-v0"
    for kind in ("", "Directions", "Strict", "T", "Cylinder", "Pixels", "Split")
]
WEIGHTS = {"distance": 10.0, "yaw_error": 2.5, "reach": 1.0}
SHAPING = {"name": "error_shaping", "gamma": 1.0, "weights": WEIGHTS}
STALL = [{"name": "stall_clock", "patience": 7}, {"name": "stall_end", "penalty": 0.5}]


@pytest.fixture
def push():
    """Makes environments that are closed after the test."""
    made = []

    def one(**settings):
        made.append(PushPose(**settings))
        return made[-1]

    yield one
    for env in made:
        env.close()


def pusher(make_env, **hparams):
    learner = AGENTS["pusher"].load()
    return learner(Task(make_env, steps=1), learner.Config(**hparams))


def chase(env, seed, steps=50, options=None):
    """A hash of all that is observed while the pusher runs straight into the object."""
    seen = env.reset(seed=seed, options=options)[0]
    digest = hashlib.sha256(seen.tobytes())
    for _ in range(steps):
        seen = env.step(-seen[:2] / np.linalg.norm(seen[:2]))[0]
        digest.update(seen.tobytes())
    return digest.hexdigest()


def score(name, episodes):
    def make_env():
        return make(card(name), training=False)

    evaluator = Evaluator(make_env)
    played = evaluator.play(pusher(make_env), episode_seeds("final", name, 0, episodes))
    evaluator.close()
    return np.mean(played.returns)


# REPRODUCIBLE


def test_an_episode_repeats_bit_for_bit_after_many_others(push):
    used = push()
    for seed in range(12):
        assert chase(used, seed) == chase(push(), seed)


def test_an_episode_repeats_bit_for_bit_after_others_with_other_physics():
    split = card("PushPoseSplit-v0")
    used, fresh = make(split), make(split)
    other = {"physics": "large_and_rough"}
    for seed in range(5):
        chase(used, seed + 100, steps=20, options=other)
        chase(fresh, seed, steps=0)
        assert chase(used, seed) == chase(fresh, seed)


def test_an_episode_repeats_bit_for_bit_in_another_process(push):
    code = (
        "import test_push_pose as t\n"
        "print(t.chase(t.PushPose(), 3), t.chase(t.PushPose(shape='t'), 4))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join([str(Path(__file__).parent), *sys.path])},
    )

    assert out.stdout.split() == [chase(push(), 3), chase(push(shape="t"), 4)]


def test_what_is_only_seen_moves_nothing(push):
    assert chase(push(render_mode="rgb_array"), 5) == chase(push(), 5)


def clients():
    """Connected physics servers of this process; PyBullet has 1,024."""
    import pybullet as bullet

    gc.collect()
    return sum(bullet.getConnectionInfo(client)["isConnected"] for client in range(1_024))


def test_closed_environments_give_their_clients_back():
    before = clients()
    for _ in range(20):
        env = PushPose()
        env.close()
    env.close()
    assert clients() == before

    env = PushPose()
    assert clients() == before + 1
    env.close()


def test_making_one_prints_nothing():
    code = "from harness.envs.push_pose import PushPose; PushPose().reset()"
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )

    assert out.stdout + out.stderr == b""


# WHAT IS SEEN AND DONE


@pytest.mark.filterwarnings("ignore:.*(unwrapped version|Box observation space)")
@pytest.mark.parametrize("name", CARDS)
def test_gymnasiums_checker_accepts_every_card_and_its_renderer(name):
    chosen = card(name)
    env = make(chosen.model_copy(update={"kwargs": chosen.kwargs | {"render_mode": "rgb_array"}}))
    check_env(env.unwrapped, skip_render_check=True)


def test_both_frames_tell_the_same(push):
    first, second = push(), push(frame="world")
    seen, world = first.reset(seed=1)[0], second.reset(seed=1)[0]
    for action in np.random.default_rng(0).uniform(-1, 1, (40, 2)):
        px, py, x, y, sin, cos, gx, gy, goal_sin, goal_cos, vx, vy, spin, ux, uy = world

        def turned(a, b, sin=sin, cos=cos):
            return cos * a + sin * b, cos * b - sin * a

        turn = goal_sin * cos - goal_cos * sin, goal_cos * cos + goal_sin * sin
        expected = [*turned(px - x, py - y), *turned(gx - x, gy - y), *turn]
        expected += [*turned(vx, vy), spin, *turned(ux, uy)]
        assert seen == pytest.approx(expected, abs=1e-5)
        action = action - 2 * seen[:2]  # towards the object
        seen, world = first.step(action)[0], second.step(action)[0]
    assert np.abs(world[10:13]).max() > 0  # it was pushed


def test_the_start_frame_is_the_objects_until_it_moves(push):
    first, second = push(), push(frame="start")
    seen, start = first.reset(seed=2)[0], second.reset(seed=2)[0]
    assert start[:2] == pytest.approx(seen[:2])
    assert start[2:6] == pytest.approx([0, 0, 0, 1])
    assert start[6:10] == pytest.approx(seen[2:6])


@pytest.mark.parametrize("frame", ["object", "world"])
def test_an_action_is_a_velocity_in_its_frame(push, frame):
    env = push(action_frame=frame)
    env.reset(seed=0)
    before, yaw = env.scene.pusher, env.pose().yaw if frame == "object" else 0.0
    env.scene.object = env.pose()._replace(x=10.0)  # out of the way
    env.step(np.array([1.0, 0.0]))
    moved = np.subtract(env.scene.pusher, before)
    assert moved == pytest.approx(SPEED * DECISION * np.array([math.cos(yaw), math.sin(yaw)]))


@pytest.mark.parametrize("action", range(len(DIRECTIONS)))
def test_a_direction_is_a_velocity_at_full_speed(push, action):
    discrete, continuous = push(actions="directions"), push()
    discrete.reset(seed=4)
    continuous.reset(seed=4)
    first, second = discrete.step(action), continuous.step(np.array(DIRECTIONS[action]))
    assert np.array_equal(first[0], second[0])
    speed = math.hypot(*discrete.scene.pusher_motion)
    assert speed == pytest.approx(0.0 if action == 0 else SPEED)


def test_pixels_show_object_goal_and_pusher(push):
    env = push(observation="pixels")
    picture = env.reset(seed=0)[0].astype(int)
    red, green, blue = np.moveaxis(picture, 2, 0)
    side = len(picture) / (2 * TABLE)
    for colour, place in [
        ((red > 150) & (green < 120), env.pose()),
        ((blue > green + 40) & (red < 120), env.scene.pusher),
    ]:
        rows, columns = np.nonzero(colour)
        x, y = columns.mean() / side - TABLE, TABLE - rows.mean() / side
        assert (x, y) == pytest.approx(place[:2], abs=1.5 / side)
    assert ((green > red + 40) & (green > blue + 20)).sum() > 10


def test_starts_and_goals_are_drawn_from_where_the_card_says(push):
    env = push()
    distances, turns = [], []
    for seed in range(200):
        info = env.reset(seed=seed)[1]
        assert RING[0] <= info["reach"] <= RING[1]
        assert not info["success"]
        distances.append(info["distance"])
        turns.append(math.degrees(info["yaw_error"]))
    assert 0.05 <= min(distances) < 0.06 and 0.14 < max(distances) <= 0.15
    assert min(turns) < 2 and 43 < max(turns) <= 45


def tilt(scene):
    """How far the object leans, in radians."""
    _, (x, y, _, _) = scene._bullet.getBasePositionAndOrientation(scene._object)
    return 2 * math.asin(min(1.0, math.hypot(x, y)))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_object_slides_flat_on_the_table(push, shape):
    env = push(shape=shape)
    leaning = []
    for seed in range(10):
        seen, _ = env.reset(seed=seed)
        for _ in range(40):
            seen = env.step(-seen[:2] / np.linalg.norm(seen[:2]))[0]
            leaning.append(tilt(env.scene))
    assert max(leaning) < 0.15


def test_the_object_moves_as_far_as_it_is_pushed_and_stops_when_let_go():
    scene = Scene("box")
    scene.reset(Physics(), Pose(0.0, 0.0, 0.0), (-0.1, 0.0), Pose(0.2, 0.0, 0.0))
    for _ in range(8):
        scene.push(0.2, 0.0)
    # The pusher has come to 0.06: its radius and half of the box lie between the two centres.
    assert scene.object.x == pytest.approx(0.06 + 0.015 + 0.05, abs=0.001)
    # Pushed at its middle it goes straight, as far as so unstable a balance is kept.
    assert (scene.object.y, scene.object.yaw) == pytest.approx((0.0, 0.0), abs=0.03)
    for _ in range(3):
        scene.push(-0.2, 0.0)
    rest = scene.object
    scene.push(0.0, 0.0)
    assert scene.object == rest
    scene.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_physics_that_are_spared_would_have_moved_next_to_nothing(push, monkeypatch, shape):
    spared, whole = push(shape=shape), push(shape=shape)
    monkeypatch.setattr(whole.scene, "_nothing_meets", lambda x, y: False)
    away = -np.sign(spared.reset(seed=7)[0][:2])
    whole.reset(seed=7)
    for _ in range(100):
        for env in (spared, whole):
            env.step(-away)
    assert spared.pose() == spared.start
    x, y, yaw = np.subtract(whole.pose(), whole.start)
    # Bullet lets an object at rest creep: less than half a millimetre and half a degree.
    assert math.hypot(x, y) < 5e-4 and abs(yaw) < math.radians(0.5)
    assert list(whole.scene.pusher) == pytest.approx(spared.scene.pusher, abs=1e-5)


def test_the_pusher_stays_on_the_table(push):
    env = push(action_frame="world")
    env.reset(seed=0)
    for _ in range(60):
        env.step(np.array([1.0, -1.0]))
    assert env.scene.pusher == pytest.approx((TABLE, -TABLE))


def test_a_cylinder_has_no_turn_to_make(push):
    env = push(shape="cylinder")
    seen, info = env.reset(seed=0)
    for _ in range(20):
        seen, _, _, _, info = env.step(np.array([0.3, -0.2]) - 2 * seen[:2])
        assert info["yaw_error"] == 0
        assert seen[4:6] == pytest.approx([0, 1])


@pytest.mark.parametrize(
    ("wrong", "named"), [({"shap": "box"}, "shap"), ({"shape": "ball"}, "cylinder")]
)
def test_a_wrong_setting_is_named(wrong, named):
    with pytest.raises(ValueError, match=named):
        Settings(**wrong)


# SUCCESS


def test_only_success_is_rewarded_and_it_ends_the_episode(push):
    env = push()
    agent = pusher(lambda: push())
    solved = 0
    for seed in range(5):
        seen, state = env.reset(seed=seed)[0], None
        for _ in range(100):
            actions, state = agent.predict(seen[None], state)
            seen, reward, terminated, truncated, info = env.step(actions[0])
            near = info["distance"] <= 0.03 and info["yaw_error"] <= math.radians(15)
            assert near == terminated == info["success"] == (reward == 1.0)
            assert not truncated and reward in (0.0, 1.0)
            assert info["distance"] == pytest.approx(np.linalg.norm(seen[2:4]) * LENGTH, abs=1e-6)
            assert info["yaw_error"] == pytest.approx(abs(np.arctan2(*seen[4:6])), abs=1e-6)
            if terminated:
                solved += 1
                break
    assert solved


# Of 100 episodes it solves 1.00, 0.85 and 0.97; of fewer it must solve three errors less.
@pytest.mark.parametrize(
    ("name", "episodes", "least"),
    [
        ("PushPose-v0", 4, 0.95),
        pytest.param("PushPoseDirections-v0", 25, 0.6, marks=pytest.mark.slow),
        pytest.param("PushPoseStrict-v0", 25, 0.85, marks=pytest.mark.slow),
    ],
)
def test_the_scripted_pusher_solves_most_episodes(name, episodes, least):
    assert score(name, episodes) >= least


@pytest.mark.parametrize(
    "settings", [{"shape": "t"}, {"frame": "world"}, {"observation": "pixels"}]
)
def test_the_scripted_pusher_refuses_what_it_does_not_know(push, settings):
    with pytest.raises(TypeError, match="pusher"):
        pusher(lambda: push(**settings))


# IN TRAINING ONLY


def play(env, action, steps=100, seed=0):
    """(reward, terminated, truncated, info) until the episode ends."""
    env.reset(seed=seed)
    for _ in range(steps):
        _, *outcome = env.step(action)
        yield outcome
        if outcome[1] or outcome[2]:
            return


def test_shaping_adds_up_to_the_errors_that_are_gone():
    env = make(card("PushPose-v0"), [SHAPING])
    _, info = env.reset(seed=3)
    start = sum(weight * info[name] for name, weight in WEIGHTS.items())
    total = 0.0
    for _ in range(30):
        _, reward, _, _, info = env.step(np.array([0.5, 0.2]))
        total += reward
    end = sum(weight * info[name] for name, weight in WEIGHTS.items())
    assert total == pytest.approx(start - end)


def test_shaping_leaves_an_episode_that_is_solved_at_a_constant():
    env = make(card("PushPose-v0"), [SHAPING])
    agent = pusher(lambda: make(card("PushPose-v0")))
    seen, info = env.reset(seed=0)
    start = sum(weight * info[name] for name, weight in WEIGHTS.items())
    total, terminated, state = 0.0, False, None
    while not terminated:
        actions, state = agent.predict(seen[None], state)
        seen, reward, terminated, _, _ = env.step(actions[0])
        total += reward
    assert total == pytest.approx(1 + start)  # the potential of the end is 0


def test_an_unknown_error_is_told_the_way_out():
    wrong = {"name": "error_shaping", "gamma": 0.99, "weights": {"distanc": 1.0}}
    with pytest.raises(ValueError, match="Known: distance, yaw_error, reach"):
        make(card("PushPose-v0"), [wrong])


def test_stalling_ends_training_with_a_penalty_and_evaluation_not_at_all():
    stay = np.zeros(2)
    training = list(play(make(card("PushPose-v0"), STALL), stay))
    assert [reward for reward, *_ in training] == [0.0] * 6 + [-0.5]
    assert training[-1][1:3] == [True, False]
    scored = list(play(make(card("PushPose-v0"), STALL, training=False), stay))
    assert [reward for reward, *_ in scored] == [0.0] * 100


def test_the_stall_clock_is_seen_in_training_and_in_evaluation():
    for training in (True, False):
        env = make(card("PushPose-v0"), STALL, training=training)
        env.reset(seed=0)
        clocks = [env.step(np.zeros(2))[0][-1] for _ in range(5)]
        assert clocks == pytest.approx([k / 7 for k in range(1, 6)])
        assert env.observation_space.shape == (12,)


def test_headway_sets_the_stall_clock_back():
    env = make(card("PushPose-v0"), STALL)
    seen, _ = env.reset(seed=0)
    for _ in range(4):
        env.step(np.zeros(2))
    for _ in range(12):  # first nearer to the object, then pushing it
        seen, *_ = env.step(-seen[:2] / np.linalg.norm(seen[:2]))
        assert seen[-1] == 0
    env = make(card("PushPose-v0"), [{**STALL[0], "observe": False}])
    assert env.observation_space.shape == (11,)


def test_ending_stalls_needs_the_clock():
    with pytest.raises(TypeError, match="stall_clock"):
        make(card("PushPose-v0"), STALL[1:])


def test_the_easiest_episodes_need_one_straight_push(push):
    env = push()
    for seed in range(20):
        seen, info = env.reset(seed=seed, options={"difficulty": 0.0})
        assert info["distance"] == pytest.approx(0.05) and info["yaw_error"] == pytest.approx(0)
        behind = -seen[2:4] / np.linalg.norm(seen[2:4])
        assert seen[:2] / np.linalg.norm(seen[:2]) == pytest.approx(behind, abs=1e-5)


def test_the_curriculum_rises_with_success_and_evaluation_never_sees_it():
    lesson = {"name": "curriculum", "start": 0.0, "step": 0.5, "target": 0.5, "window": 2}
    env = make(card("PushPose-v0"), [lesson])
    agent = pusher(lambda: make(card("PushPose-v0")))
    (seen, info), reached = env.reset(seed=0), []
    for _ in range(6):
        over, state = False, None
        while not over:
            actions, state = agent.predict(seen[None], state)
            seen, _, terminated, truncated, info = env.step(actions[0])
            over = terminated or truncated
        reached.append(info["difficulty"])
        seen, info = env.reset()
    assert reached == [0.0, 0.5, 0.5, 1.0, 1.0, 1.0]
    scored = make(card("PushPose-v0"), [lesson], training=False).reset(seed=9)[0]
    assert np.array_equal(scored, make(card("PushPose-v0")).reset(seed=9)[0])


def test_training_and_test_meet_the_same_starts_with_other_physics():
    split = card("PushPoseSplit-v0")
    train, test = make(split), make(split, training=False, split="test")
    for seed in range(10):
        assert np.array_equal(train.reset(seed=seed)[0], test.reset(seed=seed)[0])
        inside, outside = train.unwrapped.scene.physics, test.unwrapped.scene.physics
        for name, (low, high) in split.kwargs["physics"]["train"].items():
            assert low <= getattr(inside, name) <= high
            assert not low <= getattr(outside, name) <= high


# FRAMES AND GOALS


def test_the_frame_can_be_chosen_by_an_arm():
    env = make(card("PushPose-v0"), [{"name": "push_frame", "observations": "world"}])
    seen = env.reset(seed=0)[0]
    assert seen.shape == env.observation_space.shape == (15,)
    assert env.unwrapped.action_frame == "object"
    with pytest.raises(TypeError, match="push_frame"):
        make(card("CartPole-v1"), [{"name": "push_frame"}])


@pytest.mark.parametrize("name", ["PushPose-v0", "PushPoseCylinder-v0"])
def test_hindsight_pays_what_the_environment_pays(name):
    env = make(card(name), [{"name": "goal_observation"}])
    assert isinstance(env.observation_space, gym.spaces.Dict)
    rng = np.random.default_rng(0)
    paid = 0
    for seed in range(12):
        env.reset(seed=seed, options={"difficulty": 0.0})
        over = False
        while not over:
            task = env.unwrapped
            way = np.subtract(task.goal[:2], task.scene.pusher)
            yaw = task.pose().yaw
            ahead = (
                np.array([math.cos(yaw), math.sin(yaw)]),
                np.array([-math.sin(yaw), math.cos(yaw)]),
            )
            action = np.array([way @ axis for axis in ahead]) / np.linalg.norm(way)
            seen, reward, terminated, truncated, info = env.step(action)
            assert env.observation_space.contains(seen)
            goals = seen["achieved_goal"][None], seen["desired_goal"][None]
            assert env.compute_reward(*goals, [info]) == [reward]
            assert env.compute_terminated(*goals, [info]) == [terminated]
            paid += reward
            over = terminated or truncated
        goal = seen["achieved_goal"]
        assert env.compute_reward(goal, goal, info) == 1.0
        far = goal + rng.choice([-1, 1]) * np.array([1, 0, 0, 0], np.float32)
        assert env.compute_reward(goal, far, info) == 0.0
    assert paid > 0


@pytest.mark.parametrize(
    ("wrapper", "paid"),
    [
        ({"name": "living_reward", "amount": -1.0}, [0.0, -1.0]),
        ({"name": "scale_reward", "factor": 10.0}, [10.0, 0.0]),
        ({"name": "clip_reward", "high": 0.5}, [0.5, 0.0]),
    ],
)
def test_hindsight_pays_what_a_wrapper_makes_of_the_reward(wrapper, paid):
    env = make(card("PushPose-v0"), [{"name": "goal_observation"}, wrapper])
    seen, _ = env.reset(seed=0)
    achieved = np.stack([seen["desired_goal"], seen["achieved_goal"]])
    desired = np.stack([seen["desired_goal"]] * 2)

    assert env.get_wrapper_attr("compute_reward")(achieved, desired, [{}, {}]).tolist() == paid


def moved(env, forwards, left, degrees):
    """The object, from where it began: cells in its own frame, and a turn."""
    start, cos, sin = env.start, math.cos(env.start.yaw), math.sin(env.start.yaw)
    env.scene.object = Pose(
        start.x + CELL * (forwards * cos - left * sin),
        start.y + CELL * (forwards * sin + left * cos),
        start.yaw + math.radians(degrees),
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pose_is_counted_from_where_the_object_began(push, shape):
    env = push(shape=shape)
    plane = card("PushPose-v0").plane(env)
    turns = 1 if shape == "cylinder" else 8

    assert plane.reachable.sum() == 81 * turns  # cells of a disc of radius 5
    for seed in range(3):
        env.reset(seed=seed)
        assert plane.here() == (6, 6)

        moved(env, 3.2, -1.9, 20)
        assert plane.here() == (8, 9)

        moved(env, 0, 0, 50)
        assert plane.here() == ((6, 6) if turns == 1 else (6, 19))
        moved(env, 0, 0, -50)
        assert plane.here() == ((6, 6) if turns == 1 else (19, 45))

        moved(env, 4, 4, 0)
        assert plane.here() is None  # further than goals lie


def test_every_pose_that_is_counted_can_be_reached(push):
    env = push()
    plane = card("PushPose-v0").plane(env)
    for turn in range(-180, 181, 15):
        for forwards in np.linspace(-6, 6, 13):
            for left in np.linspace(-6, 6, 13):
                moved(env, forwards, left, turn)
                cell = plane.here()
                assert cell is None or plane.reachable[cell]
