"""What holds for every learner under lockstep: company and evaluation move no bit; SB3 loads it."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import gymnasium as gym
import numpy as np
import pytest
from family import some

pytest.importorskip("numba")

from baselines import AGENTS, BONUSES, LOCKSTEP, SB3, entry, takes
from baselines.api import NoProgress, Task
from baselines.state import taken

ON_POLICY = {"n_envs": 4, "n_steps": 50, "batch_size": 20, "n_epochs": 2}
OFF_POLICY = {"learning_starts": 50, "train_freq": 8, "batch_size": 16, "learning_rate": 1e-3}
OFF_POLICY |= {"buffer_size": 100, "target_update_interval": 40, "gradient_steps": 2}
SMALL_NET = {"policy_kwargs": {"net_arch": [16]}}
CURIOUS = ON_POLICY | SMALL_NET | {"int_batch_size": 80, "warmup_epochs": 2, "int_net_arch": [16]}
STEPS = 400


class Case(NamedTuple):
    agent: str
    env: str
    hparams: dict


CASES = {
    "ppo, discrete": Case("ppo", "CartPole-v1", ON_POLICY),
    "ppo, continuous": Case("ppo", "Pendulum-v1", ON_POLICY | {"normalize": True}),
    "ppo, noise by the state": Case("ppo", "Pendulum-v1", ON_POLICY | {"use_sde": True}),
    "ppo, numbers of a set": Case("ppo", "FrozenLake-v1", ON_POLICY),
    **{f"ppo_{name}": Case(f"ppo_{name}", "CartPole-v1", CURIOUS) for name in BONUSES},
    "ppo_rnd, continuous": Case("ppo_rnd", "Pendulum-v1", CURIOUS | {"normalize": True}),
    "ppo_rnd, numbers of a set": Case("ppo_rnd", "FrozenLake-v1", CURIOUS | {"int_episodic": True}),
    "dqn": Case("dqn", "CartPole-v1", OFF_POLICY),
    "dqn, several environments": Case("dqn", "CartPole-v1", OFF_POLICY | {"n_envs": 3}),
    "dqn, episodes": Case("dqn", "CartPole-v1", OFF_POLICY | {"train_freq": [1, "episode"]}),
    "dqn, numbers of a set": Case("dqn", "FrozenLake-v1", OFF_POLICY),
    "dqn_reset": Case("dqn_reset", "CartPole-v1", OFF_POLICY | {"reset_every": 100}),
    "sac": Case("sac", "Pendulum-v1", OFF_POLICY | SMALL_NET),
    "sac, noise on actions": Case(
        "sac",
        "Pendulum-v1",
        OFF_POLICY
        | SMALL_NET
        | {"n_envs": 2, "ent_coef": 0.1}
        | {"action_noise": {"type": "ornstein-uhlenbeck", "std": 0.5}},
    ),
}
# To compile SAC takes half a minute. DQN is tried in every test run, off-policy too, and of the
# bonuses RND and two others: one that is compiled, one in torch that looks at episodes.
SECOND = {name for name, case in CASES.items() if case.agent == "sac"}
SECOND |= {"ppo_icm", "ppo_rf", "ppo_disagreement", "ppo_e3b", "ppo_ride", "ppo_noveld"}
SECOND |= {"ppo_rnd, numbers of a set", "dqn, numbers of a set"}
of_every_case = pytest.mark.parametrize("name", some(CASES, but=SECOND))


def test_every_learner_that_the_engine_trains_is_tried():
    able = {name for name, entry in AGENTS.items() if entry.lockstep}
    able |= {f"{name}_{bonus}" for name in able for bonus in BONUSES if curious(name, bonus)}

    assert able == {case.agent for case in CASES.values()}


def curious(learner, bonus):
    return AGENTS[learner].lockstep.curious and takes(learner, bonus)


def made(case, seed, engine=LOCKSTEP):
    kind = entry(case.agent).under(engine).load()
    config = kind.Config.model_validate(case.hparams)
    return kind(Task(lambda: gym.make(case.env), STEPS, seed=seed, env_seed=seed), config)


class Watching:
    """Acts in the middle of learning, as evaluation does."""

    def __init__(self, agent):
        self.agent, self.due = agent, 0

    def at(self, step):
        if step >= self.due:
            self.due += 150
            np.random.seed(step)
            self.agent.predict(observations(self.agent), deterministic=step % 2 == 0)
            self.agent.weights()

    def log(self, step, metrics): ...


def observations(agent):
    space = agent.model.observation_space
    space.seed(4)
    return np.stack([np.clip(space.sample(), -2, 15) for _ in range(20)])


def learned(agent, watched=False):
    steps = agent.learn(Watching(agent) if watched else NoProgress())
    assert 0 < steps <= STEPS
    return agent.weights()


def same_bits(one, other):
    return set(one) == set(other) and all(np.array_equal(one[name], other[name]) for name in one)


SLOW = {"ppo_ngu"} | SECOND  # eight in torch at a time


@pytest.mark.parametrize(
    ("case", "company"),
    [
        pytest.param(case, company, id=f"{name}-{company}", marks=marks)
        for name, case in CASES.items()
        for company in (8, 32)
        for marks in [pytest.mark.slow] * (company == 32 or name in SLOW) or [()]
    ],
)
def test_a_seed_learns_the_same_bits_alone_and_among_others(case, company):
    alone = learned(made(case, seed=3))
    crowd = [made(case, seed) for seed in range(company)]  # SB3 seeds torch's own generator here

    with ThreadPoolExecutor(4) as pool:
        among = list(pool.map(learned, crowd))

    assert same_bits(alone, among[3])
    assert not same_bits(alone, among[4]), "another seed learns something else"


LEARN = """
import gymnasium as gym, hashlib
from baselines.api import NoProgress, Task
from baselines.lockstep.{agent} import {kind}
agent = {kind}(Task(lambda: gym.make("Pendulum-v1"), 400, seed=1), {kind}.Config({settings}))
agent.learn(NoProgress())
print(hashlib.sha256(agent.model.flat.values.tobytes()).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("agent", "settings"), [("ppo", "n_steps=100"), ("sac", "learning_starts=300")]
)
def test_a_process_that_compiles_learns_the_bits_of_one_that_reads_from_disk(
    agent, settings, tmp_path
):
    code = LEARN.format(agent=agent, kind=agent.upper(), settings=settings)
    hidden = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}

    compiled, read = (
        subprocess.check_output([sys.executable, "-c", code], env=hidden, text=True)
        for _ in range(2)
    )

    assert compiled == read and any(tmp_path.rglob("*.nbc"))


