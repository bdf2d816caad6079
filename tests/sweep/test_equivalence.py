"""`A ~ B ... within MARGIN` in a sweep file: what it becomes, and what is wrong with one."""

from __future__ import annotations

import pytest

from harness.config.strict import Problem, Problems, UserError
from harness.store.declaration import content_of
from harness.sweep import claim
from harness.sweep.expand import expand

HEAD = """\
name: test
question: Can it go?
envs: [CartPole-v1, Pendulum-v1]
steps: 600
arms:
  random: {agent: random}
  pid: {agent: pid}
  again: {agent: pid, steps: 599}
"""
ON = "on CartPole-v1 by final"


@pytest.fixture
def read(tmp_path):
    def walk(claims, seeds="seeds: 30", head=HEAD, **options):
        path = tmp_path / "sweep.yaml"
        path.write_text(f"{head}{seeds}\nclaims: {claims}\n")
        return expand(path, **options).sweep

    return walk


@pytest.fixture
def problems(read):
    def walk(*given):
        with pytest.raises(UserError) as caught:
            read(*given)
        return [str(problem).partition("sweep.yaml:")[2] for problem in caught.value.problems]

    return walk


def test_a_margin_is_part_of_a_claim(read):
    sweep = read(f"[pid ~ again {ON} within 0.2, pid > random {ON}]")
    first, second = sweep.claims
    assert (first.arms, first.env, first.score) == (("pid", "again"), "CartPole-v1", "final")
    assert (first.margin, second.margin) == (0.2, None)


def test_another_margin_is_another_claim(read):
    texts = [f"pid ~ again {ON} within {margin}" for margin in (0.2, 0.3)]
    sweep = read(f"[{', '.join(texts)}]")
    plain = sweep.claims[0].model_copy(update={"margin": None})
    assert len({content_of(claim, sweep) for claim in (*sweep.claims, plain)}) == 3


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (f"pid ~ again {ON}", "says that two arms are equal but for a margin: add 'within 0.2'"),
        (f"pid > random {ON} within 0.2", "a margin is for 'A ~ B': drop 'within 0.2'"),
        (f"pid ~ again {ON} within 0", "a margin lies between 0 and 1, where 0 is the random"),
        (f"pid ~ again {ON} within 1", "a margin lies between 0 and 1"),
        (f"pid ~ again {ON} within -0.2", "a margin lies between 0 and 1"),
        (f"pid ~ again {ON} within nan", "a margin lies between 0 and 1"),
        (f"pid ~ again {ON} within little", "a margin lies between 0 and 1"),
        (f"pid ~ pid {ON} within 0.2", "compares an arm with itself"),
        (f"pid = again {ON}", "or 'A ~ B [on ENV] by final|auc within 0.2'"),
        (f"pid ~ again {ON} within 0.1",
         "with 30 seeds not even arms whose runs all tie are found equal but for 0.1: raise "
         "`seeds` to 45 or more, or the margin to 0.15"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(problems, text, wrong):
    (found,) = problems(f"[{text}]")
    assert found.startswith("10: claims.0: ")
    assert wrong in found


def test_the_same_claim_the_other_way_round_is_the_same(problems):
    (found,) = problems(f"[pid ~ again {ON} within 0.2, again ~ pid {ON} within 0.2]")
    assert "10: claims.1: 'again ~ pid on CartPole-v1 by final within 0.2' stands there twice" in (
        found
    )


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("random ~ again on CartPole-v0 by final within 0.2", 30),
        ("random ~ again by auc within 0.3", 20),
    ],
)
def test_without_anchors_there_is_no_margin(problems, text, seeds):
    head = HEAD.replace("Pendulum-v1", "CartPole-v0").replace("pid: {agent: pid}", "pid: {}")
    head = head.replace("pid", "random").replace("  random: {}\n", "")
    (found,) = problems(f"[{text}]", f"seeds: {seeds}", head)
    assert found.startswith("9: claims.0: ")
    assert "no random and reference score is known for CartPole-v0: measure them (harness" in found


def test_a_metric_of_the_users_own_has_no_margin():
    problems = Problems(lambda place, message: Problem("sweep.yaml", None, "", message))
    texts = ["a ~ b on X by reach within 0.2"]
    assert claim.read(texts, ["a", "b"], ["X", "Y"], problems, ["reach"]) == {}
    (found,) = problems.error().problems
    assert "reach has no anchors, so no margin: by final or auc" in str(found)


def test_the_margin_must_fit_the_cap_and_the_family(read, problems):
    claims = f"[pid ~ again {ON} within 0.2, pid > random {ON}, again > random {ON}]"
    assert read(claims, "decide: {first: 6, block: 4, cap: 30}").claims[0].margin == 0.2
    (found,) = problems(claims, "decide: {first: 6, block: 4, cap: 22}")
    assert "10: claims.0: 'pid ~ again on CartPole-v1 by final within 0.2': with 22 seeds" in found
    assert "as one of 3 claims: raise `decide.cap` to 27 or more" in found


def test_an_objection_may_be_overridden_but_not_a_missing_anchor(read):
    sweep = read(f"[pid ~ again {ON} within 0.1]", anyway=True)
    assert "not even arms whose runs all tie" in sweep.anyway[0]
