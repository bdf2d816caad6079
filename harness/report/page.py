"""report.md: the question, the answer, and all that stands behind it. report.html says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from matplotlib.figure import Figure

from harness import stats
from harness.report import (
    captions,
    checklist,
    claims,
    components,
    compute,
    cpu_time,
    crosscheck,
    gaps,
    models,
    modes,
    paper,
    protocol,
    reference,
    stamp,
    style,
    tables,
    web,
)
from harness.report.evidence import Evidence, gather, warnings
from harness.report.figures import FIGURES, FIGURES_SECTION, Kind
from harness.report.render import seaborn
from harness.spec import ResolvedSweep
from harness.stats.crosscheck import Unusable
from harness.store.files import replacing
from harness.store.reader import Store

# What some sweeps have beside their scores: name -> title, table, what to know of it.
MORE_TABLES: dict[str, tuple[str, Callable[[Evidence], tables.Table | None], str]] = {
    "generalisation": (
        "Generalisation: final score on variants of the environment",
        tables.generalisation,
        "The final score everywhere else is the one on variants that training saw.",
    ),
    "measures": (
        "Beside the score",
        tables.measures,
        "How the final episodes ended, solved or not: the mean of each run, IQM over seeds.",
    ),
    "fewer_seeds": (
        "What studies with fewer seeds would have said",
        tables.fewer_seeds,
        "Differences of IQMs. Opposite: the share of the studies with so many of the seeds, the "
        "same for both arms, whose difference has the other sign than that of all seeds. Off by a "
        "tenth: the two are more than a tenth of the way from the random to the reference score "
        f"apart. All subsets of the seeds are tried, or {stats.SUBSETS:,} at random where there "
        "are more. They share seeds with the whole that judges them: studies with seeds of their "
        "own would disagree more.",
    ),
}


@dataclass(frozen=True)
class Options:
    """How a report is to look, and what its author says to the checklist."""

    venue: str = "plain"  # a key of style.VENUES
    formats: tuple[str, ...] = ("pdf", "png")  # of figures, some of style.FORMATS
    answers: checklist.Answers = field(default_factory=dict)
    crosscheck: bool = True  # let rliable speak too: a second or so for each arm and score


def write(sweep: ResolvedSweep, store: Store, folder: Path, options: Options | None = None) -> Path:
    """Write the whole report in the place of an earlier one and return the path of its page."""
    evidence = gather(sweep, store)
    with replacing(folder) as new:
        _write(evidence, store, new, options or Options())
    return folder / "report.md"


def _write(evidence: Evidence, store: Store, folder: Path, options: Options) -> None:
    drawn: list[paper.Drawn] = []
    entries = checklist.fill(evidence, options.answers)
    sections = [
        _answer(evidence),
        *_gaps(evidence),
        _runs(evidence, folder),
        _compute(evidence, folder),
        _scores(evidence, folder),
        *_equal_cpu(evidence, folder, options, drawn),
        *_components(evidence, folder),
        *_models(evidence, folder),
        _figures(evidence, folder, options, drawn),
        *(_crosscheck(evidence, folder) if options.crosscheck else ()),
        _method(evidence, folder),
        _checklist(entries, evidence.sweep, folder),
    ]
    (folder / "report.md").write_text("\n\n".join(sections) + "\n", encoding="utf-8")
    paper.write(evidence, folder, options.venue, drawn, entries)
    web.write(evidence, store, sections, folder)


def _answer(evidence: Evidence) -> str:
    sweep = evidence.sweep
    lines = [f"# {sweep.name}", f"**Question.** {sweep.question}", "## Answer"]
    verdicts = evidence.verdicts()
    lines += [f"- {stamp.sentence(evidence, verdict)}" for verdict in verdicts]
    if not verdicts:
        lines.append("The sweep makes no claim; the tables and figures below describe its runs.")
    lines += claims.notes(verdicts)
    lines += [f"> **Warning.** {warning}" for warning in warnings(evidence)]
    return _paragraphs(lines)


def _paragraphs(lines: list[str]) -> str:
    """Blank lines between paragraphs, none inside a list."""
    text = lines[0]
    for before, line in pairwise(lines):
        text += ("\n" if before.startswith("- ") and line.startswith("- ") else "\n\n") + line
    return text


def _gaps(evidence: Evidence) -> list[str]:
    """A section where runs failed or are still to come."""
    found = gaps.lines(evidence)
    return [_paragraphs([f"## {gaps.SECTION}", *found])] if found else []


def _runs(evidence: Evidence, folder: Path) -> str:
    states = Counter(status.state for status in evidence.unique)
    counts = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
    table = tables.runs(evidence)
    tables.write(table, folder, "runs")
    (folder / "scores.csv").write_text(tables.run_scores(evidence).csv(), encoding="utf-8")
    lines = ["## Runs", f"{len(evidence.unique)} runs: {counts}.", table.markdown()]
    if len(evidence.sweep.envs) > 1:
        table = tables.cpu_seconds(evidence)
        tables.write(table, folder, "cpu_seconds")
        lines += ["CPU seconds of a run in each environment, evaluation included:"]
        lines += [table.markdown()]
    lines.append("Every run with its scores in full: [scores.csv](scores.csv).")
    return _paragraphs(lines)


def _compute(evidence: Evidence, folder: Path) -> str:
    table = compute.table(evidence)
    tables.write(table, folder, "table_compute")
    about = f"[CSV](table_compute.csv), [LaTeX](table_compute.tex). {compute.ABOUT}"
    unknown = compute.account(evidence).unknown
    lines = ["## Compute", table.markdown(), about, unknown]
    return _paragraphs([line for line in lines if line])


def _scores(evidence: Evidence, folder: Path) -> str:
    lines = ["## Scores by environment"]
    for score in evidence.sweep.report.scores:
        found = evidence.estimates[score]
        grid = tables.score_grid(evidence, found)
        name = f"table_{score}"
        tables.write(grid, folder, name, tables.score_list(evidence, score, found))
        lines += [
            f"### {_upper(captions.describe_score(evidence, score))}",
            grid.markdown(),
            f"[CSV]({name}.csv), [LaTeX]({name}.tex). Higher is better; "
            f"{captions.seeds(evidence)}.",
        ]
    lines += _ways_of_acting(evidence, folder)
    lines += _beside(evidence, folder)
    note = f"IQM over seeds. {captions.brackets(evidence)}"
    for name, (title, make, about) in MORE_TABLES.items():
        lines += _table(folder, name, title, make(evidence), about)
    for metric in evidence.sweep.report.metrics:
        title = f"{metric}: what training told, mean over its last fifth"
        name, table = metric.replace("/", "_"), tables.metric(evidence, metric)
        lines += _table(folder, name, title, table, "From each run's train.jsonl.")
    return _paragraphs([*lines, note])


def _ways_of_acting(evidence: Evidence, folder: Path) -> list[str]:
    """Scores by the other way of acting where they differ, or a sentence that they do not."""
    table, about = modes.table(evidence), modes.about(evidence)
    if table is None:
        return [f"### {modes.TITLE}", about] if about else []
    return _table(folder, "modes", modes.TITLE, table, about)


def _beside(evidence: Evidence, folder: Path) -> list[str]:
    """Public scores of the same agents in the same environments, where there are any."""
    found = reference.compare(evidence)
    if not found:
        return []
    about = " ".join([reference.about(found), *reference.sources(found)])
    table = reference.table(found, evidence)
    return _table(folder, "references", "Beside public numbers", table, about)


def _table(
    folder: Path,
    name: str,
    title: str,
    table: tables.Table | None,
    about: str = "",
    for_csv: tables.Table | None = None,
) -> list[str]:
    """A table under its title, and its files; nothing where there is no table."""
    if table is None:
        return []
    tables.write(table, folder, f"table_{name}", for_csv)
    files = f"[CSV](table_{name}.csv), [LaTeX](table_{name}.tex)."
    return [f"### {title}", table.markdown(), f"{files} {about}".rstrip()]


def _equal_cpu(
    evidence: Evidence, folder: Path, options: Options, drawn: list[paper.Drawn]
) -> list[str]:
    """A section where the arms' runs take CPU times that are far apart."""
    envs = cpu_time.compared(evidence)
    if not envs:
        return []
    lines = [f"## {cpu_time.SECTION}", cpu_time.about(evidence)]
    lines += _pictures(evidence, folder, options, drawn, cpu_time.SECTION)
    for env in envs:
        name, table = f"table_equal_cpu_{env}", cpu_time.table(evidence, env)
        tables.write(table, folder, name, cpu_time.listed(evidence, env))
        lines += [f"### {env}, after CPU seconds of learning", table.markdown()]
        lines += [f"[CSV]({name}.csv), [LaTeX]({name}.tex). {cpu_time.TABLE_NOTE}"]
        lines[-1] += f" {captions.brackets(evidence)}"
    return [_paragraphs(lines)]


