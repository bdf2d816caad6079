"""Every card keeps what it says, and every wrapper does what its line in the table says."""

import hashlib
import itertools
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from minigrid.core.world_object import Ball, Door

from harness import envs
from harness.config.shipped import shipped
from harness.config.strict import UserError, read
from harness.config.tree import canonical
from harness.envs import Card, card, card_names, make, rockfall
from harness.envs.calibrate import best_score, block, random_score
from harness.envs.chain import Chain, plane
from harness.envs.deep_sea import DeepSea
from harness.envs.extra import installed
from harness.envs.minatar import MinAtar
from harness.envs.picture import HEADLESS, to_draw
from harness.envs.point_maze import PointMaze
from harness.envs.rockfall import Rockfall
from harness.envs.t_maze import TMaze
from harness.spec import Anchor
from harness.train.preview import film

NAMES = card_names()
GRIDS = [name for name in NAMES if name.startswith("MiniGrid")]
INSTALLED = [name for name in NAMES if installed(card(name).extra)]
ANCHORS = {name: card(name).scale() or card(name).anchors for name in NAMES}
MEASURED = [name for name in NAMES if ANCHORS[name].random.standard_error is not None]
# Action 0 does not last to the limit: there the limit is made short.
ENDS_EARLY = {"CartPole-v1", "CartPoleLengths-v1", "Hopper-v5", "Pong-v5", "Rockfall-v0"}
# Its limit is 4,500 steps, which take seconds.
ENDS_EARLY |= {"MontezumaRevenge-v5"}
ENDS_EARLY |= {name for name in NAMES if name.startswith("MinAtar")}
SHORT = 5
# Of one simulator with another that every test run tries.
SIBLINGS = {"CarRacing64-v3", "HalfCheetah-v5", "MontezumaRevenge-v5", "PushPoseStrict-v0"}
SIBLINGS |= {"PushPoseCylinder-v0", "PushPoseT-v0", "MountainCarSparse-v0"}
SIBLINGS |= {f"MinAtar-{game}-v0" for game in ("Asterix", "Freeway", "Seaquest", "SpaceInvaders")}
SIBLINGS |= {f"MiniGrid-{kind}-v0" for kind in ("DoorKey-5x5", "DoorKey-8x8", "KeyCorridorS3R2")}
SIBLINGS |= {"MiniGrid-LockedRoom-v0", "MiniGrid-MultiRoom-N2-S4-v0"}


def cards(names, slow=()):
    """As parameters; what needs an extra that is not installed is skipped, visibly.

    :param slow: names, or extras, whose tests are slow ones.
    """

    def parameter(name):
        extra = card(name).extra
        skipped = pytest.mark.skipif(not installed(extra), reason=f"needs '{extra}'")
        slower = {name, extra} & {*slow, *SIBLINGS}
        marks = [skipped, pytest.mark.slow] if slower else [skipped]
        return pytest.param(name, marks=marks)

    return [parameter(name) for name in names]


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


def equal(first, second):
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def bare(name):
    """MiniGrid's own environment, dictionary observations and all."""
    return make(card(name).model_copy(update={"wrappers": ()}))


# CARDS


@pytest.mark.parametrize("name", cards(NAMES))
def test_an_environment_repeats_itself_from_the_same_seed_whatever_came_before(name):
    fresh, used = make(card(name)), make(card(name))
    for _ in walk(used, 30, seed=1):
        pass
    for first, second in zip(walk(fresh, 60), walk(used, 60), strict=True):
        assert equal(first, second)


def digest(name):
    """Of every bit that 60 random steps give back, resets in between."""
    found = hashlib.sha256()
    for observation, *rest in walk(make(card(name)), 60):
        found.update(np.ascontiguousarray(observation).tobytes())
        found.update(repr([float(value) for value in rest]).encode())
    return found.hexdigest()


