"""What every learner owes the harness, asked of all of them."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch
from gymnasium.vector.utils import concatenate, create_empty_array
from probe_envs_agents import (
    Endless,
    Goals,
    GoalsOneByOne,
    Masked,
    Pair,
    PlainGoals,
    continuous,
    discrete,
)
from pydantic import BaseModel, ValidationError
from tiny import ENTRIES, each, env_of
from tiny_agents import STEPS, make, tiny

from baselines import AGENTS, split
from baselines.api import Agent, NoProgress, Task
from baselines.sb3 import ALGORITHMS, agent_class
from baselines.sb3_config import schedule
from harness import setting
from harness.config.shipped import shipped
from harness.config.strict import load
from harness.envs import card_names
from harness.seeding import untouched_rng
from harness.store.scalars import SCALARS

LEARNERS = [name for name, entry in ENTRIES.items() if entry.learns]
HPARAMS = sorted(shipped("configs/agents").glob("*.yaml"))


def observations(name, n=3, seed=5):
    env = env_of(name)()
    space = env.observation_space
    batch = [env.reset(seed=seed + i)[0] for i in range(n)]
    return concatenate(space, batch, create_empty_array(space, n))


class Diary(NoProgress):
    """Remembers what it was told, and looks at the learner at every step if given one."""

    def __init__(self, agent=None, batch=None):
        self.steps, self.logs, self.agent, self.batch = [], [], agent, batch

    def at(self, step):
        self.steps.append(step)
        if self.agent is not None:
            with untouched_rng(step):
                self.agent.predict(self.batch, deterministic=len(self.steps) % 2 == 0)

    def log(self, step, metrics):
        self.logs.append((step, metrics))


class Counted(gym.Wrapper):
    """Counts the steps of all environments that share its list."""

    def __init__(self, env, taken):
        super().__init__(env)
        self.taken = taken

    def step(self, action):
        self.taken.append(1)
        return super().step(action)


class Trained(NamedTuple):
    agent: Agent
    diary: Diary
    reported: int  # steps that were learned from
    taken: int  # by its environments


@cache
def trained(name):
    """One tiny training, which most tests look at."""
    taken, diary = [], Diary()
    agent = make(name, env=lambda: Counted(env_of(name)(), taken))
    reported = agent.learn(diary)
    return Trained(agent, diary, reported, len(taken))


def assert_equal(a, b):
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


def differ(a, b):
    return any(not np.array_equal(a[key], b[key], equal_nan=True) for key in a)


# That the same spec gives the same bytes, test_run.py asks of every agent.
@pytest.mark.parametrize("name", each(LEARNERS))
def test_learning_changes_the_weights(name):
    assert differ(trained(name).agent.weights(), make(name).weights())


@pytest.mark.parametrize("name", each(LEARNERS))
def test_another_seed_gives_other_weights(name):
    other = make(name, seed=1)
    other.learn(NoProgress())

    assert other.weights()
    assert differ(trained(name).agent.weights(), other.weights())


@pytest.mark.parametrize("name", each(LEARNERS))
def test_looking_at_the_learner_while_it_trains_does_not_change_what_it_learns(name):
    watched = make(name)
    watched.learn(Diary(watched, observations(name)))

    assert_equal(trained(name).agent.weights(), watched.weights())


@pytest.mark.parametrize("name", each(ENTRIES))
def test_the_budget_is_a_ceiling_on_the_steps_that_environments_really_take(name):
    found = trained(name)

    assert found.reported <= found.taken <= STEPS
    # Its updates wait for whole episodes; test_budget.py asks what became of the others.
    assert found.reported == found.taken or name == "ars"
    assert (found.reported > STEPS / 2) == ENTRIES[name].learns


@pytest.mark.parametrize("name", each(LEARNERS))
def test_progress_hears_of_every_step_in_order_and_of_the_last(name):
    found = trained(name)

    assert all(before < after for before, after in pairwise(found.diary.steps))
    assert found.diary.steps[-1] == found.taken


@pytest.mark.parametrize("name", each(LEARNERS))
def test_what_a_learner_logs_has_a_name_in_the_vocabulary_and_its_returns_are_there(name):
    names = {each for _, metrics in trained(name).diary.logs for each in metrics}

    assert names - set(SCALARS) == set()
    assert {"rollout/ep_rew_mean", "rollout/ep_len_mean"} <= names


@pytest.mark.parametrize("name", each(ALGORITHMS))
def test_logged_metrics_are_numbers_without_a_clock(name):
    logs = trained(name).diary.logs

    assert logs
    for _, metrics in logs:
        assert metrics and all(type(value) is float for value in metrics.values())
        assert not [key for key in metrics if key.startswith("time/")]


@pytest.mark.parametrize("name", ["ppo", "ppo_rnd", "dqn", "dqn_rnd"])
def test_the_share_of_steps_that_went_to_the_television_is_told(name):
    pressed = []

    class Remote(gym.Wrapper):
        def step(self, action):
            *seen, info = super().step(action)
            pressed.append(bool(action == 0))
            return *seen, info | {"remote": pressed[-1]}

    diary = Diary()
    agent = make(name, env=lambda: Remote(discrete()))
    agent.learn(diary)
    told = [metrics["rollout/remote"] for _, metrics in diary.logs]

    assert told == [sum(pressed) / len(pressed)]
    assert 0 < told[0] < 1


def test_nothing_is_told_of_a_television_where_there_is_none():
    assert not [1 for _, metrics in trained("ppo_rnd").diary.logs if "rollout/remote" in metrics]


def test_an_error_in_progress_ends_the_run():
    class Stop(NoProgress):
        def at(self, step):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make("dqn").learn(Stop())


@pytest.mark.parametrize("name", each(ENTRIES))
def test_a_saved_learner_acts_as_before(name, tmp_path):
    agent = trained(name).agent
    agent.save(tmp_path)
    restored = make(name, seed=9)
    restored.load(tmp_path)
    batch = observations(name, n=20)

    assert_equal(agent.weights(), restored.weights())
    for deterministic in (True, False):
        with untouched_rng(3):
            before, _ = agent.predict(batch, deterministic=deterministic)
        with untouched_rng(3):
            after, _ = restored.predict(batch, deterministic=deterministic)
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", each(ENTRIES))
def test_an_agent_whose_entry_says_that_it_samples_does_and_no_other(name):
    # What learns may explore seldom; a script draws each action, or none.
    agent, batch = trained(name).agent, observations(name, 200 if ENTRIES[name].learns else 20)

    def acted(deterministic):
        with untouched_rng(3):
            return agent.predict(batch, deterministic=deterministic)[0]

    alike = np.array_equal(acted(True), acted(False))
    if name == "world_model":  # draws latents of images; these numbers are its latents
        assert ENTRIES[name].samples and alike
    else:
        assert ENTRIES[name].samples == (not alike)


@pytest.mark.parametrize("name", each(ENTRIES))
def test_actions_are_one_for_each_observation_and_in_the_space(name):
    space = env_of(name)().action_space
    actions, _ = trained(name).agent.predict(observations(name, n=4))

    assert actions.shape == (4, *space.shape)
    assert all(space.contains(action) for action in actions)


@pytest.mark.parametrize("name", ENTRIES)
def test_the_config_survives_json(name):
    config = tiny(name)
    text = json.dumps(config.model_dump(mode="json"), allow_nan=False)

    assert type(config).model_validate(json.loads(text)) == config


@pytest.mark.parametrize("name", ENTRIES)
def test_an_unknown_hyper_parameter_is_refused(name):
    with pytest.raises(ValidationError, match="no_such_thing"):
        ENTRIES[name].load().Config(no_such_thing=1)


WRONG = [
    ("ppo", "n_steps", 2.5),
    ("ppo", "n_steps", 0),
    ("ppo", "n_envs", True),
    ("ppo", "gamma", "0.9"),
    ("ppo", "gamma", 1.5),
    ("ppo", "learning_rate", "1e-3"),
    ("ppo", "learning_rate", -1.0),
    ("ppo", "learning_rate", "lin_fast"),
    ("ppo", "use_sde", 1),
    ("ppo", "policy", "MlpLstmPolicy"),
    ("ppo", "normalize", "yes"),
    ("ppo", "policy_kwargs", {"lstm_hidden_size": 8}),
    ("ppo", "policy_kwargs", {"activation_fn": "swish"}),
    ("dqn", "policy_kwargs", {"net_arch": {"pi": [8]}}),
    ("dqn", "batch_size", None),
    ("sac", "ent_coef", "automatic"),
    ("sac", "action_noise", "normal"),
    ("td3", "train_freq", [1, "year"]),
    ("ars", "n_envs", 2),
    ("tabular_q", "bins", 0),
    ("pid", "kp", "strong"),
]


@pytest.mark.parametrize(("name", "key", "value"), WRONG)
def test_a_wrong_value_is_refused(name, key, value):
    with pytest.raises(ValidationError, match=key):
        ENTRIES[name].load().Config(**{key: value})


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("gamma", 1, 1.0),
        ("learning_rate", "lin_1e-3", "lin_0.001"),
        ("normalize", True, {"obs": True, "reward": True}),
        ("max_grad_norm", 5, 5.0),
    ],
)
def test_two_spellings_of_one_value_are_one_config(key, one, other):
    config = ENTRIES["ppo"].load().Config
    dumps = [json.dumps(config(**{key: v}).model_dump(mode="json")) for v in (one, other)]

    assert dumps[0] == dumps[1]


def assert_complete(dumped, config):
    for name in type(config).model_fields.keys() - dumped:  # it decides nothing: none may set it
        other = {key: value + 1 for key, value in getattr(config, name)}
        with pytest.raises(ValueError, match="has none"):
            type(config)(**{name: other})
    assert dumped.keys() <= type(config).model_fields.keys()
    for name in dumped:
        if isinstance(value := getattr(config, name), BaseModel):
            assert_complete(dumped[name], value)


@pytest.mark.parametrize("name", ENTRIES)
def test_every_hyper_parameter_is_in_the_spec_so_that_another_default_is_another_run(name):
    assert_complete(setting.own_defaults(name), ENTRIES[name].load().Config())


@pytest.mark.parametrize("path", HPARAMS, ids=lambda path: path.stem)
def test_shipped_hyper_parameters_fit_their_agent(path):
    assert path.stem in ENTRIES
    data = load(path).data
    config = ENTRIES[path.stem].load().Config

    config(**data.get("default", {}))
    for entry in data["envs"].values():
        config(**entry["hparams"])
        assert entry["source"]


def tuned_with_bonus(learner):
    """The environments for which the learner ships settings that a bonus takes over."""
    envs = load(shipped("configs/agents") / f"{learner}.yaml").data["envs"]
    return [env for env, tuned in envs.items() if "with_bonus" in tuned]


WITH_BONUS = [
    (name, env)
    for name, (learner, bonus) in zip(ENTRIES, map(split, ENTRIES), strict=True)
    if bonus
    for env in tuned_with_bonus(learner)
]


@pytest.mark.parametrize(("name", "env"), WITH_BONUS)
def test_shipped_hyper_parameters_fit_with_a_bonus_and_leave_the_learners_as_they_are(name, env):
    learner, _ = split(name)
    fields = ENTRIES[learner].load().Config.model_fields

    plain, bonus = (setting.resolve(each, env, []).hparams for each in (learner, name))

    assert {key: bonus[key] for key in fields} == plain


def test_a_learners_settings_count_with_a_bonus_only_where_it_says_so():
    ours = setting.own_defaults("ppo_rnd")

    assert setting.resolve("ppo", "Acrobot-v1", []).hparams["n_steps"] != ours["n_steps"]
    assert setting.resolve("ppo_rnd", "Acrobot-v1", []).hparams == ours
    assert setting.resolve("ppo_rnd", "DeepSea-7", []).hparams["int_learning_rate"] == 3e-3
    # Where the two together have an entry, it departs from the learner's.
    assert setting.resolve("recurrent_ppo_rnd", "DeepSea-10", []).hparams["n_steps"] == 100
    assert setting.resolve("recurrent_ppo_icm", "DeepSea-10", []).hparams["n_steps"] == 128


@pytest.mark.parametrize("path", HPARAMS, ids=lambda path: path.stem)
def test_shipped_hyper_parameters_are_for_environments_that_exist(path):
    names = [*card_names(), "DeepSea-20", *gym.registry]

    for pattern in load(path).data["envs"]:
        assert any(fnmatchcase(name, pattern) for name in names), pattern


def test_every_learner_has_a_shipped_file():
    assert {path.stem for path in HPARAMS} >= set(AGENTS)


def test_a_schedule_falls_linearly_to_zero_over_the_budget():
    fall = schedule("lin_1e-3")
    agent = make("ppo", learning_rate="lin_1e-3")
    agent.learn(NoProgress())

    assert [fall(1.0), fall(0.5), fall(0.0)] == [1e-3, 5e-4, 0.0]
    assert agent.model.policy.optimizer.param_groups[0]["lr"] == 0.0


def test_a_budget_below_one_rollout_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="one rollout is 20 steps"):
        make("ppo", steps=19).learn(NoProgress())


def test_ppo_is_sb3s_own_bit_for_bit():
    agent = make("ppo", steps=120)
    agent.learn(NoProgress())
    plain = stable_baselines3.PPO(
        "MlpPolicy",
        stable_baselines3.common.vec_env.DummyVecEnv([discrete, discrete]),
        n_steps=10,
        n_epochs=2,
        batch_size=10,
        policy_kwargs={"net_arch": [8]},
        seed=0,
        device="cpu",
    )
    plain.env.seed(1000)
    plain.learn(120)

    for name, value in plain.policy.state_dict().items():
        np.testing.assert_array_equal(agent.weights()[f"policy.{name}"], value.numpy())


@pytest.mark.parametrize("name", ["ppo", "dqn", "ars", "tabular_q"])
def test_environments_first_reset_with_the_environment_seed_whatever_the_agents_seed(name):
    first = []

    class Seen(gym.Wrapper):
        def reset(self, *, seed=None, options=None):
            if seed is not None:
                first.append(seed)
            return super().reset(seed=seed, options=options)

    for seed in (0, 1):
        first.clear()
        make(name, seed=seed, env=lambda: Seen(discrete())).learn(NoProgress())
        assert first == [1000, 1001][: 1 if name in ("ars", "tabular_q") else 2]


@pytest.mark.parametrize("name", ["ppo", "sac", "ars", "sac_her"])
def test_normalisation_is_learned_saved_and_frozen_outside_training(name, tmp_path):
    agent = make(name, normalize=True)
    agent.learn(NoProgress())
    before = agent.weights()
    batch = observations(name, n=20)
    agent.predict(batch)
    agent.save(tmp_path)
    restored = make(name, seed=9, normalize=True)
    restored.load(tmp_path)

    counts = [n for key, n in before.items() if re.fullmatch(r"normalize\.obs\..*count", key)]
    assert counts and min(counts) > 100
    assert_equal(before, agent.weights())
    assert_equal(before, restored.weights())
    np.testing.assert_array_equal(agent.predict(batch)[0], restored.predict(batch)[0])


def test_a_policy_sees_normalised_observations():
    agent = make("ppo", normalize={"obs": True, "reward": False})
    agent.learn(NoProgress())
    batch = observations("ppo")
    moments = agent.weights()
    shown = (batch - moments["normalize.obs.mean"]) / np.sqrt(moments["normalize.obs.var"] + 1e-8)

    with torch.no_grad():
        direct = agent.model.policy.get_distribution(torch.tensor(shown, dtype=torch.float32))
    np.testing.assert_array_equal(agent.predict(batch)[0], direct.mode().numpy())


@pytest.mark.parametrize("normalize", [False, True])
def test_masked_actions_are_never_taken(normalize):
    made = []

    def env():
        made.append(Masked())
        return made[-1]

    agent = make("maskable_ppo", env=env, normalize=normalize)
    agent.learn(NoProgress())
    masks = np.array([[True, False, False], [False, False, True]] * 10)
    with untouched_rng(0):
        actions, _ = agent.predict(
            observations("maskable_ppo", n=20), action_masks=masks, deterministic=False
        )

    assert {action for env in made for action in env.taken} == {0, 2}
    assert actions.tolist() == [0, 2] * 10


@pytest.mark.parametrize("strategy", ["future", "final", "episode"])
def test_hindsight_replays_goals_that_were_reached_and_pays_for_them(strategy):
    agent = make("sac_her", n_sampled_goal=3, goal_selection_strategy=strategy)
    agent.learn(NoProgress())
    with untouched_rng(0):
        sampled = agent.model.replay_buffer.sample(400)

    goals = sampled.observations["desired_goal"].numpy()
    place = sampled.next_observations["achieved_goal"].numpy()
    assert (goals != 2.0).sum() == 300  # 3 for each goal that was asked for
    assert sampled.rewards.numpy()[:, 0].tolist() == Goals.paid(place, goals).tolist()
    assert sampled.dones.numpy().tolist() == sampled.rewards.numpy().tolist()


@pytest.mark.parametrize("goals", [GoalsOneByOne, PlainGoals])
def test_hindsight_learns_the_same_where_an_environment_answers_for_one_goal_only(goals):
    agent = make("sac_her", env=lambda: goals(continuous()))
    agent.learn(NoProgress())

    assert_equal(agent.weights(), trained("sac_her").agent.weights())


def test_hindsight_ends_no_episode_where_no_goal_does():
    agent = make("sac_her", env=lambda: Endless(continuous()))
    agent.learn(NoProgress())
    with untouched_rng(0):
        sampled = agent.model.replay_buffer.sample(400)

    assert sampled.rewards.sum() > 0
    assert sampled.dones.sum() == 0


@pytest.mark.parametrize("name", ["learning_starts", "buffer_size"])
def test_hindsight_refuses_numbers_that_hold_no_whole_episode(name):
    def env():
        return gym.wrappers.TimeLimit(Goals(continuous()), 50)

    with pytest.raises(ValueError, match=f"{name} is 99.* 100 steps"):
        make("sac_her", env=env, **{"learning_starts": 100, "buffer_size": 100, name: 99})


def test_hindsight_refuses_rewards_that_it_cannot_pay():
    def env():
        return gym.wrappers.TransformReward(Goals(continuous()), lambda reward: reward - 1)

    with pytest.raises(ValueError, match=r"pays -1\.0, and its compute_reward 0\.0 for the same"):
        make("sac_her", env=env).learn(NoProgress())


def test_observations_in_parts_get_a_policy_that_reads_them():
    agent = make("ppo", env=Pair)
    agent.learn(NoProgress())

    assert type(agent.model.policy).__name__ == "MultiInputActorCriticPolicy"
    actions, _ = agent.predict({"place": np.zeros((2, 1)), "rest": np.zeros((2, 2))})
    assert actions.shape == (2,)


@pytest.mark.parametrize("name", ["recurrent_ppo", "recurrent_ppo_rnd"])
def test_recurrent_state_is_carried_and_ends_with_the_episode(name):
    agent = make(name)
    batch = observations(name, n=2)
    _, state = agent.predict(batch, None, np.array([True, True]))
    _, carried = agent.predict(batch, state, np.array([False, True]))
    _, fresh = agent.predict(batch, None, np.array([True, True]))

    assert not np.array_equal(carried[0][:, 0], fresh[0][:, 0])
    np.testing.assert_array_equal(carried[0][:, 1], fresh[0][:, 1])


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_hyper_parameter_is_what_the_algorithm_gets(name):
    rate = 0.0123
    model = agent_class(name)(Task(env_of(name), steps=STEPS), tiny(name, learning_rate=rate)).model

    assert model.lr_schedule(1.0) == rate
