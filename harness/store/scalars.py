"""The names of what is measured while a run trains, in Stable-Baselines3's spelling, and a run's
numbers under them.

An agent may log what it likes; what every shipped one logs is named here, so that arms can be laid
over one another. `time/fps` stands in no record: equal runs have equal records. It follows from the
clock that stands beside each row of train.jsonl.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.store import files, layout, run_files
from harness.store.run_files import OTHER_MODE, Evaluated

FPS, REWARD, LENGTH = "time/fps", "eval/mean_reward", "eval/mean_ep_length"

SCALARS: Mapping[str, str] = {
    # Of the training episodes.
    "rollout/ep_rew_mean": "mean return of the last 100 training episodes, shaped as training is",
    "rollout/ep_len_mean": "their mean length in steps",
    "rollout/exploration_rate": "probability of a random action",
    "rollout/return_std": "ARS: standard deviation of the candidates' returns",
    "rollout/states": "distinct states visited so far, where states are discrete",
    "rollout/new_states": "share of the last rollout's steps that led to a new state",
    "rollout/remote": "wrapper noisy_tv: share of the steps that pressed the remote control",
    "rollout/success_rate": "share of the last 100 training episodes whose last info is a success",
    # Of the updates.
    "train/loss": "loss of the last update: all terms together, of DQN the Q-function's",
    "train/learning_rate": "learning rate of the optimiser",
    "train/n_updates": "updates so far; of PPO, passes over a rollout",
    "train/value_loss": "loss of the value function",
    "train/policy_gradient_loss": "PPO: loss of the policy",
    "train/policy_loss": "A2C: loss of the policy",
    "train/policy_objective": "TRPO: objective of the policy",
    "train/kl_divergence_loss": "TRPO: KL divergence from the policy before the update",
    "train/is_line_search_success": "TRPO: share of the line searches that found a step",
    "train/entropy_loss": "negative entropy of the policy",
    "train/explained_variance": "1 - variance of the value function's error / variance of returns",
    "train/approx_kl": "PPO: estimated KL divergence from the policy before the update",
    "train/clip_fraction": "PPO: share of the probability ratios that were clipped",
    "train/clip_range": "PPO: where they are clipped",
    "train/clip_range_vf": "PPO: where changes of the value function are clipped",
    "train/std": "standard deviation of a Gaussian policy's actions",
    "train/actor_loss": "loss of the actor",
    "train/critic_loss": "loss of the critic",
    "train/ent_coef": "SAC and its kind: entropy coefficient",
    "train/ent_coef_loss": "SAC and its kind: loss of the entropy coefficient",
    "train/resets": "dqn_reset: resets of the network so far",
    "train/iterations": "ARS: updates so far",
    "train/delta_std": "ARS: standard deviation of the perturbations",
    "train/step_size": "ARS: length of the last step",
    # Curiosity.
    "train/bonus_loss": "loss of the curiosity bonus's networks",
    "train/int_value_loss": "loss of the value function of intrinsic returns",
    "curiosity/raw_bonus": "mean bonus of the last rollout, before the bonus learned from it",
    "curiosity/raw_bonus_learned": "the same, after it learned",
    "curiosity/raw_bonus_new": "mean bonus of the steps that led to a new state",
    "curiosity/raw_bonus_known": "mean bonus of the other steps",
    "curiosity/scaled_bonus": "mean bonus as the learner is paid it",
    "curiosity/raw_return": "mean intrinsic return, unscaled",
    "curiosity/scaled_return": "mean intrinsic return, scaled as the bonus is",
    "curiosity/int_coef": "weight of the bonus",
    # Active exploration: MAX.
    "curiosity/utility": "MAX: mean utility of the last steps, before they were learned from",
    "curiosity/expected_utility": "max_tabular: mean utility of all states and actions",
    **{
        f"{side}/model_loss": f"max: negative log likelihood of the next observation{where}"
        for side, where in (
            ("train", ""),
            ("validation", ", of steps that were not learned from yet"),
        )
    },
    "dream/utility": "max: mean imagined utility",
    "rollout/transitions": "max_tabular: pairs of a state and an action that were tried so far",
    # World models: V and M, then Dreamer's one model.
    "train/vae_epoch": "world_model: passes of V over the observations",
    "train/vae_loss": "world_model: V's loss on the training episodes",
    "validation/vae_loss": "world_model: V's loss on held-out episodes",
    "train/rnn_epoch": "world_model: passes of M over the episodes",
    **{
        f"{side}/rnn_{part}loss": f"world_model: M's {what} on {where} episodes"
        for side, where in (("train", "the training"), ("validation", "held-out"))
        for part, what in (
            ("", "loss"),
            ("latent_", "loss of the next latent"),
            ("reward_", "loss of the reward"),
            ("termination_", "loss of the termination"),
        )
    },
    "train/controller_generation": "world_model: generations of the evolution strategy",
    **{
        f"{side}/{part}_loss": f"{who}: {what}{where}"
        for side, where in (
            ("train", ""),
            ("validation", ", on rows that it has not learned from yet"),
        )
        for part, who, what in (
            ("world", "dreamer", "the model's loss"),
            ("reconstruction", "dreamer", "loss of the observation"),
            ("reward", "dreamer, max", "loss of the reward"),
            ("continue", "dreamer, max", "loss of the termination"),
            ("dyn", "dreamer", "KL divergence that trains the prior, above the free nats"),
            ("rep", "dreamer", "KL divergence that trains the posterior, above the free nats"),
        )
    },
    "train/kl": "dreamer: KL divergence of the posterior from the prior",
    "train/posterior_entropy": "dreamer: entropy of the posterior",
    "train/prior_entropy": "dreamer: entropy of the prior",
    "train/replay_critic_loss": "dreamer: loss of the critic on replayed rewards",
    "train/gradient_world_and_critic": "dreamer: norm of the gradient of model and critic",
    "train/gradient_actor": "dreamer: norm of the gradient of the actor",
    "train/return_scale": "dreamer: range of returns by which advantages are divided",
    "dream/train_return": "world_model: mean imagined return of what trains in the dream",
    "dream/best_return": "world_model: imagined return of the generation's best candidate",
    "dream/validation_return": "world_model: imagined return of the controller itself",
    "dream/final_return": "world_model: the same, after the controller's last update",
    "dream/steps": "world_model: imagined steps so far, of a controller that is PPO or SAC",
    "dream/return": "dreamer: mean imagined return",
    "dream/reward": "dreamer, max: mean imagined reward",
    "dream/continue": "dreamer: mean imagined probability that the episode goes on",
    "dream/value": "dreamer: mean value of the imagined states",
    "train/ensemble_loss": "plan2explore: squared error of the ensemble's guesses",
    **{
        f"{group}/explorer_{name}": f"plan2explore: {what}"
        for group, name, what in (
            ("dream", "reward", "mean imagined disagreement of the ensemble"),
            ("dream", "return", "mean imagined return of the explorer"),
            ("dream", "value", "mean value of the states that the explorer imagines"),
            ("dream", "continue", "mean imagined probability that its episode goes on"),
            ("train", "actor_loss", "loss of the explorer's actor"),
            ("train", "critic_loss", "loss of its critic"),
            ("train", "entropy_loss", "negative entropy of its actor"),
            ("train", "return_scale", "range of returns by which its advantages are divided"),
        )
    },
    # What the harness adds.
    REWARD: "mean raw return of an evaluation; the last point is the final evaluation",
    LENGTH: "mean length of its episodes in steps",
    "eval/other_mode_mean_reward": "the final evaluation in the other mode: greedy or sampled",
    "eval/test_mean_reward": "the final evaluation on variants that training never sees",
    FPS: "environment steps for each second of CPU time since the row before",
}

# What an evaluation is called: see `run_files.Evaluated`.
EVALUATED: Mapping[Evaluated, str] = {
    "curve": REWARD,
    "final": REWARD,
    "other_mode": "eval/other_mode_mean_reward",
    "test": "eval/test_mean_reward",
}


class Point(NamedTuple):
    """What was measured at one step."""

    step: int
    seconds: float | None  # CPU time of the process; None: before the first row of train.jsonl
    values: Mapping[str, float]


def evaluated(
    kind: Evaluated, returns: Sequence[float], lengths: Sequence[int]
) -> dict[str, float]:
    """Of one evaluation."""
    values = {EVALUATED[kind]: float(np.mean(returns))}
    return values | ({LENGTH: float(np.mean(lengths))} if EVALUATED[kind] == REWARD else {})


class Pace:
    """How many steps a second of CPU time brings, from row to row of train.jsonl."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None

    def of(self, step: int, seconds: float) -> dict[str, float]:
        """Empty: no time has passed, or it is the first row."""
        last, found = self._last, {}
        if last is not None and step > last[0] and seconds > last[1]:
            found = {FPS: (step - last[0]) / (seconds - last[1])}
        if last is None or found:
            self._last = step, seconds
        return found


