"""A learner that is broken says so: with the step and the value, and a healthy one is let be."""

from __future__ import annotations

import json
import math
from contextlib import suppress

import numpy as np
import pytest
from tiny import STEPS, store_at, tiny

from harness.store import health
from harness.store.health import Health, Symptom
from harness.store.writer import Record
from harness.train.run import Job, run

BUDGET = 10_000


class Watched(Health):
    """A run of a discrete policy that learns, and what was told of it."""

    def __init__(self, discrete: bool = True, learns: bool = True) -> None:
        self.told: list[Symptom] = []
        super().__init__(BUDGET, discrete, learns, self.told.append)

    def trained(self, *weights: dict[str, np.ndarray]) -> list[Symptom]:
        """As many evaluations, at even distances up to the end of the budget."""
        for i, each in enumerate(weights):
            self.weights(BUDGET * i // (len(weights) - 1), each)
        self.end(BUDGET)
        return self.told


def network(value: float, last: float = 0.0) -> dict[str, np.ndarray]:
    matrix = np.full((2, 3), value, np.float32)
    return {"layer.weight": matrix, "layer.bias": np.full(2, last, np.float32)}


@pytest.mark.parametrize(
    ("step", "metrics", "symptom"),
    [
        (100, {"train/loss": math.nan}, ("not finite", "train/loss", 100, "nan")),
        (100, {"train/value_loss": math.inf}, ("not finite", "train/value_loss", 100, "inf")),
        (9000, {"train/loss": 2e21}, ("exploded", "train/loss", 9000, "2e+21")),
        (100, {"my/score": -1e9}, ("exploded", "my/score", 100, "-1e+09")),
        (100, {"train/entropy_loss": -1e-9}, ("no entropy", "train/entropy_loss", 100, "-1e-09")),
        (100, {"train/entropy_loss": 0.0}, ("no entropy", "train/entropy_loss", 100, "0")),
        (100, {"train/std": 1e-6}, ("no entropy", "train/std", 100, "1e-06")),
    ],
)  # fmt: skip
def test_a_metric_of_a_broken_learner_is_named_with_step_and_value(step, metrics, symptom):
    watched = Watched()
    watched.metrics(step, metrics)
    watched.metrics(step + 1, metrics)  # the first one is told, and once
    assert watched.told == [Symptom(*symptom)]


@pytest.mark.parametrize(
    ("step", "metrics"),
    [
        (100, {"train/learning_rate": 1e10}),  # a setting is no measurement
        (100, {"train/explained_variance": math.nan}),  # 0 / 0: returns do not vary
        (100, {"train/loss": 9e7, "train/entropy_loss": -0.02}),
        (9000, {"train/entropy_loss": -1e-9}),  # late: the task may be solved
        (100, {"rollout/ep_rew_mean": -1e6, "train/value_loss": 1e14}),  # large returns
    ],
)
def test_what_a_healthy_learner_may_log_is_no_symptom(step, metrics):
    watched = Watched()
    watched.metrics(step, metrics)
    assert watched.told == []


def test_the_entropy_of_a_gaussian_may_be_negative():
    watched = Watched(discrete=False)
    watched.metrics(100, {"train/entropy_loss": 3.0, "train/std": 0.01})
    assert watched.told == []


def test_weights_that_are_not_finite_or_far_too_large_are_named():
    bad = network(1.0) | {"layer.bias": np.array([0.0, np.nan], np.float32)}
    assert Watched().trained(network(0.5), bad) == [
        Symptom("not finite", "layer.bias", BUDGET, "nan")
    ]
    assert Watched().trained(network(0.5), network(2e3)) == [
        Symptom("exploded", "layer.weight", BUDGET, "2e+03")
    ]


def test_statistics_and_tables_may_be_large():
    """Counts, moments and values of states are of double precision."""
    table = {"q": np.full((3, 2), 1e7), "count": np.array(1e9)}
    assert Watched().trained({"q": np.zeros((3, 2)), "count": np.array(0.0)}, table) == []


LEARNING = [network(0.1 * i, last=0.1 * i) for i in range(5)]


@pytest.mark.parametrize(
    ("weights", "since"),
    [
        ([*LEARNING, *[network(9.0, last=i) for i in range(6)]], 5000),  # a bias moves on
        ([network(1.0)] * 3, 0),
        (LEARNING, None),
        ([*LEARNING, *[LEARNING[-1]] * 2], None),  # the last third: a schedule may end there
        ([network(0.0), network(1.0), network(1.0), network(1.0)], None),  # a model trained once
    ],
    ids=["stopped", "never began", "learns", "stopped late", "trained once"],
)
def test_a_learner_that_stopped_updating_is_named_with_the_step_of_its_last_update(weights, since):
    expected = (
        [] if since is None else [Symptom("no updates", "weights", since, "unchanged to the end")]
    )
    assert Watched().trained(*weights) == expected


def test_a_controller_that_does_not_learn_is_not_accused_of_it():
    assert Watched(learns=False).trained(*[network(1.0)] * 3) == []


def test_a_return_that_is_not_finite_is_no_score():
    watched = Watched()
    with pytest.raises(FloatingPointError, match="return of the evaluation at step 7 is inf"):
        watched.returns(7, [1.0, math.inf])
    assert watched.told == [Symptom("not finite", "return", 7, "inf")]


def test_a_metric_that_is_not_finite_is_null_in_train_jsonl_and_no_mean_skips_it(tmp_path):
    store, spec = store_at(tmp_path), tiny("random", steps=10)
    folder = store.folder(spec)
    folder.mkdir(parents=True)
    log = Record(folder, spec)
    for step, loss in ((8, 1.0), (9, math.nan), (10, 3.0)):
        log.metrics(step, {"loss": loss, "bonus": 1.0})
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    assert [row["loss"] for row in rows] == [1.0, None, 3.0]
    assert store.late_metric(spec, "loss") is None
    assert store.late_metric(spec, "bonus") == 1.0


@pytest.mark.parametrize(
    ("agent", "hparams", "state", "kinds"),
    [
        ("ppo", {"learning_rate": 1e10}, "finished", {"exploded"}),
        ("dqn", {"learning_rate": 1e10}, "finished", {"exploded"}),
        ("sac", {"train_freq": [2, "episode"], "n_envs": 1}, "finished", {"no updates"}),
        pytest.param(
            "sac", {"learning_rate": 1e10}, "failed", {"not finite"}, marks=pytest.mark.slow
        ),
        ("dreamer", {"learning_rate": 1e10}, "failed", {"not finite"}),  # as an IndexError
        ("ppo", {}, "finished", set()),
        pytest.param("dqn", {}, "finished", set(), marks=pytest.mark.slow),
        ("tabular_q", {}, "finished", set()),
    ],
)
def test_a_run_says_what_is_wrong_with_it(tmp_path, agent, hparams, state, kinds):
    store, spec = store_at(tmp_path), tiny(agent, **hparams)
    with suppress(FloatingPointError, ValueError, IndexError):  # it is in the status
        run(spec, Job(store.root))
    status = store.status(spec)
    assert status.state == state
    assert {symptom.kind for symptom in status.symptoms} >= kinds
    assert bool(status.symptoms) == bool(kinds)
    assert health.diverged(status.symptoms) == bool(kinds - {"no updates"})
    assert all(0 <= symptom.step <= STEPS for symptom in status.symptoms)