def _components(evidence: Evidence, folder: Path) -> list[str]:
    """A section where the arms differ by components that were named."""
    lines = ["## Components"]
    for score in evidence.sweep.report.scores:
        title = captions.describe_score(evidence, score)
        for kind, found in (
            ("components", components.table(evidence, score)),
            ("path", components.path_table(evidence, score)),
        ):
            heading = f"{_COMPONENT_TITLES[kind]}: {title}"
            lines += _table(folder, f"{kind}_{score}", heading, found)
    note = f"{_COMPONENT_NOTE} {captions.brackets(evidence)}"
    return [_paragraphs([*lines, note])] if len(lines) > 1 else []


_COMPONENT_TITLES = {"components": "What each adds", "path": "From none to all"}
_COMPONENT_NOTE = (
    "What a component adds is the difference of IQMs between arms with it and the same arms "
    "without it, averaged over all such pairs; `a with b` is what the two add together beyond what "
    "each adds alone. These effects belong to no claim: their intervals are not corrected for "
    "their number. The order of a path is chosen by the scores that it shows."
)


def _models(evidence: Evidence, folder: Path) -> list[str]:
    """A section where models of the environment were measured."""
    lines = ["## World models"]
    lines += _table(folder, "models", "Models on held-out episodes", models.table(evidence))
    lines += _table(folder, "models_by_seed", "Model by seed", models.by_seed(evidence))
    numbers = models.by_number(evidence)
    lines += _table(folder, "model_numbers", "By observation dimension", numbers)
    lines += _table(folder, "dreams", "Real and imagined returns", models.returns(evidence))
    return [_paragraphs([*lines, _MODEL_NOTE])] if len(lines) > 1 else []


