"""`harness profile`: where a step's time goes, and which settings are quickest here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType

from harness.cli import activity, option, verb

if TYPE_CHECKING:
    from harness.train.profile import Profile, Setting

AS_IT_IS = "as it is"
SECTIONS = {
    "environment": "the environment and its wrappers",
    "acting": "choosing actions, storing transitions",
    "update": "learning",
    "evaluation": "as often as the protocol says",
    "logging": "metrics, and looking for broken learners",
    "the rest": "what is in none of these",
}


def profile(
    agent: Annotated[str, typer.Argument(help="A name from `harness ls agents`.")],
    env: Annotated[str, typer.Argument(help="A name from `harness ls envs`.")],
    seconds: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=3_600,
            callback=option.finite,
            help="CPU seconds for each setting, without its start.",
        ),
    ] = 5.0,
    steps: Annotated[
        int, typer.Option(min=1, help="The budget of the run that is profiled.")
    ] = 100_000,
    set_: option.Settings = None,
    engine: option.Engine = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was measured as JSON.")] = (
        False
    ),
) -> None:
    """Measure where a training step's time goes, and recommend settings for this machine."""
    with verb.users_errors("Nothing was kept."):
        from harness.config import study
        from harness.config.strict import Document
        from harness.sweep.request import Request, Source
        from harness.sweep.resolve import resolve
        from harness.train.profile import ANOTHER, measure, recommended, settings

        study.enter(Path())
        source = Source(Document("harness profile", {}, {}))
        request = Request(agent, env, steps, 0, verb.overrides(set_), source=source)
        if chosen := verb.engine(engine):
            request = request._replace(engine=chosen)
        spec, shown = resolve(request, rehearse=True), verb.console()
        measured, tried = [], list(settings(spec, verb.cores(0)))
        for setting in activity.each("profile", tried, lambda each: each.changed or AS_IT_IS):
            try:
                measured.append((setting, measure(setting.spec, seconds)))
            except ValueError as error:
                raise verb.user_error("profile", str(error)) from None
        lines = recommended(measured)
        if as_json:
            facts = [
                {"changed": setting.changed, "paste": setting.paste, **of._asdict(),
                 "steps_per_second": of.per_second, "steps_per_cpu_second": of.per_cpu_second}
                for setting, of in measured
            ]  # fmt: skip
            print(json.dumps({"settings": facts, "recommended": lines}, indent=1))
            return
        shown.print(Group(parts(measured[0][1]), compared(measured)))
        title = "in the sweep file or an arm of it, tried one by one (x2.0: twice as many steps):"
        if any(ANOTHER in line for line in lines):
            lines = [*lines, f"Compare the scores of {ANOTHER}, too."]
        nothing = "Nothing that was tried is quicker by more than a tenth."
        shown.print("\n".join(["", title, *lines] if lines else ["", nothing]), soft_wrap=True)


def parts(of: Profile) -> RenderableType:
    """Where the time goes."""
    total = sum(of.sections.values())
    rows = verb.table("section", "share>", "ms / 1,000 steps>", "", title="\nwhere the time goes")
    for name, about in SECTIONS.items():
        spent = of.sections.get(name, 0.0)
        rows.add_row(name, f"{spent / total:.0%}", f"{1_000 * spent:,.1f}", about)
    note = f"CPU time over {of.steps:,} steps of learning"
    if of.device_memory_mb is not None:
        note = f"Wall-clock time over {of.steps:,} steps of learning, the device waited for at the "
        note += f"end of each section; it held {of.device_memory_mb:,.0f} MB at most"
    note += f"; about {of.measuring:.0%} of it is measuring."
    return Group(rows, note)


def compared(measured: list[tuple[Setting, Profile]]) -> RenderableType:
    """Rates of all settings that were tried."""
    from harness.train.profile import ANOTHER

    rows = verb.table(
        "setting", "steps/s>", "steps / CPU s>", "", title="\nwhat is quickest on this machine"
    )
    for setting, of in measured:
        about = "" if setting.alike else ANOTHER
        name = setting.changed or AS_IT_IS
        rows.add_row(name, f"{of.per_second:,.0f}", f"{of.per_cpu_second:,.0f}", about)
    return Group(
        rows, "steps/s: of one run alone. steps / CPU s: of runs side by side, on each core."
    )
