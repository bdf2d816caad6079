"""The command line, as a user types it."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from command import typed

from harness.train.executors import EXECUTORS

SWEEP = """\
name: cli
question: Does the command line work?
envs: [CartPole-v1]
seeds: 6
steps: 600
evaluation: {every: 300, episodes: 2, final_episodes: 3}
arms:
  random: {agent: random}
  pid: {agent: pid}
claims: [pid > random on CartPole-v1 by final]
"""


def harness(*words, cwd, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "harness", *words], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working directory that is not the checkout, with one finished sweep."""
    path = tmp_path_factory.mktemp("anywhere")
    (path / "cli.yaml").write_text(SWEEP)
    assert "results/sweeps/cli/report/report.md" in typed("sweep", "cli.yaml", cwd=path)
    return path


def test_the_same_command_again_trains_nothing(folder):
    before = sorted(folder.glob("results/runs/**/attempts.jsonl"))
    times = [path.stat().st_mtime_ns for path in before]

    assert "12 runs are finished already" in typed("sweep", "cli.yaml", cwd=folder)

    assert [path.stat().st_mtime_ns for path in before] == times


def test_a_sweep_that_is_stopped_early_has_as_many_seeds_of_every_arm(folder, monkeypatch):
    begun = []

    def stop_after_four(specs, job, workers, tick):
        begun.extend((spec.seed, spec.arm) for spec in specs[:4])
        raise KeyboardInterrupt

    monkeypatch.setitem(EXECUTORS, "serial", stop_after_four)

    typed("sweep", "cli.yaml", "--results", "stopped", "--executor", "serial", cwd=folder, code=130)

    assert sorted(begun) == [(0, "pid"), (0, "random"), (1, "pid"), (1, "random")]


def test_a_report_is_written_anew_from_the_store(folder):
    report = folder / "results/sweeps/cli/report/report.md"
    first = report.read_bytes()
    report.unlink()

    typed("report", "cli", cwd=folder)

    assert report.read_bytes() == first


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_path_that_no_encoding_has_is_shown_by_its_code(encoding, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)

    assert "started in \\udcff" in harness("status", "--results", b"\xff", cwd=tmp_path)


def test_status_counts_the_runs_of_each_cell(folder):
    assert re.search(r"CartPole-v1 *\n +random +6/6", typed("status", "cli", cwd=folder))
    assert re.search(r"cli +12 +12", typed("status", cwd=folder))


def test_check_shows_runs_hyperparameters_origins_and_costs_and_trains_nothing(folder):
    out = typed("check", "ablations/rnd.yaml", "--results", "elsewhere", cwd=folder)

    assert re.search(r"runs +\d+, of which 0 are finished", out)
    assert re.search(r"gae_lambda +0\.95 +\S+ +the agent's own default", out)
    assert re.search(r"DeepSea-20 +greedy +the default", out)
    assert re.search(r"MiniGrid-DoorKey-5x5-v0 +sampled +the card of MiniGrid-Door", out)
    for word in ("time", "memory", "disk", "DeepSea-20", "smallest p", "detectable effect"):
        assert word in out
    assert not (folder / "elsewhere").exists()


def test_check_says_what_a_sweep_is_worth_at_the_users_prices(folder):
    told = typed("check", "smoke", "--results", "elsewhere", "--watts", "36", "--per-hour", "3600",
                 "--workers", "1", cwd=folder)  # fmt: skip

    seconds = float(re.search(r"CPU time +about ([\d.]+) s", told)[1])
    energy = float(re.search(r"energy +about (\S+) Wh, if a busy core takes 36 W", told)[1])
    money = float(re.search(r"money +about ([\d.,]+) at 3600 an hour", told)[1].replace(",", ""))
    assert energy == pytest.approx(seconds * 0.01, rel=0.1)
    assert money == pytest.approx(seconds, rel=0.05)
    assert "money" not in typed("check", "smoke", "--results", "elsewhere", cwd=folder)


def test_check_of_a_search_shows_what_is_tried_and_what_it_costs_at_most(tmp_path):
    out = typed("check", "ppo-pendulum", "--results", "elsewhere", cwd=tmp_path)

    assert re.search(r"learning_rate +0\.0003 +0\.0001 to 0\.01, log +\S", out)
    # A trial has 6 seeds of 30,000 steps; 5 trials are run again on 5 seeds, two tested on 10.
    costs = r"^ppo +2,100,000 steps +6 +180,000 +2,100,000 +1,350,000 +about \d"
    assert re.search(costs, out, re.M)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("verb", "file", "other"),
    [
        ("sweep", "ppo-pendulum", "this is a search: run it with `harness tune ppo-pendulum`"),
        ("report", "configs/search/ppo-pendulum.yaml", "this is a search: run it with"),
        ("tune", "rnd", "this is a sweep: run it with `harness sweep rnd`"),
        ("check --anyway", "ppo-pendulum", "--anyway: ppo-pendulum is a search, and this is for"),
        ("check --set gamma=1", "ppo-pendulum", "--set: ppo-pendulum is a search, and this is"),
    ],
)
def test_a_sweep_and_a_search_are_told_apart_in_one_line(tmp_path, verb, file, other):
    out = typed(*verb.split(), file, cwd=tmp_path, code=2)

    assert other in out and len(out.splitlines()) == 1


def test_a_claim_that_no_outcome_could_support_is_refused_before_anything_trains(folder):
    (folder / "few.yaml").write_text(SWEEP.replace("seeds: 6", "seeds: 3").replace("cli", "few"))

    out = typed("sweep", "few.yaml", "--results", "refused", cwd=folder, code=2)

    assert out.startswith("few.yaml:10: claims.0: 'pid > random on CartPole-v1 by final': 3 seeds")
    assert "raise `seeds` to 6 or more" in out
    assert not (folder / "refused").exists()
    assert "Allowed by --anyway" in typed("check", "few.yaml", "--anyway", cwd=folder)


