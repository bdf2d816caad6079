"""report.md of a search: what was found, what it is worth, and what matters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from harness import stats
from harness.config.tree import get
from harness.report import style
from harness.report.render import seaborn
from harness.search import confirm, loop, page
from harness.search.evidence import Evidence
from harness.search.figures import FIGURES
from harness.search.file import Halving, Wilcoxon
from harness.search.surrogate import RESAMPLES
from harness.store.files import replacing
from harness.store.reader import Store


def write(studies: Sequence[Evidence], store: Store, folder: Path) -> Path:
    """report.md and report.html for all arms of a search, their figures beside; return report.md.

    :param store: holds the runs, to which the page links.
    """
    with replacing(folder) as new:
        _write(studies, store, new)
    return folder / "report.md"


def _write(studies: Sequence[Evidence], store: Store, folder: Path) -> None:
    file = studies[0].plan.file
    parts = [f"# {file.name}", f"**Question.** {file.question}" if file.question else ""]
    parts += [_answer(studies), _terms(studies)]
    for found in studies:
        parts += _study(found, folder, alone=len(studies) == 1)
    parts.append(_method(studies[0]))
    text = "\n\n".join(part for part in parts if part) + "\n"
    (folder / "report.md").write_text(text, encoding="utf-8")
    page.write(studies, store, text, folder)


def _answer(studies: Sequence[Evidence]) -> str:
    rows = [
        "| arm | winner | default | difference | value while tuning | optimism gap |",
        "|---|---|---|---|---|---|",
    ]
    for found in studies:
        confirmed = found.confirmation
        if confirmed is None:
            rows.append(f"| {found.plan.label} | no trial came to its end | | | | |")
            continue
        finalists = confirmed.winner, confirmed.default
        numbers = [*map(found.estimate, finalists), confirm.difference(found.plan, *finalists)]
        tuned = float(confirmed.winner.trial.value or 0.0)
        rows.append(
            f"| {found.plan.label} | {' | '.join(map(confirm.text, numbers))} | "
            f"{tuned:.3f} | {confirmed.gap:+.3f} |"
        )
    n = studies[0].plan.file.confirm.test_seeds
    plan = studies[0].plan
    average = "interquartile means" if plan.statistic is stats.iqm else "means"
    note = (
        f"Winner, default and difference are {average} of normalised scores, with "
        f"{stats.LEVEL:.0%} intervals, where one covers (docs/statistics.md), over {n} seeds on "
        "which nothing was chosen; the optimism gap "
        f"is the value while tuning (`{plan.file.value}`) minus the value on these seeds, by the "
        f"same definition and of {min(plan.file.seeds, n)} seeds each: on average over all choices "
        "of them, as a value depends on their number. Without any choice its mean is 0."
    ).replace("%", " %")
    return "## Answer\n\n" + "\n".join(rows) + "\n\n" + note


def _terms(studies: Sequence[Evidence]) -> str:
    """What each arm was given, and what it took."""
    rows = [
        "| arm | trials | all seeds | stopped early | crashed | diverged seeds | "
        "steps of the search | steps of re-runs | run-minutes |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for found in studies:
        counts, confirmed = confirm.counts(found.trials), found.confirmation
        again = confirm.rerun_steps(confirmed) if confirmed else 0
        minutes = loop.seconds(found.trials) / 60
        rows.append(
            f"| {found.plan.label} | {counts['all']} | {counts['full']} | "
            f"{counts['stopped early']} | {counts['failed']} | {counts['diverged seeds']} | "
            f"{loop.spent(found.trials):,} | {again:,} | {minutes:.0f} |"
        )
    budget = studies[0].plan.file.budget
    given = next(f"{v:,} {k}" for k, v in budget.model_dump().items() if v is not None)
    each = "Each arm was" if len(studies) > 1 else "The search was"
    line = f"{each} given {given.replace('run_minutes', 'run-minutes')}."
    return f"## Budget\n\n{line}\n\n" + "\n".join(rows)


def _study(found: Evidence, folder: Path, alone: bool) -> list[str]:
    parts = [f"## {found.plan.label}", _winner(found)]
    errors = [
        f"- trial {t.number}: {t.user_attrs[loop.ERROR].splitlines()[0]}"
        for t in found.trials
        if loop.ERROR in t.user_attrs
    ]
    after = found.confirmation
    again = [*after.candidates, after.winner, after.default] if after else []
    errors += [
        f"- {one.outcome.error.splitlines()[0]} (run again; it scores as the random policy does)"
        for one in again
        if one.outcome.error
    ]
    if errors:
        parts.append("### What crashed\n\n" + "\n".join(errors))
    prefix = "" if alone else f"{found.plan.label}_"
    with style.applied():
        for name, kind in FIGURES.items():
            plot = kind.plot(found)
            if isinstance(plot, str):
                parts += [f"{kind.title}: not drawn, because {plot}."] if plot else []
                continue
            style.save(seaborn.draw(plot), folder / f"{prefix}{name}")
            caption = kind.caption.format(
                resamples=RESAMPLES, path_seeds=found.plan.file.confirm.path_seeds,
                noise=_noise(found),
            )  # fmt: skip
            parts.append(f"### {kind.title}\n\n![{kind.title}]({prefix}{name}.png)\n\n*{caption}*")
    return parts


def _noise(found: Evidence) -> str:
    if found.noise is None:
        return ""
    numbers = ", ".join(
        f"{scale:,.0f}" if math.isfinite(scale) else "not to be told"
        for scale in found.noise.quarters
    )
    return (
        " Dotted: the gradient noise scale of the winner in the four quarters of its training "
        f"({numbers} samples; at the edge if it lies outside): larger batches than that gain "
        "little for each sample (McCandlish et al. 2018)."
    )


def _winner(found: Evidence) -> str:
    """The winner's hyper-parameters beside the default's."""
    if found.confirmation is None:
        return ""
    trial, base = found.confirmation.winner.trial, found.plan.base[0].hparams
    rows = ["| hyper-parameter | default | winner | why this range |", "|---|---|---|---|"]
    for name, value in confirm.hparams(trial).items():
        why = found.plan.space[name].why
        rows.append(f"| {name} | {get(base, name)} | {value} | {why} |")
    if trial.number == 0:
        return "### Winner\n\nThe default itself: nothing that was tried is better."
    where = f"Trial {trial.number}; complete in `{found.plan.label}/{confirm.BEST}`."
    return f"### Winner\n\n{where}\n\n" + "\n".join(rows)


def _method(found: Evidence) -> str:
    file, plan = found.plan.file, found.plan
    steps = ", ".join(f"{n:,} on {env}" for env, n in plan.steps.items())
    lines = [
        f"Every trial trains the same {file.seeds} tuning seeds in the same shuffled order "
        f"({steps}); its value is the {file.value} of their normalised final scores. Sampler: "
        f"{file.sampler}, {file.batch} trials at a time. Trial 0 is the default ({file.default}).",
        _pruning(file.pruner),
        "A seed that diverged is counted; without a score of its own it scores as the random "
        "policy does. A trial that crashed has failed.",
    ]
    if file.confirm.top > 1:
        lines.append(
            f"The best {file.confirm.top} of the fully evaluated trials were run again on "
            f"{file.confirm.seeds} fresh seeds, and the best of these is the winner."
        )
    else:
        lines.append("The best of the fully evaluated trials is the winner.")
    lines.append(
        f"It and the default were then run on {file.confirm.test_seeds} further seeds, from a pool "
        "that no other search draws from: to resume this one is no new test, and any change of its "
        "name or settings but for the budget is another search, with other test seeds. All seeds "
        "are from 10,000 on: a sweep reports others."
    )
    return "## Method\n\n" + " ".join(line for line in lines if line)


def _pruning(pruner: object) -> str:
    if isinstance(pruner, Wilcoxon):
        return (
            f"From {pruner.first} seeds on, a trial is stopped if it loses to the best so far seed "
            f"by seed (Wilcoxon's signed-rank test, p < {pruner.p})."
        )
    if isinstance(pruner, Halving):
        name = pruner.name.replace("_", " ").capitalize()
        return (
            f"{name} over environment steps: of the trials at a rung one in {pruner.factor} goes "
            f"on, to runs {pruner.factor} times as long; the first rung is {pruner.first:,} steps."
        )
    return ""
