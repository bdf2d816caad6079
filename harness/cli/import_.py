"""`harness import`: scores from elsewhere, as runs that were not made here."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import option, verb

if TYPE_CHECKING:
    from harness.store.foreign.names import Names
    from harness.sweep.imported import Import


def import_(
    path: Annotated[
        Path,
        typer.Argument(
            help="A CSV with the columns arm, env, seed, step, return; or files, or a folder of "
            "them, of Stable-Baselines3's Monitor, TensorBoard, Weights & Biases or MLflow."
        ),
    ],
    name: Annotated[str, typer.Option("--as", help="The name of the sweep that it makes.")],
    arm: Annotated[str | None, typer.Option(help="The arm of all runs.")] = None,
    env: Annotated[str | None, typer.Option(help="The environment of all runs.")] = None,
    seed: Annotated[int | None, typer.Option(help="The seed, if it is one run.")] = None,
    run: Annotated[
        str,
        typer.Option(
            help="A pattern of the runs' names, which are their folders or files below PATH, or "
            "those of the tracker: '{arm}/{env}_{seed}'; * is anything."
        ),
    ] = "",
    names: Annotated[
        Path | None,
        typer.Option(help="A CSV of the runs' names: columns run, arm, env, seed."),
    ] = None,
    tag: Annotated[
        str, typer.Option(help="The tag or metric that is the score, such as eval/mean_reward.")
    ] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(help="A column that is called otherwise: return=eval_return."),
    ] = None,
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="The format: table, monitor, tensorboard, wandb or mlflow; default: what it "
            "looks like.",
        ),
    ] = "",
    claim: Annotated[
        list[str] | None,
        typer.Option(help="A claim to test: 'a > b on CartPole-v1 by final'."),
    ] = None,
    results: option.Results = option.DEFAULT_RESULTS,
    figures: option.Figures = True,
    crosscheck: option.Crosscheck = True,
) -> None:
    """Import scores that were made elsewhere as a sweep, then write its report."""
    with verb.users_errors():
        from harness.cli.report import write_report
        from harness.store.foreign.source import Source
        from harness.sweep.imported import take

        fixed = {"arm": arm, "env": env, "seed": None if seed is None else str(seed)}
        single = {
            "--arm": arm, "--env": env, "--seed": seed, "--run": run, "--names": names,
            "--tag": tag, "--format": format_,
        }  # fmt: skip
        words = ["harness", "import", str(path), "--as", name]
        for option_, value in single.items():
            words += [option_, str(value)] if value not in (None, "") else []
        for option_, values in {"--column": column, "--claim": claim}.items():
            words += [word for value in values or () for word in (option_, value)]
        source = Source(path, format_, tag, _columns(column), _names(fixed, run, names))
        store = verb.open_store(results)
        done = take(source, name, store, claim or (), shlex.join(words))
        _print(done)
        write_report(done.sweep, store, figures=figures, crosscheck=crosscheck)


def _names(fixed: dict[str, str | None], pattern: str, table: Path | None) -> Names:
    from harness.store.foreign.names import Names
    from harness.store.foreign.table import names_in

    said = {part: text for part, text in fixed.items() if text is not None}
    return Names(said, pattern, names_in(table) if table else {})


def _columns(pairs: list[str] | None) -> dict[str, str]:
    """:raises UserError: if one does not say which of ours it is."""
    from harness.config.strict import suggest
    from harness.store.foreign.table import OURS

    columns = {}
    for pair in pairs or ():
        ours, equals, theirs = pair.partition("=")
        if not equals or not theirs:
            raise verb.user_error("--column", f"'{pair}' does not read return=COLUMN")
        if ours not in OURS:
            raise verb.user_error("--column", f"no column '{ours}'.{suggest(ours, OURS)}")
        columns[ours] = theirs
    return columns


def _print(done: Import) -> None:
    from collections import Counter

    from harness.config.name import counted

    sweep, shown = done.sweep, verb.console()
    verb.warn(done.aside)
    verb.warn(f"No longer claimed: '{text}'. To keep it, add --claim." for text in done.dropped)
    rows = verb.table("arm", *(f"{env}>" for env in sweep.envs))
    counts = Counter((run.arm, run.env) for run in sweep.runs)
    for arm in sweep.arms:
        rows.add_row(arm, *(counted(counts[arm, env]) for env in sweep.envs))
    shown.print(rows)
    runs = counted(len(sweep.runs))
    if done.before:
        shown.print(f"The same {runs} had been imported before: nothing is new.")
    else:
        shown.print(f"{runs} imported, not made here.")
