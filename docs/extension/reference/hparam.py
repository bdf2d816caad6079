"""Tables of hyper-parameters: what they mean, their defaults, and what a search tries."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from extension.reference.markdown import (
    code,
    directive,
    listed,
    parameters,
    prose,
    sentence,
    shown,
    table,
)
from harness.config.space import Range
from harness.config.tree import flat


def defaults(config: Mapping[str, Any], meanings: Mapping[str, str]) -> str:
    """Each hyper-parameter with its default, nested ones dotted."""
    return "\n\n".join(
        directive("describe", f"{key}: {shown(value)}", sentence(meanings.get(key, "")))
        for key, value in flat(config).items()
    )


def changes(hparams: Mapping[str, Any]) -> str:
    """Values that depart from defaults, in a cell."""
    return ", ".join(code(f"{key}: {_value(value)}") for key, value in flat(hparams).items())


def _value(value: Any) -> str:
    return code(value).strip("`")


def meanings(config: type[BaseModel], *documented: type) -> dict[str, str]:
    """What each hyper-parameter is, by its dotted name.

    :param documented: classes whose docstrings say it of those that have no description.
    """
    said = {key: text for each in reversed(documented) for key, text in _told(each).items()}
    return {key: text or said.get(key, "") for key, text in _described(config)}


def _described(config: type[BaseModel], before: str = "") -> Iterator[tuple[str, str]]:
    for name, field in config.model_fields.items():
        yield f"{before}{name}", field.description or ""
        for nested in _models(field.annotation):
            yield from _described(nested, f"{before}{name}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for part in typing.get_args(annotation):
        yield from _models(part)


@cache
def _told(algorithm: type) -> dict[str, str]:
    """What an algorithm of Stable-Baselines3, its policy and their bases say of parameters."""
    policy = next(iter(getattr(algorithm, "policy_aliases", {}).values()), object)
    of_policy = {f"policy_kwargs.{key}": text for key, text in _of_bases(policy)}
    return {**of_policy, **dict(_of_bases(algorithm))}


def _of_bases(kind: type) -> Iterator[tuple[str, str]]:
    for base in reversed(kind.__mro__):
        for key, text in parameters(base).items():
            yield key, re.sub(r"``?([^`]+)``?", r"`\1`", text)


def search(space: Mapping[str, Range]) -> str:
    """A row for each hyper-parameter that a search tries."""
    rows = ((code(key), _range(one), prose(one.why)) for key, one in space.items())
    return table(("hyper-parameter", "tries", "why"), rows)


def _range(one: Range) -> str:
    return ", ".join(_parts(one))


def _parts(one: Range) -> Iterable[str]:
    if one.choices is not None:
        yield listed(one.choices)
    else:
        yield f"{code(one.low)} to {code(one.high)}"
    if one.powers_of is not None:
        yield f"powers of {one.powers_of}"
    if one.step is not None:
        yield f"in steps of {one.step}"
    if one.one_minus:
        yield "by its distance to 1"
    if one.log:
        yield "on a logarithmic scale"
    if one.when:
        yield f"with {code(one.when)}"
    if one.actions:
        yield f"{one.actions} actions only"
