"""Nested data is read, changed and compared in one way everywhere."""

from __future__ import annotations

import pytest

from harness.config import tree

TREE = {"a": 1, "b": {"c": [10, {"d": 2}], "e": {}}, "f": {"g": {"h": None}}}


def test_a_value_is_found_by_its_dotted_name_or_its_place():
    assert tree.get(TREE, "b.c") == [10, {"d": 2}]
    assert tree.get(TREE, ("b", "c", 1, "d")) == 2
    assert tree.get(TREE, ()) == TREE
    assert [tree.get(TREE, name) for name in ("x", "a.x", "b.c.x", "f.g.h.i")] == [None] * 4


def test_a_tree_and_its_dotted_names_are_the_same_data():
    flat = tree.flat(TREE)

    assert flat == {"a": 1, "b.c": [10, {"d": 2}], "b.e": {}, "f.g.h": None}
    assert tree.nested(flat) == TREE
    assert tree.flat({}) == tree.nested({}) == {}


def test_a_walk_stops_at_lists_unless_it_is_to_go_through_them():
    assert list(tree.walk(TREE))[1] == (("b", "c"), [10, {"d": 2}])
    walked = dict(tree.walk(TREE, lists=True))
    assert walked["b", "c", 0] == 10 and walked["b", "c", 1, "d"] == 2
    assert dict(tree.walk({"x": [], "y": [[]]}, lists=True)) == {("x",): [], ("y", 0): []}


@pytest.mark.parametrize(
    ("above", "result"),
    [
        ({"b": {"e": 5}}, {**TREE, "b": {"c": TREE["b"]["c"], "e": 5}}),
        ({"b": 3}, {**TREE, "b": 3}),
        ({"a": {"x": 1}}, {**TREE, "a": {"x": 1}}),
        ({"f": {}}, {**TREE, "f": {}}),
        ({"n": {"m": 1}}, {**TREE, "n": {"m": 1}}),
    ],
)
def test_of_two_trees_the_upper_one_wins_value_by_value_and_neither_is_changed(above, result):
    before = repr((TREE, above))

    assert tree.merged(TREE, above) == result
    assert repr((TREE, above)) == before


def test_trees_differ_where_a_value_does_or_stands_in_one_of_them():
    other = tree.merged(TREE, {"b": {"e": {"new": None}}, "f": {"g": {"h": 0}}})

    assert tree.differing(TREE, TREE) == []
    assert tree.differing(TREE, other) == ["b.e", "f.g.h", "b.e.new"]
