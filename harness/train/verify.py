"""Runs made once more: whether the same specs give the same bits, and if not, where they part.

A repetition is an ordinary run in a store of its own. It is compared with the first one file by
file, and what came of it stays in the run's certificate.json, which reports read.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import zip_longest
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness import agents, provenance
from harness.config.strict import Problem, UserError
from harness.config.tree import dotted, walk
from harness.spec import RunSpec
from harness.store import files, run_files, writer
from harness.store.files import Damage, temporary
from harness.store.reader import Store
from harness.train.task import moved

SIZE = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,9})?)(?P<percent>%?)")
# Of result.json; the rest is circumstance.
OUTCOMES = ("steps_trained", "final", run_files.OTHER_MODE, "test", "weights")

# Makes runs in a store that is empty.
Train = Callable[[list[RunSpec], Store], None]


Difference = dict[str, Any]  # where two runs of one spec part: at which "step", in "what"


class Case(NamedTuple):
    """A run as it was first made."""

    spec: RunSpec
    folder: Path
    result: Mapping[str, Any] = {}  # of one that is drawn


class Sample(NamedTuple):
    """What is to be repeated of a list of runs, and what of it cannot be."""

    chosen: list[Case]
    size: str  # as it was asked for
    seed: int
    runs: int  # planned, each counted once
    finished: int
    unrepeatable: dict[str, int]  # why -> how many of the finished
    damaged: tuple[Damage, ...] = ()  # files of runs that are not as they were when they finished


# What is repeated ---------------------------------------------------------------------------------


def draw(cases: Iterable[Case], size: str, seed: int) -> Sample:
    """A seeded sample of the runs that can be repeated, spread evenly over arms and environments.

    :param size: a share, such as "10%", or a number of runs.
    :raises UserError: if `size` is neither, or no run is finished.
    """
    unique = list({case.spec.key: case for case in cases}.values())
    read = [(case, *run_files.finished(case.folder, deep=True)) for case in unique]
    finished = [case._replace(result=result) for case, result, _ in read if result is not None]
    damaged = tuple(damage for _, _, broken in read for damage in broken)
    if not finished:
        message = "no run is finished: there is nothing to compare with"
        problems = [Problem(str(each.path), None, "", each.why) for each in damaged]
        raise UserError(problems or [Problem("verify", None, "", message)])
    reasons = [unrepeatable(case.spec, case.result) for case in finished]
    able = [case for case, reason in zip(finished, reasons, strict=True) if not reason]
    why = Counter(filter(None, reasons))
    chosen = _spread(able, _number(size, len(able)), seed)
    return Sample(chosen, size, seed, len(unique), len(finished), dict(why), damaged)


def _number(size: str, of: int) -> int:
    """How many of so many runs: 10 % of 12 are 2."""
    match = SIZE.fullmatch(size)
    number = Fraction(match["number"]) if match else Fraction(0)
    share = bool(match and match["percent"])
    if number == 0 or (share and number > 100) or (not share and number.denominator > 1):
        message = "not a share such as 10%, nor a number of runs"
        raise UserError.of("--sample", message, size)
    return min(of, math.ceil(number * of / 100) if share else int(number))


def _spread(cases: Sequence[Case], n: int, seed: int) -> list[Case]:
    """`n` of the cases, so that each arm in each environment gives about the same share of them."""
    rng = np.random.default_rng(seed)
    strata: dict[tuple[str, str], list[int]] = {}
    for i, case in enumerate(cases):
        strata.setdefault((case.spec.arm, case.spec.env), []).append(i)
    ranks: dict[int, float] = {}
    for members in strata.values():
        start = rng.random()
        order = rng.permutation(members).tolist()
        ranks |= {i: (place + start) / len(members) for place, i in enumerate(order)}
    return [cases[i] for i in sorted(sorted(ranks, key=ranks.__getitem__)[:n])]


def unrepeatable(spec: RunSpec, result: Mapping[str, Any]) -> str:
    """Why the code and packages of today do not mean the same run; empty: they do."""
    if spec.key != result["key"]:
        return "its spec is read in another way by this version of the harness"
    return moved(spec) or _other_packages(spec, result) or agents.no_device(spec.engine.device)


def _other_packages(spec: RunSpec, result: Mapping[str, Any]) -> str:
    """A package that the run did not have is none that it used."""
    modules = agents.modules(spec.agent, spec.engine.name)
    then, now = result.get("packages") or {}, provenance.packages(modules)
    moved = [
        f"{name} was {version} and is {now[name]}"
        for name, version in sorted(then.items())
        if version != "not installed" and version != now.get(name, version)
    ]
    return ", ".join(moved)


# The repetition -----------------------------------------------------------------------------------


def repeat(sample: Sample, store: Store, train: Train) -> dict[str, dict[str, Any]]:
    """Make the chosen runs once more, and certify each that came to an end, interrupted or not.

    :return: the certificates by key.
    """
    certificates: dict[str, dict[str, Any]] = {}
    if not sample.chosen:
        return certificates
    with temporary(store.root / "verify") as folder:
        scratch = Store(folder)
        try:
            train([case.spec for case in sample.chosen], scratch)
        finally:
            for case in sample.chosen:
                certificate = _certificate(case, scratch)
                if certificate is not None:
                    writer.certify(case.folder, certificate)
                    certificates[case.spec.key] = certificate
    return certificates


def _certificate(case: Case, scratch: Store) -> dict[str, Any] | None:
    """None: its repetition was cut short."""
    status, then = scratch.status(case.spec), case.result
    facts: dict[str, Any] = {"at": writer.now(), "key": case.spec.key, "weights": then["weights"]}
    if status.state == "failed":
        return {"outcome": "failed", "error": status.error, **facts}
    if status.result is None:
        return None
    parted = first_difference(case, Case(case.spec, scratch.folder(case.spec), status.result))
    changed, silent = surroundings(then, status.result)
    return {
        "outcome": "differs" if parted else "equal",
        "first": parted,
        "evaluations": len(run_files.rows(case.folder, "evaluation")),
        "changed": changed,
        "not_recorded_then": silent,
        **facts,
    }


def first_difference(then: Case, now: Case) -> Difference | None:
    """The first step at which the repetition is another run, and what tells so."""
    folders = then.folder, now.folder
    differences = [_in_log(*folders, log) for log in ("evaluation", "test evaluation")]
    was, is_ = ({name: case.result.get(name) for name in OUTCOMES} for case in (then, now))
    if what := _apart(was, is_):
        differences.append({"step": then.spec.steps, "what": f"after training: {what}"})
    if not any(differences):
        return None
    # Training metrics do not decide, but are logged more often than evaluations are played.
    differences.append(_in_log(*folders, "training"))
    return min(filter(None, differences), key=itemgetter("step"))


def _in_log(then: Path, now: Path, log: str) -> Difference | None:
    step = 0
    for before, after in zip_longest(run_files.rows(then, log), run_files.rows(now, log)):
        steps = [row["step"] for row in (before, after) if row and "step" in row]
        step = min(steps, default=step)  # a line that is not readable has none
        if before is None or after is None:
            what = f"absent {'then' if before is None else 'now'}"
        else:
            what = _apart(before, after)
        if what:
            return {"step": step, "what": f"{log}: {what}"}
    return None


def _apart(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """The first value that is not the same in both; empty: there is none."""
    before, after = _flat(then), _flat(now)
    for name in dict.fromkeys((*after, *before)):
        if before.get(name) != after.get(name):
            was, is_ = (_short(side.get(name, "absent")) for side in (before, after))
            return f"{name} {was} then, {is_} now"
    return ""


def _short(text: str) -> str:
    """A hash by its head, as git does."""
    return text[1:13] if re.fullmatch('"[0-9a-f]{64}"', text) else text


def _flat(facts: Mapping[str, Any]) -> dict[str, str]:
    """Every value by its dotted name, in a spelling that is equal for equal bits, NaN included."""
    return {dotted(place): json.dumps(value) for place, value in walk(facts, lists=True)}


def surroundings(
    then: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[dict[str, list[Any]], list[str]]:
    """What can decide bits and has changed, as [then, now]; and what was not recorded then.

    A source that one of the two never imported decided nothing there: what imports it tells.
    """
    before, after = (
        {**(result.get("machine") or {}), **(result.get("packages") or {}),
         **{name: result[name] for name in ("device", "git", "sources") if result.get(name)}}
        for result in (then, now)
    )  # fmt: skip
    silent = [name for name in after if name not in before]
    was, is_ = _flat(before), _flat({name: after[name] for name in after if name in before})
    names = [name for name in dict.fromkeys((*is_, *was)) if was.get(name) != is_.get(name)]
    names = [n for n in names if not n.startswith("sources.") or (n in was and n in is_)]
    return {name: [_value(was, name), _value(is_, name)] for name in names}, silent


def _value(facts: Mapping[str, str], name: str) -> Any:
    return json.loads(facts[name]) if name in facts else None


# What came of it ----------------------------------------------------------------------------------


def all_equal(certificates: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether something was repeated, and nothing of it gave other numbers."""
    return bool(certificates) and all(each["outcome"] == "equal" for each in certificates.values())