def recorded(folder: Path) -> Iterator[Point]:
    """All that a run measured so far, in the order of its steps; an evaluation comes before the
    training row of its step. What was not finite is NaN. A damaged line says nothing.
    """
    evaluations = sorted(_evaluations(folder), key=lambda point: point.step)
    pace, seconds = Pace(), None
    for row in files.read_lines(folder / layout.TRAIN, _wrong_row).rows:
        step, at = int(row.pop("step")), float(row.pop("seconds"))
        while evaluations and evaluations[0].step <= step:
            yield evaluations.pop(0)._replace(seconds=seconds)
        seconds = at
        values = {name: math.nan if v is None else float(v) for name, v in row.items()}
        yield Point(step, seconds, values | pace.of(step, at))
    yield from (point._replace(seconds=seconds) for point in evaluations)


_NUMBER = (int, float)


def _wrong_row(row: Mapping[str, Any]) -> str:
    """What is wrong with a line of train.jsonl."""
    if flaw := files.unlike(row, {"step": int, "seconds": _NUMBER}):
        return flaw
    wrong = (name for name, v in row.items() if v is not None and type(v) not in _NUMBER)
    return "".join(f"'{name}' is no number" for name in islice(wrong, 1))


def _wrong_evaluation(row: Mapping[str, Any]) -> str:
    lengths = row.get("lengths")
    if flaw := run_files.wrong_evaluation(row):
        return flaw
    if "mean" in row:  # imported: of which episodes is not known
        return ""
    known = isinstance(lengths, list) and lengths and all(type(n) in _NUMBER for n in lengths)
    return "" if known else "'lengths' is no list of numbers"


