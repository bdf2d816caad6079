"""Commands that are killed from outside, and all that must be true of what they leave."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import psutil
from fake_tune import facts
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from harness.store.reader import Store

PATIENCE = 600.0  # seconds: this machine may be busy
ENDS = 60.0  # seconds that the workers of a killed command have to end by themselves
MARK = "KILLED_BY_TEST"  # in the environment of a command, and so of all that it starts
# Tables of times and attempts, which differ by nature.
CIRCUMSTANCE = ("runs.csv", "table_compute.csv", "checklist.csv", "table_equal_cpu")

SWEEP = """\
name: kills
question: Does it come back?
envs: [{env}]
seeds: {seeds}
steps: {steps}
evaluation: {{every: {every}, episodes: {episodes}, final_episodes: 5}}
engine: {engine}
{checkpoint}
arms: {{learner: {{agent: {agent}, hparams: {hparams}}}}}
"""
SEARCH = """\
name: kills
envs: [{env}]
steps: {steps}
evaluation: {{every: {every}, episodes: 2, final_episodes: 3}}
engine: {engine}
{checkpoint}
arms:
  learner:
    agent: {agent}
    hparams: {hparams}
    space: {{gamma: {{why: Far or near., low: 0.8, high: 0.99}}}}
seeds: 3
budget: {{trials: 3}}
batch: 3
confirm: {{top: 1, test_seeds: 3}}
"""


class Study(NamedTuple):
    """What is trained, small."""

    agent: str
    engine: str
    checkpoint: bool
    env: str
    steps: int
    seeds: int
    episodes: int  # of an evaluation, where most of the time is evaluation
    hparams: str = "{}"

    def __str__(self) -> str:
        return f"{self.agent}, {self.engine}, {'' if self.checkpoint else 'no '}checkpoint"

    def write(self, folder: Path, evaluating: bool) -> None:
        """:param evaluating: most of the time, instead of training."""
        every = self.steps // (20 if evaluating else 4)
        fields = self._asdict() | {"every": every, "episodes": self.episodes if evaluating else 2}
        barriers = f"checkpoint: {{every: {self.steps // 4}}}" if self.checkpoint else ""
        for name, text in (("sweep.yaml", SWEEP), ("search.yaml", SEARCH)):
            (folder / name).write_text(text.format(**fields | {"checkpoint": barriers}))


DQN = "{learning_starts: 100, buffer_size: 1000, batch_size: 16, policy_kwargs: {net_arch: [8]}}"
PPO = "{n_envs: 2, n_steps: 32, batch_size: 32, n_epochs: 2, policy_kwargs: {net_arch: [8]}}"
STUDIES = {
    "tabular_q": Study("tabular_q", "sb3", False, "DeepSea-8", 4_000, 6, 2_000),
    "tabular_q+checkpoint": Study("tabular_q", "sb3", True, "DeepSea-8", 4_000, 6, 2_000),
    "ppo": Study("ppo", "sb3", False, "CartPole-v1", 1024, 4, 600, PPO),
    "ppo+checkpoint": Study("ppo", "sb3", True, "CartPole-v1", 1024, 4, 600, PPO),
    "lockstep": Study("dqn", "lockstep", False, "CartPole-v1", 2000, 4, 1_000, DQN),
    "lockstep+checkpoint": Study("dqn", "lockstep", True, "CartPole-v1", 2000, 4, 1_000, DQN),
}
WORDS = {
    "training": ("sweep", "sweep.yaml", "--workers", "2", "--no-figures", "--no-crosscheck"),
    "report": ("report", "kills", "--no-crosscheck"),
    "status": ("status", "kills"),
    "tune": ("tune", "search.yaml", "--workers", "2"),
    "verify": ("verify", "kills", "--sample", "100%", "--workers", "2"),
    "board": ("board", "kills", "--no-serve"),
}
WORDS["evaluation"] = WORDS["starting"] = WORDS["compiling"] = WORDS["training"]
OF_FINISHED = ("report", "verify", "board")  # that need a finished sweep


class Cell(NamedTuple):
    """Kills of one kind."""

    deed: str
    victim: str
    study: str
    n: int = 1  # kills, before the command comes to its end
    chains: int = 1  # how often that is done


@contextmanager
def place_for_homes() -> Iterator[Path]:
    """A folder of a short name, for names of sockets in it must be short; in memory if possible,
    for a busy disk takes most of the time of what is so small.
    """
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
    with tempfile.TemporaryDirectory(prefix="kill-", dir=where) as folder:
        yield Path(folder)


class Home:
    """A folder in which one command is given, with temporary files of its own."""

    def __init__(self, place: Path, study: Study, deed: str, before: Path | None = None) -> None:
        """:param before: results that are there already."""
        self.deed, self.before, self.mark = deed, before, uuid4().hex
        self.folder = place / self.mark[:8]
        self.temporary = self.folder / "tmp"
        self.temporary.mkdir(parents=True)
        self.cache = (self.folder if deed == "compiling" else place) / "cache"
        study.write(self.folder, evaluating=deed == "evaluation")
        if before:
            shutil.copytree(before, self.store.root)

    def start(
        self, deed: str = "", more: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """The command in a process group of its own, so that a kill meets nobody else.

        :param deed: another command.
        :param more: words of it.
        """
        places = {"TMPDIR": str(self.temporary), "XDG_CACHE_HOME": str(self.cache)}
        places["TORCHINDUCTOR_CACHE_DIR"] = str(self.cache / "torch")  # made by every import of it
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *WORDS[deed or self.deed], *more],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, env=os.environ | places | (env or {}) | {MARK: self.mark},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip

    @property
    def store(self) -> Store:
        return Store(self.folder / "results")

    def alive(self) -> list[psutil.Process]:
        """All processes that a command of this folder has started and that still run."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == self.mark and process.status() != "zombie":
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def scratch(self) -> list[Path]:
        """What only a killed writer leaves: in the results, among temporary files, in the cache."""
        left = [path for path in self.store.root.rglob(".*.*") if path.name != ".written.json"]
        left += self.store.root.glob("runs/*/*/*/checkpoint*")
        return [*left, *self.temporary.iterdir(), *self.cache.rglob("*.tmp.*")]

    def ends(self) -> None:
        """Whatever was killed, no process of the command goes on."""
        wait_for(lambda: not self.alive(), ENDS)
        assert not self.alive(), [process.cmdline() for process in self.alive()]

    def is_tidy(self) -> None:
        self.ends()
        assert not (left := self.scratch()), left

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """What was finished before is as it was afterwards, and was not started again."""
        before = finished(self.store)
        yield
        after = finished(self.store)
        touched = [key for key in before if before[key] != after.get(key)]
        assert not touched, touched

    def outcome(self) -> dict[str, Any]:
        """All that a disturbance must not change."""
        store = self.store
        found: dict[str, Any] = {}
        for path in sorted(store.root.glob("s*/kills/report/**/*.csv")):
            if not path.name.startswith(CIRCUMSTANCE):
                found[path.name] = path.read_bytes()
        for path in store.root.glob("runs/*/*/*/result.json"):
            result = json.loads(path.read_text())
            kept = {name: each["sha256"] for name, each in result["files"].items()}
            # One tells CPU seconds, and the other when it was packed; it holds the weights.
            kept = {name: kept[name] for name in kept.keys() - {"train.jsonl", "model/model.zip"}}
            found[path.parent.name] = result["weights"], result["final"], kept
        if self.deed == "report":
            for path in store.sweep_folder("kills").glob("report/*.*"):
                found[f"page {path.name}"] = path.read_bytes()
        if self.deed == "verify":
            for path in store.root.glob("runs/*/*/*/certificate.json"):
                found[f"certificate {path.parent.name}"] = json.loads(path.read_text())["outcome"]
        if self.deed == "board":
            for path in store.root.glob("runs/*/*/*/events/events.*"):
                found[f"events {path.parents[1].name}"] = points(path)
        if self.deed == "tune":
            arm = store.search_folder("kills") / "learner"
            found["best.yaml"] = (arm / "best.yaml").read_bytes()
            journal = JournalStorage(JournalFileBackend(str(arm / "journal.log")))
            found["trials"] = facts(journal.get_all_trials(journal.get_all_studies()[0]._study_id))
        return found


