"""The pages of what ships beside agents and environments: wrappers, executors, figures and more."""

from __future__ import annotations

import re

from pydantic import BaseModel

from extension.reference.listing import listing
from extension.reference.markdown import (
    code,
    directive,
    docstring,
    page,
    parameters,
    sentence,
    table,
)
from harness.envs.wrappers import WRAPPERS
from harness.envs.wrappers.wrapper import options
from harness.report.results.figures import FIGURES
from harness.train.executors import EXECUTORS


def pages() -> dict[str, str]:
    return {
        "wrappers": _wrappers(),
        "executors": _executors(),
        "metrics": page(
            "# Metrics",
            "The scores of every sweep, by which claims may compare. "
            "[Your own](../own.md#metrics) is named by `module:function`.",
            listing("metrics").table({}),
        ),
        "figures": _figures(),
        "ablations": page(
            "# Ablations",
            "One file for each question: `harness sweep ablations/NAME.yaml` trains it.",
            listing("ablations").table({}),
        ),
    }


def _wrappers() -> str:
    links = {name: f"#wrapper-{name}" for name in WRAPPERS}
    return page(
        "# Wrappers",
        "What can be put around an environment: `wrappers: [NAME]`, or with options "
        "`wrappers: [{name: NAME, OPTION: VALUE}]`, in a sweep, an arm or a card. One that acts "
        "only in training never changes a score. [Your own](../own.md#wrappers) is named by "
        "`module:name`.",
        listing("wrappers").table(links),
        *(_wrapper(name) for name in WRAPPERS),
    )


def _wrapper(name: str) -> str:
    entry = WRAPPERS[name]
    where = "Training only." if entry.kind == "training" else "Training and evaluation."
    said = parameters(entry.apply) or parameters(getattr(entry.apply, "__init__", None))
    return page(
        f"(wrapper-{name})=\n## {name}",
        f"{sentence(entry.summary)} {where}",
        docstring(entry.apply),
        *_options(options(entry.apply), said),
    ).rstrip()


def _options(model: type[BaseModel], said: dict[str, str]) -> list[str]:
    return [
        directive(
            "describe",
            name,
            sentence(field.description or said.get(name, "")),
            "Required." if field.is_required() else f"Default: {code(_plain(field))}.",
        )
        for name, field in model.model_fields.items()
    ]


def _plain(field: object) -> object:
    value = field.get_default(call_default_factory=True)  # type: ignore[attr-defined]
    return list(value) if isinstance(value, tuple) else value


def _executors() -> str:
    rows = (
        (f"[`{name}`](#executor-{name})", docstring(made).partition("\n\n")[0])
        for name, made in EXECUTORS.items()
    )
    return page(
        "# Executors",
        "How the runs of a sweep are started: `--executor NAME`, or with options "
        '`--executor "{slurm: {partition: cpu}}"`. [Your own](../own.md) is named by '
        "`module:function`.",
        # `harness ls` says what this machine lacks for one, which is no part of a page.
        table(("executor", "what it is"), rows),
        *(_executor(name) for name in EXECUTORS),
    )


def _executor(name: str) -> str:
    made = EXECUTORS[name]
    keys = _options(made, {}) if isinstance(made, type) else []
    return page(f"(executor-{name})=\n## {name}", docstring(made), *keys).rstrip()


# What a caption is filled with, where no report says it.
PARTS = {
    "seeds": "n seeds", "envs": "m environments", "score": "score", "returns": "return",
    "baseline": "the baseline",
}  # fmt: skip


def _figures() -> str:
    return page(
        "# Figures",
        "Those of every report that has the data for them. `harness report` says why it leaves "
        "one out. [Your own](../own.md#figures) is named by `module:function`.",
        listing("figures").table({name: f"#figure-{name}" for name in FIGURES}),
        *(_figure(name) for name in FIGURES),
    )


def _figure(name: str) -> str:
    kind = FIGURES[name]
    words = re.sub(r"\{(\w+)\}", lambda part: PARTS.get(part[1], ""), kind.caption)
    about = f"(figure-{name})=\n## {kind.title}"
    return page(
        about, sentence(" ".join(words.split())), f"Its name in files: {code(name)}."
    ).rstrip()
