"""The command line: each verb in a few lines. Heavy imports wait until a verb needs them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from harness.agents import Layer
    from harness.config.strict import UserError
    from harness.envs import Card
    from harness.report.checklist import Answers
    from harness.spec import ResolvedSweep, RunSpec
    from harness.store.reader import Store

FINISHED, SOME_FAILED, USERS_ERROR, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="harness",
    help="Reproducible benchmarks and ablations for reinforcement learning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Results = Annotated[
    Path,
    typer.Option("--results", envvar="HARNESS_RESULTS", help="Where runs and reports are kept."),
]
Workers = Annotated[
    int,
    typer.Option("--workers", "-w", min=0, max=1_024, help="Runs side by side; 0: one per core."),
]
Executor = Annotated[str, typer.Option("--executor", help="processes or serial.")]
Observers = Annotated[
    list[str] | None,
    typer.Option(
        "--observer", help="A further Sacred observer: mongodb://... or an SQLAlchemy URL."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="A hyper-parameter that wins over every file: learning_rate=1e-3."),
]
Wrappers = Annotated[
    list[str] | None,
    typer.Option(
        "--wrapper", help="Innermost first: a name, or {name: living_reward, amount: -1}."
    ),
]
Evaluation = Annotated[
    str | None,
    typer.Option("--evaluation", help="As in a sweep file: {every: 10000, final_episodes: 100}."),
]
Engine = Annotated[
    str | None, typer.Option("--engine", help="As in a sweep file: {threads: 1, device: cpu}.")
]
Anyway = Annotated[
    bool,
    typer.Option("--anyway", help="Allow claims that no outcome could support; it is recorded."),
]
Crosscheck = Annotated[
    bool,
    typer.Option(
        "--crosscheck/--no-crosscheck",
        help="Set rliable's own estimates beside the report's: about a second for each arm.",
    ),
]
Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Go on with the code that is here where the run was made from other sources. What a "
        "record names is not imported all the same.",
    ),
]
SweepName = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep's name, or its file.")]
DEFAULT_RESULTS = Path("results")
FILE_WIDTH = 180  # columns of a table that goes into a file or a pipe


@app.command()
def sweep(
    file: Annotated[str, typer.Argument(help="A sweep file, such as ablations/rnd.yaml.")],
    results: Results = DEFAULT_RESULTS,
    workers: Workers = 0,
    executor: Executor = "processes",
    observer: Observers = None,
    set_: Settings = None,
    anyway: Anyway = False,
    crosscheck: Crosscheck = True,
) -> None:
    """Train what is missing of a sweep, then write its report. Resumes where it was stopped."""
    with _users_errors():
        from harness.sweep.resolve import Sweep, keep

        resolved = Sweep.load(_find(file)).expand(_overrides(set_), anyway, rehearse=True)
        store = _store(results)
        _answers(resolved)  # wrong ones are told before anything trains
        for line in keep(resolved, store):
            print(line, file=sys.stderr)
        _train(list(resolved.runs), store, workers, executor, observer)
        _report(resolved.name, store, crosscheck=crosscheck)
        if store.missing(resolved.runs):
            raise typer.Exit(SOME_FAILED)


@app.command()
def run(
    agent: Annotated[str, typer.Argument(help="A name that `harness ls agents` shows.")],
    env: Annotated[str, typer.Argument(help="A name that `harness ls envs` shows.")],
    seed: Annotated[int, typer.Option(help="The run's seed.")] = 0,
    steps: Annotated[int, typer.Option(help="Environment steps.")] = 10_000,
    results: Results = DEFAULT_RESULTS,
    observer: Observers = None,
    set_: Settings = None,
    wrapper: Wrappers = None,
    evaluation: Evaluation = None,
    engine: Engine = None,
) -> None:
    """Train and evaluate one run, with the tuned hyper-parameters of configs/agents."""
    with _users_errors():
        from harness.config.option import spoken
        from harness.sweep.resolve import single

        wrappers = [spoken("--wrapper", text, text) for text in wrapper or ()]
        said = {"evaluation": evaluation, "engine": engine}
        protocol = {name: spoken(f"--{name}", text, text) for name, text in said.items() if text}
        spec = single(agent, env, seed, steps, _overrides(set_), wrappers, protocol, rehearse=True)
        store = _store(results)
        _train([spec], store, 1, "processes", observer)
        status = store.status(spec)
        if status.result is None:
            raise typer.Exit(SOME_FAILED)
        final, other = status.result["final"], status.result["other_mode"]
        text = (
            f"{spec}: return {final['mean']:.2f} ± {final['sd']:.2f} (mean ± deviation over "
            f"{final['episodes']} evaluation episodes)"
        )
        if other is not None:
            acting = "greedily" if other["deterministic"] else "by sampling"
            text += f"; acting {acting} {other['mean']:.2f} ± {other['sd']:.2f}"
        _console().print(f"{text}\n{store.folder(spec)}")


@app.command()
def report(
    name: SweepName,
    results: Results = DEFAULT_RESULTS,
    style: Annotated[
        str, typer.Option(help="Sizes and letters: plain, neurips, icml, iclr, jmlr or slides.")
    ] = "plain",
    format_: Annotated[
        str,
        typer.Option(
            "--format", help="Of figures: pdf, svg, png, with commas; pdf alone adds png."
        ),
    ] = "pdf,png",
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit with 1 when an item of the checklist is CONTRADICTED by the records, "
            "UNANSWERED, or PENDING because runs are to come, after the report is written. An "
            "honest 'no' passes.",
        ),
    ] = False,
    crosscheck: Crosscheck = True,
) -> None:
    """Write the figures, tables, checklist and paper of a sweep from what is in the store."""
    with _users_errors():
        from harness.report import checklist

        page = _report(_sweep_name(name), _store(results), style, format_.split(","), crosscheck)
        flaws = checklist.flaws(page.parent) if strict else []
        if flaws:
            for flaw in flaws:
                print(flaw, file=sys.stderr)
            print(f"The checklist cannot be handed in: {len(flaws)} items.", file=sys.stderr)
            raise typer.Exit(SOME_FAILED)


@app.command()
def verify(
    what: Annotated[
        str,
        typer.Argument(metavar="RUN|SWEEP", help="A run, by key or folder; a sweep, by name."),
    ],
    sample: Annotated[
        str, typer.Option(help="How many of a sweep's runs: a share or a number.")
    ] = "10%",
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other runs.")] = 0,
    results: Results = DEFAULT_RESULTS,
    workers: Workers = 0,
) -> None:
    """Make finished runs once more and compare every evaluation and the weights."""
    with _users_errors("What was compared is certified; the same command starts anew."):
        from harness.store.run_files import CERTIFICATE
        from harness.train import verify as verifying

        store = _store(results)
        folder = _run_folder("verify", what, store)
        if folder is not None:
            cases, sample, home = [verifying.case(folder)], "1", None
        else:
            resolved = _resolved(_sweep_name(what), store)
            cases = [verifying.Case(spec, store.folder(spec)) for spec in resolved.runs]
            home = store.sweep_folder(resolved.name)
        drawn = verifying.draw(cases, sample, seed)
        found = verifying.repeat(
            drawn,
            store,
            lambda specs, scratch: _train(specs, scratch, workers, "processes", None, store),
        )
        console = _console()
        for line in verifying.account(drawn, found):
            console.print(line, markup=False, soft_wrap=True)
        if home is not None:
            verifying.keep(drawn, found, home)
        if home is not None or found:
            path = (home or cases[0].folder) / CERTIFICATE
            console.print(f"certificate: {path}", soft_wrap=True)
        if drawn.damaged or not verifying.all_equal(found):
            raise typer.Exit(SOME_FAILED)


@app.command()
def status(
    name: Annotated[str | None, typer.Argument(metavar="[SWEEP]")] = None,
    results: Results = DEFAULT_RESULTS,
) -> None:
    """What is finished, running, failed and missing: of one sweep, or of all, searches too."""
    with _users_errors():
        from harness.cli import listing

        store = _store(results)
        if name is None:
            _console().print(listing.started(store))
        else:
            _console().print(listing.sweep(_resolved(_sweep_name(name), store), store))


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="A sweep file.")],
    results: Results = DEFAULT_RESULTS,
    workers: Workers = 0,
    set_: Settings = None,
    anyway: Anyway = False,
) -> None:
    """Show what a sweep would do, cost and be able to show. Trains nothing."""
    with _users_errors():
        from harness.cli import listing
        from harness.sweep.resolve import Sweep

        loaded, overrides = Sweep.load(_find(file)), _overrides(set_)
        resolved = loaded.expand(overrides, anyway, rehearse=True)
        console = _console()
        console.print(listing.matrix(resolved))
        console.print(listing.acting(loaded))
        console.print(listing.hyperparameters(loaded.explain(overrides)))
        console.print(listing.unequal_tuning(resolved))
        console.print(listing.unused_steps(resolved))
        if resolved.claims:
            console.print(listing.power(resolved))
        console.print(listing.imports())
        console.print(listing.costs(resolved, _store(results), _workers(workers)))


@app.command()
def ls(
    what: Annotated[str, typer.Argument(help="agents, envs, ablations, runs, searches or costs.")],
    results: Results = DEFAULT_RESULTS,
    long: Annotated[bool, typer.Option("--long", help="With sources, for envs.")] = False,
) -> None:
    """List what there is: agents, envs, ablations, runs, searches, or what runs cost."""
    with _users_errors():
        from harness.cli import listing
        from harness.config.strict import suggest

        if what not in listing.LISTS:
            hint = suggest(what, listing.LISTS)
            raise _user_error("ls", f"nothing called '{what}' to list.{hint}")
        _console().print(listing.LISTS[what](_store(results), long))


@app.command()
def tune(
    file: Annotated[
        str | None,
        typer.Argument(metavar="[FILE]", help="Such as configs/search/ppo-pendulum.yaml."),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(help="Instead of a file: search the agent's shipped space ...")
    ] = None,
    env: Annotated[str | None, typer.Option(help="... in this environment ...")] = None,
    steps: Annotated[int, typer.Option(min=1, help="... with runs of so many steps ...")] = 50_000,
    trials: Annotated[int, typer.Option(min=1, help="... and so many trials.")] = 30,
    results: Results = DEFAULT_RESULTS,
    workers: Workers = 0,
    executor: Executor = "processes",
    observer: Observers = None,
) -> None:
    """Search for hyper-parameters, over many seeds each. Resumes where it was stopped."""
    with _users_errors():
        from harness.search import study

        if file is not None:
            plans = study.read(_find(file, "configs/search"), rehearse=True)
        elif agent and env:
            plans = study.shipped(agent, env, steps, trials)
        else:
            raise _user_error("tune", "give a search file, or --agent and --env")
        store, console = _store(results), _console()

        def attempt(specs: list[RunSpec]) -> None:
            _train(specs, store, workers, executor, observer, quiet=not console.is_terminal)

        found = []
        for plan in plans:
            found.append(
                study.run(plan, store, attempt, lambda text: console.print(text, markup=False))
            )
            if found[-1].confirmation is not None:
                path = study.folder(plan, store) / study.BEST
                console.print(f"winner: {path}", soft_wrap=True)
        console.print(f"report: {study.write_report(found, store)}", soft_wrap=True)
        if any(one.confirmation is None for one in found):
            raise typer.Exit(SOME_FAILED)


@app.command("calibrate-env")
def calibrate_env(
    env: Annotated[str, typer.Argument(help="A name that `harness ls envs` shows.")],
    episodes: Annotated[
        int, typer.Option(min=2, max=10**6, help="Episodes of the random policy.")
    ] = 1_000,
) -> None:
    """Measure what chance scores in an environment, as its card has it."""
    with _users_errors():
        from harness.envs.calibrate import random_score

        card = _card("calibrate-env", env)
        print(f"random: {random_score(card, episodes).model_dump_json()}")


@app.command()
def calibrate(
    trials: Annotated[
        int, typer.Option(min=10, max=10**6, help="Simulated experiments a row.")
    ] = 1_000,
    out: Annotated[
        Path | None, typer.Option(help="Also write the table, as configs/coverage.csv is.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help="With this number of seeds alone; default: with all.")
    ] = None,
) -> None:
    """Measure how often the intervals of reports hold the truth, on simulated scores."""
    with _users_errors():
        from harness.cli import listing
        from harness.stats import calibration, coverage

        console = _console()
        cells = [cell for cell in coverage.cells() if seeds in (None, cell.seeds)]
        if not cells:
            known = ", ".join(map(str, coverage.SEEDS))
            raise _user_error("--seeds", f"{seeds} seeds are not simulated; there are {known}")
        rows: list[calibration.Coverage] = []
        with console.status("") as status:
            for done, cell in enumerate(cells):
                where = f"{cell.seeds} seeds, {cell.tasks} environments, {cell.scores}"
                status.update(f"{done} of {len(cells)} kinds of experiments; now {where}")
                rows += coverage.rows(cell, trials)
        console.print(listing.coverage_table(rows))
        if out is not None:
            out.write_text(calibration.text(rows), encoding="utf-8")
            console.print(str(out), soft_wrap=True)


@app.command()
def preview(
    what: Annotated[
        str,
        typer.Argument(metavar="ENV|RUN", help="An environment; or a run, by its key or folder."),
    ],
    out: Annotated[Path, typer.Option(help="The picture; default: <ENV or key>.png.")] = Path(),
    seed: Annotated[
        int, typer.Option(min=0, help="Of an environment's episode: its reset seed.")
    ] = 0,
    results: Results = DEFAULT_RESULTS,
    trust: Trust = False,
) -> None:
    """Draw a random and a scripted episode; or a trained run's first success and failure."""
    with _users_errors():
        from harness.config.strict import suggest
        from harness.train.preview import FORMATS, draw, draw_run

        folder = _run_folder("preview", what, _store(results))
        path = Path(f"{folder.name if folder else what}.png") if out == Path() else out
        if path.suffix not in FORMATS:
            message = f"no picture ends in '{path.suffix}'.{suggest(path.suffix, FORMATS)}"
            raise _user_error("--out", message)
        if folder is not None:
            warning = draw_run(folder, path, trust)
            if warning:
                print(f"Warning: {warning}.", file=sys.stderr)
        else:
            _card("preview", what)
            draw(what, seed, path)
        _console().print(str(path), soft_wrap=True)