@pytest.fixture(scope="module")
def elsewhere(request):
    """The digests of all environments that are asked, made by a process of its own."""
    here = [item for item in request.session.items if item.path == request.path]
    names = [item.callspec.params["name"] for item in here if "elsewhere" in item.fixturenames]
    names = [name for name in names if name in INSTALLED]
    path = [str(Path(__file__).parent), *sys.path]
    code = f"import json, test_envs as t; print(json.dumps({{n: t.digest(n) for n in {names}}}))"
    hashes = os.environ | {"PYTHONHASHSEED": "7"}  # the order of sets, too
    out = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import sys; sys.path[:0] = {path!r}; {code}"],
        capture_output=True, text=True, check=True, env=hashes,
    )  # fmt: skip
    return json.loads(out.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", cards(NAMES))
def test_an_environment_repeats_itself_in_another_process(name, elsewhere):
    assert digest(name) == elsewhere[name]


@pytest.mark.parametrize("name", cards(NAMES))
def test_an_environment_is_drawn_without_a_screen(name, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    for variable in HEADLESS:  # set by the film, and put back as they were
        monkeypatch.setenv(variable, os.environ.get(variable, ""))
        monkeypatch.delenv(variable)
    space = make(card(name)).action_space
    space.seed(0)

    shots = film(card(name), [space.sample() for _ in range(3)], seed=0).shots

    assert [shot.step for shot in shots] == [0, 1, 2, 3]
    for frame in (shot.pixels for shot in shots):
        height, width, colours = frame.shape
        assert frame.dtype == np.uint8 and min(height, width) >= 32 and colours == 3
        assert np.ptp(frame) > 50


@pytest.mark.parametrize("name", cards(NAMES))
def test_being_drawn_changes_no_bit_of_an_episode(name):
    plain, drawn = make(card(name), training=False), to_draw(card(name))
    space = plain.action_space
    space.seed(0)
    seen = [np.asarray(env.reset(seed=3)[0]).tobytes() for env in (plain, drawn)]
    assert seen[0] == seen[1]
    for _ in range(SHORT):
        drawn.render()
        action = space.sample()
        told = [env.step(action) for env in (plain, drawn)]
        assert np.asarray(told[0][0]).tobytes() == np.asarray(told[1][0]).tobytes()
        assert told[0][1:4] == told[1][1:4]
        if told[0][2] or told[0][3]:
            break
    plain.close()
    drawn.close()


@pytest.mark.parametrize("name", cards(NAMES))
def test_observations_are_in_their_space_numbers_of_a_state_images_or_floats_of_single_precision(
    name,
):
    env = make(card(name))
    counted = isinstance(env.observation_space, gym.spaces.Discrete)
    assert counted or env.observation_space.dtype in (np.float32, np.uint8)
    for observation, *_ in walk(env, 60):
        assert env.observation_space.contains(observation)


@pytest.mark.filterwarnings("ignore:.*(unwrapped version|Box observation space|Box action spaces)")
@pytest.mark.parametrize("name", cards(NAMES))
def test_gymnasiums_checker_accepts_the_environment(name):
    check_env(make(card(name)), skip_render_check=True, skip_close_check=True)


@pytest.mark.parametrize("name", cards(NAMES))
def test_the_card_tells_the_kind_of_its_actions(name):
    kind = {"discrete": gym.spaces.Discrete, "continuous": gym.spaces.Box}[card(name).actions]
    assert isinstance(make(card(name)).action_space, kind)


@pytest.mark.parametrize("name", cards(n for n in NAMES if card(n).max_episode_steps))
def test_an_episode_is_truncated_at_the_cards_limit_and_not_before(name):
    limited = card(name)
    if name in ENDS_EARLY:
        limited = limited.model_copy(update={"max_episode_steps": SHORT})
    env = make(limited)
    env.reset(seed=0)
    steps, terminated, truncated = 0, False, False
    zeros = np.zeros(env.action_space.shape, np.float32)
    while not (terminated or truncated):
        # Action 0 turns MiniGrid's agent on the spot and pushes Acrobot and the car one way.
        action = 0 if card(name).actions == "discrete" else zeros
        _, _, terminated, truncated, _ = env.step(action)
        steps += 1
    assert truncated and not terminated and steps == limited.max_episode_steps


@pytest.mark.parametrize("name", cards(n for n in NAMES if not card(n).max_episode_steps))
def test_without_a_limit_all_episodes_end_by_themselves_after_equal_time(name):
    steps = enumerate(walk(make(card(name)), 400))
    ends = [i for i, (*_, terminated, truncated) in steps if terminated or truncated]
    assert len(set(np.diff([0, *ends]))) == 1


@pytest.mark.parametrize("name", cards(GRIDS))
def test_the_cards_limit_is_minigrids_own_on_which_its_reward_depends(name):
    assert make(card(name)).unwrapped.max_steps == card(name).max_episode_steps


@pytest.mark.parametrize("name", cards(MEASURED, slow=["PushPosePixels-v0", "atari", "box2d"]))
def test_chance_scores_what_the_card_says(name):
    # Those that need an extra take long, but for the robots.
    episodes = 20 if card(name).extra in (None, "robots") else 5
    said = ANCHORS[name].random
    again = random_score(card(name), episodes, seed=50_000)
    # What a few episodes may be off by follows from the spread of the many behind the card.
    error = said.standard_error * math.sqrt(said.episodes / episodes)
    assert abs(again.score - said.score) <= 5 * error


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_above_chance_and_both_say_where_they_come_from(name):
    known = ANCHORS[name]
    error = known.random.standard_error or 0.0
    assert known.random.source
    if known.reference is not None:
        assert known.reference.score > known.random.score + 5 * error
        assert known.reference.source


@pytest.mark.parametrize("name", cards(GRIDS))
def test_no_reference_is_above_what_the_shortest_plans_score(name):
    best = best_score(card(name), episodes=30 if "Locked" not in name else 2, seed=90_000)
    # 30 layouts have another mean than 1,000: five of their standard errors.
    assert card(name).scale().reference.score <= best.score + 5 * best.standard_error


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_read_back_from_its_identity(name):
    facts = card(name).identity()
    assert canonical(facts)
    assert not {"name", "summary", "anchors", "anchors_from", "cells", "sizes"} & set(facts)
    twin = Card(**{**facts, "summary": "", "actions": "discrete", "anchors_from": "a:b"})
    assert twin.identity() == facts


def test_a_family_serves_every_size():
    assert card("DeepSea-17").kwargs["size"] == 17
    assert card("DeepSea-17").identity() != card("DeepSea-18").identity()
    assert make(card("DeepSea-17")).observation_space.shape == (17 * 17,)


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("CartPol-v1", "'CartPole-v1'"),
        ("DeepSea-N", "'DeepSea-10'"),
        ("DeepSea-010", "DeepSea"),
        ("DeepSea-1", "at least 2"),
        ("TMaze-N", "'TMaze-20'"),
        ("Chain-2", "at least 3"),
        ("../../pyproject", "it has letters, digits"),
    ],
)
def test_an_unknown_name_is_told_the_way_out(name, way_out):
    with pytest.raises(KeyError) as caught:
        card(name)
    assert way_out in caught.value.args[0]


