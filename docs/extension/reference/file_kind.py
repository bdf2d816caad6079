"""A page for each kind of YAML file: its keys from the JSON Schema that editors use, an example."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from extension.reference.markdown import code, directive, listed, page, prose, sentence, table
from harness.cli.schema import schemas

ROOT = "../../.."  # of the repository, from docs/reference/files
MOST = 12  # values of a key that are listed; more are the names of something, which has a page
# A value, and several.
WORDS = {
    "string": ("text", "texts"),
    "integer": ("integer", "integers"),
    "number": ("number", "numbers"),
    "boolean": ("true or false", "true or false"),
    "null": ("`null`", "`null`"),
}

NAMES = ("a name", "names")

Schema = dict[str, Any]


class Kind(NamedTuple):
    """What the schema of a kind of files does not say."""

    title: str
    place: str  # where such files lie, and what reads them
    example: str  # one that ships
    lines: str = ""  # of the example; empty: all


KINDS = {
    "sweep": Kind(
        "Sweep file",
        "Yours lies anywhere; those that ship are in ablations/. `harness sweep FILE` trains it "
        "and writes its report, `harness check FILE` shows what it would train.",
        "ablations/smoke.yaml",
    ),
    "search": Kind(
        "Search file",
        "Yours lies anywhere; those that ship are in configs/search/. `harness tune FILE` runs it.",
        "configs/search/ppo-pendulum.yaml",
    ),
    "agent": Kind(
        "Agent configuration",
        "configs/agents/AGENT.yaml: what the harness adds to an agent's own defaults, and the "
        "ranges that a search tries. Every number has its source.",
        "configs/agents/sac_her.yaml",
    ),
    "env": Kind(
        "Environment card",
        "configs/envs/NAME.yaml ships; one of yours is envs/NAME.yaml or cards/NAME.yaml beside "
        "the sweep file. `harness calibrate-env NAME --write` measures its anchors.",
        "configs/envs/MiniGrid-DoorKey-6x6-v0.yaml",
    ),
    "checklist": Kind(
        "Answers to the checklist",
        "SWEEP.checklist.yaml beside the sweep file: what only its author knows. "
        "`harness report SWEEP --strict` fails while one is missing.",
        "ablations/rnd.checklist.yaml",
    ),
    "reference": Kind(
        "Public scores",
        "configs/references/NAME.yaml: a published table of scores, with which a report compares "
        "the runs of the same agent in the same environment.",
        "configs/references/cleanrl.yaml",
    ),
    "costs": Kind(
        "Measured costs",
        "configs/costs.yaml: what runs cost on one machine, from which `harness check` estimates "
        "the cost of a sweep. `python -m harness.store.cost results` renews it.",
        "configs/costs.yaml",
        "1-16",
    ),
}


class Section(NamedTuple):
    """Keys that stand together."""

    paths: list[str]  # where, such as `arms.NAME`
    schema: Schema

    @property
    def keys(self) -> dict[str, Schema]:
        keys: dict[str, Schema] = self.schema.get("properties", {})
        return keys


def pages() -> dict[str, str]:
    rows = ((f"[{kind.title}](files/{name}.md)", prose(kind.place)) for name, kind in KINDS.items())
    overview = page(
        "# YAML files",
        "Files are read strictly: an unknown key or a wrong value is an error with its line. An "
        "editor that knows JSON Schema completes and checks keys and names if the first line of "
        "the file is `# yaml-language-server: $schema=PATH`, where PATH is a file of "
        "`configs/schema/`.",
        table(("file", "where it lies, and what it is for"), rows),
        "```{toctree}\n:hidden:\n\n" + "\n".join(f"files/{name}" for name in KINDS) + "\n```",
    )
    return {"files": overview, **{f"files/{name}": _page(name, KINDS[name]) for name in names()}}


def names() -> list[str]:
    """The kinds of files that have a schema."""
    return [file.removesuffix(".json") for file in schemas()]


@cache
def _schema(name: str) -> Schema:
    return schemas()[f"{name}.json"]


@cache
def sections(name: str) -> dict[str, Section]:
    """The parts of a kind of files that have keys, by the model that says them; "": the file."""
    whole = _schema(name)
    found = {"": Section([], whole)}
    queue = [("", "")]
    while queue:
        model, path = queue.pop(0)
        for key, schema in found[model].keys.items():
            place = f"{path}.{key}" if path else key
            for other, suffix in _models(schema):
                if other not in found:
                    found[other] = Section([], _object(whole["$defs"][other]))
                    queue.append((other, place + suffix))
                found[other].paths.append(place + suffix)
    return found


def _object(schema: Schema) -> Schema:
    """What has keys, of something that may also be a single word."""
    return next(part for part in schema.get("anyOf", [schema]) if "properties" in part)


def _models(schema: Schema, suffix: str = "") -> Iterator[tuple[str, str]]:
    """The models that a value may be of, each with where in the value it stands."""
    if "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2], suffix
    for part in _either(schema):
        yield from _models(part, suffix)
    if isinstance(schema.get("items"), dict):
        yield from _models(schema["items"], suffix + "[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from _models(schema["additionalProperties"], suffix + ".NAME")


def _either(schema: Schema) -> list[Schema]:
    return [*schema.get("anyOf", ()), *schema.get("oneOf", ())]


def _page(name: str, kind: Kind) -> str:
    blocks = [f"# {kind.title}", prose(kind.place)]
    for model, section in sections(name).items():
        # The docstring of a file's model often begins with where it lies, which `place` says.
        about = re.sub(r"^[\w<>./]+\.yaml: ", "", section.schema.get("description", ""))
        words = [sentence(" ".join(part.split())) for part in about.split("\n\n")]
        if model:
            blocks += [f"(file-{name}-{model.lower()})=\n## {_heading(name, model)}", *words]
        else:
            blocks += [*words, "## Keys"]
        blocks += [_key(name, section, key) for key in section.keys]
    lines = f"\n:lines: {kind.lines}" if kind.lines else ""
    example = f"```{{literalinclude}} {ROOT}/{kind.example}\n:language: yaml{lines}\n```"
    part = "The beginning of " if kind.lines else ""
    return page(*blocks, "## Example", f"{part}{code(kind.example)}:", example)


def _heading(name: str, model: str) -> str:
    """Where such keys stand, and what tells them apart from others that may stand there."""
    all_, paths = sections(name), sections(name)[model].paths
    others = {path for each in all_ if each != model for path in all_[each].paths}
    where = ", ".join(code(path) for path in dict.fromkeys(paths))
    if not others & {*paths}:
        return where
    words = all_[model].keys["name"]
    return f"{where} with `name:` {listed(words.get('enum') or [words['const']])}"


def _key(name: str, section: Section, key: str) -> str:
    schema = section.keys[key]
    kind = _kind(schema, name)
    facts = re.sub(r"^\[?[a-z]", lambda start: start[0].upper(), f"{kind}.")
    if key in section.schema.get("required", ()):
        facts += " Required."
    elif (default := schema.get("default")) not in (None, "", [], {}) and "$ref" not in schema:
        facts += f" Default: {code(default)}."
    return directive("describe", key, sentence(schema.get("description", "")), facts)


def _kind(schema: Schema, name: str, many: bool = False) -> str:
    """What a value may be, in Markdown."""
    if "$ref" in schema:
        model = schema["$ref"].rpartition("/")[2]
        path = sections(name)[model].paths[0]
        keys = f"[keys of {code(path)}](#file-{name}-{model.lower()})"
        parts = [part for part in _either(_schema(name)["$defs"][model]) if "enum" in part]
        return " or ".join([*(_kind(part, name) for part in parts), keys])
    if parts := _either(schema):
        return " or ".join(dict.fromkeys(_kind(part, name, many) for part in parts))
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        values = schema["enum"]
        return listed(values) if len(values) <= MOST else NAMES[many]
    kind = schema.get("type")
    if kind == "array":
        return _list(schema, name)
    if kind == "object":
        values = schema.get("additionalProperties")
        word = "mappings" if many else "mapping"
        if not isinstance(values, dict) or not values:
            return word
        return f"{word} of NAME to {_kind(values, name)}"
    if kind == "string" and "pattern" in schema:
        return NAMES[many]
    word = WORDS[kind][many] if kind else "any value"
    return word + _bounds(schema)


def _list(schema: Schema, name: str) -> str:
    if "prefixItems" in schema:
        return "list of " + " and ".join(_kind(part, name) for part in schema["prefixItems"])
    least = f", at least {schema['minItems']}" if schema.get("minItems") else ""
    return f"list of {_kind(schema['items'], name, many=True)}{least}"


def _bounds(schema: Schema) -> str:
    """From where to where a number may go."""
    bounds = {
        "from": schema.get("minimum"), "to": schema.get("maximum"),
        "above": schema.get("exclusiveMinimum"), "below": schema.get("exclusiveMaximum"),
    }  # fmt: skip
    given = [f"{word} {bound:,}" for word, bound in bounds.items() if bound is not None]
    return f" {' and '.join(given)}".replace(" and to", " to") if given else ""
