"""Whatever a user writes is read, or refused in lines that say where: no traceback, no hang."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import chdir, contextmanager

import grammar
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from typer.testing import CliRunner

from harness.cli import verb
from harness.cli.main import app
from harness.config import strict
from harness.envs.card import Card
from harness.search import study
from harness.search.dimension import Dimension
from harness.setting import AgentFile
from harness.sweep.expand import expand
from harness.train import missing

PATIENCE = 5.0  # seconds of CPU time that one input may take
SAMPLE, SOAK = 40, 1_700  # inputs of each of the six kinds: 240 and 10,200


class Hang(BaseException):
    """An input takes too long. No `except Exception` catches it."""


@contextmanager
def patience():
    def stop(number, frame):
        raise Hang(f"more than {PATIENCE} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def sweep(path):
    expand(path, anyway=True)


def search(path):
    for plan in study.read(path):
        plan.stages()
        for one in plan.space.values():
            assert Dimension("x", one).kind is not None


def card(path):
    strict.read(path, Card).identity()


def agent_file(path):
    strict.read(path, AgentFile)


FILES = {
    "sweep": (grammar.SWEEP, sweep),
    "design": (grammar.DESIGN, sweep),
    "looks": (grammar.LOOKS, sweep),
    "search": (grammar.SEARCH, search),
    "card": (grammar.CARD, card),
    "agent": (grammar.AGENT_FILE, agent_file),
}


def drawn(examples):
    """Always the same inputs. They are not made smaller: what failed is printed as it is."""
    return settings(
        max_examples=examples,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def right_or_refused(read, path):
    """Read a file; whatever is wrong with it is told in lines that a terminal can show."""
    try:
        with patience():
            read(path)
    except strict.UserError as error:
        assert error.problems  # noqa: PT017 - most inputs are right
        for problem in error.problems:
            assert str(problem).isprintable() and len(str(problem)) < 1_100
            assert problem.file and problem.message


@pytest.mark.parametrize("kind", FILES)
def test_what_is_right_is_read(tmp_path, kind):
    right, read = FILES[kind]
    (tmp_path / "right.yaml").write_text(json.dumps(right))

    read(tmp_path / "right.yaml")


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("examples", [SAMPLE, pytest.param(SOAK, marks=pytest.mark.soak)])
def test_any_file_is_read_or_refused_in_lines_that_say_where(tmp_path, kind, examples):
    right, read = FILES[kind]
    path = tmp_path / "file.yaml"

    @drawn(examples)
    @given(grammar.texts(right))
    def every(raw):
        path.write_bytes(raw)
        right_or_refused(read, path)

    every()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["preview", "CartPole-v1", "--seed", "-1"], "--seed"),
        (["preview", "CartPole-v1", "--out", "x.foo"], "no film strip ends in '.foo'"),
        (["preview", "CartPole-v1", "--out", "folder"], "no film strip ends in ''"),
        (["preview", "../CartPole-v1", "--out", "x.png"], "no name of an environment"),
        (["calibrate", "--trials", "9" * 30], "--trials"),
        (["calibrate-env", "CartPole-v1", "--episodes", "9" * 30], "--episodes"),
        (["check", "smoke", "--workers", "9" * 30], "--workers"),
        (["check", "smoke", "--workers", "-1"], "--workers"),
        *(
            (["check", "smoke", option, n], option)
            for option in ("--watts", "--per-hour")
            for n in ("inf", "nan", "-1")
        ),
        (["profile", "ppo", "CartPole-v1", "--seconds", "inf"], "--seconds"),
        (["profile", "ppo", "CartPole-v1", "--seconds", "nan"], "--seconds"),
        (["profile", "ppo", "CartPole-v1", "--steps", "9" * 30], "1 to 1,000,000,000,000 steps"),
        (["profile", "ppo", "CartPole-v1", "--engine", "rocket"], "engine"),
        (["calibrate-env", "CartPole-v1", "--reference", "nan"], "--reference"),
        (["calibrate", "--out", "/proc/x.csv"], "--out: /proc/x.csv: no such file"),
        (["calibrate", "--out", "."], "--out"),
        (["preview", "CartPole-v1", "--out", "/proc/x.png"], "--out: /proc/x.png: no such file"),
        (
            ["watch", "ppo", "CartPole-v1", "--video", "/proc/x.gif"],
            "--video: /proc/x.gif: no such",
        ),
        (
            ["watch", "ppo", "CartPole-v1", "--video", "/dev/null/x.gif"],
            "x.gif: file exists: name another",
        ),
        (
            ["watch", "ppo", "CartPole-v1", "--strip", "/proc/x.png"],
            "--strip: /proc/x.png: no such",
        ),
        (["watch", "ppo", "CartPole-v1", "--video", "x.avi"], "no video ends in '.avi'"),
        (["watch", "ppo", "CartPole-v1", "--seed", "-1"], "--seed"),
        (["watch", "ppo", "CartPole-v1", "--episode", "1", "--seed", "3"], "--seed"),
        (["watch", "ppo", "CartPole-v1", "--results", "/proc/x"], "no finished run"),
        (["run", "ppo", "CartPole-v1", "--limits", "{hours: .nan}"], "--limits: {hours: .nan}"),
        (["run", "ppo", "CartPole-v1", "--limits", "{hours: .inf}"], "--limits: {hours: .inf}"),
        (["run", "ppo", "CartPole-v1", "--limits", "{memory_gb: -1}"], "limits.memory_gb"),
        (["run", "ppo", "CartPole-v1", "--checkpoint", "{every: 1.5}"], "checkpoint.every"),
        (["run", "ppo", "CartPole-v1", "--checkpoint", "5"], "checkpoint"),
        (["sweep", "smoke", "--budget", "nan"], "--budget"),
        (["sweep", "smoke", "--budget", "-2h"], "--budget"),
        (["sweep", "smoke", "--budget", "9" * 400 + "h"], "--budget"),
        (["board", "nowhere", "--port", "99999"], "--port"),
        (["check", "smoke", "--set", "gamma=0.9", "--set", "gamma.x=1"], "--set: gamma.x=1"),
        (["check", "x" * 300], "File name too long"),
        (["check", "."], "a folder"),
        (["check", "/dev/zero"], "no file that ends"),
        (["report", "x" * 300], "no name of a sweep"),
        (["report", "a\nb"], "no name of a sweep"),
        (["report", "../results"], "no name of a sweep"),
        (["report", "nowhere", "--results", "x" * 300], "File name too long"),
        (["run", "ppo", "CartPole-v1", "--steps", "9" * 30], "1 to 1,000,000,000,000 steps"),
        (["run", "ppo", "CartPole-v1", "--seed", "9" * 30], "outside 0 ... 9999"),
        (["run", "ppo", "CartPole-v1", "--evaluation", "3"], "evaluation"),
        (["run", "ppo", "CartPole-v1", "--engine", "{threads: 1e9}"], "engine.threads"),
        (["run", "ppo", "CartPole-v1", "--wrapper", "{name: [x]}"], "wrapper"),
        (["tune", "--agent", "ppo", "--env", "../x"], "no name of an environment"),
    ],
)
def test_an_option_out_of_its_range_is_refused_at_once(tmp_path, words, says):
    with chdir(tmp_path), patience():
        done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})

    assert done.exit_code == verb.USERS_ERROR, done.output
    assert says in done.output and "Traceback" not in done.output
    assert not list(tmp_path.iterdir())


TINY = {"envs": ["DeepSea-8"], "steps": 100, "seeds": 2}
TINY |= {"evaluation": {"every": 100, "episodes": 1, "final_episodes": 2}}
PLACED = {
    "sweep": ["sweep", "sweep.yaml"],
    "run": ["run", "tabular_q", "DeepSea-8", "--steps", "100"],
    "tune": ["tune", "search.yaml"],
    "import": ["import", "scores.csv", "--as", "theirs"],
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such a /proc")
@pytest.mark.parametrize(
    "words",
    [
        *([*words, "--results", "/proc/x"] for words in PLACED.values()),
        ["launch", "gcp", "sweep.yaml", "--out", "/proc/x"],
        ["new", "/proc/x"],
    ],
    ids=[*PLACED, "launch", "new"],
)
def test_where_no_folder_can_be_made_is_told_in_one_line(tmp_path, words):
    arm = {"agent": "tabular_q"}
    sweep = TINY | {"name": "tiny", "question": "Is it refused?", "arms": {"learner": arm}}
    space = {"gamma": {"why": "Near or far.", "low": 0.8, "high": 0.99}}
    search = TINY | {"name": "tiny", "arms": {"learner": arm | {"space": space}}}
    search |= {"budget": {"trials": 1}, "confirm": {"top": 1, "test_seeds": 2}}
    (tmp_path / "sweep.yaml").write_text(json.dumps(sweep))
    (tmp_path / "search.yaml").write_text(json.dumps(search))
    rows = [f"{arm},CartPole-v1,{seed},100,{seed}" for arm in "ab" for seed in range(3)]
    (tmp_path / "scores.csv").write_text("\n".join(["arm,env,seed,step,return", *rows]))

    with chdir(tmp_path):
        done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})

    assert done.exit_code == verb.USERS_ERROR, done.output
    lines = [line for line in done.output.splitlines() if line.startswith("/proc/x")]
    assert len(lines) == 1 and "no folder can be made there" in lines[0]


@pytest.mark.parametrize("examples", [SAMPLE, pytest.param(SOAK, marks=pytest.mark.soak)])
def test_any_command_ends_with_a_code_and_lines_that_say_why(tmp_path, monkeypatch, examples):
    def trains(*arguments, **options):
        raise strict.UserError([strict.Problem("test", None, "", "would train")])

    monkeypatch.setattr(missing, "train_missing", trains)
    monkeypatch.setattr(study, "run", trains)
    (tmp_path / "drawn.yaml").write_text(json.dumps(grammar.SWEEP))
    (tmp_path / "search.yaml").write_text(json.dumps(grammar.SEARCH))

    @drawn(examples)
    @given(grammar.commands())
    def every(words):
        with chdir(tmp_path), patience():
            done = CliRunner().invoke(app, words)
        if not isinstance(done.exception, SystemExit | None):
            raise done.exception
        assert done.exit_code in (verb.FINISHED, verb.SOME_FAILED, verb.USERS_ERROR)
        assert done.exit_code == verb.FINISHED or done.output

    every()
