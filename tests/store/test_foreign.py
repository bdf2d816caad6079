"""Files of other programs: what is read of them, and what is told of what cannot be."""

from __future__ import annotations

import sys

import foreign
import pytest
from foreign import monitor, table, taken

from harness.config.strict import UserError
from harness.store.foreign.monitor import rolling

ROW = "a,CartPole-v1,0,100,1.5"


def curve(run):
    return [(score.step, score.mean) for score in run.scores]


def test_a_table_of_curves_is_read_run_by_run(tmp_path):
    path = table(tmp_path / "s.csv", ROW, "a,CartPole-v1,0,200,2", "b,ALE/Pong-v5,7,100,-3e0")

    first, second = taken(path)

    assert (first.whose.arm, first.whose.env, first.whose.seed, curve(first)) == (
        "a", "CartPole-v1", 0, [(100, 1.5), (200, 2.0)],
    )  # fmt: skip
    assert (second.whose.arm, second.whose.env, second.whose.seed, curve(second)) == (
        "b", "ALE/Pong-v5", 7, [(100, -3.0)],
    )  # fmt: skip


def test_a_row_a_run_needs_no_step_and_an_option_stands_for_a_column(tmp_path):
    path = table(tmp_path / "s.csv", "0,1.5", "1,2", head="seed,return\n")

    assert [curve(run) for run in taken(path, arm="a", env="E-v0")] == [[(0, 1.5)], [(0, 2.0)]]


def test_columns_may_be_called_otherwise_and_settings_are_kept(tmp_path):
    head = "arm,env,seed,global_step,eval_return,hparams.lr,hparams.net.act\n"
    path = table(tmp_path / "s.csv", f"{ROW},3e-4,tanh", head=head)

    (run,) = taken(path, columns={"step": "global_step", "return": "eval_return"})

    assert run.hparams == {"lr": 3e-4, "net.act": "tanh"} and run.score == "eval_return"


