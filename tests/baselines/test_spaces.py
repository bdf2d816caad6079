"""What an entry says that its learner reads and takes is what it reads and takes."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import concatenate, create_empty_array
from tiny import ENTRIES, each
from tiny_agents import tiny

from baselines import ACTIONS, OBSERVATIONS
from baselines.api import NoProgress, Task
from baselines.space import action_kind, observation_kind
from harness import agents
from harness.config.strict import UserError
from harness.sweep.expand import expand

VECTOR = spaces.Box(-1, 1, (3,), np.float32)
PLACE = spaces.Box(-1, 1, (1,), np.float32)
SEEN = {
    "vector": VECTOR,
    "image": spaces.Box(0, 255, (64, 64, 3), np.uint8),
    "discrete": spaces.Discrete(5),
    "multibinary": spaces.MultiBinary(4),
    "multidiscrete": spaces.MultiDiscrete([3, 4]),
    "dict": spaces.Dict(a=VECTOR, b=PLACE),
    "goals": spaces.Dict(observation=VECTOR, achieved_goal=PLACE, desired_goal=PLACE),
    "shifted": spaces.Discrete(5, start=2),
    "array": spaces.Box(0, 1, (12, 12, 3), np.float32),
    "other": spaces.Tuple((VECTOR, VECTOR)),
}
TAKEN = {
    "discrete": spaces.Discrete(3),
    "continuous": spaces.Box(-1, 1, (2,), np.float32),
    "multidiscrete": spaces.MultiDiscrete([3, 2]),
    "multibinary": spaces.MultiBinary(3),
    "shifted": spaces.Discrete(3, start=1),
    "unbounded": spaces.Box(-np.inf, np.inf, (2,), np.float32),
    "other": spaces.Dict(a=spaces.Discrete(2)),
}
# What a learner would take and nobody should give it: an image as a list of numbers.
UNREAD_BY_CHOICE = {"array", "image"}
# What refuses for them is one function; these take seconds to make.
FREE = each(
    (name for name, entry in ENTRIES.items() if not entry.envs), slow={"dreamer", "recurrent_ppo"}
)
MORE = [
    ("array", spaces.Box(0, 1, (3, 12, 12), np.float32)),
    ("array", spaces.Box(0, 10, (5, 5, 3), np.int64)),
    ("array", spaces.Box(0, 255, (4, 64, 64, 3), np.uint8)),
    ("vector", spaces.Box(-1, 1, (4, 3), np.float32)),
    ("vector", spaces.Box(0, 255, (128,), np.uint8)),
    ("image", spaces.Box(0, 255, (4, 84, 84), np.uint8)),
    ("dict", spaces.Dict(a=VECTOR, b=SEEN["image"])),
    ("other", spaces.Dict(a=VECTOR, b=SEEN["array"])),
    ("other", spaces.Text(5)),
    ("other", spaces.MultiDiscrete([3, 4], start=[1, 0])),
]


class Noise(gym.Env):
    """Draws its observations, and takes nothing but its actions."""

    def __init__(self, seen: spaces.Space, taken: spaces.Space) -> None:
        self.observation_space, self.action_space = seen, taken

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.time = 0
        return self.observation_space.sample(), {}

    def step(self, action):
        assert holds(self.action_space, action)
        self.time += 1
        observation, reward = self.observation_space.sample(), 0.0
        if isinstance(observation, dict) and "achieved_goal" in observation:
            goals = observation["achieved_goal"], observation["desired_goal"]
            reward = float(self.compute_reward(*goals, {}))
        return observation, reward, False, self.time >= 10, {}

    def compute_reward(self, achieved, desired, info):
        return (np.abs(achieved - desired)[..., 0] < 0.3).astype(np.float32)

    def compute_terminated(self, achieved, desired, info):
        return np.zeros(achieved.shape[:-1], bool)


def holds(space: spaces.Space, action) -> bool:
    return space.contains(action) or space.contains(np.asarray(action, space.dtype))


def learn(name: str, seen: spaces.Space, taken: spaces.Space, guarded: bool = True) -> None:
    """Make it, let it learn and act; an image is only looked at."""
    config = tiny(name)
    task = Task(lambda: Noise(seen, taken), steps=130, seed=0, env_seed=1000)
    if guarded:
        agent = agents.make(name, task, config.model_dump(mode="json"))
    else:
        agent = ENTRIES[name].load()(task, config)
    if observation_kind(seen) != "image":
        agent.learn(NoProgress())
    batch = concatenate(seen, [seen.sample(), seen.sample()], create_empty_array(seen, 2))
    actions, _ = agent.predict(batch)
    assert all(holds(taken, action) for action in actions)


def usual(name: str) -> tuple[spaces.Space, spaces.Space]:
    entry = ENTRIES[name]
    return SEEN[entry.observations[0]], TAKEN[entry.actions[0]]


@pytest.mark.parametrize("kind", OBSERVATIONS)
def test_every_kind_of_observations_is_told_from_the_others(kind):
    assert observation_kind(SEEN[kind]) == kind
    assert [observation_kind(space) for other, space in MORE if other == kind] == [
        kind for other, _ in MORE if other == kind
    ]


@pytest.mark.parametrize("kind", ACTIONS)
def test_every_kind_of_actions_is_told_from_the_others(kind):
    assert action_kind(TAKEN[kind]) == kind


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_names_kinds_that_there_are(name):
    assert set(ENTRIES[name].observations) <= set(OBSERVATIONS)
    assert set(ENTRIES[name].actions) <= set(ACTIONS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FREE)
def test_a_learner_reads_the_observations_that_its_entry_names_and_no_others(name):
    taken = usual(name)[1]
    for kind, seen in SEEN.items():
        if kind in ENTRIES[name].observations:
            learn(name, seen, taken)
            continue
        with pytest.raises(ValueError, match=f"^{name} reads "):
            learn(name, seen, taken)
        if kind not in UNREAD_BY_CHOICE:
            with pytest.raises(Exception):  # noqa: B017, PT011 - whatever a library raises
                learn(name, seen, taken, guarded=False)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FREE)
def test_a_learner_takes_the_actions_that_its_entry_names_and_no_others(name):
    seen = usual(name)[0]
    for kind, taken in TAKEN.items():
        if kind in ENTRIES[name].actions:
            learn(name, seen, taken)
            continue
        with pytest.raises(ValueError, match=f"^{name} takes "):
            learn(name, seen, taken)
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever a library raises
            learn(name, seen, taken, guarded=False)


@pytest.mark.parametrize("name", ["ppo", "ppo_rnd", "dqn_icm"])
def test_an_array_that_may_be_an_image_is_refused_without_the_harness_too(name):
    with pytest.raises(ValueError, match=r"Box \(12, 12, 3\) float32 may be images"):
        learn(name, SEEN["array"], TAKEN["discrete"], guarded=False)


def test_no_learner_is_named_where_none_can_read_and_act():
    env = Noise(SEEN["image"], TAKEN["unbounded"])
    assert agents.unreadable("ars", env) == (
        "ars reads a vector, Discrete, MultiBinary or MultiDiscrete, not Box (64, 64, 3) "
        "uint8: add a wrapper"
    )


def test_check_says_which_arm_cannot_read_which_environment_and_what_can(tmp_path):
    path = tmp_path / "images.yaml"
    path.write_text(
        "name: images\nquestion: Does it read them?\nenvs: [CarRacing32-v3]\nseeds: 3\n"
        "steps: 20_000\nbase: {agent: ppo}\narms:\n  ars: {agent: ars}\n  ppo: {}\n"
    )
    with pytest.raises(UserError) as error:
        expand(path, rehearse=True)
    (problem,) = error.value.problems
    assert (problem.line, problem.key) == (8, "arms.ars")
    assert problem.message == (
        "CarRacing32-v3: ars reads a vector, Discrete, MultiBinary or MultiDiscrete, not Box "
        "(32, 32, 1) uint8: take one that does, such as ppo, a2c, dqn, or add a wrapper"
    )
