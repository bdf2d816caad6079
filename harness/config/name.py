"""What may be a name: of an agent, an environment, a sweep, a search. Folders are named by them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

PATTERN = "[A-Za-z0-9_][A-Za-z0-9_.-]*"
# An agent or environment from a module of the user's own or of a package: "module:Class",
# "module:Name-v0", "ALE/Pong-v5"; a learner with a bonus of the user's own: "ppo+module:Class".
TARGET = rf"(?:[a-z0-9_]+\+)?(?:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:)?(?:[\w-]+/)?{PATTERN}"
LONGEST = 100  # letters: a file's name may have 255, and names are put together
RULE = f"letters, digits, '_', '.' and '-', the first no '.' or '-', at most {LONGEST}"


def is_name(text: str) -> bool:
    """Whether it is one plain name. No path can be spelled with it but to a child of a folder."""
    return len(text) <= LONGEST and re.fullmatch(PATTERN, text) is not None


def is_target(text: str) -> bool:
    """Whether it is a name, or says in which module or registry one stands."""
    return len(text) <= LONGEST and re.fullmatch(TARGET, text, re.ASCII) is not None


def as_file(target: str) -> str:
    """What a folder or a file is called for it: `my.mine.Mine` for `my.mine:Mine`."""
    return re.sub("[:/+]", ".", target)


def _targeted(text: str) -> str:
    if not is_target(text):
        raise ValueError(f"a name has {RULE}, and may follow 'module:'")
    return text


Target = Annotated[str, AfterValidator(_targeted)]


def _checked(text: str) -> str:
    if not is_name(text):
        raise ValueError(f"a name has {RULE}")
    return text


Name = Annotated[
    str,
    AfterValidator(_checked),
    WithJsonSchema({"type": "string", "pattern": f"^{PATTERN}$", "maxLength": LONGEST}),
]


def joined(names: Iterable[str], word: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    *some, last = list(names) or [""]
    return f"{', '.join(some)} {word} {last}" if some else last


def counted(n: int, noun: str = "run") -> str:
    """`1 run`, `2 runs`, `1,000 runs`."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


def shortened(text: str) -> str:
    """What somebody wrote, as it stands in a message of one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}..."


def below(folder: Path, given: str) -> Path:
    """The YAML file `given` in `folder` or further down, wherever links lead.

    :raises ValueError: if it is none; the message tells the way out.
    """
    path = folder / given
    if not given.endswith((".yaml", ".yml")):
        raise ValueError("name a .yaml file")
    if Path(given).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"not below the folder {folder or '.'}: copy the file there")
    return path
