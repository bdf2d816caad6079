"""What the verbs share: how they end, what the user's words name, and how tables are printed."""

from __future__ import annotations

import io
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import typer
from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from harness import resources
from harness.config.interrupt import importing

if TYPE_CHECKING:
    from pydantic import BaseModel

    from harness.config.strict import UserError
    from harness.envs import Card
    from harness.setting import Layer
    from harness.spec import Engine, Limits, Metric, ResolvedSweep, RunSpec
    from harness.store.bucket import Bucket
    from harness.store.files import Damage
    from harness.store.reader import Store
    from harness.train.budget import Budget

M = TypeVar("M", bound="BaseModel")
FINISHED, SOME_FAILED, USERS_ERROR, UNFINISHED, INTERRUPTED = 0, 1, 2, 75, 130
EXIT_CODES = {
    FINISHED: "All runs are finished, and what was checked holds.",
    SOME_FAILED: "Some runs failed, and the report shows the gaps; or what was checked does not "
    "hold (`report --strict`, `verify`, `replicate`, `doctor`).",
    USERS_ERROR: "A file, a name or an option is wrong: one line for each error.",
    UNFINISHED: "The time of --budget is over, or a bucket could not be reached: the same command "
    "goes on.",
    INTERRUPTED: "Interrupted: the same command goes on.",
}
Kind = Literal["sweep", "search"]
VERBS: dict[Kind, str] = {"sweep": "sweep", "search": "tune"}  # that run such a file
SHIPPED = ("ablations", "configs/search")
URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # as a path has it: gs:/bucket
FILE_WIDTH = 180  # columns of a table that goes into a file or a pipe


# How a verb ends ----------------------------------------------------------------------------------

_verb_runs = False  # whether `users_errors` is there to catch an interrupt


def stop(number: int, frame: FrameType | None) -> None:
    """Treat a polite kill, as clusters send it, as Ctrl-C: the runs end with their files in order.

    While modules are imported there is nothing to put in order.
    """
    if importing(frame) or not _verb_runs:
        os.write(2, b"Interrupted.\n")
        os._exit(INTERRUPTED)
    raise KeyboardInterrupt


@contextmanager
def users_errors(
    kept: str = "What was finished is kept; the same command resumes.",
) -> Iterator[None]:
    """Turn what the user can mend into one line each; let everything else be seen whole."""
    global _verb_runs
    from harness.config.strict import UserError
    from harness.store.files import FULL, refused

    _verb_runs = True
    try:
        yield
    except UserError as error:
        warn(error.problems)
        raise typer.Exit(USERS_ERROR) from None
    except OSError as error:
        line = refused(error)
        if line is None:
            raise
        warn([line])
        code = SOME_FAILED if error.errno in FULL else USERS_ERROR
        raise typer.Exit(code) from None
    except KeyboardInterrupt:
        warn([f"Interrupted. {kept}"])
        raise typer.Exit(INTERRUPTED) from None
    finally:
        _verb_runs = False


def user_error(where: str, message: str) -> UserError:
    from harness.config.strict import UserError

    return UserError.of(where, message)


def warn(lines: Iterable[object]) -> None:
    for line in lines:
        print(line, file=sys.stderr)


# What the user's words name -----------------------------------------------------------------------


def open_store(results: Path) -> Store:
    """:raises UserError: for a bucket, which only shards write into and `merge` reads."""
    from harness.store.reader import Store

    if URL.match(str(results)):
        message = "a folder is needed: `harness merge URL` brings home what lies in a bucket"
        raise user_error("--results", message)
    return Store(results)


def bucket(results: str, shard: str | None) -> Bucket | None:
    """What `--results` names, if it is no folder.

    :raises UserError: if nothing here can speak to it, or it is not written into by shards.
    """
    from harness.store.bucket import Bucket, is_url

    if not is_url(results):
        return None
    if shard is None:
        message = "a bucket takes the runs of shards: add --shard 0/1, and merge it afterwards"
        raise user_error("--results", message)
    return Bucket(results)


def enter(folder: Path | None) -> None:
    """Look for modules and cards in the folder of `--study`, for what a record names too.

    Without it nowhere: a run is read from anywhere, a folder that was unpacked from an archive too.
    """
    from harness.config import study

    if folder is not None:
        study.enter(folder, trusted=True)


