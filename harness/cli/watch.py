"""`harness watch`: trained agents at work."""

from __future__ import annotations

import math
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from harness.cli import activity, option, verb
from harness.cli import strip as strips

if TYPE_CHECKING:
    from harness.store.reader import Store
    from harness.train.film import Film
    from harness.train.trained import Trained

MOST = 6  # runs side by side
What = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN... | AGENT ENV",
        help="Finished runs, by key or folder; or an agent and an environment: the newest run of "
        "the two.",
        show_default=False,
    ),
]


def watch(
    what: What,
    video: Annotated[
        Path | None, typer.Option(help="Write a video: .mp4, .gif or .webp.", show_default=False)
    ] = None,
    strip: Annotated[
        Path | None,
        typer.Option(
            help="Write a film strip: .png, .pdf or .svg. Without any of the three: <key>.png.",
            show_default=False,
        ),
    ] = None,
    window: Annotated[bool, typer.Option("--window", help="Show it in a window.")] = False,
    episode: Annotated[
        str | None,
        typer.Option(
            metavar="median|best|worst|NUMBER",
            help="Which episode of the final evaluation, by its return, or by its place: 0, 1, "
            "...; default: median.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**31 - 1,
            help="The episode of this reset seed instead, whether or not the final evaluation "
            "has it.",
            show_default=False,
        ),
    ] = None,
    results: option.Results = option.DEFAULT_RESULTS,
    trust: option.Trust = False,
    study: option.Study = None,
) -> None:
    """Watch trained agents play an episode of their final evaluation, the very one of the record.

    They act as in evaluation: without exploration, unless the protocol samples.
    """
    with verb.users_errors("The runs are as they were."):
        from harness.train import reel
        from harness.train import video as videos
        from harness.train.film import every_step

        if episode is not None and seed is not None:
            raise verb.user_error("--seed", "--episode names another episode: leave one out")
        if video is not None:
            videos.check(video, "--video")
            verb.check_output("--video", video)
        if strip is not None:
            strips.check(strip, "--strip")
        if window:
            videos.check_screen("--window")
        verb.enter(study)
        folders = _folders(what, verb.open_store(results))
        if not (video or strip or window):
            strip = Path("-".join(folder.name for folder in folders) + ".png")
            strips.check(strip, "--strip")
        chosen = [_chosen(folder, episode, seed, trust) for folder in folders]
        every = every_step([each.steps for each in chosen])
        titles = _titles(chosen)
        reels = [reel.Reel(t, _filmed(c, every)) for t, c in zip(titles, chosen, strict=True)]
        shown = verb.console()
        if video is not None:
            with activity.shown("watch") as tell:
                pictures, n = reel.pictures(reels), reel.count(reels)
                told = (tell(f"writing {video}", k, n) or each for k, each in enumerate(pictures))
                videos.write(told, reel.rate(reels), video)
            shown.print(str(video), soft_wrap=True)
        if strip is not None:
            strips.draw(reels, strip)
            shown.print(str(strip), soft_wrap=True)
        if window:
            title = "; ".join(each.title for each in reels)
            videos.show(lambda: reel.pictures(reels), reel.rate(reels), title)


# Which runs ---------------------------------------------------------------------------------------


def _folders(what: list[str], store: Store) -> list[Path]:
    """Of the runs that are named.

    :raises UserError: if one is not there; the message tells what to run.
    """
    found = {name: verb.find_run("watch", name, store) for name in what}
    if len(what) == 2 and not any(found.values()):
        agent, env = what
        return [_newest(agent, env, store)]
    for name, folder in found.items():
        if folder is None:
            way_out = "name finished runs by key or folder, or an agent and an environment"
            raise verb.user_error("watch", f"'{name}' is no run in {store.root}: {way_out}")
    if len(found) > MOST:
        raise verb.user_error("watch", f"{len(found)} runs: at most {MOST} stand side by side")
    return [folder for folder in found.values() if folder is not None]


def _newest(agent: str, env: str, store: Store) -> Path:
    """The run of an agent on an environment that was finished last."""
    from harness import agents
    from harness.config.name import is_target

    try:
        agent = agents.named(agent)
    except KeyError as error:
        raise verb.user_error("watch", error.args[0]) from None
    folder = store.newest(agent, env) if is_target(agent) and is_target(env) else None
    if folder is None:
        message = f"no finished run of {agent} on {env} in {store.root}{_way_out(agent, env)}"
        raise verb.user_error("watch", message)
    return folder


