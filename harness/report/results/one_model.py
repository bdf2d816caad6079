"""The report of one run's model, and its tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.report.document import (
    Caution,
    Code,
    Document,
    Figure,
    Items,
    Section,
    Table,
    Text,
)
from harness.report.number import share, significant
from harness.spec import RunSpec

HORIZONS = (1, 5, 10, 25, 50)
MOST_NUMBERS = 16  # of an observation, in a table on the page; errors.csv has all

# What is done in the environment -> what it tells of a model.
POLICIES = {
    "null": "the null action: what the environment does by itself",
    "random": "uniform random actions",
    "trained": "the run's own policy",
}

Found = Mapping[str, Any]

_STRIP = (
    "Steps ahead of the last frame that the model saw. `reconstruction` is the true frame encoded "
    "and decoded; `error` is the distance of the best guess from the truth, brighter for more."
)
CAPTIONS = {
    "errors": (
        "Error against horizon",
        "Root mean squared error over all dimensions of the observation, open loop: the model sees "
        "an episode up to a starting point, and then only the actions that were taken. A panel is "
        "a policy; one unit is the standard deviation under the random policy. Thin: single "
        "dimensions of the observation. Dashed: a prediction that nothing changes. At 1 (dotted) "
        "an error is as large as what it is an error of.",
    ),
    "likelihoods": (
        "Likelihood against horizon",
        "Mean log density of what came, in nats for each number that the model predicts: the "
        "log-mean over predictions, exact one step ahead where the model has a density itself. In "
        "the model's own units: compare horizons and policies, not models.",
    ),
    "returns": (
        "Real and imagined return",
        "The same controller in the environment and in its model, from the same first "
        "observations. Points are episodes, lines their means. An imagined return above the dotted "
        "line is more than the environment gives: the controller exploits errors of the model.",
    ),
    "learning": (
        "Error against training steps",
        "The error of models that were trained anew with the first part of the budget only, on the "
        "same held-out episodes; the last point is the run itself.",
    ),
    "traces": (
        "Predictions beside the truth",
        "The first held-out episode of each policy that is long enough: dimensions of its "
        "observation, predicted from the left edge on with the actions that were taken.",
    ),
    "strip_null": ("Predictions beside the truth: the null action", _STRIP),
    "strip_random": ("Predictions beside the truth: random actions", _STRIP),
    "strip_trained": ("Predictions beside the truth: the run's own policy", _STRIP),
}


def document(
    spec: RunSpec, found: Found, drawn: Sequence[str], training_only: Sequence[str] = ()
) -> Document:
    """Of one run's model.

    :param drawn: the figures that there are, by name.
    :param training_only: the wrappers that act on training alone.
    """
    made, episodes = tables(found), found["policies"]["random"]["episodes"]
    held_out = (
        f"The model is tested on {episodes} fresh episodes of each of three policies, on seeds "
        "that no training saw:"
    )
    in_short = Text(
        "Errors are in standard deviations of the observation under the random policy, averaged "
        "over its dimensions. A horizon reaches as far as three quarters of the episodes do. "
        "Terminations and rewards are predicted one step ahead; a rare reward is one that departs "
        "from the usual by more than half of the most that any does. `-`: there is none. What each "
        "measure tells: docs/world_models.md."
    )
    returns = Text(
        "Means, with the standard deviation over episodes. A gap above 0: the model promises more "
        "than there is. An imagined episode ends by a draw of the model's own probability, or "
        f"after {found['returns']['limit']:,} steps."
    )
    figures = (Figure(name, *CAPTIONS[name], ("pdf", "png")) for name in drawn)
    files = ", ".join(f"[{name}.csv]({name}.csv)" for name in made)
    again = Code(f"harness model-report {spec.key}")
    return Document(
        f"World model of {spec}, {spec.steps:,} steps",
        "",
        (
            Text(held_out),
            Items(tuple(f"**{name}**: {what}" for name, what in POLICIES.items())),
            *_warning(training_only),
            Section("In short", (made["measures"], in_short)),
            *_by_dimension(found),
            Section("Real and imagined return", (made["returns"], returns)),
            Section("Figures", tuple(figures)),
            Section(
                "To repeat it",
                (again, Text(f"All numbers: {files}, [measures.json](measures.json).")),
            ),
        ),
    )


def dimension_name(names: Sequence[str], i: int) -> str:
    """Of the observation: `pole angle`, where the environment's card names it."""
    return names[i] if names else f"dimension {i + 1}"


def _by_dimension(found: Found) -> list[Section]:
    policies = {name: p["by_number"] for name, p in found["policies"].items() if p["by_number"]}
    if not policies or len(policies["random"][0]) > MOST_NUMBERS:
        return []
    ends = [(name, k) for name, errors in policies.items() for k in (1, len(errors))]
    slopes = {name: found["policies"][name]["slope"][-1] for name in policies}
    rows = tuple(
        (
            dimension_name(found.get("observation_names", ()), i),
            *(significant(policies[name][k - 1][i]) for name, k in ends),
            *(significant(each[i]) for each in slopes.values()),
        )
        for i in range(len(policies["random"][0]))
    )
    head = (f"{name} +{k}" for name, k in ends)
    slope_head = (f"slope, {name} +{len(errors)}" for name, errors in policies.items())
    about = Text(
        "Errors, in standard deviations of the dimension. Slope: of the predicted displacement on "
        "the real one, from the first step ahead to the last; 1 is right, and at 0 the prediction "
        "stands still."
    )
    table = Table(("observation", *head, *slope_head), rows)
    return [Section("By observation dimension", (table, about))]


