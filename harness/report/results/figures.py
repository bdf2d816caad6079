"""The figures that compare arms over all environments, and the table of all figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness import stats
from harness.report import plot
from harness.report.evidence import Evidence, imported, once
from harness.report.number import fixed
from harness.report.plot import Axis, Line, Look, Panel, Plot, Rule
from harness.report.results import (
    caption,
    components,
    cpu_time,
    curves,
    equivalence,
    films,
    looks,
    losses,
    maps,
    models,
    stability,
)
from harness.report.results.claims import SCORE_WORDS
from harness.stats import Array, Band, Estimate, MissingRuns

FIGURES_SECTION = "Figures"
_EQUAL = Look("", plot.GREY, dashes=(1, 2))


@dataclass(frozen=True)
class Kind:
    """A kind of figure: how it is filled, and what its caption says of it."""

    title: str
    caption: str
    # For a score, or for an environment if there is one per environment. Instead of a plot: why
    # there is none, in words that follow "because"; empty: it is not asked of such a sweep.
    fill: Callable[[Evidence, str], Plot | str]
    aggregate: bool = True  # compares the arms over all environments
    statistics: tuple[str, ...] = ("IQM",)  # whose intervals it draws
    per: Literal["sweep", "score", "env"] = "score"  # what there is one of them for
    section: str = FIGURES_SECTION  # of the report

    def plot(self, evidence: Evidence, subject: str) -> Plot | str:
        """What it shows, or why there is nothing to show; of one report always the same."""
        return _settled(evidence, self, subject)


@once
def _settled(evidence: Evidence, kind: Kind, subject: str) -> Plot | str:
    filled = kind.fill(evidence, subject)
    return filled if isinstance(filled, str) else plot.settled(filled, curves.UNFINISHED)


def aggregates(evidence: Evidence, score: str) -> Plot:
    """A panel for each statistic, a row for each arm."""
    panels, arms = [], evidence.sweep.arms
    found = {arm: _aggregates(evidence, score, arm) for arm in arms}
    for name in stats.AGGREGATES:
        gap = name == "Optimality gap"
        label = "gap up to 1, less is better" if gap else normalised(score)
        axis = curves.score_axis(evidence, None, label)
        of_arms = {arm: found[arm][name] for arm in arms}
        rows = curves.rows(of_arms, curves.looks(evidence), evidence.format(None))
        panels.append(Panel(axis, Axis(names=arms), rows, title=name))
    return Plot(tuple(panels), caption.over(evidence), across=len(panels))


def normalised(score: str) -> str:
    return f"normalised {SCORE_WORDS.get(score, score)}"


def _aggregates(evidence: Evidence, score: str, arm: str) -> dict[str, Estimate]:
    try:
        matrix = evidence.normalised[score].matrix(arm)
        return stats.estimates(matrix, stats.AGGREGATES, arm)
    except MissingRuns as missing:
        return dict.fromkeys(stats.AGGREGATES, stats.unavailable(str(missing)))


def improvement(evidence: Evidence, score: str) -> Plot | str:
    """P(a run of an arm scores above one of the baseline), a row for each arm."""
    scores, found = evidence.normalised[score], {}
    for arm in scores.arms:
        if arm != evidence.baseline:
            try:
                pair = scores.matrix(arm), scores.matrix(evidence.baseline)
                found[arm] = stats.improvement(*pair)
            except MissingRuns as missing:
                found[arm] = stats.unavailable(str(missing))
    label = f"P(arm > {evidence.baseline}) by {SCORE_WORDS.get(score, score)}"
    marks = (Rule(_EQUAL, x=0.5), *curves.rows(found, curves.looks(evidence), fixed(2)))
    panel = Panel(Axis(label, limits=(-0.03, 1.03)), Axis(names=tuple(found)), marks)
    return Plot((panel,), caption.over(evidence)) if found else ""


def profiles(evidence: Evidence, score: str) -> Plot | str:
    """The fraction of runs above each normalised score."""
    scores = evidence.normalised[score]
    pooled = np.concatenate([values.ravel() for values in scores.values.values()])
    pooled = pooled[np.isfinite(pooled)]
    if not len(pooled):
        return curves.UNFINISHED
    low, high = min(0.0, float(pooled.min())), max(1.0, float(pooled.max()))
    taus = np.linspace(low - 0.02, high + 0.02, 101)

    def band(arm: str) -> Band:
        return stats.profile_band(scores.matrix(arm), taus, evidence.joint_bands)

    x = Axis(f"{normalised(score)} τ")
    return _lines(evidence, x, Axis("fraction of runs above τ", decimals=2), taus, band, step=True)


def sample_efficiency(evidence: Evidence, score: str) -> Plot | str:
    """Along training, over all environments; `score` is not used: this is the whole curve."""
    if any(len(curve.steps) < 2 for curve in evidence.curves.values()):
        return "single scores were imported, without a curve"
    budgets = {run.steps for run in evidence.sweep.runs}
    fractions = _common_grid(evidence)
    steps = budgets.pop() if len(budgets) == 1 else 0

    def band(arm: str) -> Band:
        scores, names = _along(evidence, arm, fractions), (arm, "curve")
        return stats.band(scores, stats.curve_iqm, names, joint=evidence.joint_bands)

    x = Axis(imported.steps(evidence) if steps else "fraction of the budget")
    y = curves.score_axis(evidence, None, "normalised return, IQM")
    return _lines(evidence, x, y, fractions * (steps or 1), band)


def _common_grid(evidence: Evidence) -> Array:
    """Fractions of the budget at which runs were evaluated."""
    seen = [curve.steps / curve.steps[-1] for curve in evidence.curves.values()]
    grid = np.unique(np.concatenate(seen)) if seen else np.linspace(0, 1, 2)
    if len(grid) > 60:  # more evaluations than a figure can show
        grid = np.linspace(0, 1, 51)
    # What was imported may begin later than at step 0.
    return grid[grid >= max((steps[0] for steps in seen), default=0)]


def _along(evidence: Evidence, arm: str, fractions: Array) -> Array:
    """Normalised returns of an arm, (runs, tasks, steps).

    :raises MissingRuns: when a planned run is not finished.
    """
    evidence.planned.matrix(arm)
    tasks = []
    for env in evidence.sweep.envs:
        runs = evidence.of(evidence.curves, arm, env)
        returns = [np.interp(fractions * c.steps[-1], c.steps, c.returns) for c in runs]
        tasks.append(stats.normalise(np.stack(returns), evidence.sweep.anchors[env]))
    return np.stack(tasks, axis=1)


def _lines(
    evidence: Evidence, x: Axis, y: Axis, at: Array, band: Callable[[str], Band], step: bool = False
) -> Plot:
    """A line with its band for each arm; an arm with missing runs is named instead."""
    panels, looks = [], curves.looks(evidence)
    for arms in curves.groups(evidence, evidence.sweep.arms):
        lines: list[Line] = []
        gaps = []
        for arm in arms:
            try:
                lines.append(curves.line(looks[arm], at, band(arm), step))
            except MissingRuns as missing:
                gaps.append(f"not drawn: {arm} ({missing})")
        panels.append(Panel(x, y, tuple(plot.apart(lines)), gaps=tuple(gaps)))
    return Plot(tuple(panels), caption.over(evidence), level=True)


FIGURES: dict[str, Kind] = {  # in the order in which a report shows them
    "curves": Kind(
        "Learning curves",
        "The IQM of the {returns} over {seeds}, along training. {band} An arm with missing runs "
        "is drawn run by run, thin. {between} {anchors}",
        curves.learning_curves,
        aggregate=False,
        per="sweep",
    ),
    "sample_efficiency": Kind(
        "Sample efficiency",
        "The IQM of the normalised return over {envs} and {seeds} each, along training. {band}",
        sample_efficiency,
        per="sweep",
    ),
    "aggregates": Kind(
        "Aggregates",
        "Normalised {score}, over {envs} and {seeds} each. {bar} For the optimality gap less is "
        "better.",
        aggregates,
        statistics=tuple(stats.AGGREGATES),
    ),
    "profiles": Kind(
        "Performance profiles",
        "The fraction of runs whose normalised {score} lies above τ, over {envs} and {seeds} "
        "each. {band}",
        profiles,
        statistics=(stats.PROFILE,),
    ),
    "improvement": Kind(
        "Probability of improvement",
        "The probability that a run of an arm has a better {score} than a run of {baseline}, ties "
        "counting half, averaged over {envs}; {seeds} each. {comparison}",
        improvement,
        statistics=(stats.IMPROVEMENT,),
    ),
    "components": Kind(
        "What the components do",
        "How the IQM of the normalised {score} changes when a component is put in, averaged over "
        "the arms that differ in nothing else; of two, how much more they do together than each "
        "alone. Over {envs} and {seeds} each. {comparison}",
        components.effects_plot,
        statistics=(stats.EFFECT,),
    ),
    "path": Kind(
        "From none to all",
        "The IQM of the normalised {score}, one component more at each step, the best arm first. "
        "The order is chosen by these scores: it describes, and tests nothing. Over {envs} and "
        "{seeds} each. {bar}",
        components.path_plot,
    ),
    "looks": Kind(
        "The evidence at each look",
        "The probability that a run of the first arm scores above one of the second, by all runs "
        "so far, after each block of seeds. The test tells them apart once the line lies beyond "
        "the boundary of a look, above or below; with several claims Holm's correction lies "
        "between the two boundaries, the inner of which is that of the last claim that is left. A "
        "claim is decided, with a ring, if the interval of the difference of the IQMs then agrees. "
        "Of a claim with a margin, the difference of the means with its interval, which decides. "
        "From its end to the cap no seeds were spent.",
        looks.plot_of,
        aggregate=False,
        per="sweep",
        statistics=(stats.IMPROVEMENT,),
        section=looks.SECTION,
    ),
    "equivalence": Kind(
        "Equal but for a margin",
        "The difference of the means of normalised scores, clipped to [0, 1], of each claim with a "
        "margin, with the interval of bets. The arms are equivalent where it lies between the "
        "dashed lines, and not where it lies beyond them; else the seeds leave it open.",
        equivalence.plot_of,
        aggregate=False,
        per="sweep",
        section=equivalence.SECTION,
    ),
    "stability": Kind(
        "What the verdicts hang on",
        "The difference of the IQMs of the normalised scores of each claim over all environments: "
        "as it is, and with the environment of a row left out, counting double, or with its "
        "reference score at half and at twice its distance from the random policy. A ring: the "
        "claim would have another verdict. {seeds} on each environment. {comparison}",
        stability.plot_of,
        per="sweep",
        statistics=(stats.DIFFERENCE,),
        section=stability.SECTION,
    ),
    "equal_cpu": Kind(
        "Score against CPU time",
        "The IQM of the {returns} over {seeds}, along CPU seconds of learning, evaluation left "
        "out: of each run its latest evaluation by then. A line begins when all runs of the arm "
        "have been evaluated since training began, and ends when the first has. {band} Hollow: the "
        "final score, when the last of them has ended, its bar as the band. An arm with missing "
        "runs or times is not drawn. {anchors}",
        curves.equal_cpu,
        aggregate=False,
        per="sweep",
        section=cpu_time.SECTION,
    ),
    "seeds": Kind(
        "Every run",
        "Every point is the {score} of one seed, every tick the IQM of its arm. {anchors}",
        curves.seeds,
        aggregate=False,
    ),
    "fewer_seeds": Kind(
        "How often fewer seeds mislead",
        "Of all studies with so many of the {seeds}, the share in which the {score} of an arm and "
        "that of {baseline} differ the other way than with all of them. Dotted: 3 seeds. An arm "
        "with missing runs, or without any difference, is not drawn.",
        curves.fewer_seeds,
        aggregate=False,
    ),
    "visits": Kind(
        "Visits in training",
        "Where training went, {seeds} together, or as many as an arm's row says, exploration and "
        "all: the share of each cell in the visits of a quarter of the budget, on one logarithmic "
        "scale for all curves. A visit is a "
        "cell in which an episode begins or to which a step leads. Hatched: never visited, inner "
        "walls among them; blank: out of reach. Circle and star: the start and the goal, where all "
        "episodes share them. Where layouts differ between episodes, as in MiniGrid, a cell stands "
        "for a place in many layouts: the map then shows how far training spreads, and not what it "
        "finds. An arm that takes no steps in training has no row.",
        maps.visits,
        aggregate=False,
        per="env",
    ),
    "coverage": Kind(
        "Coverage in training",
        "The share of the cells that can be reached to which training had come by each step, "
        "exploration and all: states, or transitions where the environment's card says so. The "
        "median of {seeds} and, shaded, their range. An arm with missing runs, or without steps in "
        "training, is not drawn.",
        maps.coverage,
        aggregate=False,
        per="env",
    ),
    "films": Kind(
        "Episodes",
        "What trained agents do, without exploration unless the protocol samples: of each arm of a "
        "claim the median seed and the worst by the final return, in the episode of median return "
        "of its final evaluation, played once more with the saved model to the return of the "
        "record. `harness watch` films a run that has no film.",
        films.strips,
        aggregate=False,
        per="env",
    ),
    "model_errors": Kind(
        "World models: error against horizon",
        "The error of the model on held-out episodes of three policies, open loop, in standard "
        "deviations of the observation under random play: the median of {seeds} and, shaded, their "
        "range. "
        "Dotted: as large as what it is an error of. An arm whose runs were not all measured is "
        "not drawn.",
        models.errors,
        aggregate=False,
        per="env",
    ),
    "model_likelihoods": Kind(
        "World models: likelihood against horizon",
        "The mean log density that the model gave to what came, on held-out episodes of three "
        "policies, in nats for each number that it tells: the median of {seeds} and, shaded, their "
        "range. Of different kinds of models the heights do not compare; how fast they fall does.",
        models.likelihoods,
        aggregate=False,
        per="env",
    ),
    "model_learning": Kind(
        "World models: error against training steps",
        "The error of the model one step ahead on held-out episodes of three policies, after parts "
        "of the budget: the agent was trained anew with each. The median of {seeds} and, shaded, "
        "their range.",
        models.learning,
        aggregate=False,
        per="env",
    ),
    "losses": Kind(
        "Losses along training",
        "What the arms' learners logged of their updates: at each point the mean of what a run "
        "logged since the point before; the median of {seeds} and, shaded, their range. Losses of "
        "different algorithms do not compare, nor do those of one whose rewards are scaled "
        "differently: they show whether learning is steady.",
        losses.plot_of,
        aggregate=False,
        per="env",
        section=losses.SECTION,
    ),
}
