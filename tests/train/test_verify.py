"""Runs made once more: equal ones are certified, and others are found where they part."""

from __future__ import annotations

import json
from collections import Counter

import fake_store
import pytest
from command import typed
from fake_report import report
from killed import killed_at
from tiny import files, store_at, tiny

from harness.config.strict import UserError
from harness.spec import Checkpoint
from harness.store import run_files
from harness.store.layout import CERTIFICATE
from harness.store.writer import Record
from harness.sweep.order import in_order
from harness.train import verify
from harness.train.executors import EXECUTORS
from harness.train.run import Job, run
from harness.train.verify import Case


@pytest.fixture
def store(tmp_path):
    return store_at(tmp_path)


def train(specs, store):
    EXECUTORS["serial"](in_order(specs), Job(store.root), 1, lambda: None)


def repeat(store, *specs, by=train):
    sample = verify.draw([Case(spec, store.folder(spec)) for spec in specs], "100%", 0)
    found = verify.repeat(sample, store, by)
    return found, list(verify.account(sample, found))


def edit(store, spec, name, change):
    path = store.folder(spec) / name
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    fake_store.seal(store.folder(spec))


def edit_result(store, spec, change):
    fake_store.edit_result(store.folder(spec), change)


@pytest.mark.parametrize("agent", ["random", "ppo", "dqn"])
def test_a_run_that_repeats_itself_is_certified_and_left_as_it_was(store, agent):
    spec = tiny(agent)
    run(spec, Job(store.root))
    folder = store.folder(spec)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    found, account = repeat(store, spec)

    certificate = json.loads((folder / CERTIFICATE).read_text())
    assert store.status(spec).certificate == found[spec.key]
    assert list(found) == [spec.key]
    assert certificate["outcome"] == "equal"
    assert certificate["evaluations"] == len(files(store, spec, "evals.jsonl").splitlines())
    assert certificate["changed"] == {} and certificate["not_recorded_then"] == []
    assert verify.all_equal(found)
    assert account == ["1 of 1 runs were repeated, 1 of them bit for bit"]
    assert {path: path.read_bytes() for path in before} == before
    assert not list(store.root.glob(".verify.*"))


SLOWER = [("dqn", "sb3"), ("dqn", "lockstep"), ("world_model", "sb3")]


@pytest.mark.parametrize(
    ("agent", "engine"),
    [("tabular_q", "sb3"), *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOWER)],
)
def test_a_run_that_was_killed_and_went_on_is_repeated_undisturbed_bit_for_bit(
    store, agent, engine
):
    spec = tiny(agent, engine=engine).model_copy(update={"checkpoint": Checkpoint(every=100)})
    killed_at(180, spec, store)
    run(spec, Job(store.root))
    assert store.result(spec)["resumed"] == 1

    found, account = repeat(store, spec)

    assert found[spec.key]["outcome"] == "equal"
    assert account == ["1 of 1 runs were repeated, 1 of them bit for bit"]


def test_an_evaluation_that_was_altered_is_named_with_its_step(store):
    spec = tiny("random")
    run(spec, Job(store.root))
    was = json.loads(files(store, spec, "evals.jsonl").splitlines()[1])["returns"][1]
    edit(store, spec, "evals.jsonl", lambda rows: rows[1]["returns"].__setitem__(1, was + 1))

    found, account = repeat(store, spec)

    assert found[spec.key]["first"] == {
        "step": 100, "what": f"evaluation: returns.1 {was + 1} then, {was} now"
    }  # fmt: skip
    assert not verify.all_equal(found)
    assert "first at step 100: evaluation: returns.1" in account[0]
    assert "nothing recorded has changed" in account[1]


@pytest.mark.parametrize(
    ("change", "step", "what"),
    [
        (lambda rows: rows.pop(), 256, "evaluation: absent then"),
        (lambda rows: rows.append(rows[-1] | {"step": 300}), 300, "evaluation: absent now"),
        (lambda rows: rows.__setitem__(2, "gone"), 200, 'evaluation: step "absent" then, 200 now'),
    ],
)
def test_lines_that_came_went_or_cannot_be_read_are_differences(store, change, step, what):
    spec = tiny("random")
    run(spec, Job(store.root))
    edit(store, spec, "evals.jsonl", change)

    first = repeat(store, spec)[0][spec.key]["first"]

    assert first["step"] == step
    assert first["what"].replace("absent then", '"absent" then') == what.replace(
        "absent then", '"absent" then'
    )


