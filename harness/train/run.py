"""One run, from its spec to its files: the one function that trains."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import gymnasium as gym
import numpy as np
from pydantic import ValidationError

from baselines.api import Agent, NoProgress, Task
from harness import agents, envs, provenance
from harness.config.name import shortened
from harness.config.strict import Problem, UserError
from harness.seeding import episode_seeds, streams
from harness.spec import Batch, RunSpec
from harness.store import run_files, writer
from harness.store.health import Health
from harness.store.reader import Store
from harness.train import sacred_log
from harness.train.evaluate import Evaluator

T = TypeVar("T")


AGAIN = "the sweep that made the run trains it again"
MOST_TOLD = 3  # sources that a message names


class Job(NamedTuple):
    """What a worker must know beside the specs. Decides no numbers."""

    root: Path  # the results folder
    observers: tuple[str, ...] = ()  # Sacred observers beside the files, by URL


def run_batch(batch: Batch, job: Job) -> None:
    """Train every run of the batch that is not finished yet.

    :raises writer.Busy: if another process is at one of them.
    """
    for spec in batch.specs:
        run(spec, job)


def run(spec: RunSpec, job: Job) -> None:
    """Train, evaluate and write down one run; does nothing if it is finished.

    :raises writer.Busy: if another process is at it.
    :raises Exception: whatever training raised, after it was written to failure.json.
    """
    store = Store(job.root)
    folder = store.folder(spec)
    writer.clear_way(folder, job.root)
    with writer.claimed(folder), _Terminable():
        if store.finished(spec):
            return
        writer.set_aside(folder)
        log = writer.Record(folder, spec)
        try:
            result = sacred_log.witness(
                spec,
                job.root,
                job.observers,
                lambda sacred_run: _train(spec, log, folder, sacred_run),
            )
            log.finish(result)
        except KeyboardInterrupt:
            log.interrupted()
            raise
        except BaseException as error:
            log.failed(error)
            raise


class _Terminable:
    """While a run lasts, a polite kill ends it as Ctrl-C does: with its files in order."""

    def __enter__(self) -> None:
        def stop(number: int, frame: Any) -> None:
            raise KeyboardInterrupt

        self.before = signal.signal(signal.SIGTERM, stop)

    def __exit__(self, *error: Any) -> None:
        signal.signal(signal.SIGTERM, self.before)


def _train(spec: RunSpec, log: writer.Record, folder: Path, sacred_run: Any) -> dict[str, Any]:
    """Learn to the end of the budget under the watch of the protocol; return result.json."""
    started, clock = writer.now(), writer.Clock()
    card = current(spec)
    fix_arithmetic(spec)
    seeds, visits = streams(spec.seed), envs.Visits(spec.steps)
    origins = {__name__, agents.entry(spec.agent).module}

    def make_env() -> gym.Env[Any, Any]:
        env = envs.make(card, spec.wrappers, training=True)
        origins.update(provenance.modules_of(env))
        return visits.watch(env, card)

    task = Task(
        make_env=make_env,
        steps=spec.steps,
        seed=seeds.agent,
        env_seed=seeds.env,
        device=spec.engine.device,
    )
    agent = agents.make(spec.agent, task, spec.hparams)
    sacred_run.info.update(provenance.facts(agent, origins))
    watch = Watch(spec, card, agent, log, sacred_run, clock)
    watch.at(0)
    try:
        steps_trained = agent.learn(watch)
    except Exception:
        with suppress(Exception):  # the first error is the one to tell
            watch.health.weights(log.step, agent.weights())  # what raised may be far from its cause
        raise
    if steps_trained > spec.steps:
        raise RuntimeError(f"{spec.agent} took {steps_trained} steps of a budget of {spec.steps}")
    visits.save(folder / run_files.VISITS)
    scores = watch.finish()
    model = folder / run_files.MODEL
    model.mkdir(exist_ok=True)
    agent.save(model)
    sacred_run.add_artifact(str(folder / run_files.EVALS))
    return {
        "key": spec.key,
        "steps_trained": steps_trained,
        **scores,
        "symptoms": log.symptoms,
        "weights": fingerprint(agent.weights()),
        **clock.cost(),
        "cpu_seconds_before": clock.cpu_seconds_before,
        "evaluation_seconds": round(watch.seconds, 3),
        "learning_seconds": watch.learning_seconds,
        "started": started,
        "ended": writer.now(),
        **provenance.facts(agent, origins),
    }


def current(spec: RunSpec) -> envs.Card:
    """The environment's card, and the agent imported: both as the spec knows them.

    :raises RuntimeError: if either has moved on since the spec was made.
    """
    why = moved(spec)
    if why:
        raise RuntimeError(why)
    return envs.card(spec.env)


def moved(spec: RunSpec) -> str:
    """Why the code of today does not mean the same run; empty: it does.

    What a record says is only compared with what this installation has. What is imported is this
    installation's agent, and what its card names once the record's is equal.
    """
    try:
        entry, card = agents.entry(spec.agent), envs.card(spec.env)
        envs.need(card.extra, spec.env)
        if entry.version != spec.agent_version:
            return f"{spec.agent} was version {spec.agent_version} and is version {entry.version}"
        if card.identity() != spec.card:
            return f"the card of {spec.env} has changed{_foreign(spec, card)}"
        envs.check(card)
        wrong = [text for wrapper in spec.wrappers for text in envs.check_wrapper(wrapper)]
        if wrong:
            return wrong[0]
        entry.load().Config.model_validate(spec.hparams)  # imports torch, if the agent needs it
    except KeyError as error:
        return f"{error.args[0]}{_foreign(spec, None)}"
    except ImportError as error:
        return str(error)
    except ValidationError:
        return f"{spec.agent} no longer has its hyper-parameters"
    except ValueError as error:
        return f"{spec.env}: {error}"
    return ""


def _foreign(spec: RunSpec, card: envs.Card | None) -> str:
    """What the record's card names, if no card of this installation does."""
    own = (card.entry_point, card.id) if card else ()
    names = [shortened(str(spec.card.get(key))) for key in ("entry_point", "id")
             if spec.card.get(key) is not None and spec.card.get(key) not in own]  # fmt: skip
    if not names:
        return ""
    return f"; its record names {', '.join(names)}, and what a record names is not imported"


