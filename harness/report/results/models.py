"""World models of a sweep's runs, as `harness model-report` measured them, arm by arm.

A run's model is no score: nothing here tests a claim. Medians over seeds, with their range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.report import plot
from harness.report.document import Cell, Section, Table, Text, behind
from harness.report.evidence import Evidence
from harness.report.number import Format, share, significant
from harness.report.plot import Axis, Line, Look, Panel, Plot, Rule
from harness.report.results import caption
from harness.report.results.one_model import dimension_name
from harness.report.results.table import by_pair

AHEAD = 10  # steps that the table looks ahead, where episodes are long enough
MOST_NUMBERS = 16  # of an observation, in a table; errors.csv beside a run's own report has all
PLAIN = "1.0"  # the temperature at which a dream is as certain as its model

Measures = Mapping[str, Any]  # of one run
Value = Callable[[Measures], float | None]  # None: there is nothing to measure


def section(evidence: Evidence) -> Iterator[Section]:
    """Where models of the environment were measured."""
    tables = [make(evidence) for make in (table, by_seed, by_number, doubts, returns)]
    if evidence.models:
        yield Section("World models", (*(each for each in tables if each.rows), Text(_NOTE)))


_NOTE = (
    "Medians over seeds; `{ }`: the range of the seeds. Errors and likelihoods are under the "
    "random policy, one step and k steps ahead: errors in standard deviations of the observation, "
    "likelihoods in nats for each number that the model predicts, which two models need not share. "
    "Disagreement is in an ensemble's own units; its correlation with the error is of ranks, over "
    "the starting points of a policy: at 1 the members disagree most where they are most wrong. "
    "Termination recall and precision, and the mean absolute error of rewards, are over all three "
    "policies. The exploitation gap is the imagined return of a controller, at temperature 1, less "
    "its real one in the environment of training: above 0 the model promises too much. Every "
    "measured run has its own report, `model_report/report.md` in its folder, with predictions "
    "drawn beside the truth. What the measures mean: docs/world_models.md."
)


def table(evidence: Evidence) -> Table:
    def rows(arm: str, env: str) -> Iterator[tuple[str, ...]]:
        if evidence.of(evidence.models, arm, env):
            ahead = _ahead(evidence, env)
            columns = _columns(ahead).values()
            yield str(ahead), *(_over_seeds(evidence, arm, env, *column) for column in columns)

    head = ("environment", "arm", "k", *_columns(AHEAD))
    return Table(head, by_pair(evidence, rows), "Models on held-out episodes", "table_models")


def _ahead(evidence: Evidence, env: str) -> int:
    """As many steps as all runs on it can be compared at."""
    runs = [run for (_, at, _), run in evidence.models.items() if at == env]
    return min([AHEAD, *(len(_random(run)["log_likelihood"]) for run in runs)])


def _columns(k: int) -> dict[str, tuple[Value, Format]]:
    """Values of one run, and how they are written."""
    return {
        "reconstruction error": (lambda run: _random(run)["reconstruction"], significant),
        "error +1": (_at("random", "error", 1), significant),
        "error +k": (_at("random", "error", k), significant),
        "least slope +k": (lambda run: _least_slope(run, k), significant),
        "own policy: error +1": (_at("trained", "error", 1), significant),
        "own policy: error +k": (_at("trained", "error", k), significant),
        "log likelihood +1": (_at("random", "log_likelihood", 1), significant),
        "log likelihood +k": (_at("random", "log_likelihood", k), significant),
        "termination recall": (lambda run: run["together"]["termination"]["recall"], share),
        "termination precision": (lambda run: run["together"]["termination"]["precision"], share),
        "mean reward error": (lambda run: run["together"]["reward"]["mean_absolute"], significant),
        "rare reward recall": (lambda run: run["together"]["reward"]["rare"]["recall"], share),
    }


def _at(policy: str, measure: str, ahead: int) -> Value:
    """So many steps ahead; None: the policy's episodes are shorter than that."""

    def value(run: Measures) -> float | None:
        each = run["policies"][policy][measure]
        found = each[ahead - 1] if len(each) >= ahead else None
        return None if found is None else float(found)

    return value