class Series(NamedTuple):
    """One scalar along a run."""

    x: NDArray[np.float64]  # environment steps; or, where rows share a step, their numbers
    y: NDArray[np.float64]  # NaN: it was not finite
    by_row: bool

    def means(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """At each place the mean of what was logged since the place before; where nothing was, the
        line between its neighbours.
        """
        ends = np.searchsorted(self.x, places, side="right")
        begins = np.concatenate([[0], ends[:-1]])
        found = np.interp(places, self.x, self.y)
        for i, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            if end > begin:
                found[i] = self.y[begin:end].mean()
        return found


def training(folder: Path) -> dict[str, Series]:
    """What training logged, by name, its rate among them."""
    steps: dict[str, list[float]] = {}
    values: dict[str, list[float]] = {}
    for point in recorded(folder):
        for name, value in point.values.items():
            if not name.startswith("eval/"):
                steps.setdefault(name, []).append(point.step)
                values.setdefault(name, []).append(value)
    return {name: _series(steps[name], values[name]) for name in steps}


def _series(steps: list[float], values: list[float]) -> Series:
    """Parts of a world model log a row for each of their epochs, all at one step."""
    by_row = len(set(steps)) <= len(steps) / 2
    x = range(1, len(steps) + 1) if by_row else steps
    return Series(np.array(x, float), np.array(values, float), by_row)


def _evaluations(folder: Path) -> Iterator[Point]:
    for name in (layout.EVALS, layout.TEST_EVALS):
        for row in files.read_lines(folder / name, _wrong_evaluation).rows:
            kind: Evaluated = "other_mode" if row.get(OTHER_MODE) else "curve"
            if name == layout.TEST_EVALS:
                kind = "test"
            if "returns" in row:
                yield Point(row["step"], None, evaluated(kind, row["returns"], row["lengths"]))
