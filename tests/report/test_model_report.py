"""Is the dream true? Models of CartPole that are known to be right, ignorant or too hopeful."""

from __future__ import annotations

import json
from types import SimpleNamespace

import fake_store
import gymnasium as gym
import numpy as np
import pytest
from tiny import STEPS, tiny
from typer.testing import CliRunner

from baselines.api import Task
from baselines.classic.null import Null
from baselines.world_models import truth
from baselines.world_models.dreaming import Fan
from baselines.world_models.episode import Episode
from baselines.world_models.open_loop import Prediction
from harness import envs
from harness.cli import model_folder
from harness.cli.main import app
from harness.config.strict import UserError
from harness.envs.wrappers import complete
from harness.report.render import markdown
from harness.report.results import one_model as page
from harness.report.results import one_model_figures as figures
from harness.seeding import episode_seeds, streams
from harness.store.files import WRITTEN, write_json
from harness.store.reader import Store
from harness.store.run_files import look
from harness.train.held_out import EPISODES, held_out
from harness.train.model_measure import learning, measures, plain
from harness.train.run import Job, run
from harness.train.trained import Trained, trained

FEW_FILES = {"report.md", "measures.json", "measures.csv", "returns.csv", "errors.csv", WRITTEN}


class Physics:
    """CartPole as Gymnasium computes it (Barto, Sutton and Anderson, 1983): `open_loop.Dynamics`.

    :param hopeful: nothing ever ends.
    """

    def __init__(self, hopeful: bool = False) -> None:
        self.hopeful = hopeful

    def begin(self, observations):
        return observations.astype(float)

    def observe(self, state, actions, observations):
        return observations.astype(float)

    def step(self, state, actions, generator=None):
        _, speed, angle, turn = state.T
        force, sin, cos = np.where(actions == 1, 10.0, -10.0), np.sin(angle), np.cos(angle)
        push = (force + 0.05 * turn**2 * sin) / 1.1
        swing = (9.8 * sin - cos * push) / (0.5 * (4 / 3 - 0.1 * cos**2 / 1.1))
        pull = push - 0.05 * swing * cos / 1.1
        change = np.stack([speed, pull, turn, swing], axis=1)
        after = state + 0.02 * change
        fallen = (np.abs(after[:, 0]) > 2.4) | (np.abs(after[:, 2]) > 12 * np.pi / 180)
        return after, foretold(after, fallen & (not self.hopeful))


class Ignorant:
    """Always expects the same, the mean, whatever it has seen; ends are too rare to expect one."""

    def __init__(self, mean: np.ndarray) -> None:
        self.mean = mean

    def begin(self, observations):
        return np.repeat(self.mean[None], len(observations), axis=0)

    def observe(self, state, actions, observations):
        return state

    def step(self, state, actions, generator=None):
        return state, foretold(state, np.full(len(state), 0.05))


def foretold(observations, terminations):
    rewards = np.ones(len(observations))
    density = np.zeros(len(observations))
    return Prediction(observations, rewards, terminations.astype(float), lambda seen: density, 4)


class Leaner:
    """A policy for CartPole that falls after a while, and a model that is given to it."""

    def __init__(self, model) -> None:
        self.model = model

    def predict(self, observation, state=None, *others, **more):
        return (observation[:, 2] > 0).astype(int), None

    def dynamics(self):
        return self.model


def cart_pole(model=None, seed=0) -> Trained:
    card, spec = envs.card("CartPole-v1"), tiny("random", seed)
    task = Task(lambda: envs.make(card), STEPS, streams(seed).agent, streams(seed).env)
    return Trained(spec, {}, card, task, Leaner(model))


def judged(model, episodes):
    return measures(cart_pole(model), episodes)


@pytest.fixture(scope="module")
def episodes():
    return held_out(cart_pole())


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def folder(store):
    spec = tiny("world_model")
    run(spec, Job(store.root))
    return store.folder(spec)


@pytest.fixture
def few_figures(monkeypatch):
    """Drawing takes most of the time."""
    monkeypatch.setattr(model_folder, "_figures", lambda *given: iter(()))


# WHAT IS MEASURED


def test_a_model_that_is_right_has_no_error_and_foretells_every_end(episodes):
    found = judged(Physics(), episodes)

    for each in found["policies"].values():
        assert max(each["error"]) < 1e-4  # observations are rounded to 32 bits
        assert min(each["skill"]) > 0.999
        assert each["useful_horizon"] == len(each["error"])
        assert each["termination"]["events"] == EPISODES
    ends = found["together"]["termination"]
    assert (ends["events"], ends["recall"], ends["precision"]) == (3 * EPISODES, 1, 1)
    assert found["together"]["reward"]["mean_absolute"] == 0