def _least_slope(run: Measures, ahead: int) -> float | None:
    """Of the number of the observation that moves least in what is predicted, for its real way."""
    slopes = _random(run)["slope"]  # None: of images
    known = (each for each in slopes[ahead - 1] if each is not None) if slopes else ()
    return min(known, default=None)


def _random(run: Measures) -> Mapping[str, Any]:
    """Under the policy that is the same for all arms, and does the most various things."""
    measured: Mapping[str, Any] = run["policies"]["random"]
    return measured


def _over_seeds(evidence: Evidence, arm: str, env: str, value: Value, number: Format) -> str:
    """`0.12 {0.10, 0.15}`: the median over seeds and their range; never of some of the seeds."""
    runs, planned = evidence.of(evidence.models, arm, env), len(evidence.specs(arm, env))
    if len(runs) < planned:
        return f"- ({len(runs)} of {planned} runs)"
    values = np.array([value(run) for run in runs], float)
    if np.isnan(values).any():  # a run in which there was nothing to measure
        return "-"
    middle, low, high = (number(float(f(values))) for f in (np.median, np.min, np.max))
    return middle if planned == 1 else f"{middle} {{{low}, {high}}}"


def by_seed(evidence: Evidence) -> Table:
    """Every measured run with the score that its policy got: what medians over seeds hide."""

    def rows(arm: str, env: str) -> Iterator[Iterator[Cell]]:
        ahead = _ahead(evidence, env)
        for status in evidence.statuses_of(arm, env):
            run = evidence.models.get((arm, env, status.spec.seed))
            if run is not None and status.result is not None:
                final = evidence.format(env)(status.result["final"]["mean"])
                values = [(value(run), number) for value, number in _columns(ahead).values()]
                cells = ("-" if value is None else number(value) for value, number in values)
                yield behind((str(status.spec.seed), final, str(ahead), *cells), [status.spec.key])

    head = ("environment", "arm", "seed", "final score", "k", *_columns(AHEAD))
    return Table(head, by_pair(evidence, rows), "Model by seed", "table_models_by_seed")


def by_number(evidence: Evidence) -> Table:
    """What the mean over the numbers of an observation hides; no row for images."""

    def rows(arm: str, env: str) -> Iterator[tuple[str, ...]]:
        runs, ahead = evidence.of(evidence.models, arm, env), _ahead(evidence, env)
        widths = (len((_random(run)["by_number"] or [[]])[0]) for run in runs)
        numbers = min(widths, default=0)
        for i in range(numbers if numbers <= MOST_NUMBERS else 0):
            asked = (("by_number", 1), ("by_number", ahead), ("slope", ahead))
            cells = (
                _over_seeds(evidence, arm, env, _of_number(i, *each), significant) for each in asked
            )
            yield dimension_name(runs[0].get("observation_names", ()), i), str(ahead), *cells

    head = ("environment", "arm", "of the observation", "k", "error +1", "error +k", "slope +k")
    made = by_pair(evidence, rows)
    return Table(head, made, "By observation dimension", "table_model_numbers")


def doubts(evidence: Evidence) -> Table:
    """Of ensembles, whether the members disagree where they are wrong: a row for each policy."""

    def rows(arm: str, env: str) -> Iterator[tuple[str, ...]]:
        runs, ahead = evidence.of(evidence.models, arm, env), _ahead(evidence, env)
        first = runs[0]["policies"] if runs else {}
        for policy in first:
            if all(run["policies"][policy].get("disagreement") for run in runs):
                measures = ("disagreement", "error", "doubt_correlation")
                cells = (
                    _over_seeds(evidence, arm, env, _at(policy, measure, k), significant)
                    for measure in measures
                    for k in (1, ahead)
                )
                yield policy, str(ahead), *cells

    names = ("disagreement", "error", "correlation")
    head = ("environment", "arm", "policy", "k", *(f"{n} {k}" for n in names for k in ("+1", "+k")))
    made = by_pair(evidence, rows)
    return Table(head, made, "Disagreement of ensembles beside their error", "table_model_doubts")


def _of_number(number: int, measure: str, ahead: int) -> Value:
    return lambda run: _random(run)[measure][ahead - 1][number]