@pytest.mark.parametrize(
    ("head", "lines", "told"),
    [
        ("", [ROW, "a,CartPole-v1,1,100,"], "s.csv:3: return: empty: fill it in, or drop the row"),
        ("", ["a,CartPole-v1,0,100,n/a"], "s.csv:2: return: 'n/a' is not a number"),
        ("", ["a,CartPole-v1,0,100,nan"], "s.csv:2: return: nan is not a finite number"),
        ("", ["a,CartPole-v1,0.5,100,1"], "s.csv:2: seed: 0.5 is not a whole number"),
        ("", [ROW, "a,CartPole-v1,0,50,1"], "s.csv:3: step: step 50 of a on CartPole-v1, seed 0 "
         "after step 100 (line 2): sort the rows"),
        ("", [ROW, ROW], "s.csv:3: step: a second row of step 100 of a on CartPole-v1, seed 0 (the "
         "first: line 2): a run has one score a step, and a second run a seed of its own"),
        ("", ["a,CartPole-v1,0,-1,1"], "s.csv:2: step: -1 is below 0"),
        ("", ["a b,CartPole-v1,0,1,1"], "s.csv:2: arm: 'a b' is no label of an arm: no spaces"),
        ("", ["a|b,CartPole-v1,0,1,1"], "s.csv:2: arm: 'a|b' is no label of an arm: '|' would be"),
        ("", [",CartPole-v1,0,1,1"], "s.csv:2: arm: empty"),
        ("", ["a,Cart Pole,0,1,1"], "s.csv:2: env: 'Cart Pole' is no name of an environment"),
        ("", ["a,CartPole-v1,0,1"], "s.csv:2: 4 cells where the head has 5"),
        ("", [], "s.csv: no row below the head"),
        ("arm,env,seed,step,score\n", [ROW], "s.csv:1: no column 'return': name it with --column"),
        ("arm,seed,step,return\n", ["a,0,1,1"], "or give --env"),
        ("arm,env,seed,step,return,lr\n", [ROW + ",1"], "s.csv:1: lr: unknown column: call it "
         "hparams.lr if it is a setting"),
        ("arm,env,seed,return,return\n", [ROW], "s.csv:1: two columns are called 'return'"),
        ("arm;env;seed;step;return\n", ["a;E;0;1;1"], "separated by commas: save it with commas"),
        ("seed,return\n", ["0,1", "0,2"], "a second row of it of a on E-v0, seed 0"),
        ("arm,env,seed,step,return,hparams.lr\n", [ROW + ",1", "a,CartPole-v1,0,200,1,2"],
         "s.csv:3: hparams.lr: '2' where line 2 of the run has '1'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_told_with_its_line_column_and_way_out(
    tmp_path, head, lines, told
):
    path = table(tmp_path / "s.csv", *lines, **({"head": head} if head else {}))
    fixed = {"arm": "a", "env": "E-v0"} if head == "seed,return\n" else {}

    with pytest.raises(UserError) as caught:
        taken(path, **fixed)

    assert told in str(caught.value)


def test_a_column_and_an_option_for_the_same_are_one_too_many(tmp_path):
    with pytest.raises(UserError, match=r"s.csv:1: arm: a column of it, and --arm for all"):
        taken(table(tmp_path / "s.csv", ROW), arm="b")


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    path = table(tmp_path / "s.csv", "a,CartPole-v1,0,100,x", "a,CartPole-v1,1,100,y")

    with pytest.raises(UserError) as caught:
        taken(path)

    assert len(caught.value.problems) == 2


# Stable-Baselines3 -------------------------------------------------------------------------------


def test_a_monitor_is_the_mean_of_the_last_100_training_episodes_at_even_steps(tmp_path):
    monitor(tmp_path / "ppo_3" / "monitor.csv", ((i, 10, i) for i in range(400)))

    (run,) = taken(tmp_path, pattern="{arm}_{seed}")

    assert (run.whose.arm, run.whose.env, run.whose.seed) == ("ppo", "CartPole-v1", 3)
    assert [score.step for score in run.scores[:2]] == [50, 100] and len(run.scores) == 80
    assert curve(run)[0] == (50, 2.0)  # of the first five episodes
    assert curve(run)[-1] == (4000, 349.5)  # of the last 100
    assert run.scores[-1].returns == tuple(map(float, range(300, 400)))


def test_the_monitors_of_one_folder_are_the_environments_of_one_run_in_the_order_of_time(tmp_path):
    monitor(tmp_path / "a" / "0.monitor.csv", [(1, 5, 1.0), (3, 5, 3.0)])
    monitor(tmp_path / "a" / "1.monitor.csv", [(2, 5, 1.0)], start=1_700_000_001.0)

    (run,) = taken(tmp_path, pattern="{arm}", seed=0)

    assert run.scores[-1].returns == (1.0, 2.0, 3.0) and run.scores[-1].step == 15


LATER = 1_700_000_100.0
MIXED = {  # files, and what is told of them
    "one after the other": ({"0": {}, "1": {"start": LATER}}, "1.monitor.csv:1: t_start: it begins "
                            "when 0.monitor.csv had ended, as environments of one run do not"),
    "of two environments": ({"0": {}, "1": {"env": "Acrobot-v1"}}, "1.monitor.csv:1: env_id: "
                            "Acrobot-v1, and CartPole-v1 in 0.monitor.csv: give each run a folder"),
}  # fmt: skip


@pytest.mark.parametrize("what", MIXED)
def test_monitors_of_a_folder_that_are_not_of_one_run_are_refused(tmp_path, what):
    files, told = MIXED[what]
    for name, facts in files.items():
        monitor(tmp_path / "a" / f"{name}.monitor.csv", [(1, 5, 1.0), (2, 5, 2.0)], **facts)

    with pytest.raises(UserError) as caught:
        taken(tmp_path, pattern="{arm}", seed=0)

    assert told in str(caught.value)


def test_a_monitor_to_which_another_training_was_added_is_refused(tmp_path):
    monitor(tmp_path / "a" / "monitor.csv", [(1, 5, 1.0), (9, 5, 2.0), (1, 5, 0.5)])

    with pytest.raises(UserError, match=r"monitor.csv:5: t: 0.5 after 2: another training was ad"):
        taken(tmp_path, pattern="{arm}", seed=0)


def test_a_pattern_of_files_makes_each_monitor_a_run(tmp_path):
    for seed in (0, 1):
        monitor(tmp_path / f"{seed}.monitor.csv", [(seed, 5, 1.0)])

    found = taken(tmp_path, arm="a", pattern="{seed}.monitor.csv")

    assert [run.whose.seed for run in found] == [0, 1]


@pytest.mark.parametrize(
    ("folder", "names", "told"),
    [
        ("ppo_x", {"pattern": "{arm}_{seed}"}, "'ppo_x' does not read --run '{arm}_{seed}'"),
        ("ppo", {"pattern": "{arm}"}, "nothing tells the seed of the run 'ppo': give --seed N"),
        ("ppo", {"pattern": "{who}"}, "'{who}' is no part: a pattern has {arm}, {env}, {seed}"),
        ("ppo", {"table": {"pppo": {}}}, "the table of --names has no run 'ppo'. Did you mean"),
    ],
)
def test_a_run_whose_name_does_not_say_whose_it_is_is_told_with_the_way_out(
    tmp_path, folder, names, told
):
    monitor(tmp_path / folder / "monitor.csv", [(1, 5, 1.0)])

    with pytest.raises(UserError) as caught:
        taken(tmp_path, **names)

    assert told in str(caught.value)


def test_two_runs_of_one_seed_are_refused(tmp_path):
    for name in ("a_0", "b_0"):
        monitor(tmp_path / name / "monitor.csv", [(1, 5, 1.0)])

    with pytest.raises(UserError, match=r"two runs are ppo on CartPole-v1, seed 0"):
        taken(tmp_path, arm="ppo", pattern="*_{seed}")


def test_a_file_that_is_no_monitor_is_told(tmp_path):
    table(tmp_path / "monitor.csv", "1,2,3", head="r,l,t\n")

    with pytest.raises(UserError, match=r"monitor.csv:1: no monitor file"):
        taken(tmp_path, arm="a", env="E-v0", seed=0)


# TensorBoard -------------------------------------------------------------------------------------


@pytest.fixture
def events(tmp_path):
    """Event files of two runs."""
    pytest.importorskip("tensorboard")
    for seed in (0, 1):
        means = [(step, step / 64 + seed) for step in (2048, 4096)]
        foreign.events(tmp_path / f"PPO_{seed}", {"rollout/ep_rew_mean": means, "loss": [(1, 1.0)]})
    return tmp_path


def test_a_tag_of_event_files_is_a_curve(events):
    found = taken(events, tag="rollout/ep_rew_mean", env="CartPole-v1", pattern="{arm}_{seed}")

    assert [curve(run) for run in found] == [
        [(2048, 32.0), (4096, 64.0)], [(2048, 33.0), (4096, 65.0)],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("", "which tag? Give --tag. Known: loss"),
        ("los", "no tag 'los'. --tag rollout/ep_rew_mean?"),
    ],
)
def test_a_tag_that_is_not_there_is_told_with_those_that_are(events, tag, told):
    with pytest.raises(UserError) as caught:
        taken(events, tag=tag, env="CartPole-v1", pattern="{arm}_{seed}")

    assert told in str(caught.value)


def test_without_tensorboard_it_is_said_what_to_install(events, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing", None)
    for name in [name for name in sys.modules if name.startswith("tensorboard.backend.event_p")]:
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(UserError, match=r"pip install 'rl-ablation-harness\[import\]'"):
        taken(events, tag="loss", env="CartPole-v1", pattern="{arm}_{seed}")


def test_a_folder_with_two_kinds_of_files_asks_which(events):
    monitor(events / "PPO_0" / "monitor.csv", [(1, 5, 1.0)])

    with pytest.raises(UserError, match="choose, --format monitor or --format tensorboard"):
        taken(events)


# Trackers ----------------------------------------------------------------------------------------

CHART = (
    '"Step","ppo__0 - eval/return","ppo__0 - eval/return__MIN","ppo__0 - eval/return__MAX",'
    '"ppo__1 - eval/return","ppo__1 - eval/return__MIN","ppo__1 - eval/return__MAX"\n'
)


def test_a_chart_of_wandb_has_a_column_for_each_run_with_gaps(tmp_path):
    lines = (
        '"100","1","1","1","","",""',
        '"120","","","","2","2","2"',
        '"200","3","3","3","","",""',
    )
    path = table(tmp_path / "w.csv", *lines, head=CHART)

    first, second = taken(path, env="E-v0", pattern="{arm}__{seed}")

    assert (first.whose.seed, first.score) == (0, "eval/return")
    assert curve(first) == [(100, 1.0), (200, 3.0)]
    assert (second.whose.seed, curve(second)) == (1, [(120, 2.0)])


def test_a_history_of_wandb_is_a_file_for_each_run(tmp_path):
    head = ",_step,_runtime,_timestamp,global_step,eval/return,loss\n"
    for seed in (0, 1):
        name = tmp_path / f"ppo_{seed}.csv"
        table(name, "0,0,1.0,2.0,100,5,", "1,1,1.5,2.5,200,,0.1", "2,2,2.0,3.0,300,7,", head=head)

    found = taken(tmp_path, tag="eval/return", columns={"step": "global_step"}, env="E-v0",
                  pattern="{arm}_{seed}")  # fmt: skip

    assert [curve(run) for run in found] == [[(100, 5.0), (300, 7.0)]] * 2


def test_metrics_that_are_not_chosen_are_told(tmp_path):
    head = '"Step","a - r","a - r__MIN","a - r__MAX","a - l","a - l__MIN","a - l__MAX"\n'
    path = table(tmp_path / "w.csv", '"1","1","1","1","2","2","2"', head=head)

    with pytest.raises(UserError, match=r"which metric is the score\? Give --tag. It has r, l"):
        taken(path, arm="a", env="E-v0", seed=0)
    assert curve(taken(path, tag="l", arm="a", env="E-v0", seed=0)[0]) == [(1, 2.0)]


def test_the_metrics_page_of_mlflow_is_read_by_run_with_a_table_of_names(tmp_path):
    head = "run_id,key,value,step,timestamp\n"
    path = table(tmp_path / "metrics.csv", "f00,ret,1.5,100,17", "f00,ret,2,200,18",
                 "ba5,ret,7,100,17", head=head)  # fmt: skip
    names = {"f00": {"arm": "a", "env": "E-v0", "seed": "0"},
             "ba5": {"arm": "b", "env": "E-v0", "seed": "0"}}  # fmt: skip

    first, second = taken(path, table=names)

    assert (first.whose.arm, curve(first)) == ("a", [(100, 1.5), (200, 2.0)])
    assert (second.whose.arm, curve(second)) == ("b", [(100, 7.0)])


# The columns of `mlflow.search_runs().to_csv(file, index=False)`, mlflow 3.17.2.
MLFLOW = (
    "run_id,experiment_id,status,artifact_uri,start_time,end_time,metrics.eval_return,"
    "params.seed,params.algo,tags.mlflow.user,tags.mlflow.runName\n"
)
TIMES = "2026-11-29 23:44:20.119000+00:00,2026-11-29 23:44:20.185000+00:00"


def test_the_runs_of_mlflow_have_one_score_each_and_their_parameters(tmp_path):
    row = f"f00,765,FINISHED,file:///a/artifacts,{TIMES},1.5,3,ppo,me,loud-owl-1"
    path = table(tmp_path / "runs.csv", row, head=MLFLOW)
    columns = {"arm": "params.algo", "seed": "params.seed"}

    (run,) = taken(path, tag="eval_return", columns=columns, env="E-v0")

    assert (run.whose.arm, run.whose.seed, curve(run)) == ("ppo", 3, [(0, 1.5)])
    assert run.hparams == {"algo": "ppo", "seed": 3}


def test_a_run_of_mlflow_that_failed_has_no_final_score(tmp_path):
    row = f"f00,765,FAILED,file:///a/artifacts,{TIMES},1.5,3,ppo,me,ppo_3"
    path = table(tmp_path / "runs.csv", row, head=MLFLOW)

    with pytest.raises(UserError, match=r"runs.csv:2: status: FAILED: its last value is no final"):
        taken(path, env="E-v0", pattern="{arm}_{seed}")


def test_what_is_nothing_that_could_be_imported_is_told(tmp_path):
    with pytest.raises(UserError, match="no such file or folder"):
        taken(tmp_path / "gone")
    with pytest.raises(UserError, match="there is nothing to import"):
        taken(tmp_path)
    (tmp_path / "s.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="not UTF-8"):
        taken(tmp_path / "s.csv")


def test_a_pattern_adds_what_the_table_of_names_leaves_open_and_a_slip_is_one_line(tmp_path):
    monitor(tmp_path / "loud-owl_3" / "monitor.csv", [(1, 5, 1.0)])

    (run,) = taken(tmp_path, table={"loud-owl_3": {"arm": "ppo"}}, pattern="*_{seed}")
    assert (run.whose.arm, run.whose.seed) == ("ppo", 3)

    with pytest.raises(UserError) as caught:
        taken(tmp_path, pattern="{arm}/{seed}")
    assert len(caught.value.problems) == 1


def test_every_episode_that_cleanrl_logs_is_read_as_a_monitor_is(tmp_path):
    pytest.importorskip("tensorboard")
    episodes = [(100 * (i // 2), float(i)) for i in range(2, 402)]  # two end at each step
    foreign.events(tmp_path / "E-v0__ppo__1__170", {"charts/episodic_return": episodes})

    (run,) = taken(tmp_path, tag="charts/episodic_return", pattern="{env}__{arm}__{seed}__*")

    assert (run.whose.arm, run.whose.env, run.whose.seed) == ("ppo", "E-v0", 1)
    assert len(run.scores) <= 101 and run.scores[-1] == (20_000, 351.5, tuple(range(302, 402)))


def test_episodes_that_end_at_the_last_step_are_one_score():
    scores = rolling([(100, 1.0), (200, 2.0), (200, 4.0), (200, 5.0)])

    assert [(score.step, score.mean) for score in scores] == [(100, 1.0), (200, 3.0)]


def test_a_single_event_file_is_a_run(events):
    (file,) = (events / "PPO_0").iterdir()

    (run,) = taken(file, tag="rollout/ep_rew_mean", arm="a", env="E-v0", seed=0)

    assert curve(run) == [(2048, 32.0), (4096, 64.0)]


def test_a_tag_chooses_event_files_where_there_are_monitors_too(events):
    monitor(events / "PPO_0" / "monitor.csv", [(1, 5, 1.0)])

    found = taken(events, tag="rollout/ep_rew_mean", env="E-v0", pattern="{arm}_{seed}")

    assert len(found) == 2