_MODEL_NOTE = (
    "Medians over seeds; `{ }`: the range of the seeds. Errors and likelihoods are under the "
    "random policy, one step and k steps ahead: errors in standard deviations of the observation, "
    "likelihoods in nats for each number that the model predicts, which two models need not share. "
    "Termination recall and precision, and the mean absolute error of rewards, are over all three "
    "policies. The exploitation gap is the imagined return of a controller, at temperature 1, less "
    "its real one in the environment of training: above 0 the model promises too much. Every "
    "measured run has its own report, `model_report/report.md` in its folder, with predictions "
    "drawn beside the truth. What the measures mean: docs/world_models.md."
)


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _figures(evidence: Evidence, folder: Path, options: Options, drawn: list[paper.Drawn]) -> str:
    """:param drawn: told what was drawn, for the paper."""
    lines = ["## Figures"]
    if evidence.no_aggregates:
        lines.append(
            "Figures that aggregate over environments are left out, because "
            f"{evidence.no_aggregates}."
        )
    return _paragraphs([*lines, *_pictures(evidence, folder, options, drawn, FIGURES_SECTION)])


def _pictures(
    evidence: Evidence, folder: Path, options: Options, drawn: list[paper.Drawn], section: str
) -> list[str]:
    """The figures of a section, and why some of them are not there."""
    lines, absent = [], []
    with style.applied(style.VENUES[options.venue]):
        for name, kind in FIGURES.items():
            if kind.section != section or (kind.aggregate and evidence.no_aggregates):
                continue
            scores = evidence.sweep.report.scores
            each = scores if kind.per_score else scores[:1]
            for subject in evidence.sweep.envs if kind.per_env else each:
                plot = kind.plot(evidence, subject)
                if not isinstance(plot, str):
                    figure = seaborn.draw(plot)
                    drawn.append(_save(figure, evidence, folder, options, name, subject))
                    lines += _shown(drawn[-1], options.formats)
                elif plot:
                    absent.append(f"{_title(kind, subject)}: not drawn, because {plot}.")
    return [*lines, *absent]


def _title(kind: Kind, subject: str) -> str:
    alone = not (kind.per_score or kind.per_env)
    return kind.title + ("" if alone else f", {claims.SCORE_WORDS.get(subject, subject)}")


def _save(
    figure: Figure, evidence: Evidence, folder: Path, options: Options, name: str, subject: str
) -> paper.Drawn:
    """:param subject: the score, or the environment, that it is drawn for."""
    kind = FIGURES[name]
    file = f"{name}_{subject}" if kind.per_score or kind.per_env else name
    style.save(figure, folder / file, options.formats)
    if "pdf" not in options.formats:  # the paper takes nothing else
        paper.keep(figure, folder, file)
    caption = captions.fill(kind.caption, evidence, subject, kind.aggregate, kind.statistics)
    return paper.Drawn(file, _title(kind, subject), caption, float(figure.get_figwidth()))