def test_its_dreams_last_as_long_as_the_real_episodes(episodes):
    found = judged(Physics(), episodes)["returns"]

    assert list(found["dreamed"]) == ["1.0"]  # its draws have no temperature
    assert np.mean(found["dreamed"]["1.0"]) == pytest.approx(np.mean(found["real"]), rel=0.02)
    assert 20 < np.mean(found["real"]) < 400


def test_a_model_that_knows_nothing_has_the_error_of_the_marginal():
    """In a world without memory, where nobody could know more; its ends are one step in thirty."""
    rng = np.random.default_rng(0)
    episodes = [
        Episode(rng.normal(3, [1, 2, 3, 4], (31, 4)), np.zeros(30), np.ones(30), True)
        for _ in range(EPISODES)
    ]
    mean = np.concatenate([episode.observations for episode in episodes]).mean(axis=0)
    found, _ = truth.judge(Ignorant(mean), episodes, truth.unit(episodes), seed=0)

    assert np.mean(found["error"]) == pytest.approx(1, abs=0.05)
    assert np.mean(found["skill"]) == pytest.approx(0.5, abs=0.1)  # of one draw against two
    assert found["termination"]["events"] == EPISODES
    assert found["termination"]["recall"] == 0
    assert np.isnan(found["termination"]["precision"])


def test_a_dream_in_which_nothing_ends_promises_more_than_there_is(episodes):
    found = judged(Physics(hopeful=True), episodes)

    gap = np.mean(found["returns"]["dreamed"]["1.0"]) - np.mean(found["returns"]["real"])
    assert set(found["returns"]["dreamed"]["1.0"]) == {500.0}
    assert gap > 100
    assert found["together"]["termination"]["recall"] == 0


# WHAT IT IS MEASURED ON


def test_held_out_seeds_are_none_of_training_nor_of_evaluation():
    seeds = set(episode_seeds("model", "CartPole-v1", 0, 1000))
    used = set(episode_seeds("final", "CartPole-v1", 0, 1000))
    used |= set(episode_seeds("curve", "CartPole-v1", 0, 1000))
    first = streams(0).env

    assert not seeds & used
    assert min(seeds) >= 3 * 2**29 > first + 2**16
    assert max(seeds) < 2**31


def test_arms_are_held_against_the_same_episodes_but_for_those_of_their_own_policy(episodes):
    other = cart_pole()
    other.agent.predict = lambda seen, *others, **more: (np.ones(len(seen), int), None)
    found = held_out(other)

    for name in ("null", "random"):
        for ours, theirs in zip(episodes[name], found[name], strict=True):
            np.testing.assert_array_equal(ours.observations, theirs.observations)
    assert len(found["trained"][0]) < len(episodes["trained"][0])
    assert not any(episode.actions.any() for episode in episodes["null"])


@pytest.mark.parametrize("name", [n for n in envs.card_names() if envs.card(n).null_action])
def test_the_null_action_of_a_card_is_one_of_its_actions(name):
    env = envs.make(envs.card(name))

    assert env.action_space.contains(envs.card(name).null_action)


def test_doing_nothing_is_zero_or_as_near_as_the_bounds_allow():
    space = gym.spaces.Box(np.array([-1, 0.5], np.float32), np.array([1, 1], np.float32))
    env = SimpleNamespace(action_space=space, close=lambda: None)
    actions, _ = Null(Task(lambda: env, 0), Null.Config()).predict(np.zeros((3, 1)))

    np.testing.assert_array_equal(actions, [[0, 0.5]] * 3)


def test_what_acts_on_training_alone_is_said(episodes):
    spec, found = tiny("random"), plain({**judged(Physics(), episodes), "learning": None})
    told = markdown.document(page.document(spec, found, [], ["living_reward"]))

    assert "with living_reward: rewards and returns here are not" in told
    assert "living_reward" not in markdown.document(page.document(spec, found, []))


def test_an_image_has_one_unit_and_is_shown_in_frames():
    rng = np.random.default_rng(0)
    seen = np.zeros((31, 64, 64, 3), np.uint8)
    seen[:, :32] = rng.integers(0, 2, (31, 1, 1, 1)) * 200  # half of it flashes, half is dark
    unit = truth.unit([Episode(seen, np.zeros(30), np.zeros(30), False)])
    strip = figures.strip(Fan(0, seen[:26], seen[1:26], seen[None, 1:26], seen[1:26]))

    assert len(set(unit)) == 1
    assert unit[0] == pytest.approx(np.sqrt(seen[:, 0, 0, 0].var() / 2), rel=1e-3)
    assert len(strip.panels) == 5 * 7


