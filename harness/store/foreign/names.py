"""Whose a run is, where its file does not say it: told by its name, a table, or one for all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.config.strict import UserError, suggest
from harness.store.foreign.series import Flaws, Whose, environment, label

PARTS = {"arm": "[^/]+?", "env": "[^/]+?", "seed": "[0-9]+"}
_PIECE = re.compile(r"\{(?P<part>\w*)\}|(?P<any>\*)|(?P<text>[^{}*]+)|(?P<stray>.)")
WAYS = {
    "arm": "--arm NAME, {arm} in --run, or a table of --names",
    "env": "--env NAME, {env} in --run, or a table of --names",
    "seed": "--seed N, {seed} in --run, or a table of --names",
}


@dataclass(frozen=True)
class Names:
    """What the user says of runs whose files do not."""

    fixed: Mapping[str, str] = field(default_factory=dict)  # of all runs: arm, env, seed
    pattern: str = ""  # of names: "{arm}/{env}_{seed}"; * stands for anything
    table: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by name

    def of(
        self, name: str, flaws: Flaws, where: Path, known: Mapping[str, str] | None = None
    ) -> Whose | None:
        """Whose the run of that name is; None: it is not told, and the flaw is noted.

        :param known: what its file says.
        """
        read = self._read(name, flaws, where)
        if read is None:
            return None
        parts = {**(known or {}), **read, **self.fixed}
        missing = [part for part in PARTS if part not in parts]
        for part in missing:
            message = f"nothing tells the {part} of the run '{name}': give {WAYS[part]}"
            flaws.add(where, None, "", message)
        if missing:
            return None

        def wrong(message: str) -> None:
            flaws.add(where, None, name, message)

        arm, env = label(parts["arm"], wrong), environment(parts["env"], wrong)
        if re.fullmatch("-?[0-9]+", parts["seed"]) is None:
            wrong(f"the seed '{parts['seed']}' is not a whole number")
            return None
        return Whose(arm, env, int(parts["seed"])) if arm and env else None

    def _read(self, name: str, flaws: Flaws, where: Path) -> dict[str, str] | None:
        """What the name says of the run; None: it is in no table, or does not fit the pattern."""
        if self.table and name not in self.table:
            hint = suggest(name, self.table)
            flaws.add(where, None, "", f"the table of --names has no run '{name}'.{hint}")
            return None
        parts = dict(self.table.get(name, {}))
        match = re.fullmatch(_expression(self.pattern), name) if self.pattern else None
        if self.pattern and match is None:
            flaws.add(where, None, "", f"'{name}' does not read --run '{self.pattern}'")
            return None
        return (match.groupdict() if match else {}) | parts

    @property
    def of_files(self) -> bool:
        """Whether the pattern is one of files, and not of folders."""
        return self.pattern.endswith(".csv")


def files(root: Path, pattern: str) -> list[Path]:
    """Those below a folder, or the one that is named."""
    return sorted(root.rglob(pattern)) if root.is_dir() else [root]


def name_of(place: Path, root: Path) -> str:
    """What the run of a file or folder is called: its path below what is imported."""
    return place.relative_to(root if root.is_dir() else root.parent).as_posix()


def _expression(pattern: str) -> str:
    """:raises UserError: if it cannot be read."""
    written, seen = "", set[str]()
    for piece in _PIECE.finditer(pattern):
        part = piece["part"]
        if piece["text"]:
            written += re.escape(piece["text"])
        elif piece["any"]:
            written += "[^/]*"
        elif part in PARTS and part not in seen:
            written += f"(?P<{part}>{PARTS[part]})"
            seen.add(part)
        else:
            what = f"'{piece[0]}' " + ("stands there twice" if part in seen else "is no part")
            message = f"{what}: a pattern has {{arm}}, {{env}}, {{seed}}, and * for anything"
            raise UserError.of("--run", message, pattern)
    return written
