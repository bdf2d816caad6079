"""What is known of runs that were not made here, and what is not: said wherever it matters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.config.name import joined
from harness.config.tree import grouped
from harness.report.document import quoted
from harness.report.evidence import Evidence
from harness.spec import ImportedRun, Origin
from harness.store.foreign.series import EPISODES
from harness.store.reader import RunStatus

# By format: what was read, and which of it is the final score.
READ = {
    "table": "column {score} of a table",
    "monitor": "returns of training episodes in Stable-Baselines3's monitor files",
    "tensorboard": "tag {score} of TensorBoard event files",
    "wandb": "metric {score} of a Weights & Biases export",
    "mlflow": "metric {score} of an MLflow export",
}
LAST = "the last score of each run"
OF_EPISODES = "the mean return of the last training episodes of each run, at most 100"
# Metrics of Stable-Baselines3 and CleanRL about training, with the exploration and wrappers of it.
TRAINING = ("rollout/", *EPISODES)
# What counts environment steps: trackers count what their user logged by.
COUNTED = ("table", "monitor")


def final(origin: Origin) -> str:
    """What stands for the final score."""
    return OF_EPISODES if _of_episodes(origin) else LAST


def _of_episodes(origin: Origin) -> bool:
    """Whether every training episode was read."""
    by_tag = origin.format == "tensorboard" and origin.score in EPISODES
    return origin.format == "monitor" or by_tag


def of_training(origin: Origin) -> bool:
    """Whether the scores are known to be of training, and not of an evaluation."""
    return origin.format == "monitor" or origin.score.startswith(TRAINING)


def state(status: RunStatus) -> str:
    """What became of a run, in a word."""
    elsewhere = isinstance(status.spec, ImportedRun) and status.state == "finished"
    return "imported" if elsewhere else status.state


def about(evidence: Evidence) -> list[str]:
    """A sentence or two for each source of scores in the sweep; empty: all were made here."""
    sources = grouped((_source(run), (arm, run)) for arm, run in _each(evidence))
    return [
        _told(dict.fromkeys(arm for arm, _ in of), [r for _, r in of]) for of in sources.values()
    ]


def _each(evidence: Evidence) -> Iterator[tuple[str, ImportedRun]]:
    return ((arm, run) for arm, runs in evidence.imported.items() for run in runs)


def _source(run: ImportedRun) -> tuple[str, str, str]:
    return run.origin.name, run.origin.format, run.origin.score


def _told(arms: Iterable[str], runs: list[ImportedRun]) -> str:
    origin, files = runs[0].origin, sorted({run.origin.file for run in runs})
    which = files[0] if len(files) == 1 else f"{len(files)} files, the first {files[0]}"
    read = READ[origin.format].format(score=quoted(origin.score))
    kind = "They are returns of training episodes, and no evaluation. " * of_training(origin)
    kind += "Each point of a curve is the mean of the latest 100. " * _of_episodes(origin)
    single = sum(run.points == 1 for run in runs)
    kind += f"{single} are single scores without a curve, which leaves out its area. " * bool(
        single
    )
    steps = "" if origin.format in COUNTED else "what its steps count, "
    return (
        f"{joined(arms)}: {len(runs)} runs that were not made here. The scores are the {read}, "
        f"imported as {origin.name} from {quoted(which)}; the final score is {final(origin)}. "
        f"{kind}How they were made is not known: with which episodes, seeds, settings and code, "
        f"whether returns are the environment's own, {steps}and which runs were left out before."
    )


def steps(evidence: Evidence) -> str:
    """What is counted along training."""
    known = all(run.origin.format in COUNTED for run in evidence.sweep.imported)
    return "environment steps" if known else "steps"


def doubt(evidence: Evidence, arms: Iterable[str]) -> str:
    """What two arms may differ in beside what they compare; empty: they come from one place."""
    runs = {arm: evidence.imported.get(arm, []) for arm in arms}
    if len({frozenset(map(_source, each)) for each in runs.values()}) == 1:
        return ""
    elsewhere = [arm for arm, each in runs.items() if each]
    training = [arm for arm in elsewhere if any(of_training(run.origin) for run in runs[arm])]
    only = f" The scores of {training[0]} are of training episodes." if len(training) == 1 else ""
    were = "was" if len(elsewhere) == 1 else "were"
    why = f"{joined(elsewhere)} {were} not made here: the two had no common protocol that is known."
    return why + only


def scores_of(evidence: Evidence) -> str:
    """What the final score of the arms is that were not made here; empty: there are none."""
    rules = grouped((final(run.origin), arm) for arm, run in _each(evidence))
    if len(rules) == 1 and not evidence.sweep.made:
        return next(iter(rules))
    return "; ".join(f"of {joined(dict.fromkeys(arms))} {rule}" for rule, arms in rules.items())
