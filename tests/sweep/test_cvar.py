"""`A > B on ENV by cvar` in a sweep file: the worst quarter of runs, where there are enough."""

from __future__ import annotations

import pytest

from harness.config.strict import UserError
from harness.sweep.expand import expand

HEAD = """\
name: test
question: Which fails less?
envs: [CartPole-v1, Pendulum-v1]
steps: 600
arms:
  random: {agent: random}
  pid: {agent: pid}
"""
CLAIM = "pid > random on CartPole-v1 by cvar"


@pytest.fixture
def problems(tmp_path):
    def walk(claim, seeds="seeds: 30", head=HEAD):
        path = tmp_path / "sweep.yaml"
        path.write_text(f"{head}{seeds}\nclaims: [{claim}]\n")
        with pytest.raises(UserError) as caught:
            expand(path)
        return [str(problem).partition("sweep.yaml:")[2] for problem in caught.value.problems]

    return walk


def test_enough_seeds_are_accepted(tmp_path):
    (tmp_path / "sweep.yaml").write_text(f"{HEAD}seeds: 30\nclaims: [{CLAIM}]\n")

    (claim,) = expand(tmp_path / "sweep.yaml").sweep.claims
    assert claim.of_worst and claim.env == "CartPole-v1"


@pytest.mark.parametrize("seeds", [10, 29])
def test_too_few_are_refused_with_the_number_that_is_needed(problems, seeds):
    (why,) = problems(CLAIM, f"seeds: {seeds}")

    assert why.startswith("9: claims.0: ")
    assert f"{seeds} seeds on one environment give no interval of the worst quarter" in why
    assert "raise `seeds` to 30 or more" in why


def test_it_is_about_one_environment(problems):
    (why,) = problems("pid > random by cvar")
    assert "the worst quarter is that of one environment: add 'on ENV'" in why


def test_it_has_no_margin(problems):
    (why,) = problems("pid ~ random on CartPole-v1 by cvar within 0.2")
    assert "a margin is of means of all runs: by final or auc" in why


def test_it_is_not_looked_at_along_the_way(problems):
    (why,) = problems(CLAIM, "decide: {first: 6, block: 4, cap: 30}")
    assert "looks along the way are of ranks, and the worst quarter is judged once" in why