def test_a_wrong_card_names_its_file_and_line(tmp_path):
    text = (shipped("configs/envs") / "MiniGrid-Unlock-v0.yaml").read_text()
    wrong = tmp_path / "Wrong-v0.yaml"
    wrong.write_text(text.replace("flat_image", "flat_imag"))
    with pytest.raises(UserError, match=r"Wrong-v0\.yaml:\d+: .*Did you mean 'flat_image'"):
        read(wrong, Card)


@pytest.mark.parametrize(
    ("name", "role"),
    [
        (name, role)
        for name in MEASURED
        for role in ("random", "reference")
        if getattr(getattr(ANCHORS[name], role), "standard_error", None) is not None
    ],
)
def test_a_measured_anchor_stands_in_the_card_as_the_command_prints_it(name, role):
    anchor = getattr(ANCHORS[name], role)

    assert block(role, anchor) in (shipped("configs/envs") / f"{name}.yaml").read_text()
    assert f"harness calibrate-env {name}" in anchor.source


# DEEP SEA


@pytest.mark.parametrize("size", [2, 3, 7])
def test_deep_seas_scores_follow_from_trying_every_sequence_of_actions(size):
    env = DeepSea(size, mapping_seed=3)
    returns = []
    for actions in itertools.product([0, 1], repeat=size):
        env.reset()
        returns.append(sum(env.step(action)[1] for action in actions))
    anchors = card(f"DeepSea-{size}").scale()
    assert np.mean(returns) == pytest.approx(anchors.random.score, abs=1e-12)
    assert np.max(returns) == pytest.approx(anchors.reference.score, abs=1e-12)
    assert np.sort(returns)[-2] <= 0