@pytest.mark.slow
def test_calibrate_measures_coverage_and_writes_its_table(folder):
    asked = ("calibrate", "--trials", "10", "--seeds", "3", "--out", "coverage.csv")
    out = typed(*asked, cwd=folder)

    assert re.search(r"P\(improvement\) +5 +\d\.\d{3}", out)
    first, *rows = (folder / "coverage.csv").read_text().splitlines()
    assert first == "statistic,seeds,tasks,scores,coverage,printed,trials"
    assert len(rows) > 200 and all(row.endswith(",10") for row in rows)
    assert any(row.startswith("IQM,3,5,five unlike tasks,") for row in rows)

    out = typed("calibrate", "--seeds", "4", cwd=folder, code=2)
    assert "--seeds: 4 seeds are not simulated; there are 3, 5, 6" in out


def test_calibrate_env_prints_anchors_as_they_stand_in_a_card(folder):
    out = typed("calibrate-env", "MiniGrid-Unlock-v0", "--episodes", "2", "--best", cwd=folder)

    roles = re.findall(
        r"^  (\w+):\n    score: .*\n    standard_error: .*\n    episodes: 2$", out, re.M
    )
    assert roles == ["random", "reference"]
    assert 'harness calibrate-env MiniGrid-Unlock-v0 --best"' in out

    asked = ("calibrate-env", "CartPole-v1", "--episodes", "2", "--best")
    assert "CartPole-v1 is no MiniGrid task" in typed(*asked, cwd=folder, code=2)


def test_run_trains_one_run_with_its_settings(folder):
    out = typed(
        "run", "ppo", "CartPole-v1", "--seed", "3", "--steps", "512", "--set", "gamma=0.5",
        "--set", "policy_kwargs.net_arch=[8]", "--wrapper", "sticky_actions",
        "--wrapper", "{name: living_reward, amount: -1}", cwd=folder,
    )  # fmt: skip

    assert "100 evaluation episodes" in out
    (path,) = folder.glob("results/runs/ppo/CartPole-v1/*/spec.json")
    spec = json.loads(path.read_text())
    assert (spec["seed"], spec["steps"], spec["hparams"]["gamma"]) == (3, 512, 0.5)
    assert [wrapper["name"] for wrapper in spec["wrappers"]] == ["sticky_actions", "living_reward"]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("agents", ["ppo_rnd", "tabular_q"]),
        ("envs", ["CartPole-v1", "DeepSea-20", "MiniGrid-DoorKey-5x5-v0"]),
        ("wrappers", ["sticky_actions", "living_reward"]),
        ("ablations", ["ablations/rnd.yaml", "ablations/smoke.yaml"]),
        ("runs", ["random", "pid"]),
        ("costs", ["random"]),
    ],
)
def test_ls_lists(folder, what, words):
    out = typed("ls", what, cwd=folder)

    for word in words:
        assert word in out


def test_the_long_list_of_environments_says_where_its_numbers_come_from(folder):
    short, long = (typed("ls", "envs", *more, cwd=folder) for more in ((), ("--long",)))

    assert "rl-baselines3-zoo" not in short
    assert "rl-baselines3-zoo" in long


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sweep", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
        (["run", "pp", "CartPole-v1"], "unknown agent 'pp'. Did you mean 'ppo'?"),
        (["run", "ppo", "CartPole-v2"], "Did you mean 'CartPole-v1'?"),
        (["run", "ppo", "CartPole-v1", "--set", "gama=1"], "Did you mean 'gamma'?"),
        (["run", "ppo", "CartPole-v1", "--seed", "10000"], "for tuning and never report"),
        (["run", "ppo", "CartPole-v1", "--wrapper", "{name"], "--wrapper: {name: not YAML"),
        (["run", "ppo", "CartPole-v1", "--wrapper", "stiky_actions"], "'sticky_actions'?"),
        (["run", "sac_her", "PushPose-v0"], "wrapper goal_observation"),
        (["report", "clii"], "Did you mean 'cli'?"),
        (["ls", "agent"], "Did you mean 'agents'?"),
        (["sweep", "cli.yaml", "--executor", "proceses"], "Did you mean 'processes'?"),
        (["run", "random", "CartPole-v1", "--observer", "nosuchdb://x"], "--observer"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(folder, words, message):
    out = typed(*words, cwd=folder, code=2)

    assert message in out
    assert "Traceback" not in out


@pytest.mark.parametrize(
    "words", [("--executor", "{slurm: {partitio: cpu}}"), ("--observer", "nosuchdb://x")]
)
def test_wrong_options_of_training_are_told_before_anything_is_written(folder, words):
    out = typed("sweep", "cli.yaml", "--results", "untouched", *words, cwd=folder, code=2)

    assert out.count(words[0]) == 1
    assert not [*(folder / "untouched").rglob("*.json")]


def test_so_it_is_in_a_process_of_its_own(folder):
    out = harness("ls", "agent", cwd=folder, code=2)

    assert out.strip().count("\n") == 0 and "Did you mean 'agents'?" in out


def test_executors_are_listed_where_what_they_need_is_missing(folder, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no sbatch

    out = typed("ls", "executors", cwd=folder)

    assert all(name in out for name in EXECUTORS) and "cannot" not in out


def test_the_serial_executor_writes_the_same_numbers(folder):
    typed("sweep", "cli.yaml", "--executor", "serial", "--results", "serial", cwd=folder)

    table = "sweeps/cli/report/table_final.csv"
    assert (folder / "serial" / table).read_bytes() == (folder / "results" / table).read_bytes()
