"""Type a page's commands and run its code, in the order of the page, as a reader does."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from command import typed
from snippets import OTHERS, ROOT, Block, Command, blocks, commands, place
from stages import LONG, Stage

# Words that change nothing of what a command does, and much of the time that it takes.
QUICK = {"sweep": ("--executor", "serial", "--no-crosscheck"), "report": ("--no-crosscheck",)}
UNTYPED = OTHERS | {"pip", "export"}  # what cannot be run here, or installs
FILE = re.compile(r"# ([\w-]+\.(?:yaml|py))$")  # the first line of a block that the reader saves
# What differs from one machine, moment or checkout to another.
MASKS = {
    r"\d[\d,.]* (?:CPU |core |wall )?(?:seconds?|minutes?|hours?|s|ms|min|h)\b": "TIME",
    r"\d[\d,.]* (?:bytes|[kMG]B|Wh|kWh)\b": "SIZE",
    r"\b[0-9a-f]{12,64}\b": "HASH",
    r"\b\d{4}-\d\d-\d\d(?:[T ][\d:.+]+)?": "DATE",
    r"[\d,.]+ steps/s": "RATE",
}


def elsewhere(command: Command) -> str | None:
    """The test that stands in for a command which is not typed here."""
    found = [test for pattern, test in LONG.items() if re.match(pattern, command.text)]
    assert len(found) <= 1, f"{place(command)}: two entries of LONG: {found}"
    return found[0] if found else None


PROGRESS = re.compile(r"\d+/\d+ runs.*|[\w-]+: .*, TIME left.*|")
ANY = "(?:.*\n)*"


class Play:
    """A reader of one page."""

    def __init__(self, page: str, folder: Path, stage: Stage) -> None:
        self.page, self.stage = page, stage
        self.cwd = folder
        with contextlib.chdir(folder):
            self.words = dict(stage.build(folder) or {})
        self.names: dict[str, Any] = {"__name__": "snippet"}

    def run(self) -> None:
        for block in blocks(self.page):
            if name := FILE.match(block.text.partition("\n")[0]):
                (self.cwd / name[1]).write_text(self._filled_in(block.text))
            if block.language == "console":
                for command in commands(block):
                    self._type(command)
            elif block.language == "python":
                self._execute(block)

    def _prepare(self, text: str) -> str:
        """Do what has to be done before; the snippet with what stands in for its words."""
        for start, before in self.stage.before.items():
            if text.startswith(start):
                facts = before(self.cwd) or {}
                self.words |= {name: fact for name, fact in facts.items() if isinstance(fact, str)}
                self.names |= {name: facts[name] for name in facts.keys() - self.words.keys()}
        return self._filled_in(text)

    def _filled_in(self, text: str) -> str:
        for word, real in self.words.items():
            text = re.sub(rf"\b{re.escape(word)}\b", real, text)
        return text

    def _execute(self, block: Block) -> None:
        text, before = self._prepare(block.text), set(self.names)
        # Lines of a traceback are those of the page.
        code = compile("\n" * block.line + text, str(ROOT / self.page), "exec")
        with contextlib.chdir(self.cwd):
            exec(code, self.names)
            for name in self.names.keys() - before:
                if name.startswith("test_"):
                    self.names[name]()

    def _type(self, command: Command) -> None:
        if elsewhere(command) or any(argv[0] in UNTYPED for argv in command.argvs()):
            return
        code = self.stage.codes.get(command.text, 0)
        command = command._replace(text=self._prepare(command.text))
        said = ""
        for argv in command.argvs():
            if argv[0] == "cd":
                self.cwd /= argv[1]
            elif argv[0] == "harness":
                said += self._harness(command, argv[1:], code)
            else:
                said += self._shell(command)
        if command.output:
            shown = self._filled_in(command.output)
            compare(shown, said, place(command), self.stage.varies)

    def _harness(self, command: Command, words: list[str], code: int) -> str:
        try:
            return typed(*words, *QUICK.get(words[0], ()), cwd=self.cwd, code=code)
        except AssertionError as error:
            raise AssertionError(f"{place(command)}: {command.text}\n{error}") from None

    def _shell(self, command: Command) -> str:
        """In a shell of its own, whose programs are those of this environment."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            ["bash", "-c", command.text], cwd=self.cwd, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{place(command)}: {command.text}\n{done.stdout}{done.stderr}"
        return done.stdout


def compare(shown: str, said: str, where: str, varies: Iterable[str] = ()) -> None:
    """What a page shows is what the command says; `...` stands for any lines.

    Times, sizes, dates and hashes may differ, and lines of progress are not shown.

    :param varies: what else may differ.
    """
    masks = MASKS | dict.fromkeys(varies, "VALUE")
    heard = [line for line in (masked(each, masks) for each in said.splitlines())
             if not PROGRESS.fullmatch(line)]  # fmt: skip
    wanted = [line for line in (masked(each, masks) for each in shown.splitlines()) if line]
    pattern = "".join(ANY if line == "..." else f"{re.escape(line)}\n" for line in wanted)
    same = re.fullmatch(pattern, "".join(f"{line}\n" for line in heard))
    assert same, "\n".join([f"{where}: the page shows", *wanted, "and there comes", *heard])


def masked(line: str, masks: Mapping[str, str]) -> str:
    for pattern, word in masks.items():
        line = re.sub(pattern, word, line)
    return line.rstrip()
