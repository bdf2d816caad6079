"""Training's visits of the cells of a plane are counted, and counting changes nothing."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from tiny import HPARAMS, files, store_at

from baselines.api import GOAL_METHODS
from baselines.target import offers
from harness.config.strict import UserError
from harness.envs import Visits, card, card_names, make
from harness.envs.plane import Plane
from harness.envs.visits import Watched
from harness.setting import Layer
from harness.spec import Evaluation
from harness.sweep.request import Request
from harness.sweep.resolve import resolve
from harness.train.run import Job, run

PLANES = [name for name in card_names() if card(name).cells]


def test_the_best_dive_visits_the_diagonal_once_an_episode():
    visits = Visits(steps=40)
    env = visits.watch(make(card("DeepSea-5")), card("DeepSea-5"))
    for _ in range(8):
        env.reset()
        for _ in range(5):
            env.step(env.unwrapped.best_action())

    counted = visits.counted
    counts, reachable = counted["visits"], counted["reachable"]

    assert (counts.sum(axis=0) == 8 * np.eye(5)).all()
    assert (counts.sum(axis=(1, 2)) == 10).all()
    assert (reachable == (np.arange(5)[:, None] >= np.arange(5))).all()


class Line(gym.Env):
    """Five cells in a row: a step to the right in each."""

    def reset(self, *, seed=None, options=None):
        self.place = 0
        return self.place, {}

    def step(self, action):
        self.place += 1
        return self.place, 0.0, False, False, {}


@offers(Plane)
def line(env):
    return Plane(np.ones((1, 5), bool), lambda: (0, env.place), lambda: (0, 4))


def test_quarters_are_of_the_steps_of_all_copies_together():
    on_a_line = card("DeepSea-5").model_copy(update={"cells": f"{__name__}:line"})
    visits = Visits(steps=8)
    copies = [visits.watch(Line(), on_a_line) for _ in range(2)]
    for env in copies:
        env.reset()
    for _ in range(4):
        for env in copies:
            env.step(0)

    counts = visits.counted["visits"]

    assert counts[:, 0].tolist() == [
        [2, 2, 0, 0, 0], [0, 0, 2, 0, 0], [0, 0, 0, 2, 0], [0, 0, 0, 0, 2]
    ]  # fmt: skip


def test_first_visits_are_dated_by_steps_and_by_episodes():
    visits = Visits(steps=100)
    on_a_line = card("DeepSea-5").model_copy(update={"cells": f"{__name__}:line"})
    env = visits.watch(Line(), on_a_line)
    for length in (1, 3):
        env.reset()
        for _ in range(length):
            env.step(0)

    counted = visits.counted
    assert counted["first_steps"][0].tolist() == [0, 1, 3, 4, -1]
    assert counted["first_episodes"][0].tolist() == [1, 1, 2, 2, -1]
    assert counted["episodes"] == 2


@pytest.mark.parametrize("name", PLANES)
def test_chance_stays_within_what_is_reachable_and_every_visit_counts(name):
    visits, resets = Visits(steps=600), 1
    env = visits.watch(make(card(name)), card(name))
    env.action_space.seed(0)
    env.reset(seed=0)
    for _ in range(600):
        *_, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
            resets += 1

    counted = visits.counted
    counts, reachable = counted["visits"], counted["reachable"]

    assert not counts[:, ~reachable].any()
    assert np.count_nonzero(counts.sum(axis=0)) > 1
    # A dive's last step leads below the sea; a chain's cells are transitions, and a reset is none.
    outside = {"DeepSea": resets - 1, "Chain": resets}
    in_no_cell = next((n for family, n in outside.items() if name.startswith(family)), 0)
    assert counts.sum() == 600 + resets - in_no_cell


def test_where_episodes_begin_and_what_they_have_to_reach_is_counted():
    visits, name = Visits(steps=100), "MiniGrid-DoorKey-5x5-v0"
    env = visits.watch(make(card(name)), card(name))
    for seed in range(7):
        env.reset(seed=seed)

    counted = visits.counted

    starts, goals = counted["starts"], counted["goals"]
    assert (starts[~counted["reachable"]] == 0).all()
    assert starts.sum() == 7 and np.count_nonzero(starts) > 1  # it begins anywhere
    assert goals[3, 3] == goals.sum() == 7  # in the corner


def test_an_environment_without_cells_is_left_as_it_is():
    visits, env = Visits(steps=10), make(card("CartPole-v1"))

    assert visits.watch(env, card("CartPole-v1")) is env
    assert visits.counted == {}


class Offers(gym.Wrapper):
    """All that a learner may ask of a training environment beside its steps."""

    def __init__(self, env):
        super().__init__(env)
        for name in ("action_masks", *GOAL_METHODS):
            setattr(self, name, lambda *given, name=name: (name, given))


def test_what_learners_ask_of_an_environment_passes_through():
    inside = Offers(make(card("DeepSea-5")))
    env = Visits(steps=10).watch(inside, card("DeepSea-5"))
    env.reset(seed=3)

    assert isinstance(env, Watched)
    for name in ("action_masks", *GOAL_METHODS):
        assert env.has_wrapper_attr(name)
        assert env.get_wrapper_attr(name)(1, 2) == (name, (1, 2))
    assert (env.render() == inside.render()).all()
    assert env.np_random is inside.np_random
    assert (env.observation_space, env.action_space) == (
        inside.observation_space, inside.action_space,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("agent", "env", "wrappers"),
    [
        ("ppo", "DeepSea-5", []),
        pytest.param("ppo_rnd", "DeepSea-5", [], marks=pytest.mark.slow),
        pytest.param("dqn", "DeepSea-5", [], marks=pytest.mark.slow),
        ("tabular_q", "DeepSea-5", []),
        ("maskable_ppo", "MiniGrid-Empty-Random-5x5-v0", ["action_masks"]),
        pytest.param("ppo", "MiniGrid-DoorKeyLayouts-6x6-v0", [], marks=pytest.mark.slow),
    ],
)
def test_counting_does_not_change_what_is_learned(agent, env, wrappers, tmp_path, monkeypatch):
    layer = Layer("tests/support/tiny.py", HPARAMS.get(agent, {}))
    spec = resolve(Request(agent, env, 256, 0, (layer,), wrappers))
    spec = spec.model_copy(
        update={"evaluation": Evaluation(every=256, episodes=1, final_episodes=1)}
    )
    counted, plain = store_at(tmp_path / "counted"), store_at(tmp_path / "plain")

    run(spec, Job(counted.root))
    monkeypatch.setattr(Visits, "watch", lambda self, env, card: env)
    run(spec, Job(plain.root))

    weights = [store.status(spec).result["weights"] for store in (counted, plain)]
    assert weights[0] == weights[1]
    assert files(counted, spec, "evals.jsonl") == files(plain, spec, "evals.jsonl")
    assert plain.visits(spec) is None
    by_quarter = counted.visits(spec).counts.sum(axis=(1, 2))
    assert (by_quarter >= 0.9 * 64).all()  # the last step of a dive leads to no cell


def test_what_is_counted_is_no_part_of_what_decides_a_run():
    for name in PLANES:
        assert card(name).identity() == card(name).model_copy(update={"cells": None}).identity()


NAMED = [name for name in card_names() if card(name).observation_names]


@pytest.mark.parametrize("name", NAMED)
def test_every_dimension_of_an_observation_has_a_name_that_no_key_depends_on(name):
    names = card(name).observation_names
    unnamed = card(name).model_copy(update={"observation_names": ()})
    assert len(set(names)) == len(names)
    assert card(name).identity() == unnamed.identity()
    try:
        env = make(card(name))
    except UserError as missing:
        pytest.skip(str(missing))
    assert env.observation_space.shape == (len(names),)