def points(path: Path) -> list[tuple[int, str, float]]:
    return [
        (event.step, value.tag, value.tensor.float_val[0])
        for event in EventFileLoader(str(path)).Load()
        for value in event.summary.value
    ]


def finish(process: subprocess.Popen[bytes], *codes: int) -> str:
    out, _ = process.communicate(timeout=PATIENCE)
    assert not codes or process.returncode in codes, (process.returncode, out.decode())
    return out.decode()


def wait_for(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    return None


def finished(store: Store) -> dict[str, Any]:
    """Of each run that is: its result as a file, and how often it was started."""
    found = {}
    for path in store.root.glob("runs/*/*/*/result.json"):
        lines = (path.parent / "attempts.jsonl").read_text().splitlines()
        starts = sum("started" in json.loads(line) for line in lines)
        found[path.parent.name] = path.read_bytes(), path.stat().st_mtime_ns, starts
    return found


# Whom a kill meets --------------------------------------------------------------------------------


def server(process: subprocess.Popen[bytes]) -> psutil.Process | None:
    """The process from which workers are forked."""
    try:
        for child in psutil.Process(process.pid).children():
            if "multiprocessing.forkserver" in " ".join(child.cmdline()):
                return child
    except psutil.Error:
        pass
    return None


def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return _of_server(process, "forkserver")


def compilers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Processes that compile for the server of workers."""
    return _of_server(process, "warm()")


def _of_server(process: subprocess.Popen[bytes], word: str) -> list[psutil.Process]:
    """What the server of workers has started with such a command."""
    of = server(process)
    try:
        children = of.children() if of else []
        return [child for child in children if word in " ".join(child.cmdline())]
    except psutil.Error:
        return []


VICTIMS: dict[str, Callable[[subprocess.Popen[bytes], random.Random], bool]] = {
    "worker": lambda process, rng: _struck(rng.choice(workers(process) or [None])),
    "server": lambda process, rng: _struck(server(process)),
    "parent": lambda process, rng: _struck(psutil.Process(process.pid)),
    "group": lambda process, rng: not os.killpg(process.pid, signal.SIGKILL),
    "SIGTERM": lambda process, rng: not process.terminate(),
    "SIGHUP": lambda process, rng: not process.send_signal(signal.SIGHUP),
}
MOST = {"worker": 4, "server": 2}  # in one process: the command survives them
# Exit codes of a command whose victim was itself. A signal may come while Python starts.
ENDED = {"parent": {-9}, "group": {-9}, "SIGTERM": {130, -15}, "SIGHUP": {130, -1}}


def _struck(process: psutil.Process | None) -> bool:
    try:
        if process is None or process.status() == "zombie":
            return False
        process.kill()
        return True
    except psutil.Error:
        return False


def struck(process: subprocess.Popen[bytes], victim: str, rng: random.Random) -> bool:
    """Kill it as soon as there is one, unless the command ends before."""
    while process.poll() is None:
        if VICTIMS[victim](process, rng):
            return True
        time.sleep(0.05)
    return False


# Trials -------------------------------------------------------------------------------------------


class Undisturbed(NamedTuple):
    """A command that nobody killed."""

    home: Home
    outcome: dict[str, Any]
    begins: float  # seconds until what is to be killed begins
    lasts: float  # seconds of what is to be killed
    evaluates: float  # the part of its runs' time in which they were evaluated


def begun(process: subprocess.Popen[bytes], deed: str) -> Any:
    """Whether a command does what it is to be killed at."""
    if deed in ("report", "board", "starting"):
        return True
    return compilers(process) if deed == "compiling" else workers(process)


def undisturbed(place: Path, study: Study, deed: str, before: Path | None) -> Undisturbed:
    """:param before: results of the finished sweep, where the command needs that."""
    home = Home(place, study, deed, before)
    process, start = home.start(), time.monotonic()
    wait_for(lambda: begun(process, deed) or process.poll() is not None)
    at = time.monotonic()
    if deed in ("starting", "compiling"):
        wait_for(lambda: workers(process) or process.poll() is not None)
        lasts = time.monotonic() - at
    finish(process, 0)
    if deed not in ("starting", "compiling"):
        lasts = time.monotonic() - at
    home.is_tidy()
    results = [json.loads(path.read_text()) for path in home.store.root.glob("runs/*/*/*/result.*")]
    share = sum(r["evaluation_seconds"] for r in results) / sum(r["cpu_seconds"] for r in results)
    return Undisturbed(home, home.outcome(), at - start, lasts, share)


def chain(place: Path, cell: Cell, truth: Undisturbed, seed: int) -> Iterator[bool]:
    """Kill a command again and again, each time the one that goes on; then let it come to its end.

    :return: for each kill whether it met somebody: on a busy machine it may come too late.
    """
    rng, deed = random.Random(f"{cell} {seed}"), cell.deed
    before = truth.home.before if deed in OF_FINISHED else None
    home = Home(place, STUDIES[cell.study], deed, before)
    notes = home.store.sweep_folder("kills") / "report" / "notes.txt"
    if deed == "report":
        notes.write_text("the user's own")
    pages = home.outcome() if deed == "report" else {}
    each = min(cell.n, MOST.get(cell.victim, 1))  # kills of one process of the command
    for _ in range(0, cell.n, each):
        with home.untouched():
            process, met = home.start(), []
            for _ in range(each):
                wait_for(lambda p=process: begun(p, deed) or p.poll() is not None)
                time.sleep(rng.uniform(0, 0.8 * truth.lasts / each))
                met.append(struck(process, cell.victim, rng))
            said = finish(process, 0, *(ENDED.get(cell.victim, {1}) if any(met) else ()))
            assert "Traceback" not in said, said
            home.ends()
        if deed == "report":
            new = truth.outcome | {f"page {notes.name}": b"the user's own"}
            assert home.outcome() in (pages, new)
        yield from met
    with home.untouched():
        assert "Traceback" not in finish(home.start(), 0)
    notes.unlink(missing_ok=True)
    outcome = home.outcome()
    others = {
        key for key in {*outcome, *truth.outcome} if outcome.get(key) != truth.outcome.get(key)
    }
    assert not others, others
    home.is_tidy()
    shutil.rmtree(home.folder)