def _shown(drawn: paper.Drawn, formats: Sequence[str]) -> list[str]:
    """The picture, if a browser can show one, and links to the others."""
    shown = next((name for name in ("png", "svg") if name in formats), "")
    links = [f"[{name.upper()}]({drawn.file}.{name})" for name in formats if name != shown]
    picture = [f"![{drawn.title}]({drawn.file}.{shown})"] if shown else []
    return [f"### {drawn.title}", *picture, " ".join([drawn.caption, *links])]


def _crosscheck(evidence: Evidence, folder: Path) -> list[str]:
    """rliable's numbers beside ours, or why there are none."""
    lines = [f"## {crosscheck.SECTION}"]
    why = crosscheck.impossible(evidence)
    if why:
        return [_paragraphs([*lines, f"Left out, because {why}."])]
    try:
        lines.append(crosscheck.method(evidence))
        for score in evidence.sweep.report.scores:
            title, table = claims.SCORE_WORDS.get(score, score), crosscheck.table(evidence, score)
            about = crosscheck.about(evidence, score)
            if table.rows:
                name, more = f"crosscheck_{score}", crosscheck.listed(evidence, score)
                lines += _table(folder, name, _upper(title), table, about, more)
            else:
                lines += [f"### {_upper(title)}", about]
    except Unusable as error:
        lines = [lines[0], f"rliable does not work here ({error}), so nothing is checked."]
    return [_paragraphs(lines)]


def _method(evidence: Evidence, folder: Path) -> str:
    made = {
        "budgets": protocol.budgets(evidence),
        "environments": protocol.environments(evidence),
        "hyperparameters": protocol.settings(evidence),
        "versions": protocol.versions(evidence) or tables.Table(("what", "value"), ()),
    }
    for name, table in made.items():
        tables.write(table, folder, name)
    lines = ["## How it was made", "### Budgets and seeds", made["budgets"].markdown()]
    lines += [
        "Every hyper-parameter of every arm: [hyperparameters.csv](hyperparameters.csv); what the "
        "environments are and wear: [environments.csv](environments.csv)."
    ]
    lines += ["### Evaluation", *(f"- {_upper(text)}" for text in protocol.evaluation(evidence))]
    lines.append(protocol.EVERYWHERE)
    lines += [
        "### Statistics",
        "Point estimates are interquartile means: of T runs, floor(T / 4) are cut at each end, as "
        f"in rliable. Intervals are expanded percentile intervals (Hesterberg, 2015) of "
        f"{stats.RESAMPLES:,} resamples of whole runs within each environment "
        f"({stats.BAND_RESAMPLES:,} for bands), with a fixed seed and Satterthwaite's degrees of "
        "freedom; those of P(improvement) are score intervals, those of profiles Clopper and "
        "Pearson's. They hold for these environments and say nothing of others. An arm with a "
        "missing run has no estimate where that run would count.",
        *protocol.coverage(evidence),
    ]
    if evidence.sweep.anchors:
        lines += [
            "### Normalisation",
            "(return - random) / (reference - random), with fixed anchors:",
            protocol.anchors(evidence).markdown(),
        ]
    if len(evidence.sweep.arms) > 1:
        lines += [f"### What the arms change against {evidence.baseline}"]
        lines += [protocol.departures(evidence).markdown()]
    if made["versions"].rows:
        lines += ["### Versions", made["versions"].markdown()]
    lines += protocol.repetition(evidence)
    source = evidence.sweep.source
    lines += [
        "### To repeat it",
        f"```\nharness sweep {source}\nharness report {evidence.sweep.name}\n```",
    ]
    return _paragraphs(lines)


def _checklist(entries: list[checklist.Entry], sweep: ResolvedSweep, folder: Path) -> str:
    (folder / "checklist.md").write_text(
        checklist.markdown(entries, sweep.source), encoding="utf-8"
    )
    (folder / "checklist.csv").write_text(checklist.table(entries).csv(), encoding="utf-8")
    lines = ["## Checklist", f"[checklist.md](checklist.md): {checklist.counts(entries)}."]
    disputed = [entry.name for entry in entries if entry.flaw == "contradicted"]
    if disputed:
        lines.append(f"> **Warning.** The records contradict its author on: {', '.join(disputed)}.")
    return _paragraphs(lines)
