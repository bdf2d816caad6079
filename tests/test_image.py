"""The Dockerfile, checked without a build: what it copies, pins and runs as."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
# Instructions: a line that ends in a backslash goes on in the next one.
STEPS = re.findall(r"^([A-Z]+) (.*)$", re.sub(r"\\\n", "", TEXT), flags=re.M)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def arguments(name):
    return [rest for step, rest in STEPS if step == name]


def test_it_runs_as_an_ordinary_user_and_nothing_follows_that_needs_root():
    after = STEPS[[step for step, _ in STEPS].index("USER") :]

    assert [step for step, _ in after] == ["USER", "CMD"]
    assert arguments("USER") == ["1000"]


def test_its_base_and_its_packages_have_versions():
    (base,) = [rest.partition("=")[2] for rest in arguments("ARG") if rest.startswith("BASE=")]

    assert re.search(r":3\.\d+", base)
    assert "PIP_CONSTRAINT=/harness/constraints.txt" in arguments("ARG")
    assert STEPS.index(("COPY", "constraints.txt ./")) < next(
        at for at, (step, rest) in enumerate(STEPS) if step == "RUN" and "pip install" in rest
    )


def test_every_extra_that_it_installs_is_one_of_ours_and_pinned():
    (extras,) = [rest.partition("=")[2] for rest in arguments("ARG") if rest.startswith("EXTRAS=")]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")

    for name in extras.split(","):
        for need in PROJECT["optional-dependencies"][name]:
            package = re.match(r"[\w.-]+", need)[0].lower()
            assert f"\n{package}==" in pins or package == PROJECT["name"], need


def test_what_it_copies_is_there_and_is_sent():
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    needed = {"harness", "baselines", "configs", "ablations", "Makefile", "README.md", "LICENSE"}
    needed |= {word for rest in arguments("COPY") for word in rest.split()[:-1] if word != "."}

    assert "*" in sent
    assert {line[1:] for line in sent if line.startswith("!")} == needed
    assert all((ROOT / name).exists() for name in needed)


def test_what_changes_often_comes_last():
    """So that after a change of the harness one small layer is built, pushed and pulled."""
    installed = [at for at, (step, rest) in enumerate(STEPS)
                 if step == "RUN" and "pip install" in rest]  # fmt: skip
    whole = STEPS.index(("COPY", ". ./"))

    assert [at < whole for at in installed] == [True, True, False]
    assert [rest for step, rest in STEPS[:whole] if step == "COPY"] == [
        "constraints.txt ./",
        "pyproject.toml ./",
    ]
    assert "--no-deps" in STEPS[installed[-1]][1]


def test_make_says_what_it_computes_on_and_what_builds_it():
    words = [
        "make",
        "--no-print-directory",
        "--dry-run",
        "image",
        "DEVICE=cuda",
        "DOCKER=podman",
        "OPTIONS=--no-cache",
    ]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout.split() == [
        "podman", "build", "--build-arg", "DEVICE=cuda", "--no-cache", "--tag", "harness:cuda", ".",
    ]  # fmt: skip
