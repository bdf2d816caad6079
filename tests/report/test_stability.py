"""Whether a verdict over several environments hangs on one of them."""

from __future__ import annotations

import fake_store
import numpy as np
import pytest
from fake_report import ONE_ENV, TWO_ARMS, report, rows

from harness.report.evidence import Evidence
from harness.report.plot import Points
from harness.report.results import stability
from harness.report.results.figures import FIGURES
from harness.spec import Claim, Decide

ENVS = tuple(fake_store.ENVS)
CLAIM = Claim(text="rnd > ppo by final", better="rnd", worse="ppo")
ON_ONE = Claim(text="rnd > ppo on DeepSea-20 by final", better="rnd", worse="ppo", env=ENVS[0])


def sweep_of(store, gains, claims=(CLAIM,), envs=ENVS, **more):
    """rnd scores above ppo by so much of the way to the reference on each environment.

    :param gains: by environment.
    """
    sweep = fake_store.sweep(TWO_ARMS, envs, 10, claims=claims, **more)
    fake_store.write_sweep(store, sweep, finish=False)

    def returns(run, part, rng, n):
        low, high, _ = fake_store.ENVS[run.env]
        luck = np.random.default_rng([run.seed, *run.arm.encode(), *run.env.encode()]).normal()
        score = 0.4 + 0.1 * luck + gains[ENVS.index(run.env)] * (run.arm == "rnd")
        return [low + (high - low) * score] * n

    for run in sweep.runs:
        fake_store.write_run(store, run, returns)
    return sweep


def section_of(text):
    return text.split("## Stability\n")[1].split("\n## ")[0]


def test_a_verdict_that_one_environment_makes_is_said_to_hang_on_it(store):
    text = section_of(report(store, sweep_of(store, (0.9, 0.0, 0.0))))

    assert "- `rnd > ppo by final` is supported, and stays so in " in text
    assert "**It would be undecided without DeepSea-20" in text
    assert "without DeepSea-10" not in text


def test_a_verdict_that_every_environment_shares_stands(store):
    text = section_of(report(store, sweep_of(store, (0.4, 0.4, 0.4))))

    assert "is supported, and stays so in all 12 variations." in text
    assert "It would be" not in text


def test_what_would_be_decided_otherwise_is_told_of_an_undecided_claim_too(store):
    text = section_of(report(store, sweep_of(store, (-0.4, 0.4, 0.0))))

    assert "is undecided" in text
    assert "It would be supported without DeepSea-20" in text
    assert "is no result" in text


def test_a_claim_on_one_environment_is_no_matter_of_the_others(store):
    text = section_of(report(store, sweep_of(store, (0.9, 0.0, 0.0), claims=(ON_ONE,))))

    assert "One claim is about one environment" in text
    assert "is supported" not in text


def test_the_other_claims_stay_in_the_family_that_is_corrected(store):
    evidence = Evidence(sweep_of(store, (0.9, 0.0, 0.0), claims=(CLAIM, ON_ONE)), store)

    for verdicts in stability.otherwise(evidence).values():
        assert [verdict.family for verdict in verdicts] == [2, 2]
        assert verdicts[1].finding is evidence.verdicts()[1].finding


def test_of_one_environment_nothing_is_shown(store):
    sweep = sweep_of(store, (0.9,), claims=(ON_ONE,), envs=ONE_ENV)

    assert "Stability" not in report(store, sweep)
    assert FIGURES["stability"].plot(Evidence(sweep, store), "final") == ""


def test_places_say_how_far_an_environment_moves_an_arm(store):
    report(store, sweep_of(store, (0.9, -0.1, -0.1)))

    rnd = next(row for row in rows(store, "table_places_final") if row["arm"] == "rnd")
    assert (rnd["place"], rnd["first"]) == ("1", "100.0 %")
    assert rnd["left out"] == "1 to 2"
    assert rnd["share of place 1"] == "1.0"


@pytest.mark.parametrize(("gains", "ringed"), [((0.9, 0.0, 0.0), True), ((0.4, 0.4, 0.4), False)])
def test_the_figure_rings_what_would_be_decided_otherwise(store, gains, ringed):
    evidence = Evidence(sweep_of(store, gains), store)

    (panel,) = FIGURES["stability"].plot(evidence, "final").panels
    rings = [mark for mark in panel.of(Points) if mark.look.name == "another verdict"]
    assert bool(rings) == ringed
    assert all(0.5 < y < 1.5 or y > 1.5 for ring in rings for y in ring.y)
    assert panel.y.names == ("as it is", *ENVS)


def test_looks_along_the_way_are_varied_as_far_as_the_runs_reach(store):
    sweep = sweep_of(store, (0.9, 0.05, 0.05), decide=Decide())
    text = section_of(report(store, sweep))

    assert "judged again by the same looks" in text
    assert "is supported, and stays so in 8 of 9 variations." in text
    assert "It would be open without DeepSea-20." in text
