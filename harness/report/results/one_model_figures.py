"""The figures of one run's model: errors, returns, and predictions beside the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.report import plot
from harness.report.plot import Axis, Line, Look, Mark, Panel, Picture, Plot, Points, Rule
from harness.report.results.models import AHEAD_AXIS, ERROR_AXIS, LIKELIHOOD_AXIS, ONE
from harness.report.results.one_model import POLICIES, dimension_name

Measures = Mapping[str, Any]
Fans = Mapping[str, Any]  # by policy: dreaming.Fan

DIMENSIONS = 6  # of an observation, that traces show
FRAMES = 7
BAND = (5, 95)  # percent of the predictions
_POLICIES = plot.looks(list(POLICIES))
_COLOUR = _POLICIES["trained"].colour
_MODEL = Look("the model", _COLOUR, "o")
_DIMENSION = Look("a dimension of the observation", plot.FAINT)
_PERSISTENCE = Look("nothing changes", plot.GREY, dashes=(4, 2))
_TRUTH = Look("truth", plot.INK)
_GUESS = Look(f"best guess, and {BAND[1] - BAND[0]} % of the predictions", _COLOUR, dashes=(4, 2))
_REAL = Look("real episode", plot.INK, "o", line=False, size=1.8)
_IMAGINED = Look("imagined episode", _COLOUR, "o", line=False, size=1.8)
_MEAN = Look("mean", plot.INK, "_", line=False, size=14)
_MEAN_OF_REAL = Look("mean real return", plot.INK, dashes=(1, 1))


def errors(measures: Measures) -> Plot:
    """A panel for each policy: the model, what expects no change, and single dimensions, thin."""
    panels = []
    for name, found in measures["policies"].items():
        ahead = np.arange(1.0, len(found["error"]) + 1)
        each = np.array(found["by_number"] or np.zeros((len(ahead), 0)), float).T
        marks: list[Mark] = [
            Rule(ONE, y=1.0),
            *(Line(_DIMENSION, ahead, values, thin=True) for values in each),
            Line(_PERSISTENCE, ahead, np.array(found["persistence"], float)),
            Line(_MODEL, ahead, np.array(found["error"], float)),
        ]
        title = f"{name}: {found['starts']} starts"
        panels.append(Panel(AHEAD_AXIS, ERROR_AXIS, tuple(marks), title=title))
    return Plot(tuple(panels), _episodes(measures), level=True, wide=True)


def _episodes(measures: Measures) -> str:
    return f"{measures['policies']['random']['episodes']} episodes of each policy"


def likelihoods(measures: Measures) -> Plot:
    lines = []
    for name, found in measures["policies"].items():
        values = np.array(found["log_likelihood"], float)
        lines.append(Line(_POLICIES[name], np.arange(1.0, len(values) + 1), values))
    panel = Panel(AHEAD_AXIS, LIKELIHOOD_AXIS, tuple(plot.apart(lines)))
    return Plot((panel,), _episodes(measures))


def returns(measures: Measures) -> Plot:
    """Imagined episodes by temperature, each a point, beside the same controller's real ones."""
    found = measures["returns"]
    columns = {"real": found["real"]} | found["dreamed"]
    marks: list[Mark] = [Rule(_MEAN_OF_REAL, y=float(np.mean(found["real"])))]
    for x, values in enumerate(columns.values()):
        each = np.sort(np.array(values, float))
        places = x + np.linspace(-0.25, 0.25, len(each))
        marks.append(Points(_IMAGINED if x else _REAL, places, each))
        marks.append(Points(_MEAN, np.array([x]), np.array([each.mean()])))
    x_axis = Axis("real, and imagined by temperature", names=tuple(columns))
    n = f"{len(found['real'])} real episodes"
    return Plot((Panel(x_axis, Axis("return"), tuple(marks)),), n)


def traces(fans: Fans, names: list[str]) -> Plot:
    """Dimensions of the observation down, policies across: truth, best guess, and predictions.

    :param names: of the dimensions, if they are known.
    """
    shown = min(DIMENSIONS, fans["random"].truth[0].size)
    panels = []
    for i in range(shown):
        for name, fan in fans.items():
            steps = fan.start + np.arange(len(fan.truth), dtype=float)
            truth, guess = _flat(fan.truth)[:, i], _flat(fan.guess)[:, i]
            draws = np.stack([_flat(draw)[:, i] for draw in fan.draws])  # (S, K)
            known = truth[:1]  # where all of them part
            low, high = (np.r_[known, edge] for edge in np.percentile(draws, BAND, axis=0))
            lines = (
                Line(_TRUTH, steps, truth),
                Line(_GUESS, steps, np.r_[known, guess], low, high),
            )
            x = Axis("step of the episode", whole=True)
            y = Axis(dimension_name(names, i))
            panels.append(Panel(x, y, lines, title="" if i else name))
    return Plot(tuple(panels), "1 episode of each policy", across=len(fans), height=0.75)


def _flat(rows: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(rows, float).reshape(len(rows), -1)


def strip(fan: Any) -> Plot:
    """Frames of one episode: the truth, its reconstruction, and what the model predicts."""
    rows = {"truth": fan.truth[1:]}
    if fan.seen is not None:
        rows["reconstruction"] = fan.seen
    missed = np.abs(fan.truth[1:].astype(float) - fan.guess).mean(axis=-1, keepdims=True)
    rows |= {"best guess": fan.guess, "error": missed, "one prediction": fan.draws[0]}
    ahead = np.unique(np.linspace(1, len(fan.guess), FRAMES).round().astype(int))
    panels = []
    for name, frames in rows.items():
        for k in ahead:
            title = f"+{k}" if name == "truth" else ""
            picture = Picture(_pixels(frames[k - 1]))
            y = Axis(name if k == ahead[0] else "")
            panels.append(Panel(Axis(), y, (picture,), title=title, bare=True))
    return Plot(tuple(panels), "1 episode", across=len(ahead), wide=True)


def _pixels(frame: NDArray[Any]) -> NDArray[np.uint8]:
    """Other than 3 colours are shown as grey."""
    image = frame if frame.shape[-1] == 3 else frame.mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    pixels: NDArray[np.uint8] = np.clip(image, 0, 255).astype(np.uint8)
    return pixels


def learning(measures: Measures) -> Plot:
    """One step ahead, and as far as each policy reaches, over the steps that training had."""
    found, panels = measures["learning"], []
    steps = np.array(found["steps"], float)
    for title, k in (("one step ahead", 0), ("as far as episodes reach", -1)):
        lines = [
            Line(_POLICIES[name], steps, np.array([error[k] for error in each], float))
            for name, each in found["error"].items()
        ]
        marks: list[Mark] = [Rule(ONE, y=1.0), *plot.apart(lines)]
        x = Axis("environment steps of training")
        panels.append(Panel(x, ERROR_AXIS, tuple(marks), title=title))
    return Plot(tuple(panels), _episodes(measures), level=True, wide=True)