def test_deep_seas_mapping_is_the_task_and_no_reset_changes_it():
    def column(seed, mapping_seed=42):
        env = DeepSea(30, mapping_seed)
        env.reset(seed=seed)
        for _ in range(29):
            observation = env.step(1)[0]
        return observation.argmax() % 30

    assert len({column(seed) for seed in range(5)}) == 1
    assert len({column(0, mapping_seed) for mapping_seed in range(5)}) > 1


def test_deep_sea_has_no_observation_after_its_end_as_in_bsuite():
    env = DeepSea(2)
    env.reset()
    assert env.step(0)[0].sum() == 1
    observation, _, terminated, truncated, _ = env.step(0)
    assert terminated and not truncated and observation.sum() == 0


# TMAZE


def turned(env, seed, turn):
    """All observations of an episode and its return, with one action from the first step on."""
    seen, total, ended = [env.reset(seed=seed)[0]], 0.0, False
    while not ended:
        observation, reward, ended, *_ = env.step(turn)
        seen.append(observation)
        total += reward
    return np.stack(seen), total


@pytest.mark.parametrize("size", [1, 2, 7])
def test_t_mazes_scores_follow_from_both_turns_on_both_sides(size):
    env = TMaze(size)
    returns = {}
    for seed, turn in itertools.product(range(10), [0, 1]):
        _, total = turned(env, seed, turn)
        returns[env.side, turn] = total
    anchors = card(f"TMaze-{size}").scale()

    assert returns == {(-1, 0): 1, (-1, 1): -1, (1, 0): -1, (1, 1): 1}
    assert anchors.random.score == np.mean(list(returns.values()))
    assert anchors.reference.score == max(returns.values())


def test_t_mazes_sign_is_seen_in_the_first_step_alone():
    env = TMaze(20)
    seen = {}
    for seed in range(10):
        rows, _ = turned(env, seed, 0)
        seen[env.side] = rows

    assert {side: rows[0, 0] for side, rows in seen.items()} == {-1: -1, 1: 1}
    np.testing.assert_array_equal(seen[-1][1:-1], seen[1][1:-1])
    assert {side: rows[-1].tolist() for side, rows in seen.items()} == {
        -1: [0, 1, 0, 1], 1: [0, 1, 0, -1],
    }  # fmt: skip
    assert seen[1][:, 2].tolist() == [0] * 20 + [1, 0]


def test_the_best_actions_in_a_t_maze_find_the_goal():
    env = TMaze(5)
    for seed in range(10):
        env.reset(seed=seed)
        assert turned(env, seed, env.best_action())[1] == 1


# CHAIN


@pytest.mark.parametrize("size", [3, 4])
def test_chains_scores_follow_from_trying_every_sequence_of_actions(size):
    env = Chain(size, mapping_seed=3)
    returns = []
    for actions in itertools.product([0, 1], repeat=size + 9):
        env.reset()
        returns.append(sum(env.step(action)[1] for action in actions))
    anchors = card(f"Chain-{size}").scale()

    assert anchors.random.score == pytest.approx(np.mean(returns))
    assert anchors.reference.score == max(returns)
    assert card(f"ChainTrap-{size}").scale() == anchors  # neither depends on the left end's chance