SERVER = """
import psutil, baselines.lockstep.dqn, harness.train.executors.warm
print(psutil.Process().memory_info().rss)
"""


@pytest.mark.slow
def test_the_server_of_workers_holds_no_compiler(tmp_path):
    hidden = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}

    first, later = (
        int(subprocess.check_output([sys.executable, "-c", SERVER], env=hidden, text=True))
        for _ in range(2)
    )

    assert any(tmp_path.rglob("*.nbc"))
    assert first < later + 50e6  # with what compiled it, over 100 MB more


@pytest.mark.parametrize("name", some([name for name in CASES if name[:3] != "ppo"], but=SECOND))
def test_what_a_barrier_keeps_of_a_replay_is_its_new_rows(name):
    agent = made(CASES[name], seed=1)
    agent.learn(NoProgress())

    kept = agent.kept()

    (ring,) = kept.rings.values()
    assert ring.added == agent.model.filled > 100
    assert all(array is getattr(agent.model.replay, name) for name, array in ring.arrays.items())
    rows = agent.model.replay.rewards.size
    assert rows not in [array.size for array in taken(kept).values()]


@of_every_case
def test_evaluating_changes_nothing_that_is_learned(name):
    case = CASES[name]

    assert same_bits(learned(made(case, 1)), learned(made(case, 1), watched=True))


@of_every_case
def test_what_is_saved_sb3_loads_and_acts_alike(name, tmp_path):
    case = CASES[name]
    agent = made(case, seed=2)
    begun = agent.weights()
    agent.learn(NoProgress())
    agent.save(tmp_path)
    again, sb3 = made(case, seed=9), made(case, 9, SB3)

    again.load(tmp_path)
    sb3.load(tmp_path)

    obs = observations(agent)
    assert not same_bits(agent.weights(), begun)
    assert same_bits(agent.weights(), again.weights()) and same_bits(agent.weights(), sb3.weights())
    action = agent.predict(obs)[0]
    assert np.array_equal(action, again.predict(obs)[0])
    assert np.allclose(action, sb3.predict(obs)[0], atol=1e-5)
    assert agent.model.flat.steps == again.model.flat.steps > 0


@pytest.mark.parametrize("name", some([n for n in CASES if n != "dqn, episodes"], but=SECOND))
def test_it_learns_from_as_many_steps_as_sb3_and_logs_by_the_same_names(name):
    case, told = CASES[name], {}

    class Told:
        def __init__(self, name):
            self.metrics = told[name] = {}

        def at(self, step): ...

        def log(self, step, metrics):
            self.metrics.update(metrics)

    ours, theirs = made(case, 1), made(case, 1, SB3)

    assert ours.learn(Told("ours")) == theirs.learn(Told("theirs"))
    assert set(told["ours"]) == set(told["theirs"])
    policy = theirs.model.policy
    optimizer = getattr(policy, "optimizer", None) or policy.actor.optimizer
    assert ours.model.flat.steps == int(next(iter(optimizer.state.values()))["step"])
