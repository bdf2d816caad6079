"""A results folder as finished sweeps leave it, without training: for tests of what only reads."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harness.report import contents
from harness.report.plot import Plot
from harness.report.render import seaborn
from harness.spec import Anchor, Anchors, Claim, Evaluation, ReportOptions, ResolvedSweep, RunSpec
from harness.store import declaration, run_files, writer
from harness.store.digest import digests
from harness.store.files import SEAL, write_json
from harness.store.health import of_error
from harness.store.reader import Store
from harness.store.writer import Record

# env -> random score, reference score, steps
ENVS = {
    "DeepSea-20": (0.0, 0.99, 60_000),
    "DeepSea-10": (0.0, 0.99, 20_000),
    "MiniGrid-DoorKey-6x6-v0": (0.05, 0.96, 100_000),
}
# arm -> the probability that a run finds the treasure, by environment, and how fast it learns
ARMS = {
    "ppo": ((0.0, 0.6, 0.3), 0.5),
    "rnd": ((0.9, 1.0, 0.9), 0.3),
    "no_obs_norm": ((0.4, 0.9, 0.6), 0.5),
    "no_reward_norm": ((0.7, 1.0, 0.8), 0.4),
    "episodic": ((0.5, 0.9, 0.8), 0.4),
}
CLAIMS = (
    Claim(text="rnd > ppo on DeepSea-20", better="rnd", worse="ppo", env="DeepSea-20"),
    Claim(text="ppo > rnd by auc", better="ppo", worse="rnd", score="auc"),
    Claim(
        text="rnd > no_reward_norm on DeepSea-10",
        better="rnd", worse="no_reward_norm", env="DeepSea-10",
    ),
)  # fmt: skip
PACKAGES = {"torch": "2.13.0", "stable-baselines3": "2.9.2", "gymnasium": "1.4.0"}
MACHINE = {"cpu": "A processor", "cores": 2, "os": "Linux", "python": "3.11.7"}
SOURCES = {
    "baselines.sb3": "a" * 16,
    "harness.train.evaluate": "a" * 16,
    "harness.train.run": "a" * 16,
}
EVALUATIONS = 12
STARTED, ENDED = "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:20+00:00"


def spec(arm: str, env: str, seed: int, steps: int | None = None) -> RunSpec:
    agent = "ppo" if arm == "ppo" else "ppo_rnd"
    bonus = {} if arm == "ppo" else {"int_coef": 1.0}
    budget = steps or (ENVS[env][2] if env in ENVS else 50_000)
    return RunSpec(
        agent=agent,
        agent_version=1,
        env=env,
        card={"id": env},
        seed=seed,
        steps=budget,
        hparams={"learning_rate": 3e-4, "variant": arm} | bonus,
        evaluation=Evaluation(every=budget // EVALUATIONS, episodes=20, final_episodes=100),
        arm=arm,
    )


def sweep(
    arms: tuple[str, ...] = tuple(ARMS),
    envs: tuple[str, ...] = tuple(ENVS),
    seeds: int = 10,
    **more: Any,
) -> ResolvedSweep:
    anchors = {
        env: Anchors(
            random=Anchor(
                score=ENVS[env][0], source="measured", episodes=1_000, standard_error=0.0
            ),
            reference=Anchor(score=ENVS[env][1], source="optimal return"),
        )
        for env in envs
        if env in ENVS
    }
    runs = tuple(spec(arm, env, seed) for arm in arms for env in envs for seed in range(seeds))
    facts: dict[str, Any] = {
        "name": "fake",
        "question": "Does the RND bonus help when reward is sparse, and which of its parts matter?",
        "source": "ablations/fake.yaml",
        "arms": arms,
        "envs": envs,
        "report": ReportOptions(baseline=arms[0]),
        "anchors": anchors,
        "runs": runs,
    }
    return ResolvedSweep(**(facts | more))


def treasure(run: RunSpec, fraction: float, rng: np.random.Generator, episodes: int) -> Any:
    """Returns of a run that finds the treasure or does not, and mostly keeps it once found."""
    low, high, _ = ENVS.get(run.env, (0.0, 1.0, 0))
    chances, when = ARMS.get(run.arm, ((0.5, 0.8, 0.6), 0.5))
    luck = np.random.default_rng([run.seed, *run.arm.encode(), *run.env.encode()])
    place = list(ENVS).index(run.env) if run.env in ENVS else 0
    found = luck.random() < chances[place]
    learned = found / (1 + np.exp(-(fraction - when * (0.5 + luck.random())) * 25))
    return low + (high - low) * (rng.random(episodes) < 0.01 + 0.98 * learned)


def weights(run: RunSpec) -> str:
    """The fingerprint of what it learned: every run has its own."""
    return hashlib.sha256(run.key.encode()).hexdigest()


def write_run(
    store: Store,
    run: RunSpec,
    returns: Callable[[RunSpec, float, np.random.Generator, int], Any] = treasure,
    result: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """A finished run.

    :param metrics: what training logged at even distances up to the end of the budget, by name.
    """
    with _recording(store, run) as record:
        rng, last = np.random.default_rng([1, run.seed]), [0.0]
        for step in [*range(0, run.steps, run.evaluation.every), run.steps]:
            final = step == run.steps
            episodes = run.evaluation.final_episodes if final else run.evaluation.episodes
            last = [float(value) for value in returns(run, step / run.steps, rng, episodes)]
            record.evaluation(step, "final" if final else "curve", last, [10] * episodes, {})
        for name, values in (metrics or {}).items():
            for i, value in enumerate(values, start=1):
                record.metrics(run.steps * i // len(values), {name: value})
        mean, sd = float(np.mean(last)), float(np.std(last))
        facts = {
            "key": run.key,
            "steps_trained": run.steps,
            "final": {"mean": mean, "sd": sd, "episodes": len(last)},
            "weights": weights(run),
            "wall_seconds": 20.0 + run.seed,
            "cpu_seconds": 19.0 + run.seed,
            "peak_memory_mb": 300.0 + run.seed,
            "evaluation_seconds": 2.0,
            "started": STARTED,
            "ended": ENDED,
            "device": "cpu",
            "sources": SOURCES,
            "packages": PACKAGES,
            "machine": MACHINE,
            "git": {"commit": "0123abc", "dirty": False},
        }
        record.finish(facts | dict(result or {}))


@contextmanager
def _recording(store: Store, run: RunSpec) -> Iterator[Record]:
    """The writer of a run that took place on the first day of 2026; no disk is waited for."""
    folder = store.folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(writer, "now", lambda: STARTED)
        record = Record(folder, run)
        patch.setattr(writer, "now", lambda: ENDED)
        yield record


def edit_result(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Another result, as if the run had ended so."""
    facts = json.loads((folder / "result.json").read_text())
    del facts[SEAL]
    change(facts)
    write_json(folder / "result.json", facts)


