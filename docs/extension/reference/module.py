"""The pages of the Python interface: what `import harness as h` has, and where yours plugs in."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from textwrap import dedent
from typing import TYPE_CHECKING, Any, NamedTuple

import harness
from extension.reference.markdown import page, prose, table
from harness import stats, testing
from harness.config.tree import grouped

if TYPE_CHECKING:
    from sphinx.application import Sphinx


class Door(NamedTuple):
    """A page: what it is about, and the names that stand on it."""

    title: str
    about: str
    names: tuple[str, ...]


DOORS = {
    "harness": Door(
        "import harness as h",
        "`import harness` is instant: each name imports what it needs when it is first used.",
        (
            "harness.Sweep", "harness.results", "harness.python.Results", "harness.load",
            "harness.python.Loaded", "harness.RunSpec",
        ),
    ),
    "agent": Door(
        "An agent",
        "A class with the members of `Agent`. It imports nothing of the harness. "
        "[How to write and name one](../../own.md#agents).",
        (
            "baselines.api.Agent", "baselines.api.Config", "baselines.api.Task",
            "baselines.api.Progress", "baselines.api.NoProgress", "baselines.api.Resumable",
            "baselines.api.Barrier", "baselines.api.ModelBased", "baselines.api.Clash",
        ),
    ),
    "bonus": Door(
        "An exploration bonus",
        "A class derived from `Bonus`. [How to write and name one](../../own.md#bonuses).",
        ("baselines.curiosity.bonus.Bonus", "baselines.curiosity.bonus.Transitions"),
    ),
    "wrapper": Door(
        "A wrapper",
        "A function of an environment and of options that returns an environment, or a class of "
        "Gymnasium's. Its `kind` says where it acts. "
        "[How to write and name one](../../own.md#wrappers).",
        ("harness.envs.wrappers.wrapper.Wrapper",),
    ),
    "metric": Door(
        "A metric",
        "A function `f(episode)` or `f(run)` that returns a number. "
        "[How to write and name one](../../own.md#metrics).",
        ("harness.own.Episode", "harness.own.Run"),
    ),
    "figure": Door(
        "A figure",
        "A function `f(data)` that returns a `Plot`, or a text that says why there is nothing to "
        "draw. [How to write and name one](../../own.md#figures).",
        (
            "harness.report.own.Data",
            *(
                f"harness.report.plot.{name}"
                for name in (
                    "Plot", "Panel", "Axis", "Look", "Line", "End", "Points", "Rule", "Note",
                    "Cells", "Shades", "Picture",
                )
            ),
        ),
    ),
    "executor": Door(
        "An executor",
        "A function `(specs, job, workers, tick)` that attempts every run once, by calling "
        "`attempt`, and returns. What came of a run stands in the results folder. It calls `tick` "
        "about twice a second where it can, and lets a KeyboardInterrupt through with no run left. "
        "Name it `--executor my_executor:run`.",
        ("harness.train.run.attempt", "harness.train.run.Job"),
    ),
}  # fmt: skip


def pages() -> dict[str, str]:
    made = {f"python/{name}": _page(door) for name, door in DOORS.items()}
    made["python/stats"] = _stats()
    made["python/testing"] = page(
        "# harness.testing",
        docstring_of_module(testing),
        *(_autodoc(f"harness.testing.{name}") for name in checks()),
    )
    order = ["harness", "stats", "testing", *(name for name in DOORS if name != "harness")]
    titles = {name: made[f"python/{name}"].partition("\n")[0].lstrip("# ") for name in order}
    named = ((f"[{titles[name]}](python/{name}.md)", _listed(name)) for name in order)
    overview = page(
        "# Python",
        "What a user of the harness imports. Names that are not here may change at any time.",
        table(("page", "names"), named),
        "```{toctree}\n:hidden:\n\n" + "\n".join(f"python/{name}" for name in order) + "\n```",
    )
    return {"python": overview, **made}


def _listed(name: str) -> str:
    if name == "stats":
        return "estimates, intervals and tests of arrays of scores"
    names = checks() if name == "testing" else DOORS[name].names
    return ", ".join(f"`{each.rpartition('.')[2]}`" for each in names)


def checks() -> list[str]:
    """The functions of harness.testing."""
    return [name for name, each in vars(testing).items() if _is_of(each, "harness.testing", name)]


def _is_of(thing: object, module: str, name: str) -> bool:
    defined = getattr(thing, "__module__", "") == module
    return defined and inspect.isfunction(thing) and not name.startswith("_")


def docstring_of_module(module: Any) -> str:
    """Its docstring; what is indented in it is code."""
    parts = re.findall(r"(?:^    .*\n?|^\n(?=    ))+|(?:^\S.*\n?)+", module.__doc__ or "", re.M)
    return "\n\n".join(_block(part.strip("\n")) for part in parts)


def _block(part: str) -> str:
    if part.startswith("    "):
        return f"```python\n{dedent(part).strip()}\n```"
    return prose(" ".join(part.split()))


def _page(door: Door) -> str:
    return page(f"# {door.title}", door.about, *map(_autodoc, door.names))


def _stats() -> str:
    """The statistics, by the module that has them."""
    public = ((name, each) for name, each in vars(stats).items() if name[0] != "_")
    made = ((name, each) for name, each in public if _documented(each))
    by_module = grouped((each.__module__, name) for name, each in made)
    blocks = (block for module, names in by_module.items() for block in _module(module, names))
    return page("# harness.stats", docstring_of_module(stats), *blocks)


def _documented(thing: Any) -> bool:
    own = getattr(thing, "__module__", "").startswith("harness.stats.")
    return own and (inspect.isfunction(thing) or inspect.isclass(thing))


def _module(module: str, names: list[str]) -> Iterator[str]:
    title = module.rpartition(".")[2]
    yield f"## {title[0].upper()}{title[1:]}"
    yield docstring_of_module(import_module(module)).partition("\n\n")[0]
    yield from (_autodoc(f"harness.stats.{name}") for name in names)


def _autodoc(name: str) -> str:
    """Sphinx reads signature and docstring itself."""
    path, _, attribute = name.rpartition(".")
    thing = getattr(import_module(path), attribute)
    members = "\n   :members:" if inspect.isclass(thing) else ""
    kind = "autoclass" if inspect.isclass(thing) else "autofunction"
    pydantic = hasattr(thing, "model_fields")
    if pydantic or hasattr(thing, "_fields"):  # whose constructors are generated, with docstrings
        members += "\n   :class-doc-from: class"
    signature = "()" if pydantic else ""  # it would repeat every key
    return f"```{{eval-rst}}\n.. {kind}:: {name}{signature}{members}\n```"


def tidy(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """A field is told beside it in the code, in half a sentence: here it is a whole one."""
    if lines and lines[0].startswith("Alias for field number"):  # of a NamedTuple, by Python
        lines.clear()
    if what == "attribute" and lines and lines[0]:
        lines[0] = lines[0][0].upper() + lines[0][1:]
        last = max(i for i, line in enumerate(lines) if line)
        lines[last] += "" if lines[last][-1] in ".:!?" else "."


def missing() -> set[str]:
    """Names of the package that stand on no page."""
    shown = {name.removeprefix("harness.") for name in DOORS["harness"].names}
    return {*harness.__all__} - shown - {"stats", "__version__"}
