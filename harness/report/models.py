"""World models of a sweep's runs, as `harness model-report` measured them, arm by arm.

A run's model is no score: nothing here tests a claim. Medians over seeds, with their range.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.report import style
from harness.report.evidence import Evidence
from harness.report.number import Format, share, significant
from harness.report.tables import Table
from harness.stats import Array

AHEAD = 10  # steps that the table looks ahead, where episodes are long enough
MOST_NUMBERS = 16  # of an observation, in a table; errors.csv beside a run's own report has all
PLAIN = "1.0"  # the temperature at which a dream is as certain as its model

Measures = Mapping[str, Any]  # of one run


def arms_on(evidence: Evidence, env: str) -> tuple[str, ...]:
    """Those of whose runs at least one was measured: others have no model, or nobody asked."""
    known = {(arm, at) for arm, at, _ in evidence.models}
    return tuple(arm for arm in evidence.arms_on(env) if (arm, env) in known)


def of(evidence: Evidence, arm: str, env: str) -> list[Measures]:
    """Of the arm's runs, by seed; as many as were measured."""
    runs = [(run.arm, run.env, run.seed) for run in evidence.specs(arm, env)]
    return [evidence.models[run] for run in runs if run in evidence.models]


def table(evidence: Evidence) -> Table | None:
    rows = []
    for env in evidence.sweep.envs:
        ahead = _ahead(evidence, env)
        for arm in arms_on(evidence, env):
            cells = (
                _over_seeds(evidence, arm, env, value, number) for value, number in _columns(ahead)
            )
            rows.append((env, arm, str(ahead), *cells))
    return Table(_HEAD, tuple(rows)) if rows else None


_HEAD = (
    "environment", "arm", "k", "reconstruction error", "error +1", "error +k", "least slope +k",
    "own policy: error +1", "own policy: error +k",
    "log likelihood +1", "log likelihood +k", "termination recall", "termination precision",
    "mean reward error", "rare reward recall",
)  # fmt: skip


def _ahead(evidence: Evidence, env: str) -> int:
    """As many steps as all runs on it can be compared at."""
    found = [run for arm in arms_on(evidence, env) for run in of(evidence, arm, env)]
    return min([AHEAD, *(len(_random(run)["log_likelihood"]) for run in found)])


def _columns(ahead: int) -> list[tuple[Callable[[Measures], float | None], Format]]:
    """Values of one run, and how they are written."""
    ends = "termination"
    return [
        (lambda run: _random(run)["reconstruction"], significant),
        (lambda run: _random(run)["error"][0], significant),
        (lambda run: _random(run)["error"][ahead - 1], significant),
        (lambda run: _least_slope(run, ahead), significant),
        (lambda run: _own(run, 1), significant),
        (lambda run: _own(run, ahead), significant),
        (lambda run: _random(run)["log_likelihood"][0], significant),
        (lambda run: _random(run)["log_likelihood"][ahead - 1], significant),
        (lambda run: run["together"][ends]["recall"], share),
        (lambda run: run["together"][ends]["precision"], share),
        (lambda run: run["together"]["reward"]["mean_absolute"], significant),
        (lambda run: run["together"]["reward"]["rare"]["recall"], share),
    ]


def by_seed(evidence: Evidence) -> Table | None:
    """Every measured run with the score that its policy got: what medians over seeds hide."""
    rows = []
    for env in evidence.sweep.envs:
        ahead, score = _ahead(evidence, env), evidence.format(env)
        for arm in arms_on(evidence, env):
            for status in evidence.statuses_of(arm, env):
                run = evidence.models.get((arm, env, status.spec.seed))
                if run is None or status.result is None:
                    continue
                values = [(value(run), number) for value, number in _columns(ahead)]
                cells = ("-" if value is None else number(value) for value, number in values)
                final = score(status.result["final"]["mean"])
                rows.append((env, arm, str(status.spec.seed), final, str(ahead), *cells))
    head = ("environment", "arm", "seed", "final score", *_HEAD[2:])
    return Table(head, tuple(rows)) if rows else None


def by_number(evidence: Evidence) -> Table | None:
    """What the mean over the numbers of an observation hides; None for images alone."""
    rows = []
    for env in evidence.sweep.envs:
        ahead = _ahead(evidence, env)
        for arm in arms_on(evidence, env):
            numbers = min(
                len((_random(run)["by_number"] or [[]])[0]) for run in of(evidence, arm, env)
            )
            for i in range(numbers if numbers <= MOST_NUMBERS else 0):
                values = (_error_of(i, 1), _error_of(i, ahead), _slope_of(i, ahead))
                cells = (_over_seeds(evidence, arm, env, each, significant) for each in values)
                rows.append((env, arm, f"number {i + 1}", str(ahead), *cells))
    head = ("environment", "arm", "of the observation", "k", "error +1", "error +k", "slope +k")
    return Table(head, tuple(rows)) if rows else None


def _error_of(number: int, ahead: int) -> Callable[[Measures], float]:
    return lambda run: float(_random(run)["by_number"][ahead - 1][number])


def _own(run: Measures, ahead: int) -> float | None:
    """The error where the run's own policy leads; None: its episodes are shorter than that."""
    errors = run["policies"]["trained"]["error"]
    return float(errors[ahead - 1]) if len(errors) >= ahead else None


def _slope_of(number: int, ahead: int) -> Callable[[Measures], float | None]:
    return lambda run: _random(run)["slope"][ahead - 1][number]


def _least_slope(run: Measures, ahead: int) -> float | None:
    """Of the number of the observation that moves least in what is predicted, for its real way."""
    slopes = _random(run)["slope"]  # None: of images
    return (
        min((each for each in slopes[ahead - 1] if each is not None), default=None)
        if slopes
        else None
    )