def test_weights_that_differ_are_found_though_every_evaluation_agrees(store):
    spec = tiny("ppo")
    run(spec, Job(store.root))
    edit_result(store, spec, lambda result: result.update(weights="0" * 64))

    first = repeat(store, spec)[0][spec.key]["first"]

    assert first["step"] == spec.steps
    assert first["what"].startswith("after training: weights 000000000000 then, ")


def test_a_run_that_learned_otherwise_is_found_where_training_first_told(store):
    spec = tiny("ppo")
    run(spec, Job(store.root))
    edit_result(store, spec, lambda result: result.update(weights="0" * 64))
    edit(store, spec, "train.jsonl", lambda rows: rows.insert(0, rows[0] | {"step": 64}))

    first = repeat(store, spec)[0][spec.key]["first"]

    assert first == {"step": 64, "what": "training: step 64 then, 256 now"}


def test_another_number_of_threads_is_named_as_a_difference_of_the_machine(store, monkeypatch):
    spec = tiny("random")
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    run(spec, Job(store.root))
    edit(store, spec, "evals.jsonl", lambda rows: rows[0]["returns"].__setitem__(0, -1.0))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    found, account = repeat(store, spec)

    assert found[spec.key]["changed"] == {"threads.OMP_NUM_THREADS": ["2", "1"]}
    assert "changed since: threads.OMP_NUM_THREADS: 2 then, 1 now" in account[1]


def test_what_an_older_version_did_not_record_is_said_not_guessed(store):
    spec = tiny("random")
    run(spec, Job(store.root))
    edit_result(store, spec, lambda result: result["machine"].pop("simd"))

    certificate = repeat(store, spec)[0][spec.key]

    assert certificate["not_recorded_then"] == ["simd"]
    assert certificate["changed"] == {}


def test_what_the_code_and_the_device_were_is_compared(store):
    spec = tiny("random")
    run(spec, Job(store.root))

    def other(result):
        result["device"] = "cuda:0"
        result["git"] = {"commit": "0123abc", "dirty": False}
        result["sources"] |= {"harness.train.run": "0" * 16, "harness.only_then": "1" * 16}

    edit_result(store, spec, other)

    changed = repeat(store, spec)[0][spec.key]["changed"]

    assert changed["device"] == ["cuda:0", "cpu"]
    assert changed["git.commit"][0] == "0123abc"
    assert [name for name in changed if name.startswith("sources.")] == [
        "sources.harness.train.run"
    ]
    assert changed["sources.harness.train.run"][0] == "0" * 16


def test_a_variable_that_picks_kernels_is_recorded(store, monkeypatch):
    spec = tiny("random")
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    run(spec, Job(store.root))

    machine = json.loads(files(store, spec, "result.json"))["machine"]

    assert machine["dispatch"]["MKL_CBWR"] == "COMPATIBLE"
    assert machine["dispatch"]["OPENBLAS_CORETYPE"] == "Haswell"


# What cannot be repeated --------------------------------------------------------------------------


def older(spec):
    return spec.model_copy(update={"agent_version": 99})


@pytest.mark.parametrize(
    ("change", "result", "why"),
    [
        (older, {}, "random was version 99 and is version 1"),
        (lambda spec: spec.model_copy(update={"card": {"id": "x"}}), {}, "the card of CartPole-v1"),
        (lambda spec: spec.model_copy(update={"agent": "gone"}), {}, "unknown agent 'gone'"),
        (lambda spec: spec.model_copy(update={"hparams": {"a": 1}}), {}, "hyper-parameters"),
        (lambda spec: spec, {"packages": {"numpy": "1.0"}}, "numpy was 1.0 and is"),
        (lambda spec: spec, {"key": "0" * 16}, "read in another way"),
    ],
)
def test_a_run_of_another_version_cannot_be_repeated_and_is_not_called_different(
    store, change, result, why
):
    spec = change(tiny("random"))
    fake_store.write_run(store, spec, lambda *of: [1.0] * of[3], result={"packages": {}} | result)
    folder = store.folder(spec)
    folder = folder.rename(folder.with_name(result.get("key", spec.key)))

    sample = verify.draw([Case(run_files.spec(folder), folder)], "100%", 0)
    found = verify.repeat(sample, store, pytest.fail)
    account = list(verify.account(sample, found))

    assert found == {}
    assert not verify.all_equal(found)
    assert account[0] == "0 of 1 runs were repeated, 0 of them bit for bit"
    assert account[1].startswith("1 cannot be repeated because ") and why in account[1]


