"""Public numbers are compared by protocol first, then by intervals."""

from __future__ import annotations

import fake_store
import numpy as np
import pytest
from fake_report import report

from harness import envs, stats
from harness.agents import entry
from harness.report.evidence import Evidence
from harness.report.results import reference
from harness.report.results.reference import PublicScore, ReferenceFile
from harness.spec import Evaluation, ResolvedSweep
from harness.store.reader import Store

ENV = "DeepSea-20"
FILE = {"name": "Zoo", "source": "a table", "protocol": "one run a row"}
FILE |= {"score": "evaluation", "deterministic": True, "seeds": 1, "spread": "episodes"}
SCORE = {"agent": "ppo", "env": ENV, "steps": 60_000, "score": 0.5, "sd": 0.1, "episodes": 100}


SAMPLED = Evaluation(deterministic=False)
STICKY = ({"name": "sticky_actions"},)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def public(monkeypatch, row: dict | None = None, **file: object) -> None:
    made = ReferenceFile(**(FILE | {"scores": (PublicScore(**(SCORE | (row or {}))),)} | file))
    monkeypatch.setattr(reference, "references", lambda: (made,))


def ours(store: Store, level: float = 0.5, seeds: int = 6, **change: object) -> ResolvedSweep:
    """Runs of ppo that score `level` on average, 0.01 apart."""
    sweep = fake_store.sweep(("ppo",), (ENV,), seeds)
    runs = tuple(run.model_copy(update=change) for run in sweep.runs)
    sweep = sweep.model_copy(update={"runs": runs})
    fake_store.write_sweep(store, sweep, finish=False)
    middle = (seeds - 1) / 2
    for run in runs:
        value = level + 0.01 * (run.seed - middle)
        fake_store.write_run(store, run, lambda run, at, rng, n, value=value: [value] * n)
    return sweep


def compared(store: Store, sweep: ResolvedSweep) -> reference.Comparison:
    (found,) = reference.compare(Evidence(sweep, store))
    return found


@pytest.mark.parametrize(
    ("level", "verdict"),
    [(0.5, "consistent"), (0.52, "consistent"), (0.6, "better"), (0.4, "worse")],
)
def test_a_verdict_is_the_side_of_the_interval(store, monkeypatch, level, verdict):
    public(monkeypatch)
    found = compared(store, ours(store, level))
    assert found.verdict == verdict
    assert found.mean == pytest.approx(level)
    assert found.gap.low < level - 0.5 < found.gap.high


SHAPES = {
    "normal": lambda rng, n: rng.normal(size=n),
    "log-normal": lambda rng, n: rng.lognormal(size=n),
    "bimodal 70:30": lambda rng, n: (rng.random(n) < 0.7) + 0.1 * rng.normal(size=n),
    "0 or 1, p = 0.9": lambda rng, n: (rng.random(n) < 0.9).astype(float),
}


@pytest.mark.parametrize(
    ("shape", "n", "covers"),
    [
        ("normal", 5, 0.95), ("normal", 10, 0.95), ("log-normal", 5, 0.91),
        ("log-normal", 10, 0.92), ("bimodal 70:30", 3, 0.87), ("bimodal 70:30", 6, 0.957),
        ("0 or 1, p = 0.9", 10, 0.94), ("0 or 1, p = 0.9", 20, 0.915),
    ],
)  # fmt: skip
def test_one_public_run_might_be_one_more_of_ours(shape, n, covers):
    """The prediction interval covers: so many of new runs like ours are consistent with ours."""
    rng, inside, trials = np.random.default_rng(0), 0, 2_500
    file = ReferenceFile(**FILE, scores=())
    for _ in range(trials):
        runs = np.zeros(n)
        while np.ptp(runs) == 0:  # such runs are not compared
            runs = SHAPES[shape](rng, n)
        one = PublicScore(**(SCORE | {"score": float(SHAPES[shape](rng, 1)[0]), "sd": 0.0}))
        low, high, _ = stats.gap(runs, reference.published(file, one), 0.95)
        inside += low <= 0 <= high
    assert inside / trials == pytest.approx(covers, abs=0.02)


def test_means_over_seeds_get_the_interval_of_welch():
    from scipy.stats import ttest_ind_from_stats

    runs = np.array([1.0, 2.0, 4.0, 4.5, 7.0])
    file = ReferenceFile(**(FILE | {"seeds": 3, "spread": "seeds"}), scores=())
    one = PublicScore(**(SCORE | {"score": 3.0, "sd": 2.5}))
    low, high, _ = stats.gap(runs, reference.published(file, one), 0.95)
    test = ttest_ind_from_stats(runs.mean(), runs.std(ddof=1), 5, 3.0, 2.5, 3, equal_var=False)
    # The ends of the interval are where this test says p = 0.05.
    for shift in (low, high):
        moved = ttest_ind_from_stats(
            runs.mean(), runs.std(ddof=1), 5, 3.0 + shift, 2.5, 3, equal_var=False
        )
        assert moved.pvalue == pytest.approx(0.05)
    assert (low <= 0 <= high) == (test.pvalue > 0.05)


