"""Weights & Biases: one of its runs for each of ours. Where it writes to, and whether it is online,
say its own variables: WANDB_PROJECT, WANDB_MODE=offline and others.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from harness.config.failure import in_a_line
from harness.spec import RunSpec

PROJECT = "harness"  # unless WANDB_PROJECT names one
ALONE = ("offline", "disabled", "dryrun")  # as WANDB_MODE: no server is asked


def refused() -> str | None:
    """Why its server would refuse every run, if so. On a terminal it may ask for a key."""
    if os.environ.get("WANDB_MODE") in ALONE:
        return None
    import wandb

    try:
        wandb.login()
    except wandb.errors.Error as error:
        return f"{in_a_line(error)} Or set WANDB_MODE=offline, and `wandb sync` the runs later"
    return None


class WandbLog:
    """A tracker. Several rows may have the same step, which W&B's own step may not."""

    def __init__(self, spec: RunSpec, folder: Path) -> None:
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            group=spec.arm or spec.agent,
            name=f"{spec.arm or spec.agent} {spec.env} seed {spec.seed}",
            config={"key": spec.key, **spec.model_dump(mode="json")},
            dir=str(folder),
        )
        self._run.define_metric("global_step")
        self._run.define_metric("*", step_metric="global_step")

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log({"global_step": step, **values})

    def close(self) -> None:
        self._run.finish()
