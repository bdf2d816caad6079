"""The reference has every command, option, key and name, and each of them is explained."""

from __future__ import annotations

import re
from functools import cache

import pytest
from extension.reference import command, file_kind, hparam, module, pages, write

import baselines
from baselines import AGENTS, BONUSES
from harness import envs
from harness.config.tree import flat
from harness.envs.wrappers import WRAPPERS
from harness.envs.wrappers.wrapper import options
from harness.report.results.figures import FIGURES
from harness.setting import own_defaults
from harness.train.executors import EXECUTORS

pytestmark = pytest.mark.slow  # all pages are made: 12 CPU seconds
KINDS = file_kind.names()
made = cache(pages)


def described(page):
    """The options, keys and hyper-parameters that a page explains, each with its text."""
    entries = re.findall(r"^````\{(?:option|describe)\} (.*?)\n(.*?)^````", page, re.M | re.S)
    return {name: text.strip() for name, text in entries}


def sections(page):
    """The part of a page below each heading of the second level."""
    _, *parts = re.split(r"^## ", page, flags=re.M)
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def keys(section):
    return list(section.schema.get("properties", {}))


# Commands -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", command.commands())
def test_every_command_has_a_section_with_all_its_arguments_and_options(name):
    part = sections(made()["commands"])[f"harness {name}"]
    shown = [each for each in command.commands()[name].params if not each.hidden]

    assert [*described(part)] == [command.label(each) for each in shown]
    assert all(text[0].isupper() or text[0] == "`" for text in described(part).values())


def test_a_default_of_zero_is_told():
    part = sections(made()["commands"])["harness sweep"]

    assert described(part)["--workers N, -w N"].endswith("Default: `0`. From 0 to 1,024.")


@pytest.mark.parametrize("name", command.commands())
def test_every_argument_and_option_says_what_it_does(name):
    shown = [each for each in command.commands()[name].params if not each.hidden]

    assert [each.name for each in shown if not each.help] == []


# Files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_every_kind_of_file_stands_on_its_page_and_is_described(kind):
    page = made()[f"files/{kind}"]
    explained = described(page)

    for part in file_kind.sections(kind).values():
        for key, schema in part.keys.items():
            assert schema.get("description"), f"{kind}: {part.paths}: {key}"
            assert key in explained


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_kind_of_file_ships(kind, request):
    assert (request.config.rootpath / file_kind.KINDS[kind].example).is_file()


def test_a_value_of_several_kinds_is_told_with_a_link_to_its_keys():
    engine = described(made()["files/sweep"].partition("## `evaluation`")[0])["engine"]

    assert engine.endswith("`sb3` or `lockstep` or [keys of `engine`](#file-sweep-engine).")


# What ships ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("agents", baselines.names()),
        ("bonuses", BONUSES),
        ("environments", envs.card_names()),
        ("wrappers", WRAPPERS),
        ("executors", EXECUTORS),
        ("figures", FIGURES),
    ],
)
def test_everything_that_ships_is_on_its_page(page, names):
    text = made()[page]

    assert [name for name in names if f"`{name}`" not in text] == []


@pytest.mark.parametrize("name", AGENTS)
def test_every_hyper_parameter_of_an_agent_has_a_meaning(name):
    part = sections(made()[f"agents/{name}"])["Hyper-parameters"]
    texts = {key.partition(":")[0]: text for key, text in described(part).items()}

    assert texts.keys() == flat(own_defaults(name)).keys()
    assert [key for key, text in texts.items() if not text] == []


@pytest.mark.parametrize("name", WRAPPERS)
def test_every_option_of_a_wrapper_is_in_its_section_with_its_meaning(name):
    part = sections(made()["wrappers"])[name]

    assert [*described(part)] == [*options(WRAPPERS[name].apply).model_fields]
    untold = re.compile(r"(Default: .*|Required)\.$")
    assert [key for key, text in described(part).items() if untold.match(text)] == []


def test_what_the_package_exports_is_documented():
    assert module.missing() == set()


# Pages --------------------------------------------------------------------------------------------


def test_no_markup_of_a_terminal_is_left():
    assert [place for place, text in made().items() if re.search(r"\[/?(bold|dim|red)", text)] == []


def test_pages_tell_nothing_of_the_machine_that_made_them(request):
    root = str(request.config.rootpath)

    assert [place for place, text in made().items() if root in text] == []


def test_only_what_changed_is_written_and_what_is_gone_is_removed(tmp_path):
    write(tmp_path, {"kept": "one\n", "folder/gone": "two\n"})
    before = (tmp_path / "kept.md").stat().st_mtime_ns

    write(tmp_path, {"kept": "one\n", "new": "three\n"})

    assert (tmp_path / "kept.md").stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.rglob("*.md")) == ["kept.md", "new.md"]


def test_a_text_of_the_code_is_no_markup_on_a_page():
    text = "The *first* of <name>, see --results and `a|b` of {name: x}."

    assert hparam.sentence(text) == (
        r"The \*first\* of \<name\>, see `--results` and `a|b` of `{name: x}`."
    )