# FILES


def test_a_run_is_measured_once_and_again_when_it_has_other_weights(
    folder, few_figures, monkeypatch
):
    page = model_folder.report(folder)
    first = {path.name: path.read_bytes() for path in page.parent.iterdir()}
    assert set(first) == FEW_FILES
    assert b"## In short" in first["report.md"]
    assert json.loads(first["measures.json"])["policies"]["random"]["episodes"] == EPISODES
    assert look(folder).measures is not None

    with monkeypatch.context() as patch:
        patch.setattr(model_folder, "measures", None)  # would raise
        assert model_folder.report(folder) == page
    write_json(page.parent / "measures.json", {"version": 1, "weights": "others"})
    assert look(folder).measures is None
    model_folder.report(folder)

    assert {path.name: path.read_bytes() for path in page.parent.iterdir()} == first


@pytest.mark.slow
def test_figures_are_equal_byte_for_byte(folder):
    def files():
        (folder / "model_report" / "measures.json").unlink(missing_ok=True)
        page = model_folder.report(folder, with_learning=True)
        return {path.name: path.read_bytes() for path in page.parent.iterdir()}

    first = files()
    assert {"errors.png", "traces.pdf", "returns.png", "likelihoods.pdf", "learning.png"} < {*first}
    assert files() == first


def test_the_learning_curve_goes_from_an_untrained_model_to_that_of_the_run(folder):
    found = trained(folder)
    episodes = held_out(found)
    last = {name: {"error": [0.5]} for name in episodes}
    curve = learning(found, episodes, {"policies": last})

    assert curve["steps"] == [0, 16, 32, 64, 128, 256]
    for name, each in curve["error"].items():
        assert each[-1] == [0.5]
        assert len({tuple(error) for error in each}) == 6, name
        assert np.isfinite([error[0] for error in each]).all()


# WHAT THE USER CAN MEND


def invoke(store, *words):
    return CliRunner().invoke(app, ["model-report", *words, "--results", str(store.root)])


def test_a_run_without_a_model_is_refused(store):
    spec = tiny("pid")
    run(spec, Job(store.root))
    found = invoke(store, spec.key)

    assert found.exit_code == 2
    assert "pid has no model of its environment" in found.stderr


def test_a_run_whose_environment_changed_while_it_trained_is_refused(store):
    moving = {"name": "annealed_random_actions", "start": 0.5, "end": 0.0, "steps": 100}
    spec = tiny("world_model")
    spec = spec.model_copy(update={"wrappers": (complete(moving),)})
    run(spec, Job(store.root))
    found = invoke(store, spec.key)

    assert found.exit_code == 2
    assert "changed while the run trained (annealed_random_actions)" in found.stderr
    assert not model_folder.has_model(spec)


def test_an_unfinished_run_is_refused(store, folder, tmp_path):
    (folder / "result.json").rename(tmp_path / "result.json")
    with pytest.raises(UserError, match="not finished"):
        model_folder.report(folder)
    (tmp_path / "result.json").rename(folder / "result.json")


@pytest.mark.parametrize(
    ("what", "message"),
    [("0" * 16, "no run '0000000000000000'"), ("imagine", "no sweep 'imagine'")],
)
def test_what_there_is_not_is_a_users_error(store, what, message):
    found = invoke(store, what)

    assert found.exit_code == 2
    assert message in found.stderr


def sweep(store, *specs):
    arms = [spec.model_copy(update={"arm": spec.agent}) for spec in specs]
    names = tuple(spec.agent for spec in specs)
    found = fake_store.sweep(names, ("CartPole-v1",), runs=tuple(arms), anchors={})
    fake_store.write_sweep(store, found, finish=False)


def test_a_sweep_without_models_is_refused(store):
    sweep(store, tiny("pid"))
    found = invoke(store, "fake")

    assert found.exit_code == 2
    assert "no agent of fake has a model" in found.stderr


def test_of_a_sweep_what_has_a_model_is_measured_and_reported(store, folder, few_figures):
    sweep(store, tiny("world_model"), tiny("pid"))
    found = invoke(store, "fake")

    assert found.exit_code == 0
    assert "1 of 1: world_model on CartPole-v1" in found.stdout
    text = (store.sweep_folder("fake") / "report" / "report.md").read_text()
    assert "| CartPole-v1 | world_model | " in text.split("## World models")[1]


def test_agents_with_a_model_are_known_by_it_alone():
    assert model_folder.has_model(tiny("world_model"))
    assert not model_folder.has_model(tiny("ppo"))