def _way_out(agent: str, env: str) -> str:
    """What makes a run of the two; where one is not known, which is meant."""
    from baselines import names
    from harness import envs
    from harness.config.strict import suggest

    if ":" not in agent and agent not in names():
        return f": unknown agent '{agent}'.{suggest(agent, names())}"
    try:
        envs.card(env)
    except KeyError as error:
        return f": {error.args[0]}"
    return f". `harness run {agent} {env}` makes one"


# Which episodes -----------------------------------------------------------------------------------


class Chosen(NamedTuple):
    """An episode that is to be played."""

    folder: Path
    run: Trained
    seed: int  # of its reset
    steps: int  # as recorded, or as many as there may be
    place: int = -1  # in the final evaluation; -1: it is none of its episodes
    recorded: float = math.nan  # its return

    def __str__(self) -> str:
        which = f"episode {self.place}" if self.place >= 0 else "an episode of no evaluation"
        return f"{self.run.spec}, {which}"


def _titles(chosen: list[Chosen]) -> list[str]:
    """What each is called: by the key of its run too, where that alone tells it from another."""
    titles = [str(each) for each in chosen]
    return [
        title if titles.count(title) == 1 else f"{title}, run {each.run.spec.key}"
        for title, each in zip(titles, chosen, strict=True)
    ]


def _chosen(folder: Path, episode: str | None, seed: int | None, trust: bool) -> Chosen:
    from harness.store import run_files
    from harness.train.film import final_seeds
    from harness.train.trained import trained

    run = trained(folder, trust=trust)
    seeds, returns = final_seeds(run), run_files.final_returns(folder)
    if seed is not None and seed not in seeds:
        return Chosen(folder, run, seed, run.card.max_episode_steps or 1)
    place = _place(episode or "median", returns) if seed is None else seeds.index(seed)
    steps = run_files.final_lengths(folder)[place]
    return Chosen(folder, run, seeds[place], steps, place, returns[place])


def _place(episode: str, returns: list[float]) -> int:
    from harness.config.strict import suggest
    from harness.train.film import typical

    named = {
        "median": typical(returns),
        "best": returns.index(max(returns)),
        "worst": returns.index(min(returns)),
    }
    if episode in named:
        return named[episode]
    if not episode.isdecimal():
        message = f"'{episode}' is no episode: median, best, worst or its place, 0, 1, ..."
        raise verb.user_error("--episode", message + suggest(episode, named))
    if int(episode) >= len(returns):
        message = f"the final evaluation has the episodes 0 to {len(returns) - 1}, and no {episode}"
        raise verb.user_error("--episode", message)
    return int(episode)


def _filmed(each: Chosen, every: int) -> Film:
    """Play it, say what came of it, and keep what reports show of its run."""
    from harness.config.name import counted
    from harness.store import run_files
    from harness.store.writer import Busy
    from harness.train import archive
    from harness.train.film import filmed, typical

    # In the company of the other episodes of the evaluation, which may take long.
    lengths = run_files.final_lengths(each.folder) if each.place >= 0 else [each.steps]
    most, steps = sum(lengths), count(1)
    with activity.shown("watch") as tell:
        playing = f"{each}: steps of an evaluation of {counted(len(lengths), 'episode')}"
        film = filmed(each.run, each.seed, every, lambda: tell(playing, next(steps), most))
    sampled = "" if each.run.spec.evaluation.deterministic else ", actions sampled"
    ended = f"return {film.total:.6g} in {film.steps} steps, {film.ended}{sampled}"
    verb.console().print(f"{each} (reset seed {each.seed}): {ended}", soft_wrap=True)
    if each.place < 0:
        return film
    if film.total != each.recorded:
        verb.warn([f"Warning: {archive.other(each.place, each.recorded, film.total)}."])
    elif each.place == typical(run_files.final_returns(each.folder)):
        try:
            archive.keep(each.run, each.folder, each.place, film)
        except (OSError, Busy) as error:
            verb.warn([f"Reports will not show it: {each.folder} cannot take it: {error!r}"])
    return film
