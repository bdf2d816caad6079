"""The figures that compare arms over all environments, and the table of all figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure

from harness import stats
from harness.report import components, cpu_time, drawn, maps, models, panels, style
from harness.report.evidence import Evidence

FIGURES_SECTION = "Figures"


@dataclass(frozen=True)
class Plot:
    """A kind of figure: how it is drawn, and what its caption says of it."""

    title: str
    caption: str
    # Of a score, or of an environment if there is one per environment; None: nothing to show.
    draw: Callable[[Evidence, str], Figure | None]
    aggregate: bool = True  # compares the arms over all environments
    statistics: tuple[str, ...] = ("IQM",)  # whose intervals it draws
    per_score: bool = True
    per_env: bool = False
    section: str = FIGURES_SECTION  # of the report


def aggregates(evidence: Evidence, score: str) -> Figure | None:
    arms = evidence.normalised[score].arms
    figure = Figure(figsize=_size(style.venue().text, 0.75, len(arms)), layout="constrained")
    row = figure.subplots(1, len(stats.AGGREGATES), sharey=True)
    names = 0.075 * style.venue().scale * max(map(len, arms))  # inches at the left
    size = panels.title_size(stats.AGGREGATES, (style.venue().text - names) / len(row))
    found = {arm: drawn.aggregates(evidence, score, arm) for arm in arms}
    for axes, name in zip(row, stats.AGGREGATES, strict=True):
        of_arm = {arm: estimates[name] for arm, estimates in found.items()}
        panels.bars(axes, of_arm, style.looks(evidence.sweep.arms))
        axes.set_title(name, fontsize=size)
        axes.locator_params(axis="x", nbins=3)
    figure.supxlabel("normalised score", fontsize=style.venue().label)
    return figure


def _size(width: float, around: float, rows: int) -> tuple[float, float]:
    """Of a figure with a row for each arm."""
    return width, (around + 0.2 * rows) * style.venue().scale


def improvement(evidence: Evidence, score: str) -> Figure | None:
    others = [arm for arm in evidence.normalised[score].arms if arm != evidence.baseline]
    if not others:
        return None
    figure = Figure(figsize=_size(style.venue().column, 0.8, len(others)), layout="constrained")
    axes = figure.subplots()
    found = {arm: drawn.improvement(evidence, score, arm) for arm in others}
    panels.bars(axes, found, style.looks(evidence.sweep.arms))
    axes.axvline(0.5, color=style.GREY, linestyle=":", zorder=0)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel(f"P(arm > {evidence.baseline})")
    return figure


def profiles(evidence: Evidence, score: str) -> Figure | None:
    found = drawn.profiles(evidence, score)
    if found is None:
        return None
    return _lines(evidence, found, x="normalised score τ", y="fraction of runs above τ", step=True)


def sample_efficiency(evidence: Evidence, score: str) -> Figure | None:
    """`score` is not used: this is the whole curve."""
    found, in_steps = drawn.sample_efficiency(evidence)
    x = "environment steps" if in_steps else "fraction of the budget"
    figure = _lines(evidence, found, x, "normalised IQM")
    if in_steps:
        style.steps_axis(figure.axes[0])
    return figure


def _lines(evidence: Evidence, found: drawn.Lines, x: str, y: str, step: bool = False) -> Figure:
    """One line with its band per arm; an arm with missing runs is named and not drawn."""
    looks = style.looks(evidence.sweep.arms)
    labels = {
        arm: f"{arm} ({found.gaps[arm]})" if arm in found.gaps else arm
        for arm in evidence.sweep.arms
    }
    width, scale = style.venue().column, style.venue().scale
    height = 2.1 + 0.15 * scale * style.legend_rows(list(labels.values()), width)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    for arm, band in found.bands.items():
        place = evidence.sweep.arms.index(arm)
        panels.line(axes, found.x, band, looks[arm], place, evidence.joint_bands, step)
    axes.set(xlabel=x, ylabel=y)
    axes.grid(color="0.9")
    style.legend(figure, [style.handle(arm, looks[arm], label) for arm, label in labels.items()])
    return figure


FIGURES: dict[str, Plot] = {
    "aggregates": Plot(
        "Aggregates",
        "Normalised {score}, over {envs} and {seeds} each. {bar} For the optimality gap less is "
        "better.",
        aggregates,
        statistics=tuple(stats.AGGREGATES),
    ),
    "profiles": Plot(
        "Performance profiles",
        "The fraction of runs whose normalised {score} lies above τ, over {envs} and {seeds} "
        "each. {band}",
        profiles,
        statistics=(stats.PROFILE,),
    ),
    "improvement": Plot(
        "Probability of improvement",
        "The probability that a run of an arm has a better {score} than a run of {baseline}, ties "
        "counting half, averaged over {envs}; {seeds} each. {comparison}",
        improvement,
        statistics=(stats.IMPROVEMENT,),
    ),
    "components": Plot(
        "What the components do",
        "How the IQM of the normalised {score} changes when a component is put in, averaged over "
        "the arms that differ in nothing else; of two, how much more they do together than each "
        "alone. Over {envs} and {seeds} each. {comparison}",
        components.effects_figure,
        statistics=(stats.EFFECT,),
    ),
    "path": Plot(
        "From none to all",
        "The IQM of the normalised {score}, one component more at each step, the best arm first. "
        "The order is chosen by these scores: it describes, and tests nothing. Over {envs} and "
        "{seeds} each. {bar}",
        components.path_figure,
    ),
    "sample_efficiency": Plot(
        "Sample efficiency",
        "The IQM of the normalised return over {envs} and {seeds} each, along training. {band}",
        sample_efficiency,
        per_score=False,
    ),
    "curves": Plot(
        "Learning curves",
        "The IQM of the raw return over {seeds}, along training. {band} An arm with missing runs "
        "is drawn run by run, thin. Dashed: the reference score; dotted: the random policy.",
        panels.learning_curves,
        aggregate=False,
        per_score=False,
    ),
    "equal_cpu": Plot(
        "Score against CPU time",
        "The IQM of the raw return over {seeds}, along CPU seconds of learning, evaluation left "
        "out: of each run its latest evaluation by then. A line begins when all runs of the arm "
        "have been evaluated since training began, and ends when the first has. {band} Hollow: the "
        "final score, when the last of them has ended, its bar as the band. An arm with missing "
        "runs or times is not drawn. Dashed: the reference score; dotted: the random policy.",
        panels.cpu_curves,
        aggregate=False,
        per_score=False,
        section=cpu_time.SECTION,
    ),
    "seeds": Plot(
        "Every run",
        "Every point is the {score} of one seed, every tick the IQM of its arm. Dashed: the "
        "reference score; dotted: the random policy.",
        panels.seeds,
        aggregate=False,
    ),
    "fewer_seeds": Plot(
        "How often fewer seeds mislead",
        "Of all studies with so many of the {seeds}, the share in which the {score} of an arm and "
        "that of {baseline} differ the other way than with all of them. Dotted: 3 seeds. An arm "
        "with missing runs, or without any difference, is not drawn.",
        panels.fewer_seeds,
        aggregate=False,
    ),
    "visits": Plot(
        "Visits in training",
        "Where training went, {seeds} together, or as many as an arm's row says, exploration and "
        "all: the share of each cell in the visits of a quarter of the budget, on one logarithmic "
        "scale for all panels. A visit is a "
        "cell in which an episode begins or to which a step leads. Hatched: never visited, inner "
        "walls among them; blank: out of reach. An arm that takes no steps in training has no row.",
        maps.visits,
        aggregate=False,
        per_score=False,
        per_env=True,
    ),
    "model_errors": Plot(
        "World models: error against horizon",
        "The error of the model on held-out episodes of three policies, open loop, in deviations "
        "of the observation under random play: the median of {seeds} and, shaded, their range. "
        "Dotted: as large as what it is an error of. An arm whose runs were not all measured is "
        "not drawn.",
        models.errors,
        aggregate=False,
        per_score=False,
        per_env=True,
    ),
    "model_likelihoods": Plot(
        "World models: likelihood against horizon",
        "The mean log density that the model gave to what came, on held-out episodes of three "
        "policies, in nats for each number that it tells: the median of {seeds} and, shaded, their "
        "range. Of different kinds of models the heights do not compare; how fast they fall does.",
        models.likelihoods,
        aggregate=False,
        per_score=False,
        per_env=True,
    ),
    "model_learning": Plot(
        "World models: error against training steps",
        "The error of the model one step ahead on held-out episodes of three policies, after parts "
        "of the budget: the agent was trained anew with each. The median of {seeds} and, shaded, "
        "their range.",
        models.learning,
        aggregate=False,
        per_score=False,
        per_env=True,
    ),
}
