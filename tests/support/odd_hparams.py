"""Hyper-parameters that nobody should give, and what becomes of them.

`python tests/support/odd_hparams.py` asks all of them, in a quarter of an hour of CPU time, and
writes odd_hparams.txt beside it: the odd values that a sweep file may hold, and what they come to.
"""

from __future__ import annotations

import gc
import importlib
import json
import math
import os
import resource
import select
import signal
import sys
import time
import traceback
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel
from tiny import ENTRIES, HPARAMS, tiny

from baselines import AGENTS, REPLAY, split
from baselines.api import Config, NoProgress, Task
from harness import agents, envs
from harness.config.strict import UserError
from harness.config.tree import merged
from harness.spec import RunSpec
from harness.sweep import rehearsal

KNOWN = Path(__file__).with_name("odd_hparams.txt")
LEAST_BUDGET, LARGEST_BUDGET = 130, 1024
CPU_SECONDS, MEMORY = 60, 4 << 30
STEPS = "steps"  # the budget, asked like a hyper-parameter

INTEGERS = (0, -1, 1, 10**10, 1.5)
NUMBERS = (0.0, -1.0, 1.0, 1.5, 1e10, 1e300, 1e-300, math.nan, math.inf)
OTHERS = (None, True, "odd")
SWITCHES = (True, False)
LISTS = ([], [0], [1], [-1], [10**6, 10**6], [1] * 1000)
TREES = ({}, {"odd": 1})
SCHEDULES = ("lin_0", "lin_nan", "lin_1", "lin_1e300", "auto", "auto_0", "auto_-1", "auto_nan")
WIDTHS = ({"pi": [1]}, {"qf": [1]}, {"pi": [1], "vf": [1]}, {"pi": [1], "qf": [1]})
RHYTHMS = ([0, "step"], [1, "episode"], [10**10, "episode"], [10**10, "step"])

# What a field needs beside it to make any difference.
BESIDE: dict[str, dict[str, Any]] = {
    "deviation_floor": {"deviation": "moving"},
    "deviation_memory": {"deviation": "moving"},
    "sde_sample_freq": {"use_sde": True},
    "use_sde_at_warmup": {"use_sde": True},
    "actor_grad_mix": {"actor_grad": "both"},
    "reset_until": {"reset_every": 8},
    "policy_kwargs.full_std": {"use_sde": True},
    "policy_kwargs.squash_output": {"use_sde": True},
    "policy_kwargs.use_expln": {"use_sde": True},
    "vae.latent_size": {"vae": {"kind": "mlp"}},
    "vae.net_arch": {"vae": {"kind": "mlp"}},
    "vae.kl_coef": {"vae": {"kind": "mlp"}},
    "vae.kl_tolerance": {"vae": {"kind": "mlp"}},
    "vae.learning_rate": {"vae": {"kind": "mlp"}},
    "vae.batch_size": {"vae": {"kind": "mlp"}},
    "vae.epochs": {"vae": {"kind": "mlp"}},
    "controller.patience": {"controller": {"real_share": 0.5}},
    "controller.shared_starts": {"controller": {"real_share": 0.5}},
    "controller.learner": {"controller": {"steps": 256, "hparams": {"n_steps": 16}}},
    "controller.steps": {"controller": {"learner": "ppo", "hparams": {"n_steps": 16}}},
}


class Case(NamedTuple):
    """One odd value in an otherwise sensible, small run."""

    agent: str
    field: str  # dotted
    value: Any

    def __str__(self) -> str:
        return f"{self.agent} {self.field} {spelled(self.value)}"

    def hparams(self) -> dict[str, Any]:
        chosen = deepcopy(merged(HPARAMS.get(self.agent, {}), BESIDE.get(self.field, {})))
        if self.field == STEPS:
            return chosen
        tree: Any = self.value
        for part in reversed(self.field.split(".")):
            tree = {part: tree}
        *outer, last = self.field.split(".")
        inner = chosen
        for part in outer:
            inner = inner.setdefault(part, {})
        inner[last] = self.value
        return chosen

    def spec(self, rehearse: bool = True) -> RunSpec:
        """What `harness check` makes of it.

        :param rehearse: False asks the sweep file alone.
        :raises UserError: if it is refused.
        """
        given = self.hparams()
        env = "Pendulum-v1" if given.get("use_sde") and self._continuous() else None
        if self.field == STEPS:
            return tiny(self.agent, steps=self.value, rehearse=rehearse, **given)
        try:
            if self.agent == "ars" or self.field == "train_freq":  # updates that wait for episodes
                return tiny(self.agent, steps=LARGEST_BUDGET, env=env, rehearse=rehearse, **given)
            return tiny(self.agent, steps=LEAST_BUDGET, env=env, rehearse=rehearse, **given)
        except UserError:
            return tiny(self.agent, steps=LARGEST_BUDGET, env=env, rehearse=rehearse, **given)

    def _continuous(self) -> bool:
        entry = ENTRIES[self.agent]
        return "continuous" in entry.actions and not entry.envs and not entry.goals


