"""What is wrong in a YAML file is said at once, with its line and the way out."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.config import strict
from harness.config.option import assignments


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rate: float = 1.0
    with_: int = Field(0, alias="with")


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    steps: int | dict[str, int] = 0
    inner: Inner = Inner()
    table: dict[str, Inner] = {}
    items: list[Inner] = []


def problems(tmp_path, text, model=Outer):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(strict.UserError) as caught:
        strict.read(path, model)
    return [(p.line, p.key, p.message) for p in caught.value.problems]


def read(tmp_path, text):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    return strict.read(path, Outer)


def test_numbers_are_read_as_yaml_1_2_means_them(tmp_path):
    found = read(tmp_path, "name: on\nsteps: 120_000\ninner: {rate: 1e-4}\n")

    assert (found.name, found.steps, found.inner.rate) == ("on", 120_000, 1e-4)


def test_an_integer_may_stand_for_a_float_and_nothing_else_is_converted(tmp_path):
    assert read(tmp_path, "name: a\ninner: {rate: 3}\n").inner.rate == 3.0

    found = problems(tmp_path, "name: 3\nsteps: '5'\ninner: {rate: true}\n")
    assert [(line, key) for line, key, _ in found] == [
        (1, "name"),
        (2, "steps"),
        (3, "inner.rate"),
    ]


def test_every_problem_is_reported_at_once_with_its_line(tmp_path):
    found = problems(tmp_path, "nme: a\ninner:\n  rate: fast\n  rato: 1\nitems:\n- {wiht: 2}\n")

    assert {(line, key) for line, key, _ in found} == {
        (1, "nme"),
        (None, "name"),
        (3, "inner.rate"),
        (4, "inner.rato"),
        (6, "items.0.wiht"),
    }


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("name: a\ninner: {rato: 1}\n", "'rate'"),
        ("name: a\ntable: {x: {wth: 1}}\n", "'with'"),
        ("name: a\nitems: [{rat: 1}]\n", "'rate'"),
        ("name: a\nstpes: 1\n", "'steps'"),
    ],
)
def test_an_unknown_key_comes_with_the_one_that_was_meant(tmp_path, text, hint):
    (_, _, message), *_ = problems(tmp_path, text)

    assert message.endswith(f"Did you mean {hint}?")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("name: a\nname: b\n", 2, "duplicate key"),
        ("name: [a\n", 2, "not YAML"),
        ("name: a\ninner: {rate: .nan}\n", 2, "not a finite number"),
        ("name: 2018-01-01\n", 1, "put it in quotes"),
        ("- 1\n", None, "expected keys and values"),
    ],
)
def test_what_is_no_usable_yaml_is_refused_with_its_line(tmp_path, text, line, words):
    (found_line, _, message), *_ = problems(tmp_path, text)

    assert found_line == line
    assert words in message


class Whole(BaseModel):
    a: int = 0

    @model_validator(mode="after")
    def _never(self):
        raise ValueError("these do not go together")


def test_what_is_wrong_with_a_document_as_a_whole_has_no_line(tmp_path):
    ((line, key, message),) = problems(tmp_path, "a: 1\n", Whole)

    assert (line, key) == (None, "")
    assert message.startswith("these do not go together")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(strict.UserError, match=r"nowhere\.yaml: there is no such file"):
        strict.load(tmp_path / "nowhere.yaml")


def test_assignments_make_a_tree_of_yaml_values():
    found = assignments(["learning_rate=1e-3", "policy_kwargs.net_arch=[64, 64]", "use=true"])

    assert found == {"learning_rate": 1e-3, "policy_kwargs": {"net_arch": [64, 64]}, "use": True}


@pytest.mark.parametrize(
    "pairs",
    [
        ["learning_rate"],
        ["=3"],
        ["a=[1"],
        ["a..b=1"],
        [".=1"],
        ["a=.nan"],
        ["a=!!python/name:os.system"],
        ["a=0.9", "a.x=1"],
        ["a.x=1", "a=0.9"],
        ["a=1", "a=2"],
        ["a={b: 1}", "a.b=2"],
    ],
)
def test_a_bad_assignment_is_the_users_error(pairs):
    with pytest.raises(strict.UserError, match="--set"):
        assignments(pairs)


@pytest.mark.parametrize(
    "problem",
    [
        strict.Problem("a\nb", 3, "c\x1b[31m", "no 'd\r'"),
        strict.Problem("x" * 5_000, None, "", "no\ud800"),
        strict.Problem("x", None, "y" * 10**6, "known: " + "z, " * 10**6),
    ],
)
def test_a_problem_is_one_line_that_a_terminal_can_show(problem):
    assert str(problem).isprintable()
    assert len(str(problem)) < 1_100


def test_what_is_wrong_with_the_values_hides_nothing_that_is_wrong_with_the_keys(tmp_path):
    found = problems(tmp_path, "name: 2018-01-01\nnme: a\ninner: {rate: .inf, rato: 1}\n")

    assert {(line, key) for line, key, _ in found} == {
        (1, "name"),
        (2, "nme"),
        (3, "inner.rate"),
        (3, "inner.rato"),
    }


def test_a_value_that_is_of_none_of_the_kinds_that_it_may_be_of_is_one_problem():
    class Model(BaseModel):
        seeds: int | list[int]
        name: str

    _, problems = strict.validate({"seeds": "ten", "name": 3}, Model)
    assert problems == [
        (("seeds",), "input should be a valid integer or a valid array, but 'ten' is given"),
        (("name",), "input should be a valid string, but 3 is given"),
    ]