def test_an_unknown_number_of_episodes_counts_as_one(store, monkeypatch):
    sweep = ours(store, 0.57)
    public(monkeypatch, {"episodes": 100})
    known = compared(store, sweep)
    public(monkeypatch, {"episodes": None})
    unknown = compared(store, sweep)
    assert (known.verdict, unknown.verdict) == ("better", "consistent")


@pytest.mark.parametrize(
    ("score", "file", "change", "why"),
    [
        ({"steps": 100_000}, {}, {}, "it trained for 100,000 steps, not 60,000"),
        ({"measured_on": "DeepSea-v2"}, {}, {}, "it was measured on DeepSea-v2"),
        ({}, {"score": "training"}, {}, "it is a score of training episodes"),
        ({}, {"deterministic": False}, {}, "its actions were sampled, not greedy"),
        ({"deterministic": False}, {}, {}, "its actions were sampled, not greedy"),
        ({}, {}, {"wrappers": STICKY}, "its wrappers were none, not sticky_actions"),
        ({"wrappers": ["clip"]}, {}, {"wrappers": STICKY}, "its wrappers were clip, not sticky_a"),
        ({}, {}, {"evaluation": SAMPLED}, "its actions were greedy, not sampled"),
        (
            {"steps": 9, "measured_on": "DeepSea-v2", "deterministic": False}, {},
            {"wrappers": STICKY},
            "it was measured on DeepSea-v2; it trained for 9 steps, not 60,000; its actions were "
            "sampled, not greedy; its wrappers were none, not sticky_actions",
        ),
    ],
)  # fmt: skip
def test_another_protocol_is_not_compared(store, monkeypatch, score, file, change, why):
    public(monkeypatch, score, **file)
    found = compared(store, ours(store, **change))
    assert found.verdict == "not comparable"
    assert found.why.startswith(why) and found.why.count("; ") == why.count("; ")


@pytest.mark.parametrize(
    ("row", "file", "change"),
    [
        ({"deterministic": False}, {"deterministic": False}, {"evaluation": SAMPLED}),
        ({"deterministic": False}, {}, {"evaluation": SAMPLED}),
        ({}, {"deterministic": None}, {"evaluation": SAMPLED}),
        ({"wrappers": ["sticky_actions"]}, {}, {"wrappers": STICKY}),
    ],
)
def test_a_row_has_a_protocol_of_its_own(store, monkeypatch, row, file, change):
    public(monkeypatch, row, **file)
    assert compared(store, ours(store, **change)).verdict == "consistent"


def play_in_both_ways(store, sweep, mean, **other):
    for run in sweep.runs:
        greedy = not run.evaluation.deterministic
        told = {"deterministic": greedy, "mean": mean + 0.01 * run.seed, **other}
        fake_store.edit_result(
            store.folder(run), lambda facts, told=told: facts.update(other_mode=told)
        )


@pytest.mark.parametrize(
    ("row", "change", "way"),
    [
        ({"deterministic": False}, {}, "by sampling"),
        ({}, {"evaluation": SAMPLED}, "greedily"),
    ],
)
def test_runs_that_were_also_played_as_the_public_ones_are_compared_so(
    store, monkeypatch, row, change, way
):
    public(monkeypatch, row)
    sweep = ours(store, 0.1, **change)
    play_in_both_ways(store, sweep, 0.6)

    found = compared(store, sweep)

    assert (found.verdict, found.turned) == ("better", way)
    assert found.mean == pytest.approx(0.625)
    shown = reference.table([found], Evidence(sweep, store)).rows[0]
    assert shown[2] == f"0.62 ({way})" or shown[2] == f"0.63 ({way})"
    assert f"`({way})`: our final episodes, played as the public ones were" in (
        reference.about([found])
    )


def test_runs_that_are_scored_as_the_public_ones_are_compared_by_their_score(store, monkeypatch):
    public(monkeypatch)
    sweep = ours(store, 0.5)
    play_in_both_ways(store, sweep, 0.9)

    found = compared(store, sweep)

    assert (found.verdict, found.turned, found.mean) == ("consistent", "", pytest.approx(0.5))
    assert "played as the public ones" not in reference.about([found])


def test_an_agent_that_acts_alike_in_both_ways_is_compared_in_either(store, monkeypatch):
    public(monkeypatch)
    sweep = ours(store, 0.5, evaluation=SAMPLED)
    for run in sweep.runs:
        fake_store.edit_result(store.folder(run), lambda facts: facts.update(other_mode=None))

    found = compared(store, sweep)

    assert (found.verdict, found.turned) == ("consistent", "")


def test_runs_of_which_some_were_not_played_as_the_public_ones_are_not_mixed(store, monkeypatch):
    public(monkeypatch, {"deterministic": False})
    sweep = ours(store)
    play_in_both_ways(store, sweep, 0.5)
    fake_store.edit_result(store.folder(sweep.runs[0]), lambda facts: facts.pop("other_mode"))
    assert compared(store, sweep).why == "its actions were sampled, not greedy"

    fake_store.remove_result(store, sweep.runs[0])
    assert compared(store, sweep).why == "5 of 6 runs are finished"