def _warning(only: Sequence[str]) -> list[Caution]:
    """What acts on training alone is part of the world that the model is of."""
    if not only:
        return []
    words = (
        f"This is the environment of training, with {', '.join(only)}: rewards and returns here "
        "are not those of the scores."
    )
    return [Caution(words, "Note")]


# Tables -------------------------------------------------------------------------------------------


def tables(found: Found) -> dict[str, Table]:
    return {
        "measures": _measures(found),
        "returns": _returns(found),
        "errors": _errors(found),
        **({"learning": _learning(found)} if found["learning"] else {}),
    }


Cell = Callable[[Mapping[str, Any]], str]


def _at(values: Sequence[float | None] | None, horizon: int) -> str:
    if not values or horizon > len(values):
        return ""
    return significant(values[horizon - 1])


def _rows() -> dict[str, Cell]:
    """What is told of each policy."""
    rows: dict[str, Cell] = {
        "episodes": lambda p: str(p["episodes"]),
        "steps": lambda p: f"{p['steps']:,}",
        "starting points, after so many steps": lambda p: f"{p['starts']}, {p['context']}",
    }
    for k in HORIZONS:
        rows[f"error {k} ahead"] = lambda p, k=k: _at(p["error"], k)  # type: ignore[misc]
    rows |= {
        "error as far as it goes": lambda p: _far(p["error"]),
        "the same, if nothing changed": lambda p: _far(p["persistence"]),
        "error 1 ahead, if nothing changed": lambda p: _at(p["persistence"], 1),
        "useful horizon (skill above 0.5)": lambda p: f"{p['useful_horizon']} of {len(p['error'])}",
        "reconstruction error": lambda p: significant(p["reconstruction"]),
        "log likelihood 1 ahead": lambda p: _at(p["log_likelihood"], 1),
        "log likelihood as far as it goes": lambda p: _far(p["log_likelihood"]),
    }
    return rows


def _far(values: Sequence[float | None]) -> str:
    return f"{significant(values[-1])} (+{len(values)})"


_EVENTS: dict[str, Cell] = {
    "terminations": lambda p: str(p["termination"]["events"]),
    "recall of terminations": lambda p: _share(p["termination"]["recall"]),
    "precision of terminations": lambda p: _share(p["termination"]["precision"]),
    "false alarms, of other steps": lambda p: _share(p["termination"]["false_alarms"]),
    "mean absolute error of reward": lambda p: significant(p["reward"]["mean_absolute"]),
    "correlation of reward": lambda p: significant(p["reward"]["correlation"]),
    "recall of rare rewards": lambda p: _share(p["reward"]["rare"]["recall"]),
    "precision of rare rewards": lambda p: _share(p["reward"]["rare"]["precision"]),
}


def _share(part: float | None) -> str:
    return share(np.nan if part is None else part)


def _measures(found: Found) -> Table:
    """Policies across; of events, all of them together too."""
    policies = list(found["policies"].values())
    rows = [(name, *map(cell, policies), "") for name, cell in _rows().items()]
    rows += [
        (name, *map(cell, policies), cell(found["together"])) for name, cell in _EVENTS.items()
    ]
    return Table(("measure", *found["policies"], "together"), tuple(rows))


def _returns(found: Found) -> Table:
    real = np.array(found["returns"]["real"], float)
    rows = [("real", "", str(len(real)), _mean(real), "")]
    for temperature, each in found["returns"]["dreamed"].items():
        dreamed = np.array(each, float)
        gap = significant(float(dreamed.mean() - real.mean()))
        rows.append(("imagined", temperature, str(len(dreamed)), _mean(dreamed), gap))
    return Table(("where", "temperature", "episodes", "return", "gap"), tuple(rows))


def _mean(values: np.ndarray[Any, Any]) -> str:
    return f"{values.mean():.4g} ± {values.std():.3g}"


def _errors(found: Found) -> Table:
    """Every horizon of every policy, each number of the observation in a column of its own."""
    rows = []
    width = max(len((p["by_number"] or [[]])[0]) for p in found["policies"].values())
    for name, p in found["policies"].items():
        for k, error in enumerate(p["error"]):
            each = [*p["by_number"][k], *p["slope"][k]] if p["by_number"] else []
            told = p["log_likelihood"][k] if k < len(p["log_likelihood"]) else None
            cells = (error, p["persistence"][k], p["skill"][k], told, *each)
            rows.append((name, str(k + 1), *("" if v is None else repr(v) for v in cells)))
    numbers = (f"{kind}_{i + 1}" for kind in ("number", "slope") for i in range(width))
    head = ("policy", "steps_ahead", "error", "persistence", "skill", "log_likelihood", *numbers)
    return Table(head, tuple(rows))


def _learning(found: Found) -> Table:
    learned = found["learning"]
    rows = [
        (name, f"{steps}", str(k + 1), repr(value))
        for name, each in learned["error"].items()
        for steps, errors in zip(learned["steps"], each, strict=True)
        for k, value in enumerate(errors)
    ]
    return Table(("policy", "steps", "steps_ahead", "error"), tuple(rows))
