"""A sweep that finds two arms equal but for a margin, from its file to its report, trained."""

from __future__ import annotations

import csv

from command import typed

SWEEP = """\
name: alike
question: Can the last step go?
envs: [CartPole-v1]
decide: {first: 6, block: 4, cap: 18}
steps: 60
evaluation: {every: 30, episodes: 1, final_episodes: 1}
arms:
  pid: {agent: pid}
  again: {agent: pid, steps: 59}
claims: [pid ~ again by final within 0.3]
"""
PLAIN = ("--executor", "serial", "--no-figures", "--no-crosscheck", "--until-decided")


def test_arms_that_are_one_are_found_equivalent_and_training_stops(tmp_path):
    (tmp_path / "alike.yaml").write_text(SWEEP)
    checked = typed("check", "alike.yaml", cwd=tmp_path)
    assert "equal arms, with a margin of 0.3" in checked

    out = typed("sweep", "alike.yaml", *PLAIN, cwd=tmp_path)
    assert "look 3, after 14 seeds: pid ~ again by final within 0.3: equivalent" in out
    report = tmp_path / "results/sweeps/alike/report"
    page = (report / "report.md").read_text()
    assert "**Equivalent: pid and again on CartPole-v1 differ by less than 0.3**" in page
    assert "14 seeds, look 3 of 4." in page
    with (report / "looks.csv").open() as file:
        assert [row["then"] for row in csv.DictReader(file)] == ["open"] * 2 + ["equivalent"]
    with (report / "equivalence.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["within"]) >= float(row["needed"]) == 40


def test_a_margin_that_the_cap_cannot_certify_trains_nothing(tmp_path):
    (tmp_path / "alike.yaml").write_text(SWEEP.replace("0.3", "0.2"))
    out = typed("sweep", "alike.yaml", *PLAIN, cwd=tmp_path, code=2)
    assert "alike.yaml:10: claims.0: 'pid ~ again by final within 0.2': with 18 seeds not" in out
    assert "raise `decide.cap` to 22 or more, or the margin to 0.24 (--anyway)" in out
    assert not (tmp_path / "results/runs").exists()