class Trained(NamedTuple):
    """A finished run, and its agent as training left it."""

    spec: RunSpec
    result: Mapping[str, Any]
    card: envs.Card
    task: Task
    agent: Agent


def trained(folder: Path, device: str | None = None, trust: bool = False) -> Trained:
    """Load what a finished run learned.

    :param device: where to; None: where it was trained.
    :param trust: the sources that are here, where they are not those that the run was made from.
    :raises UserError: if the run is not finished or is damaged, its agent or card has changed
        since, its sources are not to be trusted, or there is no such device here.
    """
    spec = run_files.spec(folder)
    result, broken = run_files.finished(folder, deep=True)
    if broken:
        raise UserError(
            Problem(str(each.path), None, "", f"{each.why}: {AGAIN}") for each in broken
        )
    device = device or spec.engine.device
    why = moved(spec) if result else "this run is not finished"
    why = why or agents.no_device(device)
    if result and not why and not trust:
        why = _other_sources(spec, result)
    if why or result is None:
        raise UserError([Problem(str(folder), None, "", why)])
    card = envs.card(spec.env)
    fix_arithmetic(spec)
    seeds = streams(spec.seed)
    task = Task(
        make_env=lambda: envs.make(card, spec.wrappers),
        steps=spec.steps,
        seed=seeds.agent,
        env_seed=seeds.env,
        device=device,
    )
    agent = agents.make(spec.agent, task, spec.hparams)
    model = folder / run_files.MODEL
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of a pickle before it refuses it
            agent.load(model)
    except Exception as error:  # as many kinds as there are formats, none of which may be a pickle
        why = f"cannot be read as weights: {type(error).__name__}: {error}"
        raise UserError([Problem(str(model), None, "", shortened(why))]) from None
    return Trained(spec, result, card, task, agent)


def _other_sources(spec: RunSpec, result: Mapping[str, Any]) -> str:
    """Which sources of the agent and the environment the run was not made from; empty: none."""
    recorded = result.get("sources")
    needed = {agents.entry(spec.agent).module}
    if entry_point := envs.card(spec.env).entry_point:
        needed.add(entry_point.partition(":")[0])
    found = provenance.changed(recorded if isinstance(recorded, dict) else {}, needed)
    if not found:
        return ""
    each = [f"{shortened(c.module)} (was {shortened(c.was)}, is {c.now})" for c in found]
    more = f" and {len(found) - MOST_TOLD} more" if len(found) > MOST_TOLD else ""
    return (
        f"made from other sources than are here: {', '.join(each[:MOST_TOLD])}{more}; what is "
        "shown may not be what was trained: go back to those, or give --trust to go on"
    )


