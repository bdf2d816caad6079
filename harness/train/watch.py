"""The evaluation protocol, as a learner's progress calls for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from baselines.api import Agent, Sizes
from harness import agents, envs
from harness.seeding import episode_seeds
from harness.spec import RunSpec
from harness.store import scalars, writer
from harness.store.growth import Growth, grown
from harness.store.health import Health
from harness.store.run_files import OTHER_MODE, Evaluated
from harness.train.evaluate import Evaluator
from harness.train.track import Trackers


class Watch:
    """The protocol's eye on one learner: an `api.Progress` that evaluates when that is due."""

    def __init__(
        self,
        spec: RunSpec,
        card: envs.Card,
        agent: Agent,
        log: writer.Record,
        trackers: Trackers,
        growth: Growth,
    ) -> None:
        self.spec = spec
        self.agent = agent
        self.log_file = log
        self.trackers = trackers
        self._pace = scalars.Pace()
        self.seconds = 0.0  # CPU spent on evaluating
        # By step, the CPU that the run had spent when its evaluation began, evaluations left out.
        self.learning_seconds: dict[int, float] = {}
        self._clock = log.clock
        learns = agents.entry(spec.agent).learns
        self.health = Health(spec.steps, card.actions == "discrete", learns, log.symptoms.append)
        self.growth = growth
        self._due = 0
        self._measures = card.measures
        self._evaluator = self._over(card, "train")
        self._on_test = self._over(card, "test") if card.variants else None

    def _over(self, card: envs.Card, split: Literal["train", "test"]) -> Evaluator:
        return Evaluator(lambda: envs.make(card, self.spec.wrappers, training=False, split=split))

    def kept(self) -> dict[str, Any]:
        """What goes on over a barrier, to be taken or put back with `go_on`."""
        return {
            "seconds": self.seconds,
            "learning_seconds": self.learning_seconds,
            "due": self._due,
            "health": self.health,
            "symptoms": self.log_file.symptoms,
            "pace": self._pace,
            "growth": self.growth,
        }

    def go_on(self, agent: Agent, kept: Mapping[str, Any]) -> None:
        """Watch the agent that goes on from a barrier."""
        self.agent = agent
        self.seconds, self._due = kept["seconds"], kept["due"]

    def at(self, step: int) -> None:
        self.log_file.progress(step)
        self.growth.at(step, self._clock.cpu() - self.seconds, self._clock.held)
        while self._due <= step and self._due < self.spec.steps:
            self._evaluate(self._due, "curve")
            self._due += self.spec.evaluation.every

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        values = {name: float(value) for name, value in metrics.items()}
        self.health.metrics(step, values)
        seconds = self.log_file.metrics(step, values)
        self.trackers.scalars(step, values | self._pace.of(step, seconds))

    def finish(self) -> dict[str, Any]:
        """Whatever the curve still lacks, then the evaluations that are reported.

        A curve lacks points if the last rollout did not fit into the budget, or if there was
        nothing to learn.
        """
        steps = self.spec.steps
        self.at(steps)
        self._grown(steps)
        scores: dict[str, Any] = {"final": self._evaluate(steps, "final")}
        self.health.end(steps)
        scores[OTHER_MODE] = None  # it acts alike in both
        if agents.entry(self.spec.agent).samples:
            greedy = not self.spec.evaluation.deterministic
            other = self._evaluate(steps, "other_mode")
            scores[OTHER_MODE] = {"deterministic": greedy, **other}
        self._evaluator.close()
        if self._on_test:
            scores["test"] = self._evaluate(steps, "test")
            self._on_test.close()
        return scores

    def _grown(self, steps: int) -> None:
        """What the run took more and more of, beside buffers that fill."""
        spec, env = self.spec, self._evaluator.env()
        config = agents.config(spec.agent, spec.hparams)
        whole, half = (sum(config.memory(Sizes.of(env, n)).values()) for n in (steps, steps // 2))
        starts = spec.hparams.get("learning_starts")
        found = grown(
            self.growth.samples,
            starts if isinstance(starts, int) else 0,
            (whole - half) / 2**20,
            self.growth.process_from,
        )
        self.log_file.symptoms.extend(found)

    def _evaluate(self, step: int, kind: Evaluated) -> dict[str, Any]:
        before = self._clock.cpu()
        if kind in ("curve", "final"):
            self.learning_seconds[step] = round(before - self.seconds, 3)
        protocol, along = self.spec.evaluation, kind == "curve"
        pool, n = ("curve", protocol.episodes) if along else ("final", protocol.final_episodes)
        seeds = episode_seeds(pool, self.spec.env, self.spec.seed, n)
        evaluator = self._on_test if kind == "test" and self._on_test else self._evaluator
        self.health.weights(step, self.agent.weights())
        greedy = protocol.deterministic != (kind == "other_mode")
        episodes = evaluator.play(self.agent, seeds, greedy)
        if kind != "other_mode":
            self.health.returns(step, episodes.returns)
        measures = {
            str(measure): [measure.factor * float(info[key]) for info in episodes.last_infos]
            for key, measure in self._measures.items()
        }
        self.log_file.evaluation(step, kind, episodes.returns, episodes.lengths, measures)
        mean = float(np.mean(episodes.returns))
        found = scalars.evaluated(kind, episodes.returns, episodes.lengths)
        self.trackers.scalars(step, found)
        self.seconds += self._clock.cpu() - before
        sd = float(np.std(episodes.returns))
        score: dict[str, Any] = {"mean": mean, "sd": sd, "episodes": n}
        if measures:
            score["measures"] = {name: float(np.mean(each)) for name, each in measures.items()}
        return score