def spelled(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else f"{text[:20]}...{len(value)}"


def family(agent: str) -> str:
    """Agents whose shared fields need not all be asked."""
    if agent.endswith("_her"):
        return "hindsight"
    learner, bonus = split(agent)
    if bonus:
        return "bonus by replay" if AGENTS[learner].bonuses == REPLAY else "bonus by rollouts"
    return agent


def leaves(model: type[BaseModel], at: str = "") -> Iterator[tuple[str, Any]]:
    """Each field, dotted, with its annotation; those that hold others, too."""
    for name, field in model.model_fields.items():
        kinds = list(branches(field.annotation))
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from leaves(kind, f"{at}{name}.")
        yield f"{at}{name}", field.annotation


def branches(kind: Any) -> Iterator[Any]:
    """The types that a union leaves open, constraints taken off."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        yield from branches(typing.get_args(kind)[0])
    elif origin in (typing.Union, types.UnionType):
        for inner in typing.get_args(kind):
            yield from branches(inner)
    else:
        yield kind


def odd(annotation: Any, field: str) -> list[Any]:
    """Values to try where such a type is asked for."""
    values: list[Any] = [*OTHERS]
    for kind in branches(annotation):
        origin = typing.get_origin(kind) or kind
        if origin is bool:
            values += SWITCHES
        elif origin is int:
            values += INTEGERS
        elif origin is float:
            values += NUMBERS
        elif origin is str:
            values += SCHEDULES
        elif origin is list:
            values += LISTS
        elif origin is tuple:
            values += RHYTHMS
        elif origin is dict:
            values += [*TREES, *WIDTHS]
        elif origin is Literal:
            values += typing.get_args(kind)
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            values += TREES
    unlike = {json.dumps(value): value for value in values}
    return list(unlike.values())


def cases() -> list[Case]:
    """Each field of each family of learners once, with all odd values."""
    found, seen = [], set()
    for agent, entry in ENTRIES.items():
        config: type[Config] = entry.load().Config
        for field, annotation in leaves(config):
            key = family(agent), field, str(annotation)
            if key not in seen:
                seen.add(key)
                found += [Case(agent, field, value) for value in odd(annotation, field)]
        found += [Case(agent, STEPS, steps) for steps in (0, 1, 17, 51, 65, 129)]
    return found


class Verdict(NamedTuple):
    kind: str  # refused, trained, idle, diverged, crashed, hung, no line
    why: str = ""


def looked_at(case: Case) -> tuple[RunSpec | None, Verdict]:
    """What `harness check` says: a spec if it lets the case pass."""
    try:
        return case.spec(), Verdict("accepted")
    except UserError as error:
        lines = str(error).splitlines()
        bad = len(lines) != len(error.problems) or max(map(len, lines)) > 500
        return None, Verdict("no line" if bad else "refused", str(error))
    except Exception:
        return None, Verdict("no line", traceback.format_exc(limit=-3))


def allowed(case: Case) -> bool:
    """Whether a sweep file may hold it, whatever the environment and the machine say to it."""
    try:
        case.spec(rehearse=False)
    except UserError:
        return False
    return True


def trained(spec: RunSpec) -> Verdict:
    """Learn, act, save and load, as a run does."""
    card = envs.card(spec.env)
    task = Task(lambda: envs.make(card, spec.wrappers, training=True), spec.steps)
    agent = agents.make(spec.agent, task, spec.hparams)
    before = agent.weights()
    try:
        steps = agent.learn(NoProgress())
    except Exception as error:  # whatever is raised where numbers are no longer finite
        if finite(agent.weights()) and "invalid values" not in str(error):
            raise
        return Verdict("diverged", str(error)[:200])
    if steps > spec.steps:
        return Verdict("crashed", f"{steps} steps of a budget of {spec.steps}")
    env = task.make_env()
    seen, _ = env.reset(seed=0)
    batch = {k: v[None] for k, v in seen.items()} if isinstance(seen, dict) else seen[None]
    for deterministic in (True, False):
        action, _ = agent.predict(batch, None, np.ones(1, bool), deterministic)
        assert len(action) == 1
    after = agent.weights()
    if not finite(after):
        return Verdict("diverged")
    same = before.keys() == after.keys() and all(
        np.array_equal(before[name], after[name]) for name in after
    )
    return Verdict("idle" if same and ENTRIES[spec.agent].learns else "trained")


def finite(weights: Mapping[str, np.ndarray]) -> bool:
    return all(v.dtype.kind != "f" or np.isfinite(v).all() for v in weights.values())


def forked(spec: RunSpec) -> tuple[int, int]:
    """Train in a process of its own, within limits; its id, and where its verdict will be read."""
    reading, writing = os.pipe()
    if pid := os.fork():
        os.close(writing)
        return pid, reading
    try:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY, in_use + MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        try:
            verdict = trained(spec)
        except FloatingPointError as error:
            verdict = Verdict("diverged", str(error))
        except BaseException:
            verdict = Verdict("crashed", traceback.format_exc(limit=-4)[-1500:])
        os.write(writing, json.dumps(verdict).encode())
    finally:
        os._exit(0)


def ask(asked: Iterable[Case], workers: int = 2) -> Iterator[tuple[Case, Verdict, float]]:
    """The verdict on each case, and the CPU seconds of its training."""
    running: dict[int, tuple[Case, int, float]] = {}
    waiting = iter(asked)
    more = True
    while more or running:
        while more and len(running) < workers:
            case = next(waiting, None)
            if case is None:
                more = False
                break
            spec, verdict = looked_at(case)
            if spec is None:
                yield case, verdict, 0.0
                continue
            pid, reading = forked(spec)
            running[reading] = case, pid, time.monotonic()
        if not running:
            continue
        ready, _, _ = select.select(list(running), [], [], 1.0)
        late = [
            reading
            for reading, (_, _, since) in running.items()
            if time.monotonic() - since > 6 * CPU_SECONDS
        ]
        for reading in {*ready, *late}:
            case, pid, _ = running.pop(reading)
            text = b"" if reading in late else os.read(reading, 1 << 16)
            os.close(reading)
            with suppress(ProcessLookupError):
                if not text:
                    os.kill(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            cpu = usage.ru_utime + usage.ru_stime
            if text:
                verdict = Verdict(*json.loads(text))
            else:
                hung = cpu > CPU_SECONDS - 2 or reading in late
                verdict = Verdict("hung" if hung else "crashed", f"ended by signal {status}")
            yield case, verdict, cpu


def prepare() -> None:
    """Before anything is forked: what each child would import, and the memory that it may use."""
    rehearsal.installed_memory = lambda: float(MEMORY)
    importlib.import_module("torch._dynamo")
    torch.set_num_threads(1)  # a child cannot use the threads that its parent started
    gc.freeze()  # children write into no page of what was made before them


WRONG = ("crashed", "hung", "no line")


def known() -> dict[str, str]:
    """Each case of odd_hparams.txt, with what it comes to."""
    table = {}
    for line in KNOWN.read_text().splitlines():
        case, _, kind = line.rpartition(": ")
        table[case] = kind
    return table


def main() -> None:
    prepare()
    table = []
    for case, verdict, _ in ask(cases()):
        if verdict.kind in WRONG:
            print(case, *verdict, file=sys.stderr)
        if allowed(case):
            table.append(f"{case}: {verdict.kind}")
    KNOWN.write_text("".join(f"{line}\n" for line in sorted(table)))


if __name__ == "__main__":
    main()