def find_file(name: str, wanted: Kind | None = None) -> Path:
    """A sweep or search by path; or one that is shipped, by path or name, from any folder.

    :raises UserError: if it is not of the kind that is wanted.
    """
    path = _found(name)
    other = kind_of(path)
    if wanted and other not in (wanted, None):
        message = f"this is a {other}: run it with `harness {VERBS[other]} {name}`"
        raise user_error(str(path), message)
    return path


def _found(name: str) -> Path:
    from harness.config.shipped import shipped

    path = Path(name)
    if not path.name or os.path.exists(path):
        return path
    for folder in SHIPPED:
        for candidate in (shipped(folder) / path.name, shipped(folder) / f"{path.name}.yaml"):
            if os.path.isfile(candidate) and path.parent.name in ("", Path(folder).name):
                return candidate
    return path


def kind_of(path: Path) -> Kind | None:
    """Of which kind more of a file's keys are that the other does not have; None: of neither.

    :raises UserError: if it cannot be read.
    """
    from harness.config.strict import load
    from harness.search.file import SearchFile
    from harness.sweep.file import SweepFile

    data = load(path).data
    keys = data.keys() if isinstance(data, dict) else set()
    search, sweep = SearchFile.model_fields.keys(), SweepFile.model_fields.keys()
    more = len(keys & (search - sweep)) - len(keys & (sweep - search))
    return "search" if more > 0 else "sweep" if more < 0 else None


def find_sweep(name: str, store: Store) -> ResolvedSweep:
    """A sweep as it was last started, by its name or its file.

    Figures that the file names may be drawn.
    """
    from harness.config import study
    from harness.config.name import RULE, is_name
    from harness.config.strict import read, suggest
    from harness.sweep.file import SweepFile

    if name.endswith((".yaml", ".yml")):
        path = find_file(name, "sweep")
        file = read(path, SweepFile)
        if study.folder() is None:
            study.enter(path.parent)
        study.name(*file.report.figures)
        name = file.name
    if not is_name(name):
        raise user_error("harness", f"'{name}' is no name of a sweep: it has {RULE}")
    try:
        return store.sweep(name)
    except FileNotFoundError:
        hint = suggest(name, store.sweeps())
        message = f"no sweep '{name}' was started in {store.root}.{hint}"
        raise user_error("harness", message) from None


def find_run(verb: str, name: str, store: Store) -> Path | None:
    """The folder of a run, by its key or path; None: `name` is not meant to be one."""
    from harness.store.run_files import is_key

    folder = store.find(name)
    if folder is None and is_key(name):
        raise user_error(verb, f"no run '{name}' in {store.root}")
    return folder


def find_card(verb: str, env: str) -> Card:
    """An environment's card, all that it names imported and of its kind."""
    from harness.config import study
    from harness.config.strict import Problem, Problems
    from harness.sweep.request import card_of

    study.enter(Path())
    problems = Problems(lambda _, message: Problem(verb, None, "", message))
    card = card_of(env, (), problems)
    if card is None:
        raise problems.error()
    return card


def overrides(pairs: list[str] | None) -> tuple[Layer, ...]:
    """What `--set` says, on top of every other layer."""
    from harness.config.option import assignments
    from harness.setting import Layer

    return (Layer("--set", assignments(pairs)),) if pairs else ()


def engine(text: str | None) -> Engine | None:
    """What `--engine` says: a word, or keys and values as in a sweep file."""
    if not text:
        return None
    from harness.config.option import spoken
    from harness.spec import Engine

    said = spoken("--engine", text, text)
    return parsed("engine", {"name": said} if isinstance(said, str) else said, Engine)


def limits(text: str | None) -> Limits | None:
    """What `--limits` says: keys and values as in a sweep file."""
    if not text:
        return None
    from harness.config.option import spoken
    from harness.spec import Limits

    return parsed("limits", spoken("--limits", text, text), Limits)


def check_output(option: str, path: Path) -> None:
    """Before what takes long: whether a file can be written. Leaves none.

    :raises UserError: if it cannot.
    """
    new = not os.path.lexists(path)
    try:
        if not new and not path.is_file() and not path.is_dir():
            raise user_error(option, f"{path}: is no file: name another one")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
        if new:
            path.unlink()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise user_error(option, f"{path}: {reason}: name another file") from None