def test_the_best_actions_stay_at_the_right_end_of_a_chain_until_it_is_cut_off():
    env = Chain(20)
    env.reset()
    outcomes = [env.step(env.best_action()) for _ in range(29)]

    assert [int(outcome[0]) for outcome in outcomes] == [*range(2, 20), *[19] * 11]
    assert sum(outcome[1] for outcome in outcomes) == card("Chain-20").scale().reference.score
    assert [outcome[2:4] for outcome in outcomes] == [(False, False)] * 28 + [(False, True)]


def test_which_action_goes_right_differs_from_state_to_state_and_the_cells_are_transitions():
    env = Chain(50)
    cells = plane(env)
    env.reset()
    assert cells.here() is None
    rights = []
    for _ in range(48):
        rights.append(env.best_action())
        state = env.state
        env.step(rights[-1])
        assert cells.here() == (1, state)

    assert 15 < sum(rights) < 33


def test_chance_decides_at_the_left_end_of_a_trap_whatever_the_action():
    env = Chain(5, trap=True)
    env.reset(seed=0)
    ends = {0: [], 1: []}
    for i in range(400):
        env.state, env.steps = 0, 0
        ends[i % 2].append(int(env.step(i % 2)[0]))

    for each in ends.values():
        assert set(each) == {0, 1}
        assert 0.35 < np.mean(each) < 0.65


# POINT MAZE


def way(env):
    """The cells from the start to the goal, by the fewest steps from cell to cell."""
    before, waiting = {env.start: None}, [env.start]
    for row, column in waiting:
        for cell in ((row, column + 1), (row, column - 1), (row + 1, column), (row - 1, column)):
            if env.free[cell] and cell not in before:
                before[cell] = (row, column)
                waiting.append(cell)
    cells = [env.goal]
    while before[cells[-1]] is not None:
        cells.append(before[cells[-1]])
    return cells[::-1]


@pytest.mark.parametrize("seed", range(3))
def test_whoever_pushes_from_cell_to_cell_reaches_the_goal_within_half_the_limit(seed):
    env = make(card("PointMaze-v0"))
    maze, over, steps = env.unwrapped, False, 0
    env.reset(seed=seed)
    cells = way(maze)
    while not over:
        row, column = cells[min(cells.index(maze.cell()) + 1, len(cells) - 1)]
        push = 3 * (np.array([column, row]) + 0.5 - maze.place)
        _, reward, over, truncated, _ = env.step(push.clip(-1, 1))
        steps += 1

    assert (reward, truncated) == (card("PointMaze-v0").scale().reference.score, False)
    assert steps < card("PointMaze-v0").max_episode_steps / 2
    assert set(cells) == set(map(tuple, np.argwhere(maze.free)))  # every cell lies on the way


def test_walls_stop_a_point_and_leave_its_motion_along_them():
    env = PointMaze()
    env.reset(seed=0)
    for _ in range(100):
        seen, *_ = env.step(np.array([1.0, 1.0]))

    assert env.cell() == (3, 9)  # along the first corridor, then down its end
    assert seen[2] == 0 and env.free[env.cell()]


# MINIGRID


@pytest.mark.parametrize("name", cards(GRIDS))
def test_the_quick_view_is_minigrids_own(name):
    env = make(card(name))
    grid = env.unwrapped
    for _ in walk(env, 250):
        quick, own = grid.gen_obs(), type(grid).gen_obs(grid)
        assert np.array_equal(quick["image"], own["image"])
        assert quick["image"].dtype == own["image"].dtype
        assert {**quick, "image": 0} == {**own, "image": 0}


class Lamp(Ball):
    """Of somebody's own: it changes its colour where it lies."""


