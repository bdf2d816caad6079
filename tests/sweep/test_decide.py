"""`decide:` in a sweep file: what it makes of a sweep, and what is wrong with one."""

from __future__ import annotations

import pytest

from harness.config.strict import UserError
from harness.spec import Decide
from harness.store.reader import Store
from harness.sweep.expand import expand
from harness.sweep.record import DECIDE_LINE, begun_otherwise, keep

HEAD = """\
name: test
question: Does it?
envs: [CartPole-v1]
steps: 600
arms:
  random: {agent: random}
  pid: {agent: pid}
claims: [pid > random on CartPole-v1 by final]
"""


@pytest.fixture
def read(tmp_path):
    def walk(text, **options):
        path = tmp_path / "sweep.yaml"
        path.write_text(text)
        return expand(path, **options).sweep

    return walk


@pytest.fixture
def problems(read):
    def walk(text):
        with pytest.raises(UserError) as caught:
            read(text)
        return [str(problem).partition("sweep.yaml:")[2] for problem in caught.value.problems]

    return walk


def test_a_sweep_with_looks_has_all_runs_up_to_the_cap(read):
    sweep = read(HEAD + "decide: {first: 6, block: 3, cap: 12, alpha: 0.01}\n")
    assert sweep.decide == Decide(first=6, block=3, cap=12, alpha=0.01)
    assert list(sweep.decide.looks) == [6, 9, 12]
    assert {run.seed for run in sweep.runs} == set(range(12))


def test_the_line_that_is_shown_to_who_has_none_is_the_default(read):
    assert read(HEAD + DECIDE_LINE).decide == Decide() == read(HEAD + "decide: {}").decide
    assert DECIDE_LINE.startswith("decide: {first: 6, block: 4, cap: 30, alpha: 0.05")


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        (
            "decide: {cap: 29}",
            "9: decide.cap: 29 is not 6 and a number of blocks of 4: 26 or 30",
        ),
        ("decide: {cap: 5}", "9: decide.cap: 5 seeds are fewer than the first look has: raise it"),
        ("decide: {first: 4, cap: 12}", "9: decide.first: 4 seeds on one environment give no"),
        ("decide: {alpha: 0.5}", "9: decide.alpha: input should be less than or equal to 0.2"),
        ("decide: {beyond: 46}", "9: decide.beyond: without a `reserve` no error is left beyond"),
        ("decide: {beyond: 45, reserve: 0.2}", "9: decide.beyond: 45 is not 6 and a number of"),
        ("decide: {beyond: 26, reserve: 0.2}", "9: decide.beyond: 26 seeds are fewer than the"),
        ("decide: {blocks: 4}", "9: decide.blocks: unknown key 'blocks'. Did you mean 'block'?"),
        ("decide: {}\nseeds: 10", "10: seeds: `decide` says how many seeds there are: drop one"),
        ("", "seeds: this key is required, or `decide`"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(problems, line, wrong):
    found = problems(HEAD + line + "\n")
    assert len(found) == 1
    assert wrong in found[0]


def test_there_must_be_a_claim_to_decide(problems):
    (found,) = problems(
        HEAD.replace("claims: [pid > random on CartPole-v1 by final]\n", "decide: {}")
    )
    assert "decide: there is no claim to decide" in found


def test_a_cap_below_what_can_decide_is_refused(problems):
    arms = "".join(f"  a{i}: {{agent: ppo, hparams: {{gamma: 0.9{i:02}}}}}\n" for i in range(25))
    claims = ", ".join(f"a{i} > random by final" for i in range(25))
    text = HEAD.partition("claims:")[0] + f"{arms}claims: [{claims}]\ndecide: {{cap: 6}}\n"
    found = problems(text)
    assert len(found) == 25
    assert "so no outcome could support it: raise `decide.cap`, or drop claims" in found[0]


def test_a_sweep_is_one_or_the_other_from_its_first_finished_run_on(read, tmp_path, monkeypatch):
    store = Store(tmp_path / "results")
    fixed, looks = read(HEAD + "seeds: 10\n"), read(HEAD + "decide: {}\n")
    keep(fixed, store)
    assert begun_otherwise(looks, store) == ""  # nothing was seen
    monkeypatch.setattr(Store, "finished", lambda self, run: run.seed < 2)
    assert "begun with a fixed number of seeds, and 4 of its runs" in begun_otherwise(looks, store)
    assert begun_otherwise(fixed, store) == ""

    keep(looks, store)
    other = read(HEAD + "decide: {block: 2}\n")
    assert "begun with `decide: {first: 6, block: 4, " in begun_otherwise(other, store)


def test_with_a_reserve_seeds_beyond_the_cap_may_be_added_later(read, tmp_path, monkeypatch):
    store = Store(tmp_path / "results")
    keep(read(HEAD + "decide: {reserve: 0.2}\n"), store)
    monkeypatch.setattr(Store, "finished", lambda self, run: True)
    more = read(HEAD + "decide: {reserve: 0.2, beyond: 46}\n")
    assert begun_otherwise(more, store) == ""
    assert len({run.seed for run in more.runs}) == 46
    assert begun_otherwise(read(HEAD + "decide: {reserve: 0.3, beyond: 46}\n"), store)
