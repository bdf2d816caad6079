"""Sacred's log: one record of its own for every attempt at a run. We never read it back."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

from harness.config.secret import without_password
from harness.provenance import git, machine, packages
from harness.spec import RunSpec
from harness.store.files import locked, make_folder

# sacred 0.8.7 imports it, and setuptools says so in every process.
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)


def witness(
    spec: RunSpec,
    root: Path,
    observers: tuple[str, ...],
    train: Callable[[Any], dict[str, Any]],
) -> dict[str, Any]:
    """Let Sacred witness `train`: config, host, output, metrics and how it ended.

    :param observers: beside the files in results/sacred, "mongodb://..." or an SQLAlchemy URL.
    :param train: called with the Sacred run; returns what goes into result.json.
    :return: that, and under "sacred" the record's id and whether it was kept to the end.
    """
    import sacred
    from sacred.observers import FileStorageObserver, MongoObserver, SqlObserver

    # It seeds NumPy with the seed in the config, and NumPy refuses seeds from 2**32 on, such as
    # those that a search is tested on. What decides a run is seeded by the run itself.
    starting: Any = sacred.run
    seed_all: Any = sacred.randomness.set_global_seed
    starting.set_global_seed = lambda seed: seed_all(seed % 2**32)

    # "fd" would spawn a `tee` for each run; what we print goes through Python anyway.
    sacred.SETTINGS.CAPTURE_MODE = "sys"
    # Slow (a subprocess each), and `packages`, `machine` and `git` say it better.
    sacred.SETTINGS.HOST_INFO.INCLUDE_CPU_INFO = False
    sacred.SETTINGS.HOST_INFO.INCLUDE_GPU_INFO = False
    sacred.SETTINGS.DISCOVER_SOURCES = "none"
    sacred.SETTINGS.DISCOVER_DEPENDENCIES = "none"

    experiment: Any = sacred.Experiment(spec.agent, interactive=True, save_git_info=False)
    experiment.logger = logging.getLogger("harness.sacred")
    experiment.logger.setLevel(logging.WARNING)
    experiment.add_config(key=spec.key, **spec.model_dump(mode="json"))
    folder = root / "sacred"
    make_folder(folder)
    experiment.observers.append(FileStorageObserver(folder))
    for url in observers:
        kind: Any = MongoObserver if url.startswith("mongodb") else SqlObserver
        experiment.observers.append(kind(url))
    outcome: dict[str, Any] = {}
    facts = {"packages": packages(), "machine": machine(), "git": git()}
    # An id of ours, new for each attempt: Sacred would rewrite a finished record that has it.
    # SqlObserver has room for 24 characters.
    name = f"{spec.key}-{uuid4().hex[:6]}"
    with ExitStack() as turn:
        # SqlObserver makes its tables, experiment and host without a transaction: of 20 runs that
        # started at once, 2 (SQLite) and 6 (PostgreSQL) died.
        turn.enter_context(locked(folder / ".starting", wait=True))

        @experiment.main  # type: ignore[untyped-decorator]
        def main(_run: Any) -> float:
            turn.close()
            outcome.update(train(_run))
            return float(outcome["final"]["mean"])  # SqlObserver stores nothing but a number

        run = experiment.run(info=facts, options={"--id": name})
    if run._heartbeat:
        run._heartbeat.join()  # Sacred waits 2 s only, then may have written half
    return {**outcome, "sacred": {"id": run._id, "complete": not run._failed_observers}}


class SacredMetrics:
    """A tracker: Sacred's own metrics."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._run.log_scalar(name, value, step)

    def close(self) -> None: ...


def unreachable(url: str) -> str | None:
    """Why Sacred could not write to this observer, if so: asked before anything trains."""
    try:
        if url.startswith("mongodb"):
            import pymongo

            pymongo.MongoClient(url, serverSelectionTimeoutMS=3000).admin.command("ping")
        else:
            import sqlalchemy

            sqlalchemy.create_engine(url).connect().close()
    except ImportError as error:
        return f"{error.name} is not installed: pip install 'rl-ablation-harness[observers]'"
    except Exception as error:  # each database has its own kind of error
        return f"cannot be reached: {without_password(str(error).splitlines()[0], url)}"
    return None
