"""A text is read as plain data, or refused with its line: whatever it is, it costs little."""

from __future__ import annotations

import os
import re
import time

import pytest

from harness.config import strict
from harness.config.yaml import DEEPEST, NotYamlError, compose

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(8)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("120_000", 120_000),
        ("-7", -7),
        ("1e-4", 1e-4),
        (".5", 0.5),
        ("1.", 1.0),
        ("0x1F", 31),
        ("0o17", 15),
        ("010", 10),  # no octal number, as in YAML 1.1
        ("on", "on"),
        ("1:30", "1:30"),
        ("~", None),
        ("", None),
        ("TRUE", True),
        ("'1'", "1"),
        ("_1", "_1"),
        ("-_", "-_"),
        ("[&x [1], *x]", [[1], [1]]),
        ("{'<<': 1}", {"<<": 1}),
        ("%YAML 1.2\n---\n3", 3),
    ],
)
def test_what_a_value_means(text, value):
    tree = compose(text)

    assert (tree.data, type(tree.data), tree.flaws) == (value, type(value), [])


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: [", 2, "not YAML"),
        ("a: 1\nb: \x07", 2, "control character U+0007"),
        ("a: 1\n--- 2", 2, "second document"),
        ("%YAML 1.1\n---\na: on", 2, "YAML 1.2"),
        ("a: 1\n? [x]\n: 2", 2, "a key must be text"),
        ("a:\n  *b", 2, "nothing is called &b"),
        ("a: &a\n  - *a", 2, "within itself"),
        (BOMB, 5, "more than 100,000 values"),
        ("[" * 2_000, 1, f"deeper than {DEEPEST} levels"),
        ("- " * 2_000, 1, f"deeper than {DEEPEST} levels"),
        ("{a: " * 2_000, 1, f"deeper than {DEEPEST} levels"),
        (
            "a: &a0 [x]\n" + "".join(f"b{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 99)),
            40,
            "deeper",
        ),
        ('a: "\\U00110000"', 1, "not YAML"),
    ],
)
def test_what_is_no_text_that_anybody_writes_ends_where_it_stands(text, line, words):
    with pytest.raises(NotYamlError, match=words.replace("+", r"\+")) as caught:
        compose(text)

    assert caught.value.line == line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("!!python/object:os.system [x]", "tags such as tag:yaml.org,2002:python"),
        ("!foo 3", "tags such as !foo"),
        (".nan", "not a finite number"),
        ("1e400", "not a finite number"),
        ("2018-01-01", "read as a date"),
        ("9" * 5_000, "too large"),
        ("9223372036854775808", "too large"),
        ('"\\0"', r"U\+0000, which cannot be printed"),
        ('"\\ud800"', r"U\+D800, which cannot be printed"),
    ],
)
@pytest.mark.parametrize("where", ["b: {}", "b:\n- {}", "b: {{c: {}}}"])
def test_a_value_that_cannot_be_used_is_a_flaw_and_the_text_is_read_on(text, words, where):
    tree = compose(f"a: 1\n{where.format(text)}\nz: 2\n")

    (flaw,) = tree.flaws
    assert flaw.line == tree.lines[flaw.path]
    assert re.search(words, flaw.message)
    assert (tree.data["a"], tree.data["z"]) == (1, 2)


@pytest.mark.parametrize("key", ["1", "1.5", "true", "~", "2018-01-01", "!x a", "<<", '"\\0"'])
def test_a_key_is_text(key):
    tree = compose(f"a: 1\n{key}: 2\nz: 3\n")

    (flaw,) = tree.flaws
    assert flaw.line == 2
    assert (tree.data["a"], tree.data["z"]) == (1, 3)


def test_every_flaw_of_a_text_is_found():
    tree = compose("a: .inf\nb: 2018-01-01\na: 3\n1: 2\n")

    assert [flaw.line for flaw in tree.flaws] == [1, 2, 3, 4]


def test_a_billion_laughs_cost_little():
    start = time.process_time()
    with pytest.raises(NotYamlError):
        compose(BOMB)

    assert time.process_time() - start < 2


def large(path):
    path.touch()
    os.truncate(path, 10**8)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "a folder: give a YAML file"),
        (os.mkfifo, "no file that ends"),
        (lambda path: path.symlink_to("/dev/zero"), "no file that ends"),
        (lambda path: path.symlink_to(path), "cannot be read"),
        (lambda path: path.write_bytes(b"a: 1\nb: \xff\n"), "x.yaml:2: not UTF-8"),
        (lambda path: path.write_bytes("a: 1".encode("utf-16")), "not UTF-8"),
        (large, "larger than 64 kB"),
        (lambda path: None, "there is no such file"),
    ],
)
def test_what_is_no_file_of_text_is_refused_in_one_line(tmp_path, make, words):
    make(tmp_path / "x.yaml")

    with pytest.raises(strict.UserError, match=words) as caught:
        strict.load(tmp_path / "x.yaml")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\ud800", "x/" * 3_000])
def test_what_cannot_be_a_files_name_is_refused_in_one_line(tmp_path, name):
    with pytest.raises(strict.UserError) as caught:
        strict.load(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_mark_of_byte_order_is_no_text(tmp_path):
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")

    assert strict.load(tmp_path / "x.yaml").data == {"a": 1}


def test_the_largest_file_that_is_read_is_read_in_seconds(tmp_path):
    (tmp_path / "x.yaml").write_text("a: 1\nb: [" + "{c: 1, d: [x]}, " * 4_000 + "]\n")
    start = time.process_time()
    assert len(strict.load(tmp_path / "x.yaml").data["b"]) == 4_000

    assert time.process_time() - start < 5