def returns(evidence: Evidence) -> Table:
    """Of the same controllers: real, and imagined at temperatures below and above 1."""
    temperatures = [run["returns"]["dreamed"] for run in evidence.models.values()]
    names = sorted({name for each in temperatures for name in each}, key=float)

    def rows(arm: str, env: str) -> Iterator[list[str]]:
        runs = evidence.of(evidence.models, arm, env)
        values = [_real, *map(_imagined, names), lambda run: _imagined(PLAIN)(run) - _real(run)]
        shared = [True, *(all(n in r["returns"]["dreamed"] for r in runs) for n in names), True]
        if runs:
            yield [
                _over_seeds(evidence, arm, env, value, evidence.format(env)) if known else ""
                for value, known in zip(values, shared, strict=True)
            ]

    heads = (f"imagined at {name}" for name in names)
    head = ("environment", "arm", "real return", *heads, "exploitation gap")
    made = by_pair(evidence, rows)
    return Table(head, made, "Real and imagined returns", "table_model_returns")


def _real(run: Measures) -> float:
    return float(np.mean(np.array(run["returns"]["real"], float)))


def _imagined(temperature: str) -> Callable[[Measures], float]:
    return lambda run: float(np.mean(np.array(run["returns"]["dreamed"][temperature], float)))


# Figures ------------------------------------------------------------------------------------------

Values = Callable[[Measures, str], tuple[Sequence[float], Sequence[float | None]]]
ONE = Look("one standard deviation", plot.GREY, dashes=(1, 2))
AHEAD_AXIS = Axis("steps ahead", whole=True)
ERROR_AXIS = Axis("error, standard deviations", log=True, decimals=3)
LIKELIHOOD_AXIS = Axis("log likelihood, nats", decimals=2)


def errors(evidence: Evidence, env: str) -> Plot | str:
    """A panel for each policy, a line for each arm: the error against the horizon."""
    return _panels(evidence, env, _ahead_of("error"), AHEAD_AXIS, ERROR_AXIS)


def likelihoods(evidence: Evidence, env: str) -> Plot | str:
    """The same panels: the log likelihood against the horizon."""
    return _panels(evidence, env, _ahead_of("log_likelihood"), AHEAD_AXIS, LIKELIHOOD_AXIS)


def _ahead_of(measure: str) -> Values:
    def values(run: Measures, policy: str) -> tuple[Sequence[float], Sequence[float | None]]:
        each = run["policies"][policy][measure]
        return range(1, len(each) + 1), each

    return values


def learning(evidence: Evidence, env: str) -> Plot | str:
    """The same panels: the error one step ahead against the steps of training."""

    def values(run: Measures, policy: str) -> tuple[Sequence[float], Sequence[float | None]]:
        learned = run["learning"]
        return (learned["steps"], [e[0] for e in learned["error"][policy]]) if learned else ((), ())

    return _panels(evidence, env, values, Axis("steps of training"), ERROR_AXIS)


def _panels(evidence: Evidence, env: str, values: Values, x: Axis, y: Axis) -> Plot | str:
    """Of the arms of which all planned runs have such a line."""
    runs = {arm: evidence.of(evidence.models, arm, env) for arm in evidence.arms_on(env)}
    arms = [
        arm
        for arm, each in runs.items()
        if len(each) == len(evidence.specs(arm, env))
        and all(len(values(run, "random")[0]) for run in each)
    ]
    if not arms:
        return ""
    looks, panels = plot.looks(evidence.sweep.arms), []
    rules = (Rule(ONE, y=1.0),) if y.log else ()
    parts, policies = plot.groups(arms, evidence.baseline), runs[arms[0]][0]["policies"]
    for part in parts:
        for policy in policies:
            lines = [_line([values(run, policy) for run in runs[arm]], looks[arm]) for arm in part]
            panels.append(Panel(x, y, (*rules, *plot.apart(lines)), title=policy))
    seeds = caption.seeds(evidence)
    return Plot(tuple(panels), seeds, across=len(policies), level=True, wide=True)


def _line(each: Sequence[tuple[Sequence[float], Sequence[float | None]]], look: Look) -> Line:
    """The median of the runs and their range, as far as all of them go."""
    end = min(len(x) for x, _ in each)
    x = np.array(each[0][0][:end], float)
    y = np.stack([np.array(values[:end], float) for _, values in each])
    line = Line(look, x, np.median(y, axis=0))
    return replace(line, low=y.min(axis=0), high=y.max(axis=0)) if len(y) > 1 else line
