"""World models of a sweep's runs, as `harness model-report` measured them, arm by arm.

A run's model is no score: nothing here tests a claim. Medians over seeds, with their range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.report import plot
from harness.report.document import Section, Table, Text, behind
from harness.report.evidence import Evidence
from harness.report.number import Format, share, significant
from harness.report.plot import Axis, Line, Look, Panel, Plot, Rule
from harness.report.results import caption
from harness.report.results.one_model import dimension_name

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


def section(evidence: Evidence) -> Iterator[Section]:
    """Where models of the environment were measured."""
    parts = (table, by_seed, by_number, returns)
    tables = [made for make in parts if (made := make(evidence)) is not None]
    if tables:
        yield Section("World models", (*tables, Text(_NOTE)))


_NOTE = (
    "Medians over seeds; `{ }`: the range of the seeds. Errors and likelihoods are under the "
    "random policy, one step and k steps ahead: errors in standard deviations of the observation, "
    "likelihoods in nats for each number that the model predicts, which two models need not share. "
    "Termination recall and precision, and the mean absolute error of rewards, are over all three "
    "policies. The exploitation gap is the imagined return of a controller, at temperature 1, less "
    "its real one in the environment of training: above 0 the model promises too much. Every "
    "measured run has its own report, `model_report/report.md` in its folder, with predictions "
    "drawn beside the truth. What the measures mean: docs/world_models.md."
)


def table(evidence: Evidence) -> Table | None:
    rows = []
    for env in evidence.sweep.envs:
        ahead = _ahead(evidence, env)
        for arm in arms_on(evidence, env):
            cells = (
                _over_seeds(evidence, arm, env, value, number) for value, number in _columns(ahead)
            )
            rows.append((env, arm, str(ahead), *behind(cells, evidence.keys(arm, env))))
    title = "Models on held-out episodes"
    return Table(_HEAD, tuple(rows), title, "table_models") if rows else None


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
                row = behind((final, str(ahead), *cells), [status.spec.key])
                rows.append((env, arm, str(status.spec.seed), *row))
    head = ("environment", "arm", "seed", "final score", *_HEAD[2:])
    return Table(head, tuple(rows), "Model by seed", "table_models_by_seed") if rows else None


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
                names = of(evidence, arm, env)[0].get("observation_names", ())
                known = behind(cells, evidence.keys(arm, env))
                rows.append((env, arm, dimension_name(names, i), str(ahead), *known))
    head = ("environment", "arm", "of the observation", "k", "error +1", "error +k", "slope +k")
    title = "By observation dimension"
    return Table(head, tuple(rows), title, "table_model_numbers") if rows else None


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
            first, last = (_over_seeds(evidence, arm, env, f, number) for f in (_real, _gap))
            rows.append((env, arm, *behind((first, *cells, last), evidence.keys(arm, env))))
    heads = (f"imagined at {name}" for name in names)
    head = ("environment", "arm", "real return", *heads, "exploitation gap")
    title = "Real and imagined returns"
    return Table(head, tuple(rows), title, "table_model_returns") if rows else None


def _real(run: Measures) -> float:
    return float(np.mean(np.array(run["returns"]["real"], float)))


def _imagined(temperature: str) -> Callable[[Measures], float]:
    return lambda run: float(np.mean(np.array(run["returns"]["dreamed"][temperature], float)))


def _gap(run: Measures) -> float:
    return _imagined(PLAIN)(run) - _real(run)


# Figures ------------------------------------------------------------------------------------------

Values = Callable[[Measures, str], tuple[Sequence[float], Sequence[float | None]]]
ONE = Look("one standard deviation", plot.GREY, dashes=(1, 2))
AHEAD_AXIS = Axis("steps ahead", whole=True)
ERROR_AXIS = Axis("error, standard deviations", log=True, decimals=3)


def errors(evidence: Evidence, env: str) -> Plot | str:
    """A panel for each policy, a line for each arm: the error against the horizon."""
    return _panels(evidence, env, _ahead_of("error"), AHEAD_AXIS, ERROR_AXIS)


def likelihoods(evidence: Evidence, env: str) -> Plot | str:
    """The same panels: the log likelihood against the horizon."""
    y = Axis("log likelihood, nats", decimals=2)
    return _panels(evidence, env, _ahead_of("log_likelihood"), AHEAD_AXIS, y)


def _ahead_of(measure: str) -> Values:
    def values(run: Measures, policy: str) -> tuple[Sequence[float], Sequence[float | None]]:
        found = run["policies"][policy][measure]
        return range(1, len(found) + 1), found

    return values


def learning(evidence: Evidence, env: str) -> Plot | str:
    """The same panels: the error one step ahead against the steps of training."""

    def values(run: Measures, policy: str) -> tuple[Sequence[float], Sequence[float | None]]:
        found = run["learning"]
        return (found["steps"], [e[0] for e in found["error"][policy]]) if found else ((), ())

    return _panels(evidence, env, values, Axis("steps of training"), ERROR_AXIS)


def _panels(evidence: Evidence, env: str, values: Values, x: Axis, y: Axis) -> Plot | str:
    arms = [arm for arm in arms_on(evidence, env) if _whole(evidence, arm, env, values)]
    if not arms:
        return ""
    looks, panels = plot.looks(evidence.sweep.arms), []
    rules = (Rule(ONE, y=1.0),) if y.log else ()
    parts = plot.groups(arms, evidence.baseline)
    for part in parts:
        for policy in of(evidence, arms[0], env)[0]["policies"]:
            lines = [
                _line([values(run, policy) for run in of(evidence, arm, env)], looks[arm])
                for arm in part
            ]
            panels.append(Panel(x, y, (*rules, *plot.apart(lines)), title=policy))
    across = len(panels) // len(parts)
    return Plot(tuple(panels), caption.seeds(evidence), across=across, level=True, wide=True)


def _whole(evidence: Evidence, arm: str, env: str, values: Values) -> bool:
    """Whether all planned runs of the arm have such a line."""
    found = of(evidence, arm, env)
    return len(found) == len(evidence.specs(arm, env)) and all(
        len(values(run, "random")[0]) for run in found
    )


def _line(each: Sequence[tuple[Sequence[float], Sequence[float | None]]], look: Look) -> Line:
    """The median of the runs and their range, as far as all of them go."""
    end = min(len(x) for x, _ in each)
    x = np.array(each[0][0][:end], float)
    y = np.stack([np.array(values[:end], float) for _, values in each])
    line = Line(look, x, np.median(y, axis=0))
    return replace(line, low=y.min(axis=0), high=y.max(axis=0)) if len(y) > 1 else line
