"""What a spec means to the code of today: the agent's task, or why there is none."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from pydantic import ValidationError

from baselines.api import Task
from harness import agents, envs
from harness.config import study
from harness.config.name import shortened
from harness.seeding import streams
from harness.spec import RunSpec


def learning_task(
    spec: RunSpec,
    card: envs.Card,
    around: Callable[[envs.Env], envs.Env] = lambda env: env,
    device: str | None = None,
    passed: Mapping[str, int] | None = None,
) -> Task:
    """What the agent of a run learns from; torch adds in one order from here on.

    :param around: what each training environment is put into.
    :param device: default: the spec's.
    :param passed: the last barrier, its "step" and how many were "passed" with it; None: it learns
        without any.
    """
    fix_arithmetic(spec)
    seeds = streams(spec.seed, passed["passed"] if passed else 0)
    return Task(
        make_env=lambda: around(envs.make(card, spec.wrappers)),
        steps=spec.steps,
        seed=seeds.agent,
        env_seed=seeds.env,
        device=device or spec.engine.device,
        barrier=_barrier(spec, passed["step"]) if passed else None,
    )


def _barrier(spec: RunSpec, step: int) -> int | None:
    """The next one after so many steps; none comes at the end of the budget. None: none ever."""
    if spec.checkpoint is None:
        return None
    every = spec.checkpoint.every
    following = (step // every + 1) * every
    return following if following < spec.steps else spec.steps + 1


def vouch(spec: RunSpec) -> None:
    """What it names may be imported: whoever planned the run had it from the user."""
    study.name(spec.agent, spec.env, *(each["name"] for each in spec.wrappers))


def fix_arithmetic(spec: RunSpec) -> None:
    """Make torch add in one order: the same number of threads, and no kernel that may choose."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    torch.set_num_threads(spec.engine.threads)
    if spec.engine.device != "cpu":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)


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
        entry = agents.entry(spec.agent, spec.engine.name)
    except KeyError as error:
        return str(error.args[0])
    try:
        card = envs.card(spec.env)
        envs.need(card.extra, spec.env)
        if entry.version != spec.agent_version:
            return f"{spec.agent} was version {spec.agent_version} and is version {entry.version}"
        if card.identity() != spec.card:
            return f"the card of {spec.env} has changed{_foreign(spec, card)}"
        envs.check(card)
        wrong = next(filter(None, map(envs.moved, spec.wrappers)), "")
        if wrong:
            return wrong
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
