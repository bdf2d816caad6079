"""What a wrapper is to the harness, and the options that its signature gives it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model

from harness.envs.wrappers.option import Env

UNNAMED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)  # *args, **kwargs

Kind = Literal["both", "training"]


class Wrapper(NamedTuple):
    """A wrapper, as it is applied and described."""

    apply: Callable[..., Env]  #: `(env, **options)`: its signature says which options there are
    summary: str
    kind: Kind
    #: Whether what it does depends on how far training is.
    moves: bool
    version: int | str | None = None  #: of one of your own: part of a run's key


@cache
def options(apply: Callable[..., Env]) -> type[BaseModel]:
    """The options of a wrapper as a model, read from the signature of its class or function.

    :raises TypeError: if it takes no environment, or any options.
    """
    typed = apply.__init__ if isinstance(apply, type) else apply  # type: ignore[misc]
    hints = get_type_hints(typed, include_extras=True)
    taken = list(inspect.signature(apply).parameters.values())
    if not taken or any(each.kind in UNNAMED for each in taken):
        raise TypeError("it must take an environment, then each option by its name")
    _, *parameters = taken
    fields: dict[str, Any] = {
        each.name: (hints.get(each.name, Any), ... if each.default is each.empty else each.default)
        for each in parameters
    }
    settings = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
    return create_model(apply.__name__, __config__=settings, **fields)
