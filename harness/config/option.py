"""What is given to options of the command line: YAML, as in a file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from harness.config.name import shortened
from harness.config.strict import Problem, UserError
from harness.config.tree import put
from harness.config.yaml import NotYamlError, compose

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
LONGEST = 36_500 * 86_400  # seconds: of later moments no clock tells
DURATION = re.compile("".join(rf"((?P<{unit}>\d+(\.\d+)?){unit})?" for unit in UNITS))


def seconds(option: str, given: str) -> float:
    """What a duration such as 90m or 1h30m is in seconds.

    :raises UserError: if it is none.
    """
    match = DURATION.fullmatch(given.replace(" ", ""))
    parts = match.groupdict() if match else {}
    total = sum(float(part) * UNITS[unit] for unit, part in parts.items() if part)
    if not 0 < total <= LONGEST:
        way_out = "write it as 2h, 90m or 1h30m (d, h, m, s), of 100 years at most"
        raise UserError.of(option, way_out, shortened(given))
    return total


def spoken(option: str, given: str, text: str) -> Any:
    """What `text`, a part of what was given to an option of the command line, says as YAML.

    :raises UserError: if it is none.
    """
    try:
        tree = compose(text)
    except NotYamlError as error:
        raise UserError.of(option, str(error), given) from None
    if tree.flaws:
        raise UserError(Problem(option, None, given, flaw.message) for flaw in tree.flaws)
    return tree.data


def assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """`key=value` pairs as a tree: dots go inside, values are YAML.

    :raises UserError: for a pair without "=", a value that is no YAML, or two pairs that exclude
        each other.
    """
    tree: dict[str, Any] = {}
    problems: list[Problem] = []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        try:
            value = spoken("--set", pair, text)
        except UserError as error:
            problems += error.problems
            continue
        if not equals or not all(key.split(".")):
            problems.append(Problem("--set", None, pair, "write it as key=value"))
        elif (other := put(tree, key, value)) is not None:
            message = f"'{other}' has a value of its own already: drop one of the two"
            problems.append(Problem("--set", None, pair, message))
    if problems:
        raise UserError(problems)
    return tree
