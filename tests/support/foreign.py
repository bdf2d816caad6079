"""Files of other programs, as those write them; and the call that reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.store.foreign.names import Names
from harness.store.foreign.series import Series
from harness.store.foreign.source import Source, runs

HEAD = "arm,env,seed,step,return\n"


def table(path: Path, *lines: str, head: str = HEAD) -> Path:
    path.write_text(head + "".join(f"{line}\n" for line in lines))
    return path


def tidy(
    path: Path, arms: Mapping[str, float], envs: Iterable[str] = ("CartPole-v1",), seeds: int = 8
) -> Path:
    """A table of curves that end at these scores, a little apart."""
    return table(path, *(
        f"{arm},{env},{seed},{step},{(top + seed / 8) * step / 1000}"
        for arm, top in arms.items() for env in envs for seed in range(seeds)
        for step in (0, 500, 1000)
    ))  # fmt: skip


def monitor(
    path: Path,
    episodes: Iterable[tuple[float, int, float]],
    env: str = "CartPole-v1",
    start: float = 1_700_000_000.0,
) -> Path:
    """As `stable_baselines3.common.monitor.ResultsWriter` writes it: (r, l, t) of each episode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(f"{r},{length},{t}\n" for r, length, t in episodes)
    path.write_text(f"#{json.dumps({'t_start': start, 'env_id': env})}\nr,l,t\n{rows}")
    return path


def events(folder: Path, tags: Mapping[str, Iterable[tuple[int, float]]]) -> Path:
    """Event files by TensorBoard's own writer, of scalars as PyTorch and SB3 log them."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    log = EventFileWriter(str(folder))
    for tag, points in tags.items():
        for step, value in points:
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            log.add_event(Event(step=step, summary=summary))
    log.close()
    return folder


def taken(path: Path, format_: str = "", tag: str = "", columns: Mapping[str, str] | None = None,
          **names: Any) -> list[Series]:  # fmt: skip
    """The runs of a file.

    :param names: arm, env or seed of all, `pattern` or `table`.
    """
    more = {name: names.pop(name) for name in ("pattern", "table") if name in names}
    fixed = {name: str(value) for name, value in names.items()}
    return runs(Source(path, format_, tag, columns or {}, Names(fixed, **more)))[1]


def of_every_program(folder: Path) -> None:
    """A file of each kind that docs/import.md names."""
    tidy(folder / "scores.csv", {"ppo": 1.0, "ours": 3.0})
    head = "arm,env,seed,global_step,eval_return\n"
    table(folder / "results.csv", "a,CartPole-v1,0,100,1", head=head)
    monitor(folder / "runs/ppo/CartPole-v1_0/monitor.csv", [(1, 5, 0.1), (2, 5, 0.2)])
    events(folder / "logs/ppo_0", {"eval/mean_reward": [(100, 1.0), (200, 2.0)]})
    head = '"Step","ppo__0 - ret","ppo__0 - ret__MIN","ppo__0 - ret__MAX"\n'
    table(folder / "chart.csv", '"100","1","1","1"', head=head)
    (folder / "histories").mkdir()
    head = ",_step,_runtime,_timestamp,global_step,eval/return\n"
    table(folder / "histories/seed_0.csv", "0,0,1.0,2.0,100,5", head=head)
    head = "run_id,key,value,step,timestamp\n"
    table(folder / "metrics.csv", "f00,ret,1.5,100,17", head=head)
    table(folder / "names.csv", "f00,a,CartPole-v1,0", head="run,arm,env,seed\n")
    head = "run_id,experiment_id,metrics.eval_return,params.algo,params.seed\n"
    table(folder / "mlflow.csv", "f00,1,1.5,ppo,3", head=head)
