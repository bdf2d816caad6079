"""`harness run`: one run, without a sweep file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import option, verb

Wrappers = Annotated[
    list[str] | None,
    typer.Option(
        "--wrapper",
        help="Add a wrapper, innermost first: a name, or {name: living_reward, amount: -1}.",
    ),
]
Evaluation = Annotated[
    str | None,
    typer.Option("--evaluation", help="As in a sweep file: {every: 10000, final_episodes: 100}."),
]
Checkpoint = Annotated[
    str | None,
    typer.Option("--checkpoint", help="As in a sweep file: {every: 50000}."),
]
Metrics = Annotated[
    list[str] | None,
    typer.Option("--metric", help="A score of your own, module:function, of the run."),
]


def run(
    agent: Annotated[str, typer.Argument(help="A name from `harness ls agents`.")],
    env: Annotated[str, typer.Argument(help="A name from `harness ls envs`.")],
    seed: Annotated[int, typer.Option(help="The run's seed.")] = 0,
    steps: Annotated[int, typer.Option(help="Environment steps.")] = 10_000,
    results: option.Results = option.DEFAULT_RESULTS,
    observer: option.Observers = None,
    tensorboard: option.Tensorboard = False,
    track: option.Track = None,
    set_: option.Settings = None,
    wrapper: Wrappers = None,
    evaluation: Evaluation = None,
    engine: option.Engine = None,
    checkpoint: Checkpoint = None,
    metric: Metrics = None,
    limits: option.Limits = None,
) -> None:
    """Train and evaluate one run with the tuned hyper-parameters of configs/agents."""
    with verb.users_errors():
        from harness import own
        from harness.config import study
        from harness.config.option import spoken
        from harness.sweep.request import Request
        from harness.sweep.resolve import resolve, without_barriers

        study.enter(Path())
        wrappers = [spoken("--wrapper", text, text) for text in wrapper or ()]
        protocol: dict[str, Any] = {}
        if evaluation:
            protocol["evaluation"] = spoken("--evaluation", evaluation, evaluation)
        if checkpoint:
            protocol["checkpoint"] = spoken("--checkpoint", checkpoint, checkpoint)
        if chosen := verb.engine(engine):
            protocol["engine"] = chosen
        request = Request(agent, env, steps, seed, verb.overrides(set_), wrappers, **protocol)
        study.name(*(metric or ()))
        try:
            metrics = [own.metric(each) for each in metric or ()]
        except ValueError as error:
            raise verb.user_error("--metric", str(error)) from None
        spec, may_take = resolve(request, rehearse=True), verb.limits(limits)
        if checkpoint and (why := without_barriers([spec])):
            raise verb.user_error("--checkpoint", why)
        store = verb.open_store(results)
        trackers = verb.trackers(tensorboard, track)
        if "tensorboard" in trackers:
            verb.console().print(f"tensorboard --logdir {store.folder(spec)}", soft_wrap=True)
        verb.train(
            [spec], store, 1, observers=observer, metrics=metrics, limits=may_take,
            trackers=trackers,
        )  # fmt: skip
        result = store.result(spec)
        if result is None:
            raise typer.Exit(verb.SOME_FAILED)
        final, other = result["final"], result["other_mode"]
        text = (
            f"{spec}: return {final['mean']:.2f} ± {final['sd']:.2f} (mean ± standard deviation "
            f"over {final['episodes']} evaluation episodes)"
        )
        if other is not None:
            acting = "greedily" if other["deterministic"] else "by sampling"
            text += f"; acting {acting} {other['mean']:.2f} ± {other['sd']:.2f}"
        made = {each.name: store.measured(spec, each) for each in metrics}
        for name, one in made.items():
            value = None if one is None else one.value
            text += f"; {name} {'-' if value is None else f'{value:.4g}'}"
        verb.console().print(f"{text}\n{store.folder(spec)}")
        if errors := [f"{name}: {one.error}" for name, one in made.items() if one and one.error]:
            verb.warn(errors)
            raise typer.Exit(verb.SOME_FAILED)
