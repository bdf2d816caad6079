"""Wrappers of the user's own, by "module:name"."""

from __future__ import annotations

import shlex
import sys

import pytest
from command import typed

from harness import envs
from harness.config import study
from harness.config.strict import UserError
from harness.report.render.listing import repeat
from harness.store.reader import Store
from harness.sweep.expand import expand
from harness.train.run import Job, attempt, run
from harness.train.task import moved

SWEEP = """\
name: wrapped
question: Do my wrappers work?
envs: [CartPole-v1]
seeds: 1
steps: 200
evaluation: {every: 100, episodes: 2, final_episodes: 3}
base: {agent: random}
arms:
  plain: {}
  wrapped: {wrappers: [WRAPPER]}
"""

WRAPPERS = """\
import gymnasium as gym
import numpy as np


def scaled(env, factor: float = 2.0):
    \"""The reward times a factor.\"""
    return gym.wrappers.TransformReward(env, lambda reward: factor * reward)


scaled.kind = "training"


class Times(gym.RewardWrapper):
    def __init__(self, env, factor: float):
        super().__init__(env)
        self.factor = factor

    def reward(self, reward):
        return self.factor * reward


class Less(gym.ObservationWrapper):
    \"""The cart's position is hidden.\"""

    def __init__(self, env, hidden: int = 1):
        super().__init__(env)
        self.hidden = hidden
        low, high = env.observation_space.low, env.observation_space.high
        self.observation_space = gym.spaces.Box(low[hidden:], high[hidden:])

    def observation(self, observation):
        return observation[self.hidden :]


def smaller(env):
    return Less(env)


smaller.kind = "training"


def paid(env):
    return Times(env, 3.0)


paid.kind = "both"


class Twice(gym.Wrapper):
    \"""Each action is taken twice, and both rewards are paid.\"""

    kind = "both"

    def step(self, action):
        first = self.env.step(action)
        if first[2] or first[3]:
            return first
        obs, reward, *others = self.env.step(action)
        return obs, first[1] + reward, *others


def silent(env):
    return env


def vague(env, **options):
    return env


vague.kind = "both"


def nothing(env):
    pass


nothing.kind = "both"
"""


