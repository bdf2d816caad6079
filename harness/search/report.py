"""The report of a search: what was found, what it is worth, and what matters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness import stats
from harness.config.tree import get
from harness.report.document import (
    Block,
    Cell,
    Document,
    Figure,
    Items,
    Listing,
    Runs,
    Section,
    Table,
    Text,
    quoted,
)
from harness.report.render import html, markdown, seaborn
from harness.search import confirm, loop, sensitivity, trials
from harness.search.evidence import Evidence
from harness.search.figures import FIGURES, row_id
from harness.search.file import Halving, Wilcoxon
from harness.search.surrogate import RESAMPLES
from harness.store.files import replacing
from harness.store.reader import Store


def write(studies: Sequence[Evidence], store: Store, folder: Path) -> Path:
    """report.md and report.html for all arms of a search, their figures beside; return report.md.

    :param store: holds the runs, to which the page links.
    """
    with replacing(folder) as new:
        of = _document(studies, store, new)
        (new / "report.md").write_text(markdown.document(of), encoding="utf-8")
        page = html.page(of, new, (), {"envs": []}, _linked(studies))
        (new / html.FILE).write_text(page, encoding="utf-8")
    return folder / "report.md"


def _document(studies: Sequence[Evidence], store: Store, folder: Path) -> Document:
    file = studies[0].plan.file
    arms = (_arm(found, store, folder, alone=len(studies) == 1) for found in studies)
    fussy = _sensitivity(studies, folder)
    sections = (_answer(studies), *fussy, _budget(studies), *arms, _method(studies[0]))
    question = file.question or f"What is best for {', '.join(file.arms)}?"
    return Document(file.name, question, sections)


def _linked(studies: Sequence[Evidence]) -> Callable[[Runs], str]:
    """Where the page shows the trial whose runs these are."""
    rows = {
        spec.key: f"#trial-{row_id(found, again.trial.number)}"
        for found in studies
        if found.confirmation is not None
        for again in (found.confirmation.selected, found.confirmation.default)
        for spec in again.specs
    }
    return lambda runs: rows[runs[0]]


def _answer(studies: Sequence[Evidence]) -> Section:
    head = ("arm", "selected", "default", "difference", "value while tuning", "optimism gap")
    rows: list[tuple[str, ...]] = []
    for found in studies:
        confirmed = found.confirmation
        if confirmed is None:
            rows.append((found.plan.label, "no trial came to its end", "", "", "", ""))
            continue
        finalists = confirmed.selected, confirmed.default
        values = (
            Cell(str(confirm.estimate(found.plan, one)), (spec.key for spec in one.specs))
            for one in finalists
        )
        difference = str(confirm.difference(found.plan, *finalists))
        tuned = float(confirmed.selected.trial.value or 0.0)
        gap = f"{confirmed.gap:+.3f}"
        rows.append((found.plan.label, *values, difference, f"{tuned:.3f}", gap))
    plan = studies[0].plan
    n = plan.file.confirm.test_seeds
    average = "interquartile means" if plan.statistic is stats.iqm else "means"
    note = (
        f"Selected, default and difference are {average} of normalised scores, with "
        f"{100 * stats.LEVEL:g} % intervals, where one covers (docs/statistics.md), over {n} seeds "
        "on which nothing was chosen; the optimism gap is the value while tuning "
        f"(`{plan.file.value}`) minus the value on these seeds, by the same definition and of "
        f"{min(plan.file.seeds, n)} seeds each: on average over all choices of them, as a value "
        "depends on their number. Without any choice its mean is 0."
    )
    return Section("Answer", (Table(head, tuple(rows)), Text(note)))


def _sensitivity(studies: Sequence[Evidence], folder: Path) -> Iterator[Section]:
    """One setting for all environments against one for each, where there are several."""
    known = {found.plan.label: (found, of) for found in studies if (of := sensitivity.of(found))}
    if not known:
        return
    rows = []
    for label, (found, of) in known.items():
        needed = sensitivity.effective(found)
        words = "-"
        if needed is not None:
            words = f"{needed.point} of {needed.of} {{{needed.low}, {needed.high}}}"
        cells = (stats.bracket(estimate, sensitivity.NUMBER) for estimate in of)
        rows.append((label, *cells, words, f"{len(sensitivity.settings(found))}"))
    head = ("arm", "one setting", "tuned on each", "sensitivity", "to be tuned", "settings")
    blocks: list[Block] = [Table(head, tuple(rows)), Text(_SENSITIVITY)]
    if len(known) > 1:
        plot = sensitivity.plane({label: of for label, (_, of) in known.items()})
        seaborn.save(plot, folder / "plane")
        title = "How good, and how fussy"
        blocks.append(Figure("plane", title, _PLANE, seaborn.USUAL, plot=plot))
    yield Section("One setting for all environments", tuple(blocks))


_SENSITIVITY = (
    "Means of normalised scores over environments, by the tuning seeds of the trials that ran on "
    "all of them. One setting: the best of these on all environments together. Tuned on each: the "
    "best on each. Sensitivity: how much more that is (Adkins et al. 2024). A setting is chosen by "
    "all seeds but one and scored by that one, in turn, which is a little too low; the intervals "
    "reach from there to the best by all seeds, which is too high (docs/tuning.md has their "
    "coverage). To be tuned: how many hyper-parameters must differ between environments for "
    f"{100 * sensitivity.KEPT:.0f} % of the tuned score, by a random forest on the trials; braces: "
    "where 95 % of resamples of the trials lie, which is no confidence interval. Only what was "
    "tried can be the best, and what is good on one environment alone is stopped early, or never "
    "asked for: of all settings the sensitivity may be larger. `sampler: random` without a pruner "
    "asks for settings evenly."
)
_PLANE = (
    "Tuned on each environment, against what that gains over one setting for all. Up is better, "
    "left is less fussy; along the dotted line agents are as good with one setting as the best of "
    "them is. Bars: intervals as in the table."
)


def _budget(studies: Sequence[Evidence]) -> Section:
    """What each arm was given, and what it took."""
    head = (
        "arm", "trials", "all seeds", "stopped early", "crashed", "diverged seeds",
        "steps of the search", "steps of re-runs", "run-minutes",
    )  # fmt: skip
    rows = []
    for found in studies:
        again = found.confirmation.steps if found.confirmation else 0
        numbers = (*confirm.counts(found.trials).values(), loop.spent(found.trials), again)
        minutes = f"{loop.seconds(found.trials) / 60:.0f}"
        rows.append((found.plan.label, *(f"{number:,}" for number in numbers), minutes))
    each = "Each arm was" if len(studies) > 1 else "The search was"
    words = f"{each} given {studies[0].plan.file.budget}."
    return Section("Budget", (Text(words), Table(head, tuple(rows))))


def _arm(found: Evidence, store: Store, folder: Path, alone: bool) -> Section:
    blocks: list[Block] = [*_selected(found), *_crashed(found)]
    blocks += _figures(found, folder, prefix="" if alone else f"{found.plan.label}_")
    blocks.append(Listing("", trials.table(found, store, folder)))
    return Section(found.plan.label, tuple(blocks), anchor=f"arm-{found.plan.label}")


def _crashed(found: Evidence) -> Iterator[Section]:
    errors = [
        f"trial {t.number}: {quoted(t.user_attrs[loop.ERROR].splitlines()[0])}"
        for t in found.trials
        if loop.ERROR in t.user_attrs
    ]
    again = found.confirmation.reruns if found.confirmation else []
    errors += [
        f"{quoted(one.outcome.error.splitlines()[0])} (run again; it scores as the random policy "
        "does)"
        for one in again
        if one.outcome.error
    ]
    if errors:
        yield Section("What crashed", (Items(tuple(errors)),))


def _figures(found: Evidence, folder: Path, prefix: str) -> Iterator[Figure | Text]:
    """:param prefix: of their files."""
    for name, kind in FIGURES.items():
        plot = kind.plot(found)
        if isinstance(plot, str):
            if plot:
                yield Text(f"{kind.title}: not drawn, because {plot}.")
            continue
        seaborn.save(plot, folder / f"{prefix}{name}")
        caption = kind.caption.format(
            resamples=RESAMPLES, path_seeds=found.plan.file.confirm.path_seeds,
            noise=_noise(found),
        )  # fmt: skip
        yield Figure(f"{prefix}{name}", kind.title, caption, seaborn.USUAL, plot=plot)


def _noise(found: Evidence) -> str:
    if not found.noise:
        return ""
    numbers = ", ".join(
        f"{scale:,.0f}" if math.isfinite(scale) else "not to be told" for scale in found.noise
    )
    return (
        " Dotted: the gradient noise scale of the selected configuration in the four quarters of "
        f"its training ({numbers} samples; at the edge if it lies outside): larger batches than "
        "that gain little for each sample (McCandlish et al. 2018)."
    )


def _selected(found: Evidence) -> Iterator[Section]:
    """The selected hyper-parameters beside the default's."""
    if found.confirmation is None:
        return
    trial, base = found.confirmation.selected.trial, found.plan.base[0].hparams
    if trial.number == 0:
        yield Section("Selected", (Text("The default itself: nothing that was tried is better."),))
        return
    rows = tuple(
        (name, str(get(base, name)), str(value), found.plan.space[name].why)
        for name, value in confirm.hparams(trial).items()
    )
    where = Text(f"Trial {trial.number}; complete in `{found.plan.label}/{confirm.BEST}`.")
    head = ("hyper-parameter", "default", "selected", "why this range")
    yield Section("Selected", (where, Table(head, rows)))


def _method(found: Evidence) -> Section:
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
            f"{file.confirm.seeds} fresh seeds, and the best of these was selected."
        )
    else:
        lines.append("The best of the fully evaluated trials was selected.")
    lines.append(
        f"It and the default were then run on {file.confirm.test_seeds} further seeds, from a pool "
        "that no other search draws from: to resume this one is no new test, and any change of its "
        "name or settings but for the budget is another search, with other test seeds. All seeds "
        "are from 10,000 on: a sweep reports others."
    )
    return Section("Method", (Text(" ".join(line for line in lines if line)),))


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