@app.command("model-report")
def model_report(
    what: Annotated[
        str,
        typer.Argument(metavar="RUN|SWEEP", help="A run, by key or folder; a sweep, by name."),
    ],
    learning_curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve",
            help="Also train anew with parts of the budget: about as long as the run itself.",
        ),
    ] = False,
    results: Results = DEFAULT_RESULTS,
    trust: Trust = False,
) -> None:
    """Measure whether the models that agents learned are true. Resumes where it was stopped."""
    with _users_errors("What was measured is kept; the same command resumes."):
        from harness.cli import model_report

        store, console = _store(results), _console()
        folder = _run_folder("model-report", what, store)
        if folder is not None:
            page = model_report.report(folder, learning_curve, trust)
            console.print(f"report: {page}", soft_wrap=True)
            return
        name = _sweep_name(what)
        runs = {run.key: run for run in _resolved(name, store).runs if model_report.has_model(run)}
        if not runs:
            raise _user_error("model-report", f"no agent of {name} has a model of its environment")
        finished = [run for run in runs.values() if store.finished(run)]
        for i, run in enumerate(finished, start=1):
            model_report.report(store.folder(run), learning_curve, trust)
            console.print(f"{i} of {len(finished)}: {run}", soft_wrap=True)
        _report(name, store)
        if len(finished) < len(runs):
            console.print(f"{len(runs) - len(finished)} of {len(runs)} runs are not finished")
            raise typer.Exit(SOME_FAILED)


