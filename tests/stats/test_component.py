"""Effects of components come out of any design that shows them, and out of no other."""

from __future__ import annotations

import itertools
import re

import fake_store
import numpy as np
import pytest
from fake_report import write_report

from harness import stats
from harness.store.reader import Store

FACTORIAL = {"+".join(s) or "base": frozenset(s)
             for n in range(4) for s in itertools.combinations("abc", n)}  # fmt: skip
WORTH = {"a": 1.0, "b": 2.0, "c": -0.5}


def additive(members: frozenset[str]) -> float:
    """Each component adds its own worth, and a and b together 0.25 more."""
    return sum(WORTH[name] for name in members) + 0.25 * (members >= {"a", "b"})


def value(effect: stats.Effect, arms: dict[str, frozenset[str]]) -> float:
    return sum(weight * additive(arms[arm]) for arm, weight in effect.weights.items())


def test_a_factorial_design_gives_back_the_worth_of_each_part_and_their_interaction():
    found = {effect.components: effect for effect in stats.effects(FACTORIAL)}

    values = {parts: value(effect, FACTORIAL) for parts, effect in found.items()}

    # Half of the pairs that show what a adds have b in them, and so half of the 0.25.
    assert values == pytest.approx({
        ("a",): 1.125, ("b",): 2.125, ("c",): -0.5, ("a", "b"): 0.25, ("a", "c"): 0, ("b", "c"): 0,
    })  # fmt: skip
    assert {found["a",].contexts, found["a", "b"].contexts} == {4, 2}


@pytest.mark.parametrize(
    ("arms", "a"),
    [
        ({"base": "", "only_a": "a", "only_b": "b"}, 1.0),
        ({"full": "abc", "no_a": "bc", "no_b": "ac"}, 1.25),
    ],
    ids=["one in", "leave one out"],
)
def test_a_smaller_design_shows_main_effects_in_its_own_surroundings(arms, a):
    members = {arm: frozenset(parts) for arm, parts in arms.items()}
    found = {effect.components: value(effect, members) for effect in stats.effects(members)}
    assert set(found) == {("a",), ("b",)}
    assert found["a",] == pytest.approx(a)


def test_arms_that_differ_in_two_parts_show_the_effect_of_neither():
    assert stats.effects({"ppo": frozenset(), "rnd": frozenset("ab")}) == []
    assert stats.effects({}) == []


def test_of_two_arms_with_the_same_components_none_stands_for_both():
    members = {"base": frozenset(), "a": frozenset("a"), "again": frozenset("a")}
    for ask in (stats.effects, lambda members: stats.path(members, dict.fromkeys(members, 0.0))):
        with pytest.raises(ValueError, match="a and again have the same components: a"):
            ask(members)


def test_the_path_takes_the_best_next_arm_from_none_to_all():
    scores = {arm: additive(members) for arm, members in FACTORIAL.items()}
    assert stats.path(FACTORIAL, scores) == ["base", "b", "a+b", "a+b+c"]


def test_without_the_arms_between_there_is_no_path():
    members = {"base": frozenset(), "full": frozenset("ab")}
    assert stats.path(members, {"base": 0.0, "full": 1.0}) == []
    assert stats.path({}, {}) == []


def test_the_interval_of_an_effect_is_that_of_a_difference_when_it_is_one():
    rng = np.random.default_rng(0)
    x, y = rng.normal(1, 1, (10, 2)), rng.normal(size=(10, 2))
    gap = stats.difference(x, y, stats.iqm, "x", "y")
    parts = [stats.Part("better", 1, x), stats.Part("worse", -1, y)]
    effect = stats.contrast(parts, stats.iqm, "x", "y")
    halves = [part._replace(weight=part.weight / 2) for part in parts]
    halved = stats.contrast(halves, stats.iqm, "x", "y")
    assert effect == gap
    assert [halved.low, halved.high] == pytest.approx([gap.low / 2, gap.high / 2])


def test_the_report_of_a_design_shows_what_its_components_add(tmp_path):
    arms = {"base": (), "a": ("a",), "b": ("b",), "a+b": ("a", "b")}
    envs = ("DeepSea-20", "DeepSea-10")
    sweep = fake_store.sweep(tuple(arms), envs, 6, components=arms)
    store = Store(tmp_path)
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        level = 0.99 * 0.25 * len(arms[run.arm])
        fake_store.write_run(store, run, lambda run, f, rng, n, level=level: [level] * n)

    folder = write_report(store, sweep, ["components", "path"])
    text = (folder / "report.md").read_text()

    row = re.search(r"^\| a \| (.* \[.*) \|", text, re.MULTILINE)[1]
    for low, high in re.findall(r"0\.25 \[(\S+), (\S+)\]", row):
        assert float(low) < 0.25 < float(high)  # 6 equal runs an arm leave others possible
    assert row.count("0.25 [") == 3
    assert "| + b | b | 0.25 (ties) |" in text
    assert (folder / "components_final.pdf").exists() and (folder / "path_final.pdf").exists()