def rehearse(spec: RunSpec, look: Callable[[Agent], T]) -> T:
    """Learn as `spec` says once more, in this process and without files.

    :param look: is shown the agent before it learns; what it returns may be filled on the way.
    """
    card = current(spec)
    fix_arithmetic(spec)
    seeds = streams(spec.seed)
    task = Task(
        make_env=lambda: envs.make(card, spec.wrappers, training=True),
        steps=spec.steps,
        seed=seeds.agent,
        env_seed=seeds.env,
        device=spec.engine.device,
    )
    agent = agents.make(spec.agent, task, spec.hparams)
    found = look(agent)
    agent.learn(NoProgress())
    return found


class Watch:
    """The protocol's eye on one learner: an `api.Progress` that evaluates when that is due."""

    def __init__(
        self,
        spec: RunSpec,
        card: envs.Card,
        agent: Agent,
        log: writer.Record,
        sacred_run: Any,
        clock: writer.Clock,
    ) -> None:
        self.spec = spec
        self.agent = agent
        self.log_file = log
        self.sacred_run = sacred_run
        self.seconds = 0.0  # CPU spent on evaluating
        # By step, the CPU that the run had spent when its evaluation began, evaluations left out.
        self.learning_seconds: dict[int, float] = {}
        self._clock = clock
        learns = agents.entry(spec.agent).learns
        self.health = Health(spec.steps, card.actions == "discrete", learns, log.symptoms.append)
        self._due = 0
        self._measures = card.measures
        self._evaluator = self._over(card, "train")
        self._on_test = self._over(card, "test") if card.variants else None

    def _over(self, card: envs.Card, split: Literal["train", "test"]) -> Evaluator:
        return Evaluator(lambda: envs.make(card, self.spec.wrappers, training=False, split=split))

    def at(self, step: int) -> None:
        self.log_file.progress(step)
        while self._due <= step and self._due < self.spec.steps:
            self._evaluate(self._due, "curve")
            self._due += self.spec.evaluation.every

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        values = {name: float(value) for name, value in metrics.items()}
        self.health.metrics(step, values)
        self.log_file.metrics(step, values)

    def finish(self) -> dict[str, Any]:
        """Whatever the curve still lacks, then the evaluations that are reported.

        A curve lacks points if the last rollout did not fit into the budget, or if there was
        nothing to learn.
        """
        self.at(self.spec.steps)
        steps = self.spec.steps
        found: dict[str, Any] = {"final": self._evaluate(steps, "final")}
        self.health.end(steps)
        found[run_files.OTHER_MODE] = None  # it acts alike in both
        if agents.entry(self.spec.agent).samples:
            greedy = not self.spec.evaluation.deterministic
            other = self._evaluate(steps, "other_mode")
            found[run_files.OTHER_MODE] = {"deterministic": greedy, **other}
        self._evaluator.close()
        if self._on_test:
            found["test"] = self._evaluate(steps, "test")
            self._on_test.close()
        return found

    def _evaluate(self, step: int, kind: run_files.Evaluated) -> dict[str, Any]:
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
        self.sacred_run.log_scalar(f"return.{kind}", mean, step)
        self.seconds += self._clock.cpu() - before
        sd = float(np.std(episodes.returns))
        found: dict[str, Any] = {"mean": mean, "sd": sd, "episodes": n}
        if measures:
            found["measures"] = {name: float(np.mean(each)) for name, each in measures.items()}
        return found


def fix_arithmetic(spec: RunSpec) -> None:
    """Make torch add in one order: the same number of threads, and no kernel that may choose."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    torch.set_num_threads(spec.engine.threads)
    if spec.engine.device != "cpu":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


def fingerprint(weights: Mapping[str, np.ndarray]) -> str:
    """A hash of everything learned: two runs with one fingerprint have the same bits."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = np.ascontiguousarray(weights[name])
        digest.update(f"{name}:{value.dtype.str}:{value.shape};".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
