"""The numbers of two reports: of a sweep that has a bit of everything, and of a search.

    python tests/support/report_numbers.py  # after a number has changed on purpose: renew the file

report_numbers.json has them in the order in which they stand, by section and by file, and the
outcome of every claim. Words are left out: a sentence may be written anew, a number may not.
"""

from __future__ import annotations

import csv
import json
import re
import tempfile
from pathlib import Path

import fake_store
import fake_tune
import numpy as np
import pytest

from harness.spec import Claim, ReportOptions, ResolvedSweep, RunSpec
from harness.stats import crosscheck
from harness.store.reader import Store

FILE = Path(__file__).with_name("report_numbers.json")
ARMS = ("ppo", "rnd", "no_obs_norm", "episodic")
ENVS = ("DeepSea-20", "CartPole-v1")
CLAIMS = (
    Claim(text="rnd > ppo on DeepSea-20", better="rnd", worse="ppo", env="DeepSea-20"),
    Claim(text="ppo > rnd by auc", better="ppo", worse="rnd", score="auc"),
    Claim(text="rnd > episodic on CartPole-v1", better="rnd", worse="episodic", env="CartPole-v1"),
)
MADE_OF = {"ppo": (), "rnd": ("bonus", "obs_norm"), "no_obs_norm": ("bonus",)}
_NUMBER = re.compile(r"(?<!\w)-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
_OUTCOME = re.compile(r"\*\*(Supported|Contradicted|Undecided|Pending)")

Numbers = dict[str, dict[str, list[str]]]


def here() -> Numbers:
    """What the code gives now."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(crosscheck, "RESAMPLES", 20)
        sweep = _sweep_report(Path(folder) / "sweep")
        search = _search_report(Path(folder) / "search")
        return {"sweep": _read(sweep), "search": _read(search)}


def _read(folder: Path) -> dict[str, list[str]]:
    text = (folder / "report.md").read_text()
    found = {"outcomes": _OUTCOME.findall(text)}
    parts = re.split(r"^##? (.+)\n", text, flags=re.M)
    for title, body in zip(parts[1::2], parts[2::2], strict=True):
        found[f"report.md: {title}"] = _numbers(body)
    for path in sorted(folder.rglob("*.csv")):
        with path.open(newline="") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        found[path.name] = _numbers(" | ".join(cells))
    for path in sorted(folder.rglob("paper/**/*.tex")):
        body = path.read_text().rpartition(r"\begin{document}")[2]
        found[str(path.relative_to(folder))] = _numbers(body.replace("$-$", "-"))
    return found


def _numbers(text: str) -> list[str]:
    """As text to six digits: the rest is the processor's. No links, no hashes."""
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return [f"{float(number.replace(',', '')):.6g}" for number in _NUMBER.findall(text)]


# A sweep -----------------------------------------------------------------------------------------


def sweep(seeds: int = 20) -> ResolvedSweep:
    found = fake_store.sweep(ARMS, ENVS, seeds, claims=CLAIMS, components=MADE_OF)
    anchors = found.anchors | {"CartPole-v1": found.anchors["DeepSea-20"]}
    runs = tuple(_run(run) for run in found.runs)
    report = ReportOptions(baseline="ppo", metrics=("rollout/remote",))
    return found.model_copy(update={"anchors": anchors, "runs": runs, "report": report})


def _run(run: RunSpec) -> RunSpec:
    """On CartPole with the budget of public scores."""
    return run.model_copy(update={"steps": 100_000}) if run.env == "CartPole-v1" else run


def _sweep_report(root: Path) -> Path:
    """Of the last arm one run failed, one was killed, one is still to come."""
    store, of = Store(root), sweep()
    fake_store.write_sweep(store, of, finish=False)
    for run in of.runs:
        if (run.arm, run.env) == (ARMS[-1], ENVS[-1]) and run.seed >= 17:
            if run.seed == 17:
                fake_store.write_failure(store, run, "ValueError: NaN in the policy")
            if run.seed == 18:
                fake_store.write_interruption(store, run)
            continue
        _finish(store, run)
    return fake_store.write_page(store, of).parent


def _finish(store: Store, run: RunSpec) -> None:
    """With all that a run may leave beside its scores."""
    luck = np.random.default_rng([run.seed, *run.arm.encode(), *run.env.encode()])
    final, seen = 0.5 + luck.random() / 2, luck.random()
    more = {
        "final": {"mean": final, "measures": {"distance, cm": 10 * seen}},
        "test": {"mean": final - 0.2 * seen},
        "other_mode": {"deterministic": False, "mean": final - 0.1 - seen / 10},
        "symptoms": [["exploded", "train/loss", 64, "1e+21"]] if run.seed == 3 else [],
    }
    told = {"rollout/remote": list(luck.random(10))} if run.arm != "ppo" else {}
    fake_store.write_run(store, run, result=more, metrics=told)
    speed = 1e-3 * (1 + ARMS.index(run.arm)) * (1 + seen)  # CPU seconds of a step
    fake_store.write_clock(store, run, lambda step: step * speed, evaluation=2.0)
    if run.env == ENVS[0]:
        sea = np.tri(20, dtype=int)
        fake_store.write_visits(store, run, np.stack([sea * (1 + run.seed)] * 4), sea > 0)
    if run.arm == "rnd":
        fake_store.write_model(store, run, 0.1 + seen / 2)
        changed = {"cpu": ["A processor", "another"]}
        fake_store.write_certificate(store, run, "equal", changed=changed)


# A search ----------------------------------------------------------------------------------------


def _search_report(root: Path) -> Path:
    """One of its trials crashes."""
    root.mkdir()

    def score(spec: RunSpec) -> float | str:
        return "ValueError: it broke" if spec.hparams["kp"] > 70 else fake_tune.hill(spec)

    return fake_tune.write_page(fake_tune.plan(root), root, score).parent


if __name__ == "__main__":
    FILE.write_text(
        "{\n" + ",\n".join(
            f"{json.dumps(name)}: {{\n" + ",\n".join(
                f" {json.dumps(part)}: {json.dumps(' '.join(found))}"
                for part, found in parts.items()
            ) + "\n}"
            for name, parts in here().items()
        ) + "\n}\n"
    )  # fmt: skip
