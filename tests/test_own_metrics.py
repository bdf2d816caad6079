"""Metrics of the user's own: made of finished runs, whose episodes are played once more."""

from __future__ import annotations

import re
import shutil
import sys

import gymnasium as gym
import numpy as np
import pytest
from command import typed
from package import install
from tiny import ENTRIES, each, store_at, tiny

from harness import own
from harness.config import study
from harness.config.strict import UserError
from harness.own import Recorder
from harness.python import results
from harness.store import run_files
from harness.store.reader import Store
from harness.sweep.expand import expand
from harness.train.measure import measure
from harness.train.run import Job, run

SWEEP = """\
name: mine
question: Which is longer?
envs: [CartPole-v1]
seeds: 3
steps: 60
evaluation: {every: 30, episodes: 2, final_episodes: 3}
base: {agent: random}
arms:
  one: {steps: 50}
  two: {}
metrics: ["my_metrics:length", "my_metrics:swing", "my_metrics:last"]
claims: ["one > two by length"]
"""
METRICS = '''\
"""Mine."""

import gymnasium
import numpy as np


def length(episode):
    """Steps of an episode."""
    return len(episode.actions)


def swing(episode):
    """Largest angle of the pole."""
    return np.abs(episode.observations[:, 2]).max()


def last(run):
    """The mean return of the last evaluation."""
    return run.evaluations["mean"].iloc[-1]


auc = seed = length
'''


