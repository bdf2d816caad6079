"""The page of the command line, from the Typer app."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from extension.reference.markdown import code, directive, page, prose, sentence, table
from harness.cli.main import app
from harness.cli.verb import EXIT_CODES

PLACEHOLDERS = {"int": "N", "float": "NUMBER", "str": "TEXT", "path": "PATH"}


def commands() -> dict[str, Any]:
    """The commands by name, as Typer makes them."""
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def pages() -> dict[str, str]:
    overview = table(
        ("command", "does"),
        ([f"[{code(name)}](#harness-{name})", _short(each)] for name, each in commands().items()),
    )
    exits = table(("code", "means"), ((str(n), prose(why)) for n, why in EXIT_CODES.items()))
    return {
        "commands": page(
            "# Command line",
            "`harness COMMAND --help` prints the same in a terminal.",
            overview,
            "## Exit codes\n\nOf every command:",
            exits,
            *(_section(name, each) for name, each in commands().items()),
        )
    }


def _short(command: Any) -> str:
    return prose(inspect.cleandoc(command.help).partition("\n\n")[0])


def _section(name: str, command: Any) -> str:
    words = [prose(" ".join(b.split())) for b in inspect.cleandoc(command.help).split("\n\n")]
    shown = [each for each in command.params if not each.hidden]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    options = [each for each in shown if each.param_type_name == "option"]
    some = ["[OPTIONS]"] if options else []
    usage = " ".join(["harness", name, *some, *map(_usage, arguments)])
    return page(
        f"(harness-{name})=\n## harness {name}",
        *words,
        f"```text\n{usage}\n```",
        f"```{{program}} harness {name}\n```",
        *(_parameter(each) for each in [*arguments, *options]),
    ).rstrip()


def label(parameter: Any) -> str:
    """How an argument is called, or an option with what it takes."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    takes = "" if parameter.is_flag else f" {parameter.metavar or _placeholder(parameter)}"
    # The long spelling first: it is what links are made of.
    names = sorted([*parameter.opts, *parameter.secondary_opts], key=lambda n: n[:2] != "--")
    return ", ".join(f"{each}{takes}" for each in names)


def _placeholder(parameter: Any) -> str:
    kind = parameter.bare_type().removeprefix("list[").rstrip("]")
    path = getattr(parameter.type_descriptor, "is_path", False)
    return PLACEHOLDERS.get("path" if path else kind, "TEXT")


def _usage(argument: Any) -> str:
    name = label(argument)
    many = "..." if argument.nargs == -1 and "..." not in name else ""
    return f"{name}{many}" if argument.required else f"[{name}{many}]"


def _parameter(parameter: Any) -> str:
    facts = " ".join(_facts(parameter))
    return directive("option", label(parameter), sentence(parameter.help or ""), facts)


def _facts(parameter: Any) -> Iterator[str]:
    """Default, range and environment variable, as far as there are any."""
    if parameter.required and parameter.param_type_name == "option":
        yield "Required."
    default = parameter.default
    if default not in (None, "") and default is not False:
        if default is True:
            default = parameter.opts[0]
        default = str(default) if isinstance(default, Path) else default
        yield f"Default: {code(default)}."
    low, high = parameter.min, parameter.max
    if low is not None:
        yield f"From {low:,} to {high:,}." if high is not None else f"At least {low:,}."
    if getattr(parameter, "multiple", False):
        yield "May be given several times."
    if parameter.envvar:
        yield f"Environment variable: {code(parameter.envvar)}."