def seal(folder: Path) -> None:
    """Let the files of a finished run be as they are now, as if it had ended so."""
    edit_result(folder, lambda facts: facts.update(files=digests(folder)))


def write_clock(
    store: Store, run: RunSpec, seconds: Callable[[int], float] | None, evaluation: float = 0.0
) -> None:
    """What learning had cost a finished run at each of its evaluations.

    :param seconds: CPU seconds by step, at the end those of all learning; None: nothing tells.
    :param evaluation: CPU seconds of all evaluations.
    """
    steps = [*range(0, run.steps, run.evaluation.every), run.steps]
    told = seconds or (lambda step: 0.0)
    new = {"learning_seconds": {str(step): told(step) for step in steps}} if seconds else {}
    new |= {"cpu_seconds": told(run.steps) + evaluation, "evaluation_seconds": evaluation}
    edit_result(store.folder(run), lambda facts: facts.update(new))


def write_visits(
    store: Store, run: RunSpec, counts: np.ndarray, reachable: np.ndarray, **dates: np.ndarray
) -> None:
    """Where training went: (quarters, height, width) visits, (height, width) cells.

    :param dates: `first_steps`, if they are known.
    """
    np.savez(store.folder(run) / "visits.npz", visits=counts, reachable=reachable, **dates)
    seal(store.folder(run))