@pytest.fixture
def folder(no_study, tmp_path, monkeypatch):
    """A study with three metrics, and a process that has seen none yet."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    (tmp_path / "my_metrics.py").write_text(METRICS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    sys.modules.pop("my_metrics", None)
    from harness import provenance

    provenance._source.cache_clear()


def sweep(*words, code=0):
    return typed(
        "sweep", "sweep.yaml", "--anyway", "-w", "1", "--executor", "serial", "--no-crosscheck",
        *words, cwd=".", code=code,
    )  # fmt: skip


def numbers(folder, name):
    """Of each run, what a metric made of it, and its last evaluation."""
    resolved = expand(folder / "sweep.yaml", anyway=True).sweep
    store = Store(folder / "results")
    metric = next(metric for metric in resolved.metrics if metric.name == name)
    return [
        (store.measured(run, metric), run_files.evaluations(store.folder(run))[-1])
        for run in resolved.runs
    ]


def test_a_metric_is_the_mean_over_the_very_episodes_of_the_final_score(folder):
    sweep()

    for made, row in numbers(folder, "length"):
        assert made.value == pytest.approx(sum(row["lengths"]) / 3)
    assert all(0 < made.value < 1 for made, _ in numbers(folder, "swing"))
    for made, row in numbers(folder, "last"):
        assert made.value == pytest.approx(sum(row["returns"]) / 3)


class Counts(gym.Env):
    """Tells in each `info` the one array in which it counts on."""

    observation_space = action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        self.counts = np.zeros(2)
        return 0, {"counts": self.counts}

    def step(self, action):
        self.counts[action] += 1
        return 0, 0.0, self.counts.sum() == 3, False, {"counts": self.counts}


def test_infos_are_those_of_their_step_whatever_the_environment_writes_later():
    episodes = []
    env = Recorder(Counts(), "counts", episodes.append)
    env.reset(seed=0)
    for _ in range(3):
        env.step(1)

    assert [info["counts"][1] for info in episodes[0].infos] == [0, 1, 2, 3]


def test_no_metric_can_change_the_episode_that_the_next_one_is_given():
    episodes = []
    env = Recorder(Counts(), "counts", episodes.append)
    env.reset(seed=0)
    for _ in range(3):
        env.step(1)

    for part in (episodes[0].observations, episodes[0].actions, episodes[0].rewards):
        with pytest.raises(ValueError, match="read-only"):
            part += 1


def test_a_metric_is_a_column_of_the_frame_where_its_episodes_were_played(folder):
    sweep()

    frame = results("mine", folder / "results").frame()

    final, before = frame[frame["final"]], frame[~frame["final"]]
    made = [one.value for one, _ in numbers(folder, "length")]
    assert final["length"].tolist() == made
    assert before["length"].isna().all()


@pytest.mark.slow
def test_a_new_or_changed_metric_trains_nothing_again(folder):
    edit(folder / "sweep.yaml", ', "my_metrics:swing", "my_metrics:last"', "")
    sweep()
    before = {path: path.stat().st_mtime_ns for path in folder.glob("results/runs/**/result.json")}
    edit(folder / "my_metrics.py", "len(episode.actions)", "-len(episode.actions)")

    said = sweep()

    assert "6 of them are measured: length" in said
    assert len(before) == 6
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for made, row in numbers(folder, "length"):
        assert made.value == pytest.approx(-sum(row["lengths"]) / 3)
    assert "are measured" not in sweep()


def test_a_metric_that_fails_costs_its_numbers_and_no_run(folder):
    as_rehearsed = "len(episode.actions) if not episode.seed else 1 / 0"
    edit(folder / "my_metrics.py", "len(episode.actions)", as_rehearsed)

    sweep(code=1)

    text = (folder / "results/sweeps/mine/report/report.md").read_text()
    assert "6 runs: 6 finished" in text
    assert "length has no number of 6 of 6 finished runs, first one on CartPole-v1, seed 0" in text
    assert "ZeroDivisionError: division by zero (my_metrics.py:9), in episode 0 (seed " in text
    assert all(made.value > 0 for made, _ in numbers(folder, "swing"))


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (my_metrics.py:9)"),
        ("float('nan')", "it returned nan, which is no finite number (my_metrics.py:7)"),
        ("'long'", "it returned 'long', which is no finite number (my_metrics.py:7)"),
        ("None", "it returned None, which is no finite number (my_metrics.py:7)"),
    ],
)
def test_a_metric_that_fails_on_random_actions_fails_before_anything_trains(folder, returned, why):
    edit(folder / "my_metrics.py", "len(episode.actions)", returned)

    said = typed("check", "sweep.yaml", "--anyway", cwd=".", code=2)

    assert "sweep.yaml:11: metrics.0: 'my_metrics:length': " in said
    assert f"{why}, in an episode of random actions on CartPole-v1" in said


def test_a_finished_run_with_a_wrapper_of_ones_own_is_measured_in_another_process(folder):
    edit(folder / "my_metrics.py", "auc = seed", WRAPPER)
    edit(folder / "sweep.yaml", "{agent: random}", "{agent: random, wrappers: [my_metrics:same]}")
    sweep()
    resolved, store = expand(folder / "sweep.yaml", anyway=True).sweep, Store(folder / "results")
    shutil.rmtree(store.folder(resolved.runs[0]) / "metrics")
    study._named.clear()

    measure(resolved.runs[0], store, resolved.metrics)

    made = store.measured(resolved.runs[0], resolved.metrics[0])
    assert made.error == "" and made.value > 0


WRAPPER = '''\
def same(env):
    """The environment as it is."""
    return gymnasium.Wrapper(env)


same.kind = "both"
auc = seed'''


@pytest.mark.slow
def test_a_metric_that_draws_numbers_is_repeatable_and_disturbs_no_episode(folder):
    edit(folder / "my_metrics.py", "len(episode.actions)", "np.random.normal()")
    sweep()
    first = numbers(folder, "length")
    for made in folder.glob("results/runs/*/*/*/metrics"):
        shutil.rmtree(made)

    sweep()

    assert numbers(folder, "length") == first
    assert len({made.value for made, _ in first}) == 3  # arms share episodes, seeds do not


def test_a_run_is_measured_without_a_sweep_file_and_trained_once(folder):
    words = ("run", "random", "CartPole-v1", "--steps", "50", "--metric", "my_metrics:length")
    first, again = (typed(*words, cwd=".") for _ in range(2))

    assert re.search(r"; length \d+", first)
    assert "1 run is finished already" in again
    assert "no nothing" in typed(*words[:-1], "my_metrics:nothing", cwd=".", code=2)


def test_a_metric_of_other_episodes_than_the_recorded_ones_is_refused(folder, monkeypatch):
    monkeypatch.setattr("harness.train.measure.run_files.final_returns", lambda folder: [0.0] * 3)

    sweep(code=1)

    for made, _ in numbers(folder, "length"):
        assert "played again, the episodes after training are others" in made.error
    assert all(not made.error for made, _ in numbers(folder, "last"))


def test_a_metric_that_a_package_declares_is_called_by_its_name(folder, tmp_path):
    site = tmp_path / "site-packages"
    sys.path.insert(0, str(site))
    files = {"their_pkg.py": METRICS}
    install(site, "their-pkg", {"metrics": ["longest = their_pkg:length"]}, files)
    edit(folder / "sweep.yaml", FUNCTION, "longest")
    edit(folder / "sweep.yaml", "by length", "by longest")

    metric = expand(folder / "sweep.yaml", anyway=True).sweep.metrics[0]

    assert (metric.name, metric.target) == ("longest", "their_pkg:length")


FUNCTION, TWICE = '"my_metrics:length"', '"my_metrics:length", "my_metrics:length"'
WRONG = {  # the file, what is changed there, the key, and what is said
    "no such function": ("sweep.yaml", ":length", ":lenght", "metrics.0", "has no lenght"),
    "no such module": ("sweep.yaml", '["my_m', '["mi_m', "metrics.0", "No module named"),
    "a mistake": ("my_metrics.py", "numpy", "nunpy", "metrics.0", "my_metrics.py:4)"),
    "another argument": (
        "my_metrics.py", "length(episode)", "length(x, y)",
        "metrics.0", "takes (x, y): it must take (episode) or (run)",
    ),
    "no docstring": (
        "my_metrics.py", '"""Steps of an episode."""', "", "metrics.0", "has no docstring",
    ),
    "a name alone": (
        "sweep.yaml", FUNCTION, "length", "metrics.0", "'length' is none of the metrics",
    ),
    "no function": ("sweep.yaml", ":length", ":np", "metrics.0", "is no function"),
    "two of one name": ("sweep.yaml", FUNCTION, TWICE, "metrics.1", "both called 'length'"),
    "a score's name": ("sweep.yaml", ":swing", ":auc", "metrics.1", "'auc' is taken"),
    "a column's name": ("sweep.yaml", ":swing", ":seed", "metrics.1", "'seed' is taken"),
    "a figure that is not there": (
        "sweep.yaml", "claims:", "report: {figures: ['my_metrics:gap']}\nclaims:",
        "report.figures.0", "has no gap",
    ),
    "a figure of something else": (
        "sweep.yaml", "claims:", "report: {figures: ['my_metrics:last']}\nclaims:",
        "report.figures.0", "takes (run): it must take (data)",
    ),
    "an unknown score": (
        "sweep.yaml", "by length", "by lenght",
        "claims.0", "no score 'lenght'. Did you mean 'length'?",
    ),
    "over environments": (
        "sweep.yaml", "[CartPole-v1]", "[CartPole-v1, Acrobot-v1]",
        "claims.0", "length has no anchors to be averaged over environments by: add 'on ENV'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_metric_is_one_line_with_its_place_before_anything_trains(folder, what):
    file, old, new, key, message = WRONG[what]
    edit(folder / file, old, new)

    with pytest.raises(UserError) as caught:
        expand(folder / "sweep.yaml", anyway=True)

    lines = [str(problem) for problem in caught.value.problems]
    line = next((line for line in lines if message in line), "")
    assert re.match(rf"sweep\.yaml:\d+: {key}: ", line), lines


def test_what_only_a_record_names_is_not_measured(folder):
    study.enter(folder)

    with pytest.raises(ValueError, match="what a record names is not imported"):
        own.metric("my_metrics:length")
    assert "my_metrics" not in sys.modules


@pytest.mark.slow
@pytest.mark.parametrize("agent", each(ENTRIES, slow=ENTRIES))
def test_the_final_episodes_of_every_agent_can_be_played_again_from_what_it_saved(
    agent, tmp_path, folder
):
    spec, store = tiny(agent), store_at(tmp_path)
    study.enter(folder)
    study.name("my_metrics:length")
    metric = own.metric("my_metrics:length")
    run(spec, Job(store.root))

    measure(spec, store, (metric,))

    assert store.measured(spec, metric).error == ""
