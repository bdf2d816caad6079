"""`harness tune`: hyper-parameter search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import option, verb

if TYPE_CHECKING:
    from harness.spec import RunSpec


def tune(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE", help="A search file, such as configs/search/ppo-pendulum.yaml."
        ),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(help="Agent to tune in its shipped space (instead of FILE).")
    ] = None,
    env: Annotated[str | None, typer.Option(help="With --agent: the environment.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="With --agent: steps of each run.")] = 50_000,
    trials: Annotated[int, typer.Option(min=1, help="With --agent: number of trials.")] = 30,
    results: option.Results = option.DEFAULT_RESULTS,
    workers: option.Workers = 0,
    executor: option.Executor = "processes",
    observer: option.Observers = None,
    budget: option.Budget = None,
) -> None:
    """Search hyper-parameters, with many seeds per trial. Resumes where it stopped."""
    with verb.users_errors():
        time = verb.budget(budget)
        from harness.search import study
        from harness.store.scratch import remove_left

        remove_left()  # of this command, killed: it may have nothing to train any more
        if file is not None:
            plans = study.read(verb.find_file(file, "search"), rehearse=True)
        elif agent and env:
            plans = study.shipped(agent, env, steps, trials, rehearse=True)
        else:
            raise verb.user_error("tune", "give a search file, or --agent and --env")
        verb.can_train(executor, observer)
        store, shown = verb.open_store(results), verb.console()

        def attempt(specs: list[RunSpec]) -> None:
            quiet = not shown.is_terminal
            may_take = plans[0].file.limits
            verb.train(
                specs, store, workers, executor, observer, quiet=quiet, budget=time, limits=may_take
            )

        outcomes = []
        for plan in plans:
            outcome = study.run(
                plan, store, attempt, lambda text: shown.print(text, markup=False),
                at_once=verb.cores(workers),
            )  # fmt: skip
            outcomes.append(outcome)
            if outcome.confirmation is not None:
                best = study.folder(plan, store) / study.BEST
                shown.print(f"best hyper-parameters: {best}", soft_wrap=True)
        shown.print(f"report: {study.write_report(outcomes, store)}", soft_wrap=True)
        if any(outcome.confirmation is None for outcome in outcomes):
            raise typer.Exit(verb.SOME_FAILED)
