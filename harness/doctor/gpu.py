"""GPUs: which the driver sees, and whether torch and JAX compute on them.

`python -m harness.doctor.gpu torch` prints as JSON what it measured, in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.doctor.finding import Failed, Finding, State, tried

SIDE = 1024  # of the matrices that are multiplied
WIDTH, BATCH = 64, 64  # of a small network, as reinforcement learning has them
REPEATS = 5  # of what is timed, three times
ASK = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
LIBRARIES = ("torch", "jax")


def seen() -> list[str]:
    """The GPUs that the driver tells of, one text each."""
    try:
        done = subprocess.run(ASK, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is not None and done.returncode == 0 and done.stdout.strip():
        return [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return ["an NVIDIA GPU without nvidia-smi"] if Path("/dev/nvidia0").exists() else []


def findings(asked: bool) -> Iterator[Finding]:
    """:param asked: a GPU must be there, and be used."""
    gpus = seen()
    yield _driver(gpus, asked)
    for name in LIBRARIES:
        if find_spec(name) is not None:
            yield library(name, gpus, asked and name == "torch")


def _driver(gpus: list[str], asked: bool) -> Finding:
    facts = {"gpus": gpus}
    if gpus:
        return Finding("gpu", "; ".join(gpus), facts=facts)
    if asked:
        change = "start a machine with a GPU and its driver, or leave out --gpu"
        return Finding("gpu", "none is seen", "broken", change, facts)
    return Finding("gpu", "none: everything learns on the CPU", facts=facts)


def library(name: str, gpus: list[str], asked: bool) -> Finding:
    """Whether a library computes on a GPU, and what it is worth."""
    try:
        told = tried(__name__, name, environment={"XLA_PYTHON_CLIENT_PREALLOCATE": "false"})
    except Failed as error:
        change = f"python -c 'import {name}' shows the error"
        return Finding(name, f"cannot be used: {error}", "broken", change)
    if told["device"] is None:
        text = f"{name} {told['version']} on the CPU"
        if not gpus and not asked:
            return Finding(name, text, facts=told)
        state: State = "broken" if asked else "warning"
        text += ", and does not use the GPU: " + (told["why"] or "it sees none")
        return Finding(name, text, state, _way_out(name, told), told)
    product, small = (told[each]["cpu"] / told[each]["gpu"] for each in ("product", "small"))
    text = f"{name} {told['version']} computes on {told['device']}: a product of matrices "
    text += f"{product:,.1f} times as fast as on the CPU, a step of a small network {small:,.1f}"
    if not told["equal"]:
        text += "; its numbers are wrong"
        return Finding(name, text, "broken", "this GPU or its driver is broken: take another", told)
    if product < 1:
        change = "another process may hold the GPU: see nvidia-smi"
        return Finding(name, text, "warning", change, told)
    return Finding(name, text, facts=told)


def _way_out(name: str, told: dict[str, Any]) -> str:
    if name == "jax":
        return f"pip install 'jax[cuda12]=={told['version']}'"
    if told["built_for"] is None:
        plain = told["version"].partition("+")[0]
        return (
            f"this torch is built for CPUs: pip install torch=={plain} --index-url "
            "https://download.pytorch.org/whl/cu126"
        )
    return f"torch is built for CUDA {told['built_for']}: install a driver that is new enough"


# In a process of its own --------------------------------------------------------------------------


def _seconds(step: Callable[[], Any], wait: Callable[[Any], Any]) -> float:
    """Of one step, when it is warm: the least of three."""
    wait(step())
    spent = []
    for _ in range(3):
        begun = time.perf_counter()
        made = None
        for _ in range(REPEATS):
            made = step()
        wait(made)
        spent.append((time.perf_counter() - begun) / REPEATS)
    return min(spent)


def torch_measured(device: str | None = None) -> dict[str, Any]:
    """:param device: instead of the one that torch finds."""
    import torch

    found, why = device, ""
    if found is None:
        try:
            accelerator = torch.accelerator.current_accelerator(check_available=True)
            found = f"{accelerator.type}:0" if accelerator else None
            if found is None and torch.version.cuda is not None:
                torch.zeros(1, device="cuda")  # says why
        except Exception as error:  # whatever a driver raises
            found, why = None, str(error).splitlines()[0]
    facts = {"version": torch.__version__, "built_for": torch.version.cuda, "why": why}
    if found is None:
        return {**facts, "device": None}

    def wait(_: Any) -> None:
        if found != "cpu":
            torch.accelerator.synchronize()

    def product(on: str) -> tuple[float, Any]:
        matrix = torch.linspace(-1, 1, SIDE * SIDE).reshape(SIDE, SIDE).to(on)
        return _seconds(lambda: matrix @ matrix, wait), (matrix @ matrix).cpu()

    def small(on: str) -> float:
        net = torch.nn.Sequential(
            torch.nn.Linear(WIDTH, WIDTH), torch.nn.Tanh(), torch.nn.Linear(WIDTH, WIDTH),
            torch.nn.Tanh(), torch.nn.Linear(WIDTH, 1),
        ).to(on)  # fmt: skip
        optimizer, batch = torch.optim.Adam(net.parameters()), torch.ones(BATCH, WIDTH, device=on)

        def step() -> None:
            optimizer.zero_grad()
            net(batch).pow(2).mean().backward()
            optimizer.step()

        return _seconds(step, wait)

    (on_cpu, right), (on_gpu, made) = product("cpu"), product(found)
    name = torch.cuda.get_device_name() if found.startswith("cuda") else found
    equal = torch.allclose(right, made, rtol=1e-2, atol=1.0)
    return {**facts, "device": name, "equal": bool(equal),
            "product": {"cpu": on_cpu, "gpu": on_gpu},
            "small": {"cpu": small("cpu"), "gpu": small(found)}}  # fmt: skip


def jax_measured(platform: str | None = None) -> dict[str, Any]:
    """:param platform: instead of the one that JAX finds."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    facts: dict[str, Any] = {"version": jax.__version__, "built_for": None, "why": ""}
    device = (jax.devices(platform) if platform else jax.devices())[0]
    if device.platform == "cpu" and platform is None:
        return {**facts, "device": None}

    def product(on: Any) -> tuple[float, Any]:
        matrix = jax.device_put(jnp.linspace(-1, 1, SIDE * SIDE).reshape(SIDE, SIDE), on)
        step = jax.jit(lambda: matrix @ matrix)
        return _seconds(step, lambda made: made.block_until_ready()), np.asarray(step())

    def small(on: Any) -> float:
        layers = jax.device_put([jnp.full((WIDTH, WIDTH), 0.01)] * 2, on)
        batch = jax.device_put(jnp.ones((BATCH, WIDTH)), on)

        def loss(weights: Any) -> Any:
            return (jnp.tanh(jnp.tanh(batch @ weights[0]) @ weights[1]) ** 2).mean()

        step = jax.jit(jax.grad(loss))
        return _seconds(lambda: step(layers), jax.block_until_ready)

    cpu = jax.devices("cpu")[0]
    (on_cpu, right), (on_gpu, made) = product(cpu), product(device)
    return {**facts, "device": device.device_kind,
            "equal": bool(np.allclose(right, made, rtol=1e-2, atol=1.0)),
            "product": {"cpu": on_cpu, "gpu": on_gpu},
            "small": {"cpu": small(cpu), "gpu": small(device)}}  # fmt: skip


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(json.dumps({"torch": torch_measured, "jax": jax_measured}[sys.argv[1]]()))
