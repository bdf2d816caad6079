"""One run, from its spec to its files: the one function that trains."""

from __future__ import annotations

import gc
import hashlib
import json
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from baselines.api import Agent, Barrier, NoProgress
from harness import agents, envs, provenance
from harness.config import study
from harness.config.tree import canonical, dotted, walk
from harness.spec import Limits, Metric, RunSpec
from harness.store import scalars, writer
from harness.store.growth import Growth
from harness.store.reader import Store
from harness.train import limit, sacred_log
from harness.train.archive import film_run
from harness.train.budget import Budget, Paused
from harness.train.measure import measure
from harness.train.task import current, learning_task, vouch
from harness.train.track import Trackers
from harness.train.watch import Watch

T = TypeVar("T")
BEGINNING = {"step": 0, "passed": 0}  # of a run that has passed no barrier yet


class Job(NamedTuple):
    """What a worker must know beside the specs. Decides no numbers."""

    root: Path  #: the results folder
    observers: tuple[str, ...] = ()  #: Sacred observers beside the files, by URL
    study: Path | None = None  #: the folder of the user's own modules and cards
    metrics: tuple[Metric, ...] = ()  #: metrics of your own, to be made of each run
    budget: Budget | None = None  #: the time that the command has
    limits: Limits = Limits()  #: limits of each run
    trackers: tuple[str, ...] = ()  #: names of trackers, such as wandb
    film: bool = False  #: whether to film the typical episode of each run

    def fits(self, spec: RunSpec) -> bool:
        """Whether there is time for a run. An executor may ask before it starts a process."""
        return self.budget is None or self.budget.fits(spec)


def attempt(spec: RunSpec, job: Job) -> None:
    """Train a run that is not finished yet, make the job's metrics of it, and film it if asked.

    Does nothing if there is no time for it.

    :raises writer.Busy: if another process is at it.
    """
    if not job.fits(spec):
        return
    if job.study is not None:
        study.enter(job.study)
    run(spec, job)
    store = Store(job.root)
    measure(spec, store, job.metrics)
    if job.film and store.finished(spec):
        try:
            film_run(store.folder(spec))
        except Exception as error:  # whatever a saved model or an environment raises
            print(f"{spec} is not filmed: {error}", file=sys.stderr)


def run(spec: RunSpec, job: Job) -> None:
    """Train, evaluate and write down one run; does nothing if it is finished.

    :raises writer.Busy: if another process is at it.
    :raises Exception: whatever training raised, after it was written to failure.json.
    """
    vouch(spec)
    store = Store(job.root)
    folder = store.folder(spec)
    writer.clear_way(folder, job.root)
    with writer.claimed(folder), _Terminable():
        if store.finished(spec):
            return
        writer.set_aside(folder)
        log = writer.Record(folder, spec)
        try:
            with limit.enforced(job.limits, log.failed, lambda: log.clock.wall()):
                result = sacred_log.witness(
                    spec,
                    job.root,
                    job.observers,
                    lambda sacred_run: _tracked(spec, log, job, sacred_run),
                )
                log.finish(result | _recorded(job.limits))
        except KeyboardInterrupt as error:
            log.interrupted()
            if not isinstance(error, Paused):
                raise
        except BaseException as error:
            log.failed(error)
            raise


def _recorded(limits: Limits) -> dict[str, Any]:
    """What the result says of the limits that there were."""
    kept = limits.model_dump(exclude_none=True)
    return {"limits": kept} if kept else {}


class _Terminable:
    """While a run lasts, a polite kill ends it as Ctrl-C does: with its files in order."""

    def __enter__(self) -> None:
        def stop(number: int, frame: Any) -> None:
            raise KeyboardInterrupt

        self.before = signal.signal(signal.SIGTERM, stop)

    def __exit__(self, *error: Any) -> None:
        signal.signal(signal.SIGTERM, self.before)


def _tracked(spec: RunSpec, log: writer.Record, job: Job, sacred_run: Any) -> dict[str, Any]:
    with Trackers(job.trackers, spec, log.folder) as trackers:
        trackers.add(sacred_log.SacredMetrics(sacred_run))
        return _train(spec, log, trackers, job.budget, sacred_run)