def parsed(key: str, said: Any, model: type[M]) -> M:
    """What an option called as a key of sweep files says.

    :raises UserError: with all that is wrong with it.
    """
    from harness.config.strict import Problem, UserError, validate

    value, wrong = validate(said, model)
    if value is None:
        raise UserError(
            Problem(f"--{key}", None, ".".join((key, *map(str, at))), why) for at, why in wrong
        )
    return value


def budget(text: str | None) -> Budget | None:
    """What `--budget` says, from now on."""
    now = time.monotonic()  # importing takes some of it
    if text is None:
        return None
    from harness.config.option import seconds
    from harness.train.budget import Budget

    return Budget(seconds("--budget", text), now)


def trackers(tensorboard: bool, track: list[str] | None) -> tuple[str, ...]:
    """What `--tensorboard` and `--track` say.

    :raises UserError: if there is none of that name, or its package is missing.
    """
    from harness.train.track import unavailable

    names = tuple(dict.fromkeys([*["tensorboard"][:tensorboard], *(track or ())]))
    for name in names:
        if why := unavailable(name):
            asked = f"--track {name}" if name in (track or ()) else f"--{name}"
            raise user_error(asked, why)
    return names


def cores(workers: int) -> int:
    """How many runs side by side; 0 means one for each core that this process may use."""
    if workers:
        return workers
    return resources.cores()


# What is done and printed -------------------------------------------------------------------------


def can_train(executor: str, observers: list[str] | None) -> None:
    """Refuse wrong options of training, before anything is written."""
    from harness.train.missing import spread

    spread(executor, tuple(observers or ()))


def train(
    specs: list[RunSpec],
    store: Store,
    workers: int,
    executor: str = "processes",
    observers: list[str] | None = None,
    experience: Store | None = None,
    quiet: bool = False,
    metrics: Sequence[Metric] = (),
    budget: Budget | None = None,
    limits: Limits | None = None,
    trackers: Sequence[str] = (),
) -> None:
    """Train what is missing; see `train.missing.train_missing`."""
    from harness.train.missing import UNLIMITED, train_missing
    from harness.train.outlook import Unfinished

    shown, named = Console(file=io.StringIO()) if quiet else console(), tuple(observers or ())
    try:
        train_missing(
            specs, store, cores(workers), shown, executor, named, experience, metrics, budget,
            limits or UNLIMITED, tuple(trackers),
        )  # fmt: skip
    except Unfinished as error:
        warn(error.lines)
        raise typer.Exit(UNFINISHED) from None


@contextmanager
def publishing(
    sweep: ResolvedSweep, runs: list[RunSpec], bucket: Bucket | None, store: Store
) -> Iterator[list[RunSpec]]:
    """The runs that are left to train; meanwhile, those that end are published.

    :param bucket: where they go, and where some of them may be; None: to no other place.
    """
    if bucket is None:
        yield runs
        return
    from harness.config.name import counted
    from harness.store.published import declare, is_finished
    from harness.train.publisher import Publisher, Unpublished

    declare(sweep, bucket, store)
    left = [run for run in runs if not is_finished(run, bucket, store)]
    if len(left) < len(runs):
        there = counted(len(runs) - len(left))
        console().print(f"in {bucket} already: {there}", soft_wrap=True)
    try:
        with Publisher(left, bucket, store, sweep.metrics):
            yield left
    except Unpublished as error:
        warn([f"{error}", "What was finished is kept here; the same command publishes it."])
        raise typer.Exit(UNFINISHED) from None


def film(sweep: ResolvedSweep, store: Store, workers: int, executor: str) -> None:
    """Film the runs that the report shows at work."""
    from harness.report.evidence.role import unfilmed
    from harness.train.missing import film

    left = film(unfilmed(sweep, store), store, cores(workers), console(), executor)
    warn(f"{run} is not filmed: `harness watch {run.key}` says why" for run in left)


def console() -> Console:
    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = FILE_WIDTH
    return made


def table(*columns: str, title: str | None = None) -> Table:
    """Columns whose names end in ">" are numbers, set flush right."""
    result = Table(
        title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for i, column in enumerate(columns):
        justify: JustifyMethod = "right" if column.endswith(">") else "left"
        result.add_column(column.rstrip(">"), justify=justify, no_wrap=i == 0, overflow="fold")
    return result


def damage_lines(damages: Iterable[Damage]) -> Iterator[RenderableType]:
    """What is damaged, a line each."""
    for damage in damages:
        yield Text(f"damaged: {damage}", overflow="fold")