def test_the_zoos_rows_are_sampled_where_its_enjoy_script_samples():
    (zoo,) = (file for file in reference.references() if file.name == "rl-baselines3-zoo")
    sampled = {row.env for row in zoo.scores if not zoo.acting(row)}

    assert sampled == {row.env for row in zoo.scores if row.env.startswith("MiniGrid-")} != set()


def test_too_few_runs_are_not_compared(store, monkeypatch):
    public(monkeypatch)
    assert compared(store, ours(store, seeds=2)).why == "2 seeds have no interval"
    sweep = ours(store, seeds=6)
    fake_store.remove_result(store, sweep.runs[0])
    found = compared(store, sweep)
    assert found.why == "5 of 6 runs are finished"
    assert reference.table([found], Evidence(sweep, store)).rows[0][2] == "-"


def test_the_report_shows_the_verdict(store, monkeypatch):
    public(monkeypatch)
    sweep = ours(store, 0.6, seeds=5)
    text = report(store, sweep)
    assert "### Beside public numbers" in text
    assert (
        "| DeepSea-20 | ppo | 0.60 | 5 | 0.50 (Zoo, 1 run) | 0.10 [0.05, 0.15] | 0.07 | better "
        "(low n) |" in text
    )
    (found,) = reference.compare(Evidence(sweep, store))
    assert reference.about([found]) in text
    assert "Zoo: one run a row (a table)." in text


@pytest.mark.parametrize(("spread", "n"), [("episodes", 5), ("episodes", 10), ("seeds", 6)])
@pytest.mark.parametrize("rows", [1, 10])
def test_a_true_difference_of_the_detectable_size_is_found_in_8_of_10(spread, n, rows):
    """With the true spread known: what is printed puts the measured one in its place.

    Welch's degrees of freedom are estimated too, which costs some power at a strict level.
    """
    rng, level, trials = np.random.default_rng(n), 1 - 0.05 / rows, 4_000
    file = ReferenceFile(**(FILE | {"seeds": n, "spread": spread}), scores=())
    worse = 0
    ideal = rng.normal(size=n)
    ideal = (ideal - ideal.mean()) / ideal.std(ddof=1)
    sd = 1.0 if spread == "seeds" else 0.0
    one = PublicScore(**(SCORE | {"score": 0.0, "sd": sd}))
    detectable = stats.gap(ideal, reference.published(file, one), level).detectable
    for _ in range(trials):
        runs = rng.normal(-detectable, 1, n)
        public = rng.normal(size=n) if spread == "seeds" else rng.normal(size=1)
        spread_of = float(public.std(ddof=1)) if spread == "seeds" else 0.0
        new = PublicScore(**(SCORE | {"score": float(public.mean()), "sd": spread_of}))
        worse += stats.gap(runs, reference.published(file, new), level).high < 0
    assert worse / trials == pytest.approx(0.8, abs=0.03 if spread == "episodes" else 0.08)


def test_all_rows_of_a_table_are_right_together(store, monkeypatch):
    """Bonferroni over what can be compared: three rows of four here."""
    rows = [{"agent": agent, "env": env, "steps": steps, "score": 0.5, "sd": 0.1, "episodes": 100}
            for agent in ("ppo", "ppo_rnd") for env, steps in (("DeepSea-20", 60_000),
                                                               ("DeepSea-10", 20_000))]  # fmt: skip
    rows[0]["steps"] = 7
    made = ReferenceFile(**FILE, scores=tuple(PublicScore(**row) for row in rows))
    monkeypatch.setattr(reference, "references", lambda: (made,))
    sweep = fake_store.sweep(("ppo", "rnd"), ("DeepSea-20", "DeepSea-10"), 6)
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run, lambda run, at, rng, n: [0.4 + 0.01 * run.seed] * n)
    found = reference.compare(Evidence(sweep, store))
    assert [one.gap is None for one in found] == [True, False, False, False]
    runs = np.array([0.4 + 0.01 * seed for seed in range(6)])
    alone = stats.gap(runs, reference.published(made, made.scores[1]), 1 - 0.05 / 3)
    assert found[1].gap == pytest.approx(alone)
    assert "for all 3 compared rows together (Bonferroni: 98.33 % each)" in reference.about(found)


def test_no_interval_comes_from_runs_that_all_score_the_same(store, monkeypatch):
    public(monkeypatch, {"score": 0.6, "sd": 0.0})
    sweep = ours(store)
    for run in sweep.runs:
        fake_store.write_run(store, run, lambda run, at, rng, n: [0.5] * n)
    found = compared(store, sweep)
    assert found.why == "all of its 6 runs score the same, which says nothing of other seeds"


def test_without_public_numbers_nothing_is_said(store):
    sweep = ours(store)
    assert reference.compare(Evidence(sweep, store)) == []


@pytest.mark.parametrize("file", reference.references(), ids=lambda file: file.name)
def test_shipped_numbers_are_of_agents_and_environments_that_there_are(file):
    for one in file.scores:
        card = envs.card(one.env)
        entry(one.agent)
        assert one.measured_on != card.name
    rows = [(one.agent, one.env) for one in file.scores]
    assert len(rows) == len(set(rows))