@pytest.fixture
def folder(no_study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_wrappers.py").write_text(WRAPPERS)
    return tmp_path


def wrapped(folder, wrapper):
    (folder / "sweep.yaml").write_text(SWEEP.replace("WRAPPER", wrapper))
    runs = expand(folder / "sweep.yaml", rehearse=True).sweep.runs
    return next(run for run in runs if run.arm == "wrapped")


def rewards(spec, training):
    env = envs.make(envs.card(spec.env), spec.wrappers, training)
    env.reset(seed=0)
    return [env.step(0)[1] for _ in range(3)]


@pytest.mark.parametrize(
    ("wrapper", "training", "judged"),
    [
        ('{name: "my_wrappers:scaled", factor: 3}', 3.0, 1.0),
        ('"my_wrappers:scaled"', 2.0, 1.0),
        ('{name: "my_wrappers:Times", factor: 4}', 4.0, 1.0),
        ('{name: "gymnasium.wrappers:ClipReward", min_reward: 0, max_reward: 0.5}', 0.5, 1.0),
        ('"my_wrappers:Twice"', 2.0, 2.0),
    ],
)
def test_what_changes_rewards_acts_on_training_and_never_on_scores(
    folder, wrapper, training, judged
):
    spec = wrapped(folder, wrapper)

    assert set(rewards(spec, training=True)) == {training}
    assert set(rewards(spec, training=False)) == {judged}


def test_a_wrapper_that_is_evaluated_and_changes_rewards_after_all_ends_the_run(folder):
    spec = wrapped(folder, '"my_wrappers:paid"')

    with pytest.raises(RuntimeError, match="makes a reward of 3 out of 1: what changes rewards"):
        run(spec, Job(folder / "results"))


def test_what_changes_observations_is_evaluated_too(folder):
    spec = wrapped(folder, '{name: "my_wrappers:Less", hidden: 2}')

    for training in (True, False):
        env = envs.make(envs.card(spec.env), spec.wrappers, training)
        assert env.observation_space.shape == (2,)


def test_options_that_are_left_out_and_a_changed_source_are_part_of_the_key(folder):
    spec = wrapped(folder, '"my_wrappers:scaled"')
    other = wrapped(folder, '{name: "my_wrappers:scaled", factor: 2}')
    old = spec.model_copy(update={"wrappers": ({**spec.wrappers[0], "version": "0"},)})

    assert spec.key == other.key != old.key
    assert moved(old).startswith("the wrapper my_wrappers:scaled was version 0 and is version ")
    assert not moved(spec)


def test_a_version_of_its_own_says_instead_when_runs_are_old(folder):
    (folder / "my_wrappers.py").write_text(f"{WRAPPERS}\n\nscaled.version = 3\n")

    assert wrapped(folder, '"my_wrappers:scaled"').wrappers[0]["version"] == 3


def test_a_run_with_a_wrapper_is_repeated_by_the_command_that_its_page_shows(folder):
    spec = wrapped(folder, '{name: "my_wrappers:scaled", factor: 3}')
    attempt(spec, Job(folder / "results", study=folder))

    _, *words = shlex.split(repeat(spec).replace("\\\n", ""))
    typed(*words, "--results", "again", cwd=folder)

    assert Store(folder / "again").finished(spec)


WRONG = {
    "a module that is not there": ("'mine:scaled'", "No module named 'mine'"),
    "a name that is not there": ("'my_wrappers:skaled'", "the module has no skaled"),
    "no wrapper": ("'my_wrappers:np'", "'my_wrappers:np' is no wrapper: a subclass of gymnasium"),
    "one that does not say where it acts": ("'my_wrappers:silent'", 'silent.kind = "training"'),
    "one whose options nobody can know": ("'my_wrappers:vague'", "each option by its name"),
    "an option that it does not have": (
        "{name: 'my_wrappers:scaled', faktor: 2}", "unknown key 'faktor'. Did you mean 'factor'?",
    ),
    "an option of another kind": (
        "{name: 'my_wrappers:scaled', factor: much}", "my_wrappers:scaled: factor: ",
    ),
    "one that makes no environment": ("'my_wrappers:nothing'", "returns NoneType, not an environ"),
    "other observations in evaluation": ("'my_wrappers:smaller'", 'must be of the kind "both"'),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_a_wrapper_is_one_line_with_its_place(folder, what):
    wrapper, why = WRONG[what]

    with pytest.raises(UserError) as caught:
        wrapped(folder, wrapper)

    (problem,) = caught.value.problems
    assert str(problem).startswith("sweep.yaml:10: arms.wrapped.wrappers")
    assert why in str(problem)


def test_a_card_of_the_study_may_have_one(folder):
    (folder / "envs").mkdir()
    card = """\
summary: A cart that is seen in part.
id: CartPole-v1
actions: discrete
max_episode_steps: 100
wrappers: ["""
    (folder / "envs/cart.yaml").write_text(f'{card}{{name: "my_wrappers:Less"}}]\n')
    study.enter(folder)
    assert envs.make(envs.card("cart")).observation_space.shape == (3,)
    assert envs.card("cart").identity()["wrappers"][0]["version"]

    (folder / "envs/cart.yaml").write_text(f'{card}{{name: "my_wrappers:Fewer"}}]\n')
    with pytest.raises(UserError, match=r"envs/cart.yaml:5: wrappers.*the module has no Fewer"):
        envs.card("cart")


def test_a_wrapper_that_only_a_record_names_is_not_imported(folder):
    study.enter(folder)

    (why,) = envs.check_wrapper({"name": "my_wrappers:scaled"})
    assert "what a record names is not imported" in why
    assert "my_wrappers" not in sys.modules
