"""The section on risk: what an IQM of 1.0 hides stands beside it."""

from __future__ import annotations

import fake_store
import numpy as np
import pytest
from fake_report import ONE_ENV, TWO_ARMS, report, rows, with_gap

from harness.spec import Claim, ResolvedSweep
from harness.store.reader import Store


def sweep_of(store: Store, returns, seeds: int = 10) -> ResolvedSweep:
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, seeds)
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run, returns)
    return sweep


def of_arm(store, table, arm="rnd"):
    return next(row for row in rows(store, table) if row["arm"] == arm)


def test_a_failing_fifth_is_told_beside_an_iqm_that_hides_it(store):
    """Two of ten runs end at 0: the IQM is the reference's 0.99 all the same."""
    report(store, sweep_of(store, lambda run, part, rng, n: [0.99 * (run.seed >= 2)] * n))

    found = of_arm(store, "table_risk")
    assert found["IQM"].startswith("0.99")
    assert found["worst quarter"] == f"{0.5 * 0.99 / 2.5:.2f}"
    assert found["worst to best"] == "0.00 to 0.99"
    assert found["next run within"] == f"{100 * 9 / 11:.1f} %"
    assert found["holds at least"] == "60.6 %"
    assert found["failed runs"] == "2 of 10 [2.5 %, 55.6 %]"


def test_a_run_that_raised_is_a_failed_one_and_no_range_is_shown(store):
    report(store, with_gap(store))

    found = next(row for row in rows(store, "table_risk")
                 if (row["arm"], row["environment"]) == ("rnd", "DeepSea-20"))  # fmt: skip
    assert found["IQM"] == "- (7 of 8 runs)"
    assert (found["worst quarter"], found["worst to best"], found["holds at least"]) == ("", "", "")
    assert found["failed runs"].split()[2] == "8"
    assert int(found["failed runs"].split()[0]) >= 1


def test_a_run_that_forgets_what_it_had_learned_is_told(store):
    def returns(run, part, rng, n):
        return [0.8 if run.arm == "ppo" or not 0.4 < part < 0.6 else 0.3] * n

    report(store, sweep_of(store, returns))

    assert of_arm(store, "table_unsteadiness")["drawdown"].startswith("0.50")
    assert of_arm(store, "table_unsteadiness", "ppo")["drawdown"].startswith("0.00")
    assert of_arm(store, "table_unsteadiness", "ppo")["dispersion"].startswith("0.00")


@pytest.mark.parametrize("seeds", [1, 2])
def test_of_very_few_runs_it_says_how_little_is_known(store, seeds):
    report(store, sweep_of(store, lambda run, part, rng, n: [0.5 + 0.1 * run.seed] * n, seeds))

    found = of_arm(store, "table_risk")
    assert found["next run within"] == f"{100 * (seeds - 1) / (seeds + 1):.1f} %"
    assert float(found["holds at least"].split()[0]) < 5


WORST = Claim(
    text="rnd > ppo on DeepSea-20 by cvar", better="rnd", worse="ppo", env="DeepSea-20",
    score="cvar",
)  # fmt: skip


@pytest.mark.parametrize(("failing", "decided"), [(9, True), (1, False)])
def test_a_claim_about_the_worst_quarter_sees_what_the_middle_hides(store, failing, decided):
    """Of 30 runs of ppo some fail, and none of rnd: the middles are equal."""
    sweep = fake_store.sweep(TWO_ARMS, ONE_ENV, 30, claims=(WORST,))
    fake_store.write_sweep(store, sweep, finish=False)

    def returns(run, part, rng, n):
        luck = np.random.default_rng([run.seed, *run.arm.encode()]).normal()
        fails = run.arm == "ppo" and run.seed < failing
        return [0.0 if fails else 0.8 + 0.02 * luck] * n

    for run in sweep.runs:
        fake_store.write_run(store, run, returns)
    answer = next(line for line in report(store, sweep).splitlines() if line.startswith("- **"))

    outcome = "Supported: rnd beats ppo" if decided else "Undecided: rnd against ppo"
    assert answer.startswith(f"- **{outcome} on DeepSea-20** (worst quarter of the final scores): ")
    assert "mean of the worst quarter 0.7" in answer and "]†" in answer