def main() -> None:
    """The entry point of the `harness` command."""
    # Before any numerical library is imported: left alone, each takes every core for itself.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup, or a shell's background job
            signal.signal(number, _stop)
    app()


_verb_runs = False  # whether an interrupt is told in one line: see `_users_errors`


def _stop(number: int, frame: FrameType | None) -> None:
    """A polite kill, as clusters send it, is a Ctrl-C: the runs end with their files in order.

    While modules are imported there is nothing to put in order, and an exception would come out as
    something else, or as a traceback that nobody catches.
    """
    importing = False
    while frame is not None and not importing:
        importing = frame.f_code.co_filename.startswith("<frozen importlib")
        frame = frame.f_back
    if importing or not _verb_runs:
        os.write(2, b"Interrupted.\n")
        os._exit(INTERRUPTED)
    raise KeyboardInterrupt


@contextmanager
def _users_errors(
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
        for problem in error.problems:
            print(problem, file=sys.stderr)
        raise typer.Exit(USERS_ERROR) from None
    except OSError as error:
        line = refused(error)
        if line is None:
            raise
        print(line, file=sys.stderr)
        code = SOME_FAILED if error.errno in FULL else USERS_ERROR
        raise typer.Exit(code) from None
    except KeyboardInterrupt:
        print(f"Interrupted. {kept}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        _verb_runs = False


def _user_error(where: str, message: str) -> UserError:
    from harness.config.strict import Problem, UserError

    return UserError([Problem(where, None, "", message)])


def _card(verb: str, env: str) -> Card:
    """An environment's card, all that it names imported and of its kind."""
    from harness import envs

    try:
        card = envs.card(env)
        envs.check(card)
    except (KeyError, ImportError, ValueError) as error:
        raise _user_error(verb, str(error.args[0])) from None
    return card


def _run_folder(verb: str, what: str, store: Store) -> Path | None:
    """The folder of a run; None: `what` is not meant to be one."""
    from harness.store.run_files import KEY

    folder = store.find(what)
    if folder is None and KEY.fullmatch(what):
        raise _user_error(verb, f"no run '{what}' in {store.root}")
    return folder


def _train(
    specs: list[RunSpec],
    store: Store,
    workers: int,
    executor: str,
    observer: list[str] | None,
    experience: Store | None = None,
    quiet: bool = False,
) -> None:
    """
    :param experience: where finished runs say what such runs take; default: `store`.
    :param quiet: show nothing of the runs.
    """
    import io

    from rich.console import Console

    from harness.config.strict import Problem, UserError, suggest
    from harness.store.estimate import Experience
    from harness.store.writer import mend
    from harness.sweep.resolve import plan
    from harness.train.executors import EXECUTORS
    from harness.train.progress import Display
    from harness.train.run import Job
    from harness.train.sacred_log import unreachable

    if executor not in EXECUTORS:
        message = f"no executor '{executor}'.{suggest(executor, EXECUTORS)}"
        raise _user_error("--executor", message)
    asked = {url: unreachable(url) for url in observer or ()}
    if any(asked.values()):
        raise UserError(Problem("--observer", None, url, why) for url, why in asked.items() if why)
    for folder in dict.fromkeys(store.folder(spec) for spec in specs):
        for line in mend(folder, store.root, deep=True):
            print(line, file=sys.stderr)
    missing = store.missing(specs)
    finished = len({spec.key for spec in specs}) - len(missing)
    console = Console(file=io.StringIO()) if quiet else _console()
    if finished:
        console.print(f"{finished} runs are finished already")
    if missing:
        store.root.mkdir(parents=True, exist_ok=True)
        job = Job(store.root, tuple(observer or ()))
        known = Experience(experience or store)
        with Display(missing, store, console, known) as display:
            batches = plan(missing, known.seconds)
            EXECUTORS[executor](batches, job, _workers(workers), display.tick)


def _report(
    name: str,
    store: Store,
    style: str = "plain",
    formats: Sequence[str] = ("pdf", "png"),
    crosscheck: bool = True,
) -> Path:
    from harness.config.strict import suggest
    from harness.report import Options, write
    from harness.report.style import FORMATS, VENUES
    from harness.store.files import make_way

    if style not in VENUES:
        raise _user_error("--style", f"no style '{style}'.{suggest(style, VENUES)}")
    for wrong in [each for each in formats if each not in FORMATS][:1]:
        raise _user_error("--format", f"no format '{wrong}'.{suggest(wrong, FORMATS)}")
    if not {"png", "svg"} & set(formats):  # report.md and report.html show one of them
        formats = [*formats, "png"]
    sweep = _resolved(name, store)
    options = Options(style, tuple(formats), _answers(sweep), crosscheck)
    folder = store.sweep_folder(name) / "report"
    for line in make_way(folder):
        print(line, file=sys.stderr)
    path = write(sweep, store, folder, options)
    _console().print(f"report: {path}", soft_wrap=True)
    return path


def _answers(sweep: ResolvedSweep) -> Answers:
    """What the author says to the checklist, in the file beside the sweep's."""
    from harness.config.shipped import beside

    path = beside(sweep.source, "checklist")
    if path is None:
        return {}
    from harness.report import checklist

    return checklist.read(path)


def _resolved(name: str, store: Store) -> ResolvedSweep:
    from harness.config.strict import suggest

    try:
        return store.sweep(name)
    except FileNotFoundError:
        hint = suggest(name, store.sweeps())
        message = f"no sweep '{name}' was started in {store.root}.{hint}"
        raise _user_error("harness", message) from None


def _find(file: str, folder: str = "ablations") -> Path:
    """A file by path; or one that is shipped in `folder`, by path or name, from any folder."""
    from harness.config.shipped import shipped

    path = Path(file)
    if not path.name or os.path.exists(path):
        return path
    for candidate in (shipped(folder) / path.name, shipped(folder) / f"{path.name}.yaml"):
        if os.path.isfile(candidate) and path.parent.name in ("", Path(folder).name):
            return candidate
    return path


def _sweep_name(name: str) -> str:
    """The sweep's name, also when its file is given."""
    from harness.config.name import RULE, is_name
    from harness.sweep.resolve import Sweep

    if name.endswith((".yaml", ".yml")):
        return Sweep.load(_find(name)).file.name
    if not is_name(name):
        raise _user_error("harness", f"'{name}' is no name of a sweep: it has {RULE}")
    return name


def _overrides(pairs: list[str] | None) -> Layer | None:
    from harness.agents import Layer
    from harness.config.option import assignments

    return Layer("--set", assignments(pairs)) if pairs else None


def _workers(given: int) -> int:
    return (
        given or len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else (given or os.cpu_count() or 1)
    )


def _store(results: Path) -> Store:
    from harness.store.reader import Store

    return Store(results)


def _console() -> Console:
    from rich.console import Console

    found = Console(highlight=False)
    if not found.is_terminal:
        found.width = FILE_WIDTH
    return found