def test_a_package_that_the_run_did_not_have_keeps_nothing_from_being_repeated():
    spec = tiny("random")
    packages = {"numpy": "not installed", "no longer asked": "1.0"}

    assert verify.unrepeatable(spec, {"key": spec.key, "packages": packages}) == ""


def test_a_repetition_that_fails_is_not_equal(store):
    spec = tiny("random")
    run(spec, Job(store.root))

    found, account = repeat(
        store, spec, by=lambda specs, s: fake_store.write_failure(s, specs[0], "out of memory")
    )

    assert found[spec.key]["outcome"] == "failed"
    assert not verify.all_equal(found)
    assert account[0].startswith("failed when repeated: ") and "out of memory" in account[0]


def test_what_was_compared_before_an_interruption_is_certified(store):
    specs = [tiny("random", seed) for seed in (0, 1)]
    for spec in specs:
        run(spec, Job(store.root))

    def interrupted(specs, scratch):
        train(specs[:1], scratch)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repeat(store, *specs, by=interrupted)

    assert store.status(specs[0]).certificate["outcome"] == "equal"
    assert store.status(specs[1]).certificate is None
    assert not list(store.root.glob(".verify.*"))


def test_a_run_that_is_trained_anew_loses_its_certificate(store):
    spec = tiny("random")
    store.folder(spec).mkdir(parents=True)
    (store.folder(spec) / CERTIFICATE).write_text("{}")

    Record(store.folder(spec), spec)

    assert store.status(spec).certificate is None


# Samples ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """150 finished runs of 5 arms in 3 environments."""
    store, sweep = store_at(tmp_path_factory.mktemp("many")), fake_store.sweep()
    fake_store.write_sweep(store, sweep)
    return [Case(spec, store.folder(spec)) for spec in sweep.runs]


@pytest.fixture
def many(written, monkeypatch):
    monkeypatch.setattr(verify, "unrepeatable", lambda spec, result: "")
    return written


@pytest.mark.parametrize(
    ("size", "n", "of_each"),
    [("10%", 15, {1}), ("1%", 2, {1}), ("20", 20, {1, 2}), ("100%", 150, {10}), ("999", 150, {10})],
)
def test_a_sample_is_spread_over_arms_and_environments(many, size, n, of_each):
    chosen = verify.draw(many, size, 0).chosen

    assert len({case.spec.key for case in chosen}) == n
    assert set(Counter((c.spec.arm, c.spec.env) for c in chosen).values()) == of_each


def test_a_seed_draws_the_same_runs_again_and_another_draws_others(many):
    assert verify.draw(many, "10%", 3) == verify.draw(many, "10%", 3)
    assert verify.draw(many, "10%", 3).chosen != verify.draw(many, "10%", 4).chosen


@pytest.mark.parametrize("size", ["0", "0%", "101%", "ten", "1.5", "-1", ""])
def test_a_size_that_is_none_is_refused(many, size):
    with pytest.raises(UserError, match="not a share such as 10%"):
        verify.draw(many, size, 0)


# The report ---------------------------------------------------------------------------------------

EQUAL = {"outcome": "equal", "changed": {}}
CHANGED = {"outcome": "equal", "changed": {"cpu": ["A", "B"]}}
OTHER = {"outcome": "differs", "changed": {"threads.OMP_NUM_THREADS": ["2", "1"]},
         "first": {"step": 2000, "what": "evaluation: returns.1 9.0 then, 8.0 now"}}  # fmt: skip
