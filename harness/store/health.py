"""What a run shows that a healthy learner does not: symptoms, each with its step and its value.

Fed with what every run has, whatever its agent: the metrics of training, the returns of the
evaluations, and the weights. A run with symptoms keeps its score; reports count it and say so.

How often healthy and broken runs show them: `python -m benchmarks.health`.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Kind = Literal["not finite", "exploded", "no entropy", "no updates", "slows down", "memory grows"]
DIVERGED: tuple[Kind, ...] = ("not finite", "exploded")
WASTEFUL: tuple[Kind, ...] = ("slows down", "memory grows")  # of no broken learner: see growth.py

# A squared error of 1,000 squared returns: predictions 30 times beyond any return that was seen.
# Losses that are not about returns, such as those of images, are let pass up to FREE.
LARGE, FREE = 1e3, 1e8
# A matrix of a network whose largest weight is so many times the largest that it began with (or 1):
# with a learning rate of 3e-4, Adam would need 3 million updates in one direction.
GROWTH = 1e3
# An action's standard deviation, of a policy that began with about 1.
NO_NOISE = 1e-4
# A share of the budget: what is gone later may be gone because the task is solved.
EARLY = 0.5
# Metrics that are no measurements, and one that is 0 / 0 where the returns do not vary.
SETTINGS = {"train/learning_rate"}
UNDEFINED = {"train/explained_variance"}
# The negative entropy of the policy in training.
ENTROPY = "train/entropy_loss"
NOISE = "train/std"
RETURNS = "rollout/ep_rew_mean"
# What libraries raise when they meet numbers that are not finite.
RAISED = ("FloatingPointError", "but found invalid values", "probability tensor contains either")


class Symptom(NamedTuple):
    """One sign, where it was first seen."""

    kind: Kind
    what: str  # a metric, an array of the weights, "return"
    step: int
    value: str  # as text: JSON has no infinity

    def __str__(self) -> str:
        return f"{self.what}: {self.value} (step {self.step:,})"


def symptoms(rows: Any) -> tuple[Symptom, ...]:
    """As they are kept in JSON; what is none is left out."""
    whole = (row for row in rows if isinstance(row, list) and len(row) == 4)
    return tuple(Symptom(*row) for row in whole if [*map(type, row)] == [str, str, int, str])


def diverged(symptoms: Iterable[Symptom]) -> bool:
    """Whether its numbers left what a learner can have: the one meaning of the word."""
    return any(symptom.kind in DIVERGED for symptom in symptoms)


def of_error(error: str, text: str, step: int) -> Symptom | None:
    """Whether a run ended because its numbers were no longer finite.

    :param error: in one line.
    :param text: the traceback.
    """
    if not any(sign in f"{error}\n{text}" for sign in RAISED):
        return None
    return Symptom("not finite", "error", step, error[:100])


def kinds(symptoms: Iterable[Symptom]) -> list[Kind]:
    """Each once, in the order in which they were first seen."""
    return list(dict.fromkeys(symptom.kind for symptom in symptoms))


def told(runs: Iterable[tuple[str, str, Sequence[Symptom]]]) -> list[str]:
    """Each kind in each arm: in how many of its runs, and the first of them with step and value.

    :param runs: of each the arm, its name in words, and its symptoms; each run once.
    """
    planned: Counter[str] = Counter()
    firsts: dict[tuple[str, Kind], list[str]] = {}
    for arm, name, each in runs:
        planned[arm] += 1
        for kind in kinds(each):
            first = next(symptom for symptom in each if symptom.kind == kind)
            firsts.setdefault((arm, kind), []).append(f"{first}, {name}")
    return [
        f"{kind} in {len(names)} of {planned[arm]} runs of {arm}: {names[0]}"
        for (arm, kind), names in firsts.items()
    ]


def no_entropy(steps: int) -> float:
    """Entropy of a policy that leaves its favourite action once in the whole budget."""
    chance = 1 / max(steps, 2)
    return chance * (1 + math.log(1 / chance))


class Health:
    """Watches one run. Of each kind it tells the first symptom of metrics, returns and weights.

    :param steps: the budget.
    :param discrete: actions are chosen, so that an entropy of 0 means no exploration.
    :param learns: there is something that updates could change.
    :param tell: called with each symptom.
    """

    def __init__(
        self, steps: int, discrete: bool, learns: bool, tell: Callable[[Symptom], None]
    ) -> None:
        self.steps, self.discrete, self.learns, self.tell = steps, discrete, learns, tell
        self._told: set[tuple[Kind, str]] = set()
        self._largest_return = 1.0
        self._matrices = _Matrices()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        seen = abs(values.get(RETURNS, 0.0))
        if math.isfinite(seen):
            self._largest_return = max(self._largest_return, seen)
        limit = max(FREE, LARGE * self._largest_return**2)
        for name, value in values.items():
            if name in SETTINGS:
                continue
            if not math.isfinite(value):
                if not (name in UNDEFINED and math.isnan(value)):
                    self._note("not finite", "metrics", name, step, value)
            elif abs(value) > limit:
                self._note("exploded", "metrics", name, step, value)
            elif step <= EARLY * self.steps and self._deterministic(name, value):
                self._note("no entropy", "metrics", name, step, value)

    def _deterministic(self, name: str, value: float) -> bool:
        if name == ENTROPY and self.discrete:
            return -value < no_entropy(self.steps)
        return name == NOISE and value < NO_NOISE

    def returns(self, step: int, returns: Sequence[float]) -> None:
        """:raises FloatingPointError: if one is not finite: then there is no score."""
        for value in returns:
            if not math.isfinite(value):
                self._note("not finite", "returns", "return", step, value)
                raise FloatingPointError(f"a return of the evaluation at step {step} is {value}")
        self._largest_return = max(self._largest_return, *map(abs, returns))

    def weights(self, step: int, weights: Mapping[str, NDArray[Any]]) -> None:
        """What is learned by now: at every evaluation, and at the end."""
        for name, value in weights.items():
            if value.dtype.kind == "f" and not np.isfinite(value).all():
                worst = value[~np.isfinite(value)].ravel()[0]
                self._note("not finite", "weights", name, step, float(worst))
        for name, largest in self._matrices.exploded(weights):
            self._note("exploded", "weights", name, step, largest)
        self._matrices.see(step, weights)

    def end(self, step: int) -> None:
        """The last weights were seen."""
        since = self._matrices.unchanged_since() if self.learns else None
        if since is not None and since <= EARLY * step:
            self._note("no updates", "weights", "weights", since, "unchanged to the end")

    def _note(self, kind: Kind, source: str, what: str, step: int, value: float | str) -> None:
        if (kind, source) not in self._told:
            self._told.add((kind, source))
            text = value if isinstance(value, str) else f"{value:.3g}"
            self.tell(Symptom(kind, what, step, text))


class _Matrices:
    """The parameters of networks, as far as an array shows that it is one.

    They are of single precision and have two dimensions or more. Statistics and tables are of
    double precision, and biases go on moving in a network that is dead.
    """

    def __init__(self) -> None:
        self._first: dict[str, float] = {}  # the largest of each at the start
        # At each step digests: of everything, and of each matrix.
        self._seen: list[tuple[int, str, dict[str, str]]] = []

    def exploded(self, weights: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, float]]:
        for name, value in _matrices(weights):
            largest = float(np.abs(value).max())
            first = self._first.setdefault(name, largest)
            if math.isfinite(largest) and largest > GROWTH * max(first, 1.0):
                yield name, largest

    def see(self, step: int, weights: Mapping[str, NDArray[Any]]) -> None:
        everything = _digest(*(weights[name] for name in sorted(weights)))
        digests = {name: _digest(value) for name, value in _matrices(weights)}
        self._seen.append((step, everything, digests))

    def unchanged_since(self) -> int | None:
        """The step after which no matrix changed; 0: nothing ever did. None: they still change.

        A matrix counts once it has changed twice in a row: some learners train a model once and
        then leave it alone.
        """
        steps, everything, digests = zip(*self._seen, strict=True)
        if everything[-1] == everything[0] and digests[-1]:
            return 0
        moved = [
            {name for name in after.keys() & before.keys() if after[name] != before[name]}
            for before, after in pairwise(digests)
        ]
        regular = any(after & before for before, after in pairwise(moved))
        if not regular or moved[-1]:
            return None
        last = max(i for i, names in enumerate(moved, start=1) if names)
        return int(steps[last])


def _matrices(weights: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, value in weights.items():
        if value.dtype == np.float32 and value.ndim >= 2 and value.size:
            yield name, value


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