def _random(run: Measures) -> Mapping[str, Any]:
    """Under the policy that is the same for all arms, and does the most various things."""
    found: Mapping[str, Any] = run["policies"]["random"]
    return found


def _over_seeds(
    evidence: Evidence,
    arm: str,
    env: str,
    value: Callable[[Measures], float | None],
    number: Format,
) -> str:
    """`0.12 {0.10, 0.15}`: the median over seeds and their range; never of some of the seeds."""
    found, planned = of(evidence, arm, env), len(evidence.specs(arm, env))
    if len(found) < planned:
        return f"- ({len(found)} of {planned} runs)"
    values = np.array([value(run) for run in found], float)
    if np.isnan(values).any():  # a run in which there was nothing to measure
        return "-"
    middle, low, high = (number(float(f(values))) for f in (np.median, np.min, np.max))
    return middle if planned == 1 else f"{middle} {{{low}, {high}}}"


def returns(evidence: Evidence) -> Table | None:
    """Of the same controllers: real, and imagined at temperatures below and above 1."""
    found = [run["returns"]["dreamed"] for run in evidence.models.values()]
    names = sorted({name for each in found for name in each}, key=float)
    rows = []
    for env in evidence.sweep.envs:
        number = evidence.format(env)
        for arm in arms_on(evidence, env):
            shared = set(names).intersection(
                *(r["returns"]["dreamed"] for r in of(evidence, arm, env))
            )
            cells = [
                _over_seeds(evidence, arm, env, _imagined(name), number) if name in shared else ""
                for name in names
            ]
            first = _over_seeds(evidence, arm, env, _real, number)
            rows.append((env, arm, first, *cells, _over_seeds(evidence, arm, env, _gap, number)))
    heads = (f"imagined at {name}" for name in names)
    head = ("environment", "arm", "real return", *heads, "exploitation gap")
    return Table(head, tuple(rows)) if rows else None


def _real(run: Measures) -> float:
    return float(np.mean(np.array(run["returns"]["real"], float)))


def _imagined(temperature: str) -> Callable[[Measures], float]:
    return lambda run: float(np.mean(np.array(run["returns"]["dreamed"][temperature], float)))


def _gap(run: Measures) -> float:
    return _imagined(PLAIN)(run) - _real(run)


# Figures ------------------------------------------------------------------------------------------


def errors(evidence: Evidence, env: str) -> Figure | None:
    """A panel for each policy, a line for each arm: the error against the horizon."""

    def line(run: Measures, policy: str) -> tuple[Array, Array]:
        error = np.array(run["policies"][policy]["error"], float)
        return np.arange(1.0, len(error) + 1), error

    return _panels(evidence, env, line, "steps ahead", "error, in deviations")


def likelihoods(evidence: Evidence, env: str) -> Figure | None:
    """The same panels: the log likelihood against the horizon."""

    def line(run: Measures, policy: str) -> tuple[Array, Array]:
        found = np.array(run["policies"][policy]["log_likelihood"], float)
        return np.arange(1.0, len(found) + 1), found

    return _panels(evidence, env, line, "steps ahead", "log likelihood, in nats", of_errors=False)


def learning(evidence: Evidence, env: str) -> Figure | None:
    """The same panels: the error one step ahead against the steps of training."""

    def line(run: Measures, policy: str) -> tuple[Array, Array]:
        found = run["learning"]
        if not found:
            return np.zeros(0), np.zeros(0)
        return np.array(found["steps"]), np.array([e[0] for e in found["error"][policy]], float)

    return _panels(evidence, env, line, "steps of training", "error one step ahead")


Line = Callable[[Measures, str], tuple[Array, Array]]


def _panels(
    evidence: Evidence, env: str, line: Line, x: str, y: str, of_errors: bool = True
) -> Figure | None:
    arms = [arm for arm in arms_on(evidence, env) if _whole(evidence, arm, env, line)]
    if not arms:
        return None
    policies = list(of(evidence, arms[0], env)[0]["policies"])
    below = 0.15 * style.legend_rows(arms, style.venue().text)
    figure = Figure(figsize=(style.venue().text, 2.0 + below), layout="constrained")
    row = figure.subplots(1, len(policies), sharey=True)
    for axes, policy in zip(row, policies, strict=True):
        for arm in arms:
            each = [line(run, policy) for run in of(evidence, arm, env)]
            _line(axes, each, style.looks(evidence.sweep.arms)[arm])
        if of_errors:
            axes.axhline(1.0, color=style.GREY, linewidth=0.8, linestyle=":", zorder=0)
        axes.set(title=policy, xlabel=x)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        if x != "steps ahead":
            style.steps_axis(axes)
        axes.grid(color="0.9")
    if of_errors:
        style.log_axis(row[0])  # they share it
    row[0].set_ylabel(y)
    looks = style.looks(evidence.sweep.arms)
    style.legend(figure, [style.handle(arm, looks[arm]) for arm in arms])
    return figure


def _whole(evidence: Evidence, arm: str, env: str, line: Line) -> bool:
    """Whether all planned runs of the arm have such a line."""
    found = of(evidence, arm, env)
    return len(found) == len(evidence.specs(arm, env)) and all(
        len(line(run, "random")[0]) for run in found
    )


def _line(axes: Axes, each: Sequence[tuple[Array, Array]], look: style.Look) -> None:
    """The median of the runs and their range, as far as all of them go."""
    end = min(len(x) for x, _ in each)
    x, values = each[0][0][:end], np.stack([y[:end] for _, y in each])
    axes.plot(x, np.median(values, axis=0), **look.line, markevery=max(1, end // 6))
    if len(values) > 1:
        axes.fill_between(
            x, values.min(axis=0), values.max(axis=0), color=look.colour, alpha=0.12, linewidth=0
        )
