"""One setting for all environments against one for each, from the trials of a search."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fake_tune import FILE, attempt_in

from harness.report.plot import Points
from harness.search import report, sensitivity, study, surrogate
from harness.store.reader import Store

ENVS = ("CartPole-v1", "Pendulum-v1")
SPACE = "    space: {kp: {why: A hill., low: 1.0, high: 100.0, log: true}}\n"
SEARCH = (
    FILE.replace("envs: [CartPole-v1]", f"envs: [{', '.join(ENVS)}]")
    .replace("seeds: 6\n", "seeds: 4\nsampler: random\npruner: {name: none}\n", 1)
    .replace("trials: 12", "trials: 16")
    .replace("arms:\n", "arms:\n  calm:\n    agent: pid\n    hparams: {k_energy: 1.0}\n" + SPACE)
)
TOPS = {"CartPole-v1": 0.5, "Pendulum-v1": 1.5}  # of log10 kp


def score_in(plan):
    """The top of the hill of `pid` moves with the environment; `calm` has one for both."""
    anchors = plan.anchors

    def score(spec):
        top = 1.0 if spec.hparams["k_energy"] == 1.0 else TOPS[spec.env]
        height = 0.9 - 0.8 * abs(math.log10(spec.hparams["kp"]) - top)
        luck = np.random.default_rng([spec.seed, *spec.key.encode()]).normal(0, 0.01)
        low, high = anchors[spec.env].random.score, anchors[spec.env].reference.score
        return low + (high - low) * (height + luck)

    return score


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """Both arms, and where they lie."""
    folder = tmp_path_factory.mktemp("sensitivity")
    (folder / "fake.yaml").write_text(SEARCH)
    store = Store(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(surrogate, "RESAMPLES", 8)
        patch.setattr(surrogate, "TREES", 16)
        patch.setattr(report.seaborn, "save", lambda plot, path: 5.5)
        plans = study.read(folder / "fake.yaml")
        found = [
            study.run(one, store, attempt_in(store, score_in(one)), lambda text: None)
            for one in plans
        ]
        text = study.write_report(found, store).read_text()
    return {each.plan.label: each for each in found}, text


def test_an_agent_whose_best_setting_moves_is_more_sensitive_than_one_whose_does_not(searched):
    found, _ = searched
    calm, fussy = (sensitivity.of(found[label]) for label in ("calm", "pid"))

    assert calm.gain.low == 0.0 and calm.gain.point < 0.05
    assert fussy.gain.low > 0.1 > calm.gain.high
    # Halfway between two tops that lie a power of ten apart.
    assert fussy.gain.point == pytest.approx(0.8 * 0.5, abs=0.15)
    assert fussy.each.low < 0.9 + 0.02


def test_one_hyper_parameter_must_be_tuned_where_the_top_moves_and_none_where_it_stays(
    searched, monkeypatch
):
    monkeypatch.setattr(surrogate, "RESAMPLES", 8)
    found, _ = searched
    calm, fussy = (sensitivity.effective(found[label]) for label in ("calm", "pid"))

    assert (calm.point, calm.of) == (0, 1)
    assert (fussy.point, fussy.of) == (1, 2)
    assert fussy.low <= fussy.point <= fussy.high


def test_the_report_has_both_on_one_plane(searched):
    found, text = searched
    section = text.split("## One setting for all environments\n")[1].split("\n## ")[0]

    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[2:]] == ["| calm", "| pid"]
    assert " of 2 {" in section and "![How good, and how fussy](plane.png)" in section
    known = {label: sensitivity.of(each) for label, each in found.items()}
    (panel,) = sensitivity.plane(known).panels
    points = {mark.names[0]: (mark.x[0], mark.y[0]) for mark in panel.of(Points)}
    assert points["pid"][0] > points["calm"][0]
    assert points["calm"] == (known["calm"].gain.point, known["calm"].each.point)


def test_on_one_environment_there_is_nothing_to_compare(tmp_path):
    (tmp_path / "fake.yaml").write_text(FILE)
    (plan,) = study.read(tmp_path / "fake.yaml")
    store = Store(tmp_path)
    found = study.run(plan, store, attempt_in(store), lambda text: None)

    assert sensitivity.of(found) is None
    assert sensitivity.effective(found) is None
