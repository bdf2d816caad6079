"""Metrics of visits are refused or warned of where nothing is visited."""

from __future__ import annotations

import pytest

from harness.config.strict import UserError
from harness.sweep import expand, uncounted

SWEEP = """name: covered
question: Who sees more?
envs: [Chain-50, CartPole-v1]
seeds: 8
steps: 4_000
metrics: ["harness.coverage:mean_coverage"]
arms:
  ppo: {{agent: ppo}}
  other: {{agent: ppo, hparams: {{gamma: 0.9}}}}
  idle: {{agent: random}}
claims: [{claims}]
"""


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.config.study.refused", lambda target: "")

    def made(claims):
        path = tmp_path / "sweep.yaml"
        path.write_text(SWEEP.format(claims=claims))
        return expand.expand(path).sweep

    return made


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ("ppo > idle on Chain-50 by mean_coverage", "random takes no steps in training"),
        ("idle > ppo on Chain-50 by mean_coverage", "random takes no steps in training"),
        ("ppo > other on CartPole-v1 by mean_coverage", "CartPole-v1 has no cells"),
    ],
)
def test_a_claim_of_visits_that_nobody_makes_is_refused_on_its_line(sweep, claim, why):
    with pytest.raises(UserError) as caught:
        sweep(claim)

    (problem,) = caught.value.problems
    assert str(problem).endswith(
        f"sweep.yaml:11: claims.0: '{claim}': {why}"
        + ", so it visits nothing" * ("random" in why)
        + ": drop the claim, or compare runs that train where cells are counted"
    )


def test_claims_that_need_no_visits_of_such_runs_stand_and_check_says_what_will_be_missing(sweep):
    made = sweep("ppo > other on Chain-50 by mean_coverage, ppo > idle on Chain-50 by final")

    assert list(uncounted.warnings(made)) == [
        "ppo on CartPole-v1 will have no mean_coverage: CartPole-v1 has no cells.",
        "other on CartPole-v1 will have no mean_coverage: CartPole-v1 has no cells.",
        "idle on Chain-50 will have no mean_coverage: random takes no steps in training, so it "
        "visits nothing.",
        "idle on CartPole-v1 will have no mean_coverage: random takes no steps in training, so it "
        "visits nothing.",
    ]
