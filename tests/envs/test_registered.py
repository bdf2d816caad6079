"""Any environment that Gymnasium knows works by its id, with the learners that can read it."""

from __future__ import annotations

from importlib.util import find_spec

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from baselines.api import NoProgress, Task
from harness import agents, envs, setting
from harness.envs import extra
from harness.sweep.request import Request
from harness.sweep.resolve import resolve

STEPS = 70
ON_POLICY = {"n_steps": 32, "batch_size": 16, "n_epochs": 1}
OFF_POLICY = {"learning_starts": 20, "batch_size": 8, "buffer_size": 100}
SETTINGS = {"ppo": ON_POLICY, "dqn": OFF_POLICY, "sac": OFF_POLICY}


class Seen(gym.Env):
    """Shows what its space draws, for ten steps."""

    action_space = spaces.Discrete(2)

    def __init__(self, space):
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(int(self.np_random.integers(2**31)))
        self.time = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        self.time += 1
        return self.observation_space.sample(), float(action), self.time >= 10, False, {}


SHOWN = {
    "InParts-v0": spaces.Dict(
        place=spaces.Box(-1, 1, (2,), np.float32), room=spaces.Discrete(3), on=spaces.MultiBinary(2)
    ),
    "Switches-v0": spaces.MultiBinary(5),
    "Flags-v0": spaces.Box(0, 1, (4, 4, 2), np.bool_),
}
for name, space in SHOWN.items():
    gym.register(name, Seen, kwargs={"space": space})

FLATTEN = ("flatten",)
# Observations of these are numbers of a set, too, as those of FrozenLake.
LIKE_FROZEN_LAKE = {"Taxi-v4", "CliffWalking-v1"}
WORKS = [
    ("FrozenLake-v1", (), ("ppo", "dqn", "tabular_q")),
    ("Taxi-v4", (), ("ppo", "dqn", "tabular_q")),
    ("CliffWalking-v1", (), ("ppo", "tabular_q")),
    ("Blackjack-v1", FLATTEN, ("ppo", "dqn", "tabular_q")),
    ("InParts-v0", (), ("ppo", "dqn")),
    ("InParts-v0", FLATTEN, ("ppo", "tabular_q")),
    ("Switches-v0", (), ("ppo", "dqn")),
    ("Flags-v0", FLATTEN, ("ppo", "dqn")),
    ("Walker2d-v5", (), ("ppo", "sac")),
    ("LunarLander-v3", (), ("dqn",)),
]
REFUSED = [
    (
        "Blackjack-v1",
        "ppo",
        "not Tuple(Discrete(32), Discrete(11), Discrete(2)): add the wrapper",
    ),
    ("Blackjack-v1", "tabular_q", "add the wrapper flatten, which shows one vector"),
    ("InParts-v0", "tabular_q", "take one that does, such as ppo, a2c, dqn, or add the wrapper f"),
    ("Switches-v0", "dreamer", "take one that does, such as ppo, a2c, dqn, or add the wrapper f"),
    ("Flags-v0", "dqn", "show images as bytes; if there are none among them, add the wrapper f"),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("env", "wrappers", "agent"),
    [
        pytest.param(*case, marks=[pytest.mark.slow] * (case[0] in LIKE_FROZEN_LAKE))
        for env, wrappers, names in WORKS
        for case in [(env, wrappers, name) for name in names]
    ],
)
def test_a_learner_that_can_read_an_environment_learns_there_by_its_id(env, wrappers, agent):
    spec = resolve(Request(agent, env, STEPS, wrappers=wrappers, layers=(
        setting.Layer("here", SETTINGS.get(agent, {})),
    )))  # fmt: skip
    card = envs.card(env)
    made = agents.make(agent, Task(lambda: envs.make(card, spec.wrappers), STEPS), spec.hparams)
    before = {name: value.copy() for name, value in made.weights().items()}

    made.learn(NoProgress())

    after = made.weights()
    assert after.keys() != before.keys() or any(
        not np.array_equal(after[name], value) for name, value in before.items()
    )


@pytest.mark.parametrize(("env", "agent", "words"), REFUSED)
def test_a_learner_that_cannot_read_an_environment_says_so_and_what_to_do(env, agent, words):
    assert words in str(agents.unreadable(agent, envs.make(envs.card(env))))


def test_an_environment_whose_requirements_are_missing_names_the_extra(monkeypatch):
    monkeypatch.setattr(extra, "installed", lambda name: name is None)

    with pytest.raises(ModuleNotFoundError, match=r"pip install 'rl-ablation-harness\[mujoco\]'"):
        envs.card("Swimmer-v5")


@pytest.mark.skipif(find_spec("jax") is not None, reason="jax is here")
def test_an_environment_that_needs_what_no_extra_installs_says_what():
    with pytest.raises(KeyError, match=r"cannot be made: No module named .jax"):
        envs.card("phys2d/CartPole-v1")