FAILED = {"outcome": "failed", "error": "killed"}


def page(store, certificates):
    sweep = fake_store.sweep(("ppo", "rnd"), ("DeepSea-20",), 3)
    fake_store.write_sweep(store, sweep)
    for spec, certificate in zip(sweep.runs, certificates, strict=False):
        fake_store.write_certificate(store, spec, **certificate)
    return report(store, sweep)


@pytest.mark.parametrize(
    ("certificates", "line"),
    [
        ([EQUAL, EQUAL], "2 of 6 runs were repeated bit for bit in fresh processes (`harness "
                         "verify`): every evaluation and the weights' hash compared.\n"),
        ([EQUAL, OTHER, FAILED], "3 of 6 runs were repeated in fresh processes (`harness verify`): "
                                 "every evaluation and the weights' hash compared: 1 bit for bit, "
                                 "1 with other numbers, 1 failed.\n"),
        ([CHANGED], "compared. Equal although these had changed: cpu.\n"),
    ],
)  # fmt: skip
def test_the_report_tells_how_many_runs_were_repeated(store, certificates, line):
    assert line in page(store, certificates)


def test_the_report_warns_of_runs_that_gave_other_numbers(store):
    text = page(store, [EQUAL, OTHER])

    assert (
        "> **Warning.** 1 of 2 repeated runs did not give the same numbers again. ppo on "
        "DeepSea-20, seed 1: first at step 2,000 (evaluation: returns.1 9.0 then, 8.0 now); "
        "changed: threads.OMP_NUM_THREADS."
    ) in text


def test_a_report_of_runs_that_nobody_repeated_says_nothing_of_it(store):
    assert "repeated" not in page(store, [])


# The command --------------------------------------------------------------------------------------

SWEEP = """\
name: again
question: Does it come out the same?
envs: [CartPole-v1]
seeds: 2
steps: 600
evaluation: {every: 300, episodes: 2, final_episodes: 3}
arms:
  random: {agent: random}
  ppo: {agent: ppo, hparams: {n_envs: 2, n_steps: 64, batch_size: 32, n_epochs: 2}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("again")
    (path / "again.yaml").write_text(SWEEP)
    typed("sweep", "again.yaml", cwd=path)
    return path


def test_a_sweep_is_verified_by_a_sample_and_its_report_says_so(folder):
    out = typed("verify", "again", "--sample", "50%", cwd=folder)

    assert "2/2 runs" in out
    assert "2 of 4 runs were repeated, 2 of them bit for bit" in out
    certificate = json.loads((folder / "results/sweeps/again/certificate.json").read_text())
    assert certificate["repeated"] == {"equal": 2}
    assert {run["arm"] for run in certificate["repetitions"]} == {"random", "ppo"}
    typed("report", "again", cwd=folder)
    text = (folder / "results/sweeps/again/report/report.md").read_text()
    assert "2 of 4 runs were repeated bit for bit" in text
    assert "different machines" not in text


def test_a_run_is_verified_by_its_key_and_a_tampered_one_is_found(folder):
    spec = next((folder / "results/runs/ppo").glob("*/*/spec.json"))
    path = spec.parent / "evals.jsonl"
    before = path.read_text()
    rows = [json.loads(line) for line in before.splitlines()]
    rows[1]["lengths"][0] += 1
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    fake_store.seal(spec.parent)

    out = typed("verify", spec.parent.name, cwd=folder, code=1)

    path.write_text(before)
    fake_store.seal(spec.parent)
    assert "first at step 300: evaluation: lengths.0" in out
    assert json.loads((spec.parent / CERTIFICATE).read_text())["outcome"] == "differs"
    assert "1 of them bit for bit" in typed("verify", str(spec.parent), cwd=folder)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verify", "agein"], "Did you mean 'again'?"),
        (["verify", "0123456789abcdef"], "no run '0123456789abcdef' in results"),
        (["verify", "again", "--sample", "ten"], "not a share such as 10%"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(folder, words, message):
    out = typed(*words, cwd=folder, code=2)

    assert message in out
    assert "Traceback" not in out
