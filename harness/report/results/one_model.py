"""The report of one run's model, and its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
    # What acts on training alone is part of the world that the model is of.
    note = (
        f"This is the environment of training, with {', '.join(training_only)}: rewards and "
        "returns here are not those of the scores."
    )
    in_short = (
        "Errors are in standard deviations of the observation under the random policy, averaged "
        "over its dimensions. A horizon reaches as far as three quarters of the episodes do. "
        "Terminations and rewards are predicted one step ahead; a rare reward is one that departs "
        "from the usual by more than half of the most that any does. `-`: there is none. What each "
        "measure tells: docs/world_models.md."
    )
    returns = (
        "Means, with the standard deviation over episodes. A gap above 0: the model promises more "
        "than there is. An imagined episode ends by a draw of the model's own probability, or "
        f"after {found['returns']['limit']:,} steps."
    )
    figures = (Figure(name, *CAPTIONS[name], ("pdf", "png")) for name in drawn)
    files = ", ".join(f"[{name}.csv]({name}.csv)" for name in made)
    numbers = Text(f"All numbers: {files}, [measures.json](measures.json).")
    sections = (
        Text(held_out),
        Items(tuple(f"**{name}**: {what}" for name, what in POLICIES.items())),
        *([Caution(note, "Note")] if training_only else ()),
        Section("In short", (made["measures"], Text(in_short))),
        *_by_dimension(found),
        Section("Real and imagined return", (made["returns"], Text(returns))),
        Section("Figures", tuple(figures)),
        Section("To repeat it", (Code(f"harness model-report {spec.key}"), numbers)),
    )
    return Document(f"World model of {spec}, {spec.steps:,} steps", "", sections)


def dimension_name(names: Sequence[str], i: int) -> str:
    """Of the observation: `pole angle`, where the environment's card names it."""
    return names[i] if names else f"dimension {i + 1}"


def _by_dimension(found: Found) -> Iterator[Section]:
    """Where an observation has few of them: images have none."""
    policies = {name: p for name, p in found["policies"].items() if p["by_number"]}
    if not policies or len(policies["random"]["by_number"][0]) > MOST_NUMBERS:
        return
    columns: dict[str, Sequence[float | None]] = {}
    for name, p in policies.items():
        last = len(p["by_number"])
        columns |= {f"{name} +{k}": p["by_number"][k - 1] for k in (1, last)}
    for name, p in policies.items():
        columns[f"slope, {name} +{len(p['slope'])}"] = p["slope"][-1]
    names = found.get("observation_names", ())
    rows = tuple(
        (dimension_name(names, i), *map(significant, values))
        for i, values in enumerate(zip(*columns.values(), strict=True))
    )
    about = (
        "Errors, in standard deviations of the dimension. Slope: of the predicted displacement on "
        "the real one, from the first step ahead to the last; 1 is right, and at 0 the prediction "
        "stands still."
    )
    table = Table(("observation", *columns), rows)
    yield Section("By observation dimension", (table, Text(about)))


# Tables -------------------------------------------------------------------------------------------


def tables(found: Found) -> dict[str, Table]:
    return {
        "measures": _measures(found),
        "returns": _returns(found),
        "errors": _errors(found),
        **({"learning": _learning(found)} if found["learning"] else {}),
    }


def _measures(found: Found) -> Table:
    """Policies across; of events, all of them together too."""
    policies = list(found["policies"].values())
    rows = [(name, *map(cell, policies), "") for name, cell in _OF_POLICIES.items()]
    everything = [*policies, found["together"]]
    rows += [(name, *map(cell, everything)) for name, cell in _EVENTS.items()]
    return Table(("measure", *found["policies"], "together"), tuple(rows))


Cell = Callable[[Mapping[str, Any]], str]


def _ahead(measure: str, k: int) -> Cell:
    """Empty where the policy's episodes are shorter than that."""
    return lambda p: significant(p[measure][k - 1]) if k <= len(p[measure]) else ""


def _far(measure: str) -> Cell:
    return lambda p: f"{significant(p[measure][-1])} (+{len(p[measure])})"


def _doubt(measure: str, k: int) -> Cell:
    """`-`: the model is no ensemble, or the policy's episodes are shorter than that."""
    return lambda p: significant(dict(enumerate(p[measure] or ())).get(k - 1))


_OF_POLICIES: dict[str, Cell] = {
    "episodes": lambda p: str(p["episodes"]),
    "steps": lambda p: f"{p['steps']:,}",
    "starting points, after so many steps": lambda p: f"{p['starts']}, {p['context']}",
    **{f"error {k} ahead": _ahead("error", k) for k in HORIZONS},
    "error as far as it goes": _far("error"),
    "the same, if nothing changed": _far("persistence"),
    "error 1 ahead, if nothing changed": _ahead("persistence", 1),
    "useful horizon (skill above 0.5)": lambda p: f"{p['useful_horizon']} of {len(p['error'])}",
    "reconstruction error": lambda p: significant(p["reconstruction"]),
    **{f"disagreement {k} ahead": _doubt("disagreement", k) for k in (1, 10)},
    **{
        f"its correlation with the error, {k} ahead": _doubt("doubt_correlation", k)
        for k in (1, 10)
    },
    "log likelihood 1 ahead": _ahead("log_likelihood", 1),
    "log likelihood as far as it goes": _far("log_likelihood"),
}
_EVENTS: dict[str, Cell] = {
    "terminations": lambda p: str(p["termination"]["events"]),
    "recall of terminations": lambda p: share(p["termination"]["recall"]),
    "precision of terminations": lambda p: share(p["termination"]["precision"]),
    "false alarms, of other steps": lambda p: share(p["termination"]["false_alarms"]),
    "mean absolute error of reward": lambda p: significant(p["reward"]["mean_absolute"]),
    "correlation of reward": lambda p: significant(p["reward"]["correlation"]),
    "recall of rare rewards": lambda p: share(p["reward"]["rare"]["recall"]),
    "precision of rare rewards": lambda p: share(p["reward"]["rare"]["precision"]),
}


def _returns(found: Found) -> Table:
    episodes = {("real", ""): found["returns"]["real"]}
    episodes |= {("imagined", name): each for name, each in found["returns"]["dreamed"].items()}
    means = {where: np.array(each, float).mean() for where, each in episodes.items()}
    rows = (
        (
            *(*where, str(len(each))),
            f"{means[where]:.4g} ± {np.std(np.array(each, float)):.3g}",
            significant(float(means[where] - means["real", ""])) if where[1] else "",
        )
        for where, each in episodes.items()
    )
    return Table(("where", "temperature", "episodes", "return", "gap"), tuple(rows))


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
