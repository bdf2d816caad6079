"""`harness tune` as a user types it, with real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from fake_tune import FILE as FAKE
from fake_tune import facts, plan, run, trials
from typer.testing import CliRunner

from harness.cli.main import app
from harness.config.strict import UserError
from harness.search import study
from harness.store.reader import Store
from harness.sweep.expand import expand

FILE = """\
name: gains
question: Which gains hold the pole?
envs: [CartPole-v1]
steps: 200
evaluation: {every: 200, episodes: 1, final_episodes: 3}
arms:
  pid:
    agent: pid
    hparams: {kp_position: 0.0, kd_position: 0.0}
    space:
      kp: {why: Weak to strong., low: 0.1, high: 20.0, log: true}
      kd: {why: None to strong., low: 0.0, high: 4.0}
seeds: 5
budget: {trials: 3}
batch: 3
confirm: {top: 1, test_seeds: 6}
"""
SWEEP = """\
name: tuned
question: Do the tuned gains hold the pole longer?
envs: [CartPole-v1]
seeds: 1
steps: 200
base: {agent: pid}
arms:
  default: {}
  tuned: {hparams: {from: BEST}}
  tuned_but: {hparams: {from: BEST, ki: 0.5}}
"""
PATIENCE = 300.0  # seconds: this machine may be busy


def start(folder, *words):
    command = [sys.executable, "-m", "harness", "tune", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(process):
    out, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, out.decode()


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    (folder / "gains.yaml").write_text(FILE)
    code, out = finish(start(folder, "gains.yaml", "--workers", "2", "--executor", "serial"))
    assert code == 0, out
    return folder, out


@pytest.mark.slow
def test_it_says_how_far_it_is_and_where_the_best_hyper_parameters_stand(searched):
    folder, out = searched

    assert "gains.pid: trials 0 to 2; best " in out
    assert "best hyper-parameters: results/searches/gains/pid/best.yaml" in out
    assert "# Selected by the search gains.pid" in best(folder).read_text()


def best(folder):
    return folder / "results" / "searches" / "gains" / "pid" / "best.yaml"


def test_a_sweep_takes_the_winner_over_and_only_its_content_counts(tmp_path):
    of = plan(tmp_path, FAKE.replace("agent: pid\n", "agent: pid\n    hparams: {kp: 99.0}\n"))
    evidence = run(of, tmp_path)
    file = study.folder(of, Store(tmp_path)) / study.BEST
    (tmp_path / "a.yaml").write_text(SWEEP.replace("BEST", str(file.relative_to(tmp_path))))
    (tmp_path / "b.yaml").write_text(SWEEP.replace("BEST", "elsewhere.yaml"))
    (tmp_path / "elsewhere.yaml").write_bytes(file.read_bytes())

    one, other = (expand(tmp_path / name).sweep for name in ("a.yaml", "b.yaml"))

    assert [run.key for run in one.runs] == [run.key for run in other.runs]
    default, tuned, but = (run.hparams for run in one.runs)
    assert tuned == evidence.confirmation.selected.specs[0].hparams
    assert but == tuned | {"ki": 0.5} != tuned
    assert default["ki"] == 0.0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "nowhere.yaml",
            "sweep.yaml:9: arms.tuned.hparams.from: there is no .*nowhere.yaml",
        ),
        ("3", "arms.tuned.hparams.from: the path of a best.yaml"),
        ("sweep.yaml", "sweep.yaml:.*: name: unknown key 'name'"),
    ],
)
def test_a_winner_that_is_none_is_named(tmp_path, given, message):
    (tmp_path / "sweep.yaml").write_text(SWEEP.replace("BEST", given))

    with pytest.raises(UserError, match=message):
        expand(tmp_path / "sweep.yaml")


def test_what_to_search_must_be_said():
    done = CliRunner().invoke(app, ["tune", "--agent", "ppo"])

    assert done.exit_code == 2
    assert "give a search file, or --agent and --env" in done.stderr


@pytest.mark.slow
def test_the_whole_search_killed_with_its_workers_resumes_to_the_same_study(searched, tmp_path):
    (tmp_path / "gains.yaml").write_text(FILE)
    runs = tmp_path / "results" / "runs"
    for wanted in (2, 9):  # finished runs at which it dies
        process = start(tmp_path, "gains.yaml", "--workers", "2")
        deadline = time.monotonic() + PATIENCE
        while len(list(runs.glob("*/*/*/result.json"))) < wanted:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    code, out = finish(start(tmp_path, "gains.yaml", "--workers", "1"))
    assert code == 0, out

    assert best(tmp_path).read_text() == best(searched[0]).read_text()
    told = []
    for folder in (tmp_path, searched[0]):
        (of,) = study.read(folder / "gains.yaml")
        told.append(facts(trials(of, folder / "results")))
    assert told[0] == told[1]
    keys = [
        sorted(path.parent.name for path in (folder / "results" / "runs").glob("*/*/*/result.json"))
        for folder in (tmp_path, searched[0])
    ]
    assert keys[0] == keys[1]


@pytest.mark.slow
def test_one_worker_killed_costs_one_run_and_changes_nothing(searched, tmp_path):
    (tmp_path / "gains.yaml").write_text(FILE)
    process = start(tmp_path, "gains.yaml", "--workers", "2")
    deadline, victim = time.monotonic() + PATIENCE, None
    while victim is None:
        assert time.monotonic() < deadline and process.poll() is None
        for path in tmp_path.glob("results/runs/*/*/*/attempts.jsonl"):
            if "finished" not in path.read_text():
                victim = json.loads(path.read_text().splitlines()[0])["pid"]
    os.kill(victim, signal.SIGKILL)

    code, out = finish(process)

    assert code == 0, out
    assert best(tmp_path).read_text() == best(searched[0]).read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((", low: 0.1", ", low: 30.0"), "gains.yaml:11: arms.pid.space.kp: `low` must be less"),
        (("low: 0.1", "low: 0.0"), "gains.yaml:11: arms.pid.space.kp: `low` must be above 0"),
        (("      kp:", "      kpp:"), "gains.yaml:11: arms.pid.space.kpp: unknown key 'kpp'"),
        (("low: 0.0, high: 4.0", "low: 0, high: 4"), "space.kd: kd is a real number: write 0.0"),
        (("kp_position: 0.0", "kp_positio: 0.0"), "gains.yaml:9: arms.pid.hparams.kp_positio"),
        (("{trials: 3}", "{steps: 99}"), "gains.yaml:14: budget.steps: not enough for one trial"),
        (("agent: pid", "agent: pidd"), "gains.yaml:8: arms.pid.agent: unknown agent 'pidd'"),
        (("log: true}", "log: true, step: 1.0}"), "arms.pid.space.kp: `step` must be above 0, and"),
        (("seeds: 5", "seeds: five"), "gains.yaml:13: seeds: input should be a valid integer"),
        (("kd: {", "kd: {when: {k: 1}, "), "kd: depends on 'k', which is not in this space"),
        (("{top: 1,", "{noise_runs: 2, top: 1,"), "gains.yaml:16: confirm.noise_runs: the noise"),
        (("    agent: pid\n", ""), "gains.yaml:7: arms.pid: no agent: set `agent:` here"),
        (("      kd:", "      kp.x:"), "gains.yaml:12: arms.pid.space.kp.x: 'kp' is searched as a"),
        (("      kd:", "      kd..x:"), "arms.pid.space.kd..x: no name of a hyper-parameter"),
        (
            ("    space:", "    only: [kd, kd]\n    space:"),
            "arms.pid.only.1: 'kd' stands there twice",
        ),
        (("    space:", "    only: []\n    space:"), "arms.pid: nothing to search"),
        (
            ("low: 0.0, high: 4.0", "choices: [1.0, 1.0]"),
            "kd: a value stands twice among `choices`",
        ),
        (("seeds: 5", "seeds: 1000000000"), "gains.yaml:13: seeds: input should be less than"),
        (("test_seeds: 6", "test_seeds: 1000000000"), "confirm.test_seeds: input should be less"),
        (
            ("20.0, log: true}\n", "20.0, step: 1.0e-9}\n"),
            "sampler: more than 100,000 points: search less",
        ),
    ],
)
def test_what_is_wrong_with_a_search_file_is_one_line_with_the_way_out(tmp_path, change, message):
    path = tmp_path / "gains.yaml"
    text = FILE.replace(*change)
    if "sampler" in message:
        text = text.replace("high: 4.0", "high: 4.0, step: 1.0") + "sampler: grid\n"
    path.write_text(text)

    with pytest.raises(UserError) as caught:
        study.read(path)

    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


def test_mistakes_of_every_kind_in_a_search_are_told_at_once(tmp_path):
    text = FILE.replace("seeds: 5", "seeds: five\nsampeler: gp").replace("low: 0.1", "low: 30.0")
    text = text.replace("kp_position: 0.0", "kp_positio: 0.0").replace("trials: 3", "trials: .inf")
    (tmp_path / "gains.yaml").write_text(text.replace("CartPole-v1", "CartPol-v1"))

    with pytest.raises(UserError) as caught:
        study.read(tmp_path / "gains.yaml")

    assert [problem.line for problem in caught.value.problems] == [3, 9, 11, 13, 14, 15]


def test_an_arm_of_a_search_tells_wrong_ranges_beside_wrong_hyper_parameters(tmp_path):
    text = FILE.replace("low: 0.1", "low: 30.0")
    text = text.replace("kp_position: 0.0", "kp_position: 0.0, kp_odd: 1")
    (tmp_path / "gains.yaml").write_text(text)

    with pytest.raises(UserError) as caught:
        study.read(tmp_path / "gains.yaml")

    keys = [problem.key for problem in caught.value.problems]
    assert any("kp_odd" in key for key in keys)
    assert any(".space." in key for key in keys)
    assert len(set(keys)) == len(keys)


def test_a_learner_that_cannot_be_made_is_refused_before_the_search_trains(tmp_path):
    text = FILE.replace("agent: pid", "agent: ppo").replace("steps: 200", "steps: 4000")
    text = re.sub(r"hparams: .*", "hparams: {policy: CnnPolicy}", text)
    text = re.sub(r"kp: .*", "gamma: {why: Far, low: 0.9, high: 0.99}", text)
    text = re.sub(r"      kd: .*\n", "", text)
    (tmp_path / "cnn.yaml").write_text(text)

    with pytest.raises(UserError, match="CnnPolicy does not read Box"):
        study.read(tmp_path / "cnn.yaml", rehearse=True)