def test_the_quick_view_sees_what_changes_in_place():
    env = make(card("MiniGrid-Empty-Random-5x5-v0"))
    grid = env.unwrapped
    env.reset(seed=0)
    for lamp in (Lamp("red"), Door("red", is_locked=True)):
        grid.grid.set(*grid.front_pos, lamp)
        before = grid.gen_obs()["image"]

        if isinstance(lamp, Door):
            lamp.is_locked = False
        else:
            lamp.color = "blue"

        assert not np.array_equal(grid.gen_obs()["image"], before)
        assert np.array_equal(grid.gen_obs()["image"], type(grid).gen_obs(grid)["image"])


def test_the_flat_image_tells_every_object_colour_and_state_apart():
    env = make(card("MiniGrid-DoorKey-5x5-v0"))
    grid = env.unwrapped
    seen = {}
    for observation, *_ in walk(env, 300):
        seen[observation.tobytes()] = grid.gen_obs()["image"].tobytes()
    assert len(set(seen.values())) == len(seen)


@pytest.mark.parametrize("name", cards(GRIDS))
def test_masks_forbid_exactly_the_actions_that_change_nothing(name):
    env = make(card(name), [{"name": "action_masks"}])
    grid = env.unwrapped
    rng = np.random.default_rng(0)

    def state():
        cells = [cell and cell.encode() for cell in grid.grid.grid]
        return tuple(grid.agent_pos), grid.agent_dir, grid.carrying, cells

    env.reset(seed=0)
    for _ in range(150):
        masks, before = env.get_wrapper_attr("action_masks")(), state()
        action = int(rng.integers(env.action_space.n))
        _, _, terminated, truncated, _ = env.step(action)
        assert (state() != before) == masks[action], grid.actions(action)
        if terminated or truncated:
            env.reset()


@pytest.mark.skipif(not installed("minatar"), reason="needs 'minatar'")
def test_the_first_action_of_minatar_repeats_none_of_the_episode_before():
    env = MinAtar("freeway", sticky=0.0, minimal=True)
    env.reset(seed=0)
    env.step(1)
    assert env._game.last_action != 0

    env.reset()

    assert env._game.last_action == 0
    assert env.action_space.n < make(card("MinAtar-Freeway-v0")).action_space.n == 6


def test_a_plan_that_cannot_end_in_time_scores_nothing():
    hurried = card("MiniGrid-DoorKey-8x8-v0").model_copy(
        update={"kwargs": {"max_steps": 5}, "max_episode_steps": 5}
    )
    assert best_score(hurried, episodes=5, seed=0).score == 0.0


def test_calibrating_the_best_score_outside_minigrid_is_an_error():
    with pytest.raises(ValueError, match="no MiniGrid task"):
        best_score(card("CartPole-v1"), episodes=2, seed=0)


def test_the_package_offers_what_the_harness_asks_for():
    assert envs.card("CartPole-v1").name == "CartPole-v1"
    assert isinstance(envs.card("CartPole-v1").scale().random, Anchor)


def test_nothing_hits_a_walker_that_leaves_the_column_under_the_rock():
    env = Rockfall()
    env.reset(seed=0)
    assert not any(env.step(env.safe_action())[2] for _ in range(5_000))


def test_rocks_break_loose_as_often_as_rockfall_says():
    env = Rockfall()
    env.reset(seed=0)
    hung = loose = 0
    for _ in range(20_000):
        hanging = env.height == rockfall.ROWS
        env.step(env.safe_action())
        hung += hanging
        loose += hanging and env.height < rockfall.ROWS
    assert loose / hung == pytest.approx(rockfall.LOOSE, abs=4 * (0.15 * 0.85 / hung) ** 0.5)


@pytest.mark.parametrize(("column", "dead"), [(3, True), (2, False)])
def test_a_rock_kills_where_it_lands_and_the_next_one_hangs_over_the_walker(column, dead):
    env = Rockfall()
    env.reset(seed=0)
    env.walker, env.column, env.height = 3, column, 1
    observation, reward, terminated, *_ = env.step(1)
    assert (terminated, reward) == (dead, float(not dead))
    np.testing.assert_allclose(observation, [0, 2 * column / 6 - 1, 0], atol=1e-6)
    if not dead:
        assert env.step(1)[0].tolist() == [0, 0, 1]