def write_model(store: Store, run: RunSpec, error: float, **more: Any) -> None:
    """What `harness model-report` measured: an error that is the same at all of 12 horizons."""
    ahead = [error] * 12
    policy = {"disagreement": [2 * error] * 12, "doubt_correlation": [1 - error] * 12}
    policy |= {"error": ahead, "log_likelihood": [-error] * 12, "reconstruction": error / 2}
    policy |= {"by_number": [[error, 2 * error]] * 12}
    policy |= {"slope": [[None, None], *[[1.0, 1 - error]] * 11]}
    events = {"termination": {"recall": 1 - error, "precision": None}}
    facts = {
        "policies": dict.fromkeys(("null", "random", "trained"), policy),
        "together": events | {"reward": {"mean_absolute": 0.0, "rare": {"recall": None}}},
        "returns": {"real": [1.0, 3.0], "dreamed": {"0.5": [2.0], "1.0": [2.0 + error]}},
        "learning": {"steps": [0, 100], "error": {"random": [ahead, ahead], "null": [ahead] * 2,
                                                  "trained": [ahead, ahead]}},
    }  # fmt: skip
    learned = more.pop("weights", weights(run))
    with writer.model_report(store.folder(run), learned, facts | more):
        pass


FILM_STEPS = 40


def write_film(store: Store, run: RunSpec, content: bytes | None = None) -> None:
    """What `harness watch` keeps: an episode of 40 steps that turns from black to blue."""
    content = content or webp(tuple((0, 0, 6 * step) for step in range(FILM_STEPS + 1)))
    learned = run_files.finished(store.folder(run))[0]["weights"]
    at, measured = tuple(range(FILM_STEPS + 1)), ("4.1 cm",) * (FILM_STEPS + 1)
    film = run_files.Film(2, 77, 0.25, "truncated", at, measured, 50, content)
    writer.film(store.folder(run), learned, film)


@cache
def webp(colours: tuple[tuple[int, int, int], ...]) -> bytes:
    """A frame of each colour, of 50 milliseconds."""
    images = [Image.new("RGB", (32, 24), colour) for colour in colours]
    content = io.BytesIO()
    options = {"save_all": True, "append_images": images[1:], "duration": 50, "lossless": True}
    images[0].save(content, "webp", **options)
    return content.getvalue()


def write_certificate(store: Store, run: RunSpec, outcome: str, **more: Any) -> None:
    """What `harness verify` found."""
    facts = {"key": run.key, "outcome": outcome, "weights": weights(run)}
    writer.certify(store.folder(run), facts | more)


def write_failure(store: Store, run: RunSpec, error: str) -> None:
    """A run that raised."""
    reason, text = error.splitlines()[0], f"Traceback:\n{error}"
    symptom = of_error(reason, text, step=0)
    with _recording(store, run) as record:
        writer.write_failure(record.folder, reason, text, [symptom] if symptom else [])
        writer.end_attempt(record.folder, "failed", {})


def write_interruption(store: Store, run: RunSpec) -> None:
    """A run whose process was killed."""
    with _recording(store, run):
        pass


def write_sweep(store: Store, of: ResolvedSweep, finish: bool = True) -> None:
    """The resolved sweep, and all of its runs as finished."""
    folder = store.sweep_folder(of.name)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "sweep.json", of.model_dump(mode="json"))
    line = declaration.line(of, "2025-12-31T00:00:00+00:00")  # runs begin a day later
    (folder / "history.jsonl").write_text(json.dumps(line) + "\n")
    for run in of.runs if finish else ():
        write_run(store, run)


def remove_result(store: Store, run: RunSpec) -> None:
    (store.folder(run) / "result.json").unlink()


def write_page(store: Store, of: ResolvedSweep) -> Path:
    """report.html as `harness report` makes it, but for the pictures, which take long to draw."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seaborn, "save", _save_nothing)
        report = contents.write(of, store, store.sweep_folder(of.name) / "report")
        return report.page.with_suffix(".html")


def _save_nothing(plot: Plot, path: Path, formats: Sequence[str], venue: str) -> float:
    for name in formats:
        path.with_name(f"{path.name}.{name}").write_bytes(b"")
    return 5.5
