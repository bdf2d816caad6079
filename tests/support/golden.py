"""Golden runs: what every agent learned in a few steps, and the sources that it was made from.

    python tests/support/golden.py              # renew the rows of all agents
    python tests/support/golden.py dqn "dqn (lockstep)"  # of these

golden.json has a row for each agent, and one more for each that the engine lockstep trains: its
version, hashes of its hyper-parameters and its sources, and by platform a hash of what came of
them. A row whose bits moved although neither its version nor its hyper-parameters did is not
renewed: raise the version, so that the agent's old runs go stale.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shlex
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tiny import ENTRIES, HPARAMS, env_of

from baselines import LOCKSTEP
from baselines.api import NoProgress, Task
from harness import provenance
from harness.config.tree import canonical
from harness.train.evaluate import Evaluator
from harness.train.run import fingerprint

ROOT = Path(__file__).parents[2]
FILE = Path(__file__).with_name("golden.json")
STEPS = 256
EPISODES = 3  # of the learned policy
# Of `provenance.machine`: what decides bits, and not only speed.
DECIDES = ("libc", "simd", "dispatch", "numpy_arithmetic", "torch_arithmetic")
COMPILED = "lockstep_arithmetic"  # and of an agent that this engine trains
# Of the harness, only `evaluate.py` has a part in the bits.
PACKAGES = ("torch", "numpy", "stable-baselines3", "sb3-contrib", "cma", "gymnasium", "pybullet")
TWINS = {f"{name} ({LOCKSTEP})": name for name, entry in ENTRIES.items() if entry.lockstep}
LEARNERS = ENTRIES | {twin: ENTRIES[name].under(LOCKSTEP) for twin, name in TWINS.items()}


class Golden(NamedTuple):
    hparams: str  # a hash
    sources: dict[str, str]  # hashes by path
    bits: str  # a hash of what was learned, and of the returns of what it does


def read() -> dict[str, Any]:
    return dict(json.loads(FILE.read_text())) if FILE.exists() else {"platforms": {}, "agents": {}}


def run(agent: str) -> Golden:
    """Learn for a few steps.

    :raises ValueError: if nothing was learned: such a run proves nothing.
    """
    torch.set_num_threads(1)
    entry, name = LEARNERS[agent], TWINS.get(agent, agent)
    make_env = env_of(name)
    config = entry.load().Config(**HPARAMS.get(name, {}))
    learner = entry.load()(Task(make_env, STEPS, seed=1, env_seed=2), config)
    before = fingerprint(learner.weights())
    learner.learn(NoProgress())
    weights = learner.weights()
    if entry.learns and fingerprint(weights) == before:
        raise ValueError(f"{agent} learns nothing in {STEPS} steps: lower its learning_starts")
    # Of an agent that learns nothing, what it does is all there is.
    episodes = Evaluator(make_env).play(learner, range(EPISODES))
    outcome = weights | {"returns": np.array(episodes.returns)}
    sources = provenance.sources({entry.module} | provenance.modules_of(learner))
    paths = {
        str(Path(str(sys.modules[name].__file__)).relative_to(ROOT)): digest
        for name, digest in sources.items()
        if name.startswith("baselines.")
    }
    hparams = _hash(canonical(config.model_dump(mode="json")).encode())
    return Golden(hparams, paths, fingerprint(outcome)[:16])


def here(agent: str) -> dict[str, Any]:
    """What can give an agent other bits on this machine than on another one."""
    torch.set_num_threads(1)  # as in `run`: it belongs to torch's arithmetic
    LEARNERS[agent].load()  # and so its compiler
    machine, packages = provenance.machine(), provenance.packages()
    decides = (*DECIDES, COMPILED) if agent in TWINS else DECIDES
    return {
        "processor": f"{platform.machine()} {(machine['cpu'] or 'unknown').split()[0]}",
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: machine[name] for name in decides},
        "packages": {name: packages[name] for name in PACKAGES},
    }


def name_of(facts: dict[str, Any]) -> str:
    return _hash(canonical(facts).encode())


def stale(agent: str, row: dict[str, Any] | None, version: int | str) -> str:
    """Why an agent has no golden run; empty: it has one, or a new version and so new runs."""
    renew = f"python tests/support/golden.py {shlex.quote(agent)}"
    if row is None:
        return f"{agent} has no golden run: {renew}"
    if version != row["version"] and _numbers(version) > _numbers(row["version"]):
        return ""
    if version != row["version"]:
        return f"{agent} is version {version}, and was version {row['version']}"
    edited = [path for path, hash_ in row["sources"].items() if _digest(path) != hash_]
    return (
        f"changed since the golden run of {agent}: {', '.join(edited)}; {renew}" if edited else ""
    )


def _numbers(version: int | str) -> list[int]:
    """Of an engine's twin: the learner's version, and its own."""
    return [int(part) for part in str(version).split(".")]


def _digest(path: str) -> str:
    file = ROOT / path
    return _hash(file.read_bytes()) if file.exists() else "gone"


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def renew(
    row: dict[str, Any] | None, version: int | str, found: Golden, platform_: str
) -> dict[str, Any]:
    """The row of an agent as it now is.

    :raises ValueError: if its bits moved, and neither its version nor its hyper-parameters did.
    """
    bits = {} if row is None else dict(row["bits"])
    if row is not None:
        same = (row["version"], row["hparams"]) == (version, found.hparams)
        moved = bits.get(platform_, found.bits) != found.bits
        if same and moved:
            raise ValueError("other bits than before: raise its version in baselines/__init__.py")
        # What other platforms gave holds where the same bits, or the same sources, say so.
        if not same or (row["sources"] != found.sources and platform_ not in bits):
            bits = {}
    bits[platform_] = found.bits
    return {"version": version, **found._asdict(), "bits": dict(sorted(bits.items()))}


def main(agents: list[str]) -> int:
    golden, refused = read(), 0
    golden["agents"] = {a: row for a, row in golden["agents"].items() if a in LEARNERS}
    for agent in agents or LEARNERS:
        row, facts = golden["agents"].get(agent), here(agent)
        name = name_of(facts)
        golden["platforms"][name] = facts
        try:
            golden["agents"][agent] = renew(row, LEARNERS[agent].version, run(agent), name)
        except ValueError as error:
            print(f"{agent}: {error}", file=sys.stderr)
            refused += 1
    used = {name for row in golden["agents"].values() for name in row["bits"]}
    golden["platforms"] = {n: f for n, f in sorted(golden["platforms"].items()) if n in used}
    FILE.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    return int(refused > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
