"""A run of about 20 seconds, through the command that users type."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.doctor.finding import Finding
from harness.provenance import CPU
from harness.store import run_files
from harness.store.reader import Store

AGENT, ENV = "ppo", "CartPole-v1"
STEPS = 30_000
RANDOM = 22.0  # mean return of a random policy: configs/envs/CartPole-v1.yaml
PATIENCE = 600.0  # seconds
BUSY = 0.6  # of the wall-clock time is CPU time at least, where nothing else wants the core


def run(gpu: bool, steps: int = STEPS) -> Finding:
    """:param gpu: learn on it; the record of the run says whether that happened."""
    with TemporaryDirectory(prefix="harness-doctor-") as scratch:
        root = Path(scratch) / "results"
        words = ["run", AGENT, ENV, "--steps", str(steps), "--results", str(root)]
        words += ["--evaluation", f"{{every: {steps}, episodes: 5, final_episodes: 20}}"]
        words += ["--engine", "{device: cuda}"] if gpu else []
        command = [sys.executable, "-m", "harness", *words]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, errors="replace", timeout=PATIENCE
            )
        except subprocess.TimeoutExpired:
            text = f"{AGENT} on {ENV} did not end within {PATIENCE:g} seconds"
            return Finding("run", text, "broken", "take a machine with faster cores")
        folder = Store(root).newest(AGENT, ENV)
        result = None if folder is None else run_files.finished(folder)[0]
        if done.returncode or result is None:
            said = [line for line in done.stderr.splitlines() if line.strip()]
            text = f"{AGENT} on {ENV} failed: {said[-1] if said else f'code {done.returncode}'}"
            return Finding("run", text, "broken", f"harness {' '.join(words)} shows the error")
    return judged(result, steps)


def judged(result: Mapping[str, Any], steps: int) -> Finding:
    """What a finished run says of the machine."""
    wall, cpu = float(result["wall_seconds"]), float(result["cpu_seconds"])
    score, device = float(result["final"]["mean"]), str(result["device"])
    text = f"{AGENT} on {ENV} learned on {device}: {steps:,} steps in {wall:.0f} s, return "
    text += f"{score:.0f} (random policy: {RANDOM:.0f})"
    facts = {"device": device, "wall_seconds": wall, "cpu_seconds": cpu, "return": score}
    if score < 2 * RANDOM:
        change = "harness verify repeats a run and says what differs: compare with another machine"
        return Finding("run", f"{text}: it has not learned", "broken", change, facts)
    if device == CPU and cpu < BUSY * wall:
        text += f"; the core was its own for {cpu / wall:.0%} of the time"
        change = "something else takes the cores: see top, or take a machine of your own"
        return Finding("run", text, "warning", change, facts)
    return Finding("run", text, facts=facts)
