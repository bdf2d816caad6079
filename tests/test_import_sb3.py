"""What Stable-Baselines3 itself writes, imported and reported."""

from __future__ import annotations

import csv

import pytest
from command import typed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Monitor and event files of two tiny runs of PPO."""
    pytest.importorskip("tensorboard")
    import gymnasium as gym
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import EvalCallback
    from stable_baselines3.common.monitor import Monitor

    folder = tmp_path_factory.mktemp("sb3")
    for seed in (0, 1):
        env = Monitor(gym.make("CartPole-v1"), str(folder / "monitors" / f"ppo_{seed}" / "m"))
        agent = PPO("MlpPolicy", env, n_steps=128, batch_size=64, n_epochs=1, seed=seed,
                    tensorboard_log=str(folder / "events"))  # fmt: skip
        judge = EvalCallback(Monitor(gym.make("CartPole-v1")), eval_freq=128, n_eval_episodes=2,
                             verbose=0)  # fmt: skip
        agent.learn(384, callback=judge, tb_log_name=f"seed{seed}")
    return folder


def scores(folder, name):
    with (folder / f"results/sweeps/{name}/report/scores.csv").open() as file:
        return list(csv.DictReader(file))


def test_monitor_files_are_the_training_that_sb3_reads_in_them(logs):
    from stable_baselines3.common.monitor import load_results

    typed("import", "monitors", "--as", "monitors", "--run", "{arm}_{seed}", cwd=logs)

    for row in scores(logs, "monitors"):
        episodes = load_results(str(logs / "monitors" / f"ppo_{row['seed']}"))
        assert float(row["final"]) == pytest.approx(episodes.r.tail(100).mean())
        assert int(row["steps"]) == episodes.l.sum()
        assert row["env"] == "CartPole-v1"


@pytest.mark.parametrize("tag", ["rollout/ep_rew_mean", "eval/mean_reward"])
def test_event_files_are_reported_by_their_tag(logs, tag):
    name = tag.partition("/")[0]

    typed("import", "events", "--as", name, "--tag", tag, "--arm", "ppo", "--env", "CartPole-v1",
          "--run", "seed{seed}_*", cwd=logs)  # fmt: skip

    rows = scores(logs, name)
    assert [row["seed"] for row in rows] == ["0", "1"]
    assert {row["steps"] for row in rows} == {"384"} and all(float(row["final"]) for row in rows)
    text = (logs / f"results/sweeps/{name}/report/report.md").read_text()
    assert ("They are returns of training episodes" in text) == (name == "rollout")
