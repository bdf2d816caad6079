"""The command that makes a run once more, whatever the configuration files say by then."""

from __future__ import annotations

import shlex

from harness.config.tree import canonical
from harness.spec import RunSpec


def repeat(spec: RunSpec) -> str:
    """`harness run ...` with all that decides the outcome; the seed comes last."""
    lines = [
        ["harness", "run", spec.agent, spec.env, "--steps", str(spec.steps)],
        ["--evaluation", canonical(spec.evaluation.model_dump(mode="json"))],
        ["--engine", canonical(spec.engine.model_dump(mode="json"))],
        *(["--wrapper", canonical(wrapper)] for wrapper in spec.wrappers),
        *(["--set", f"{name}={canonical(value)}"] for name, value in spec.hparams.items()),
        ["--seed", str(spec.seed)],
    ]
    return " \\\n  ".join(shlex.join(line) for line in lines)