def _train(
    spec: RunSpec, log: writer.Record, trackers: Trackers, budget: Budget | None, sacred_run: Any
) -> dict[str, Any]:
    """Learn to the end of the steps under the watch of the protocol; return result.json.

    :raises Paused: at a barrier, if the next one would come after the budget's time.
    """
    if spec.checkpoint:  # imports torch, which not every learner needs: here, so that all say so
        from harness.train import barrier
    started, card = writer.now(), current(spec)
    visits, growth = envs.Visits(spec.steps), Growth(spec.steps)
    origins = {__name__, *agents.modules(spec.agent, spec.engine.name), *card.modules}

    def watched(env: envs.Env) -> envs.Env:
        origins.update(provenance.modules_of(env))
        return envs.Counted(visits.watch(env, card), growth.begin)

    def make() -> Agent:
        task = learning_task(spec, card, watched, passed=log.barrier or BEGINNING)
        return agents.make(spec.agent, task, spec.hparams, spec.engine.name)

    agent = make()
    facts = provenance.facts(agent, origins)
    made_by = _made_by(facts)
    if log.barrier and (why := _moved(log.barrier["made_by"], made_by)):
        log.begin_anew(why)  # the bits may be others
        agent = make()
    sacred_run.info.update(facts)
    watch = Watch(spec, card, agent, log, trackers, growth)
    resumed = 0
    if log.barrier:
        started, resumed = log.barrier["started"], log.barrier["resumed"] + 1
        barrier.go_on(agent, watch, visits, log)
        watch.growth.process_from = log.barrier["step"]
        for point in scalars.recorded(log.folder):  # up to the barrier
            trackers.scalars(point.step, point.values)
    else:
        watch.at(0)
    began = log.clock.wall()  # of the part to the next barrier
    while True:
        try:
            steps_trained = agent.learn(watch)
            break
        except Barrier as reached:
            came = {"step": reached.step, "started": started, "resumed": resumed}
            barrier.leave(agent, watch, visits, log, came | {"made_by": made_by})
            if budget and not budget.lasts(log.clock.wall() - began):
                raise Paused from None
            began = log.clock.wall()
        except Exception:
            with suppress(Exception):  # the first error is the one to tell
                # What raised may be far from its cause.
                watch.health.weights(log.step, agent.weights())
            raise
        del agent, watch.agent
        gc.collect()  # of two agents at once, memory may not hold two replay buffers
        agent = make()
        barrier.go_on(agent, watch, visits, log)
    if steps_trained > spec.steps:
        raise RuntimeError(f"{spec.agent} took {steps_trained} steps of a budget of {spec.steps}")
    log.visits(visits.counted)
    scores = watch.finish()
    agent.save(log.model())
    sacred_run.add_artifact(str(log.evaluations))
    return {
        "key": spec.key,
        "steps_trained": steps_trained,
        **scores,
        "symptoms": log.symptoms,
        "weights": fingerprint(agent.weights()),
        **log.clock.total(),
        "cpu_seconds_before": log.clock.cpu_seconds_before,
        **({"resumed": resumed} if spec.checkpoint else {}),
        "evaluation_seconds": round(watch.seconds, 3),
        "learning_seconds": watch.learning_seconds,
        "samples": watch.growth.samples,
        "started": started,
        "ended": writer.now(),
        **provenance.facts(agent, origins),
    }


def _made_by(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the bits of a run beside its spec."""
    return {name: facts[name] for name in ("device", "sources", "packages", "machine")}


def _moved(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What of it is not as it was; empty: all is."""
    was, is_ = (dict(walk(json.loads(canonical(each)), lists=True)) for each in (then, now))
    names = [name for name in {**was, **is_} if was.get(name) != is_.get(name)]
    if not names:
        return ""
    first, others = names[0], f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"{dotted(first)} was {was.get(first)} and is {is_.get(first)}{others}"


def rehearse(spec: RunSpec, look: Callable[[Agent], T]) -> T:
    """Learn as `spec` says once more, in this process and without files, so without barriers.

    :param look: is shown the agent before it learns; what it returns may be filled on the way.
    """
    agent = agents.make(
        spec.agent, learning_task(spec, current(spec)), spec.hparams, spec.engine.name
    )
    seen = look(agent)
    agent.learn(NoProgress())
    return seen


def fingerprint(weights: Mapping[str, np.ndarray]) -> str:
    """A hash of everything learned: two runs with one fingerprint have the same bits."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = np.ascontiguousarray(weights[name])
        digest.update(f"{name}:{value.dtype.str}:{value.shape};".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()