def verdict(certificates: Mapping[str, Mapping[str, Any]]) -> str:
    """All repetitions in two words."""
    if not certificates:
        return "nothing repeated"
    return "same bits" if all_equal(certificates) else "other bits"


def account(sample: Sample, certificates: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What is told on the screen."""
    for case in sample.chosen:
        certificate = certificates.get(case.spec.key, {"outcome": "cut short"})
        if certificate["outcome"] == "differs":
            first = certificate["first"]
            yield f"differs: {case.spec}: first at step {first['step']:,}: {first['what']}"
            yield f"  {_changes(certificate)}"
        elif certificate["outcome"] == "failed":
            yield f"failed when repeated: {case.spec}: {certificate['error']}"
    equal = sum(certificate["outcome"] == "equal" for certificate in certificates.values())
    yield f"{len(certificates)} of {sample.runs} runs were repeated, {equal} of them bit for bit"
    yield from (f"damaged: {damage}" for damage in sample.damaged)
    for why, n in sorted(sample.unrepeatable.items()):
        yield f"{n} cannot be repeated because {why}"
    if sample.finished < sample.runs:
        yield f"{sample.runs - sample.finished} are not finished"


def _changes(certificate: Mapping[str, Any]) -> str:
    changed = [f"{name}: {was} then, {is_} now"
               for name, (was, is_) in certificate["changed"].items()]  # fmt: skip
    text = f"changed since: {'; '.join(changed)}" if changed else "nothing recorded has changed"
    silent = certificate["not_recorded_then"]
    return text + (f"; not recorded then: {', '.join(silent)}" if silent else "")


def keep(sample: Sample, certificates: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write the certificate of a whole sweep."""
    runs = [
        {"key": case.spec.key, "arm": case.spec.arm, "env": case.spec.env, "seed": case.spec.seed}
        | {name: value for name, value in certificates[case.spec.key].items() if name != "at"}
        for case in sample.chosen
        if case.spec.key in certificates
    ]
    content = {
        "at": writer.now(),
        "sample": sample.size,
        "seed": sample.seed,
        "runs": sample.runs,
        "finished": sample.finished,
        "unrepeatable": sample.unrepeatable,
        "repeated": Counter(each["outcome"] for each in certificates.values()),
        "machine": provenance.machine(),
        "packages": provenance.packages(),
        "repetitions": runs,
    }
    files.write_json(path, content)
