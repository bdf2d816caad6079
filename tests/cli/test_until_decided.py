"""`harness sweep --until-decided`: blocks of seeds, a look at every claim after each."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import NamedTuple

import fake_store
import numpy as np
import pytest
from command import typed

from harness.python import Sweep
from harness.report.evidence import Evidence
from harness.report.plot import Points
from harness.report.results.figures import FIGURES
from harness.report.results.looks import BIAS
from harness.spec import Evaluation
from harness.store.reader import Store
from harness.train.executors import EXECUTORS

SWEEP = """\
name: looks
question: Which controller is better, and how soon is that known?
envs: [CartPole-v1]
decide: {first: 6, block: 4, cap: 14}
steps: 600
evaluation: {every: 300, episodes: 2, final_episodes: 3}
arms:
  random: {agent: random}
  pid: {agent: pid}
  again: {agent: pid, steps: 599}
claims: [pid > random by final, pid > again by final]
"""
ARMS = ("random", "pid", "again")
PLAIN = ("--executor", "serial", "--no-figures", "--no-crosscheck")


def scores(run, *_):
    """The two controllers are alike, and better than chance."""
    luck = np.random.default_rng([run.seed, *run.arm.encode()]).normal()
    return [(20.0 if run.arm == "random" else 400.0) + luck] * _[-1]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "looks.yaml").write_text(SWEEP)
    return tmp_path


def training(patch):
    """The seeds of each arm, in the order of the blocks that were trained."""
    batches = []

    def at_once(specs, job, workers, tick):
        batches.append({arm: [s.seed for s in specs if s.arm == arm] for arm in ARMS})
        for spec in specs:
            fake_store.write_run(Store(job.root), spec, scores)

    patch.setitem(EXECUTORS, "serial", at_once)
    return batches


@pytest.fixture
def trained(monkeypatch):
    return training(monkeypatch)


class Decided(NamedTuple):
    folder: Path
    batches: list[dict[str, list[int]]]
    out: str


@pytest.fixture(scope="module")
def decided(tmp_path_factory):
    """A sweep that was trained until its claims were decided; no test changes its folder."""
    folder = tmp_path_factory.mktemp("decided")
    (folder / "looks.yaml").write_text(SWEEP)
    with pytest.MonkeyPatch.context() as patch:
        batches = training(patch)
        return Decided(folder, batches, sweep(folder, "--until-decided"))


@pytest.fixture
def going_on(decided, folder):
    """The same, in a folder that the test may change."""
    shutil.copytree(decided.folder, folder, dirs_exist_ok=True)
    return folder


def sweep(folder, *options, code=0):
    return typed("sweep", "looks.yaml", *PLAIN, *options, cwd=folder, code=code)


def looks(folder):
    with (folder / "results/sweeps/looks/report/looks.csv").open() as file:
        return [(row["claim"], row["seeds"], row["then"]) for row in csv.DictReader(file)]


FOUND = [
    ("pid > random by final", "6", "supported"),
    ("pid > again by final", "6", "open"),
    ("pid > again by final", "10", "open"),
    ("pid > again by final", "14", "undecided, at the cap"),
]


def test_only_arms_of_undecided_claims_train_on(decided):
    folder, (first, second, third), out = decided

    assert first == {arm: [0, 1, 2, 3, 4, 5] for arm in ARMS}
    assert second == {"random": [], "pid": [6, 7, 8, 9], "again": [6, 7, 8, 9]}
    assert third == {"random": [], "pid": [10, 11, 12, 13], "again": [10, 11, 12, 13]}
    assert looks(folder) == FOUND
    assert "block 1 of 3, up to 6 seeds: 18 runs to train; 2 of 2 claims open" in out
    assert "look 1, after 6 seeds: pid > random by final: supported (anytime p = " in out
    assert "look 3, after 14 seeds: pid > again by final: undecided" in out
    page = (folder / "results/sweeps/looks/report/report.md").read_text()
    assert "**Supported: pid beats random on CartPole-v1**" in page
    assert "6 seeds, look 1 of 3." in page
    assert "no look up to the cap of 14 seeds tells them apart at 0.05" in page
    assert "34 runs were asked for, of 42 up to the cap of 14 seeds: 8 fewer (19 %)." in page
    assert BIAS in page
    assert "Warning: Seeds were added" not in page
    for text in ("report.html", "paper/main.tex"):
        assert "anytime" in (folder / "results/sweeps/looks/report" / text).read_text()


def test_what_is_interrupted_goes_on_to_the_same_looks(folder, trained, monkeypatch):
    whole = EXECUTORS["serial"]

    def stopped(specs, job, workers, tick):
        whole(specs[: len(specs) // 2], job, workers, tick)
        raise KeyboardInterrupt

    for _ in range(3):
        monkeypatch.setitem(EXECUTORS, "serial", stopped)
        sweep(folder, "--until-decided", code=130)
    monkeypatch.setitem(EXECUTORS, "serial", whole)
    sweep(folder, "--until-decided")
    assert looks(folder) == FOUND
    before = len(trained)
    sweep(folder, "--until-decided")
    assert len(trained) == before
    history = (folder / "results/sweeps/looks/history.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["seeds"]) for line in history] == [6, 10, 14]


def test_without_the_flag_all_seeds_are_trained_and_judged_by_the_same_looks(folder, trained):
    sweep(folder)
    assert trained == [{arm: list(range(14)) for arm in ARMS}]
    assert looks(folder) == FOUND


def test_a_claim_whose_runs_fail_waits_and_the_others_go_on(folder, trained, monkeypatch):
    whole = EXECUTORS["serial"]

    def failing(specs, job, workers, tick):
        broken = [spec for spec in specs if (spec.arm, spec.seed) == ("random", 3)]
        whole([spec for spec in specs if spec not in broken], job, workers, tick)
        for spec in broken:
            fake_store.write_failure(Store(job.root), spec, "ValueError: NaN")

    monkeypatch.setitem(EXECUTORS, "serial", failing)
    sweep(folder, "--until-decided", code=1)
    assert {claim for claim, _, _ in looks(folder)} == {"pid > again by final"}
    page = (folder / "results/sweeps/looks/report/report.md").read_text()
    assert "**Pending: pid against random on CartPole-v1** (final score): before the first" in page

    monkeypatch.setitem(EXECUTORS, "serial", whole)
    sweep(folder, "--until-decided")
    assert looks(folder) == FOUND


@pytest.mark.parametrize(
    ("old", "new", "options", "said"),
    [
        ("decide: {first: 6, block: 4, cap: 14}", "seeds: 10", [],
         "looks.yaml:4: seeds: --until-decided needs a plan of looks: in the place of `seeds`, "
         "decide: {first: 6, block: 4, cap: 30, alpha: 0.05"),
        ("", "", ["--shard", "0/2"], "a shard does not see the runs of the others"),
    ],
)  # fmt: skip
def test_what_cannot_be_followed_is_refused(folder, trained, old, new, options, said):
    (folder / "looks.yaml").write_text(SWEEP.replace(old, new) if old else SWEEP)
    assert said in sweep(folder, "--until-decided", *options, code=2)
    assert trained == []


@pytest.mark.slow
def test_blocks_are_not_changed_midway_and_what_was_seen_is_told(going_on, trained):
    folder = going_on
    other = SWEEP.replace("block: 4", "block: 2")
    (folder / "looks.yaml").write_text(other)
    out = sweep(folder, "--until-decided", code=2)
    assert "looks.yaml:4: decide: this sweep was begun with `decide: {first: 6, block: 4, " in out

    (folder / "looks.yaml").write_text(other.replace("name: looks", "name: later"))
    sweep(folder, "--until-decided")
    page = (folder / "results/sweeps/later/report/report.md").read_text()
    assert "when 20 of its 20 runs had finished: its p-value holds only if nobody had" in page


@pytest.mark.slow
def test_check_says_the_seeds_that_it_may_take(folder):
    out = typed("check", "looks.yaml", cwd=folder)
    rows = out.partition("seeds until a decision, one environment")[2].splitlines()
    assert [row.split("  ")[0] for row in rows[2:7]] == [
        "0.7 SD", "1 SD", "1.4 SD", "2 SD", "0 of 6 against 6 of 6",
    ]  # fmt: skip
    assert rows[6].split()[-4:] == ["100%", "6", "100%", "100%"]
    assert "detectable effect" not in out


def test_the_plan_is_part_of_what_a_sweep_is(decided):
    kept = Store(decided.folder / "results").sweep("looks")
    assert kept.decide is not None
    assert kept.runs[0].evaluation == Evaluation(every=300, episodes=2, final_episodes=3)
    assert len(kept.runs) == 34


@pytest.mark.slow
def test_from_python_the_same_looks_are_followed(going_on, trained):
    results = going_on / "results"
    loaded = Sweep.load(going_on / "looks.yaml", folder=results)
    followed = loaded.run(folder=results, until_decided=True)
    assert trained == []
    assert (len(loaded.runs), len(followed.sweep.runs), followed.missing()) == (42, 34, [])


def test_the_figure_shows_each_claim_from_its_first_look_to_its_last(decided):
    store = Store(decided.folder / "results")

    first, second = FIGURES["looks"].plot(Evidence(store.sweep("looks"), store), "final").panels
    for panel, seeds, decided in ((first, [6], True), (second, [6, 10, 14], False)):
        paths = [mark for mark in panel.of(Points) if mark.look.name == "all runs so far"]
        assert [mark.x.tolist() for mark in paths] == [seeds]
        assert any(mark.look.name == "decided" for mark in panel.of(Points)) == decided
        assert panel.limits("x")[1] > 14
