"""The learners, one line each. A target is imported only when its agent is used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from baselines import target

# The kinds of spaces that space.py tells apart, and their names. What a learner reads and takes,
# its entry says.
OBSERVATIONS = {
    "vector": "a vector",
    "image": "an image of bytes",
    "discrete": "Discrete",
    "multibinary": "MultiBinary",
    "multidiscrete": "MultiDiscrete",
    "dict": "a Dict of these",
    "goals": "a Dict with goals",
    "shifted": "Discrete from another start than 0",
    "array": "an array of three axes or more that is no image of bytes",
    "other": "any other",
}
ACTIONS = (
    "discrete",
    "continuous",
    "multidiscrete",
    "multibinary",
    "shifted",
    "unbounded",
    "other",
)

FLAT = ("vector", "discrete", "multibinary", "multidiscrete")


@dataclass(frozen=True)
class Entry:
    """One learner, described without importing it."""

    target: str  # "module:class"
    version: int  # raise it whenever a change can move scores: old runs go stale
    summary: str
    actions: tuple[str, ...] = ("discrete", "continuous")  # of ACTIONS
    observations: tuple[str, ...] = (*FLAT, "image", "dict", "goals")  # of OBSERVATIONS
    envs: tuple[str, ...] = ()  # the only environments it can act in; empty: any
    seed_batch: bool = False  # trains many seeds at once in one process
    learns: bool = True
    samples: bool = True  # may act otherwise where it is not to act greedily

    @property
    def module(self) -> str:
        return self.target.partition(":")[0]

    @property
    def goals(self) -> bool:
        """Whether it needs observations in `api.GOAL_PARTS`, and `api.GOAL_METHODS`."""
        return self.observations == ("goals",)

    def load(self) -> Any:
        """The class behind `target`.

        :raises ValueError: if it is no `api.Agent`.
        """
        from baselines.api import is_agent  # Gymnasium, for those who act

        found = target.attribute(self.target)
        if not is_agent(found):
            raise ValueError(f"'{self.target}' is no agent: see baselines/api.py")
        return found


DISCRETE = ("discrete",)
CONTINUOUS = ("continuous",)
BOTH = (*DISCRETE, *CONTINUOUS)
SEVERAL = ("multidiscrete", "multibinary")
# sb3-contrib 2.9.0's RecurrentPPO cannot size an LSTM for the first, nor store the second.
ONE_BY_ONE = tuple(kind for kind in FLAT if kind != "multidiscrete")

# Learners by replay that take a bonus, and the bonuses that price a step by itself.
REPLAYS = (
    ("dqn", "DQN", DISCRETE),
    ("qrdqn", "QR-DQN", DISCRETE),
    ("sac", "SAC", CONTINUOUS),
    ("tqc", "TQC", CONTINUOUS),
)
STEPWISE = {
    "rnd": "RND",
    "icm": "the error of ICM",
    "rf": "errors in random features",
    "disagreement": "an ensemble's disagreement",
}

AGENTS: dict[str, Entry] = {
    "ppo": Entry(
        "baselines.sb3:ppo",
        2,
        "Proximal policy optimisation (Schulman et al., 2017)",
        BOTH + SEVERAL,
    ),
    "a2c": Entry(
        "baselines.sb3:a2c",
        2,
        "Advantage actor-critic, synchronous (Mnih et al., 2016)",
        BOTH + SEVERAL,
    ),
    "dqn": Entry(
        "baselines.sb3:dqn", 1, "Deep Q-network (Mnih et al., 2015)", DISCRETE, samples=False
    ),
    "dqn_reset": Entry(
        "baselines.reset:DQNReset",
        1,
        "DQN with resets (Nikishin et al., 2022)",
        DISCRETE,
        samples=False,
    ),
    "sac": Entry("baselines.sb3:sac", 1, "Soft actor-critic (Haarnoja et al., 2018)", CONTINUOUS),
    "td3": Entry(
        "baselines.sb3:td3",
        1,
        "Twin delayed DDPG (Fujimoto et al., 2018)",
        CONTINUOUS,
        samples=False,
    ),
    "qrdqn": Entry(
        "baselines.sb3:qrdqn",
        1,
        "DQN by quantile regression (Dabney et al., 2018)",
        DISCRETE,
        samples=False,
    ),
    "tqc": Entry(
        "baselines.sb3:tqc", 1, "Truncated quantile critics (Kuznetsov et al., 2020)", CONTINUOUS
    ),
    "trpo": Entry(
        "baselines.sb3:trpo", 2, "Trust-region policy optimisation (Schulman, 2015)", BOTH + SEVERAL
    ),
    "recurrent_ppo": Entry(
        "baselines.sb3:recurrent_ppo",
        2,
        "PPO with an LSTM",
        (*BOTH, "multidiscrete"),
        (*ONE_BY_ONE, "image", "dict", "goals"),
    ),
    "maskable_ppo": Entry(
        "baselines.sb3:maskable_ppo",
        2,
        "PPO without invalid actions (Huang, 2022)",
        DISCRETE + SEVERAL,
    ),
    "ars": Entry(
        "baselines.sb3:ars",
        2,
        "Augmented random search (Mania et al., 2018)",
        BOTH,
        FLAT,
        samples=False,
    ),
    "crossq": Entry(
        "baselines.sb3:crossq",
        1,
        "SAC without target networks (Bhatt et al., 2024)",
        CONTINUOUS,
        FLAT,
    ),
    "sac_her": Entry(
        "baselines.sb3:sac_her",
        1,
        "SAC with hindsight replay of goals (Andrychowicz et al., 2017)",
        CONTINUOUS,
        ("goals",),
    ),
    "tqc_her": Entry(
        "baselines.sb3:tqc_her", 1, "TQC with hindsight replay of goals", CONTINUOUS, ("goals",)
    ),
    "dqn_her": Entry(
        "baselines.sb3:dqn_her",
        1,
        "DQN with hindsight replay of goals",
        DISCRETE,
        ("goals",),
        samples=False,
    ),
    "ppo_rnd": Entry(
        "baselines.curiosity:ppo_rnd",
        2,
        "PPO and random network distillation (Burda et al., 2018)",
        BOTH + SEVERAL,
        FLAT,
    ),
    **{
        f"{algorithm}_{bonus}": Entry(
            f"baselines.curiosity.off_policy:{algorithm}_{bonus}",
            1,
            f"{title} whose replay buffer pays {pays}",
            actions,
            FLAT,
            samples=actions != DISCRETE,  # DQN's kin take the best action, always
        )
        for bonus, pays in STEPWISE.items()
        for algorithm, title, actions in REPLAYS
    },
    "ppo_icm": Entry(
        "baselines.curiosity:ppo_icm",
        2,
        "PPO and the intrinsic curiosity module (Pathak, 2017)",
        BOTH,
        FLAT,
    ),
    "ppo_rf": Entry(
        "baselines.curiosity:ppo_rf",
        2,
        "PPO and errors in random features (Burda et al., 2018)",
        BOTH,
        FLAT,
    ),
    "ppo_disagreement": Entry(
        "baselines.curiosity:ppo_disagreement",
        2,
        "PPO and ensemble disagreement (Pathak, 2019)",
        BOTH,
        FLAT,
    ),
    "ppo_count": Entry(
        "baselines.curiosity:ppo_count",
        2,
        "PPO and exact counts (Strehl and Littman, 2008)",
        BOTH + SEVERAL,
        FLAT,
    ),
    "ppo_ngu": Entry(
        "baselines.curiosity:ppo_ngu", 2, "PPO and never give up (Badia et al., 2020)", BOTH, FLAT
    ),
    "ppo_e3b": Entry(
        "baselines.curiosity:ppo_e3b",
        2,
        "PPO and elliptical bonuses (Henaff et al., 2022)",
        BOTH,
        FLAT,
    ),
    "recurrent_ppo_rnd": Entry(
        "baselines.curiosity.recurrent:recurrent_ppo_rnd",
        2,
        "PPO with an LSTM and random network distillation (Burda et al., 2018)",
        (*BOTH, "multidiscrete"),
        ONE_BY_ONE,
    ),
    "recurrent_ppo_icm": Entry(
        "baselines.curiosity.recurrent:recurrent_ppo_icm",
        2,
        "PPO with an LSTM and the intrinsic curiosity module (Pathak, 2017)",
        BOTH,
        ONE_BY_ONE,
    ),
    "world_model": Entry(
        "baselines.world_models.world_model:WorldModel",
        1,
        "See, remember, control: trained in its own dream (Ha and Schmidhuber, 2018)",
        (*BOTH, "shifted"),
        ("vector", "image"),
    ),
    "dreamer": Entry(
        "baselines.world_models.dreamer.agent:Dreamer",
        3,
        "A world model with discrete latents, an actor trained in it (DreamerV3, Hafner, 2023)",
        (*BOTH, "shifted"),
        ("vector", "image", "discrete", "shifted"),
    ),
    "random": Entry(
        "baselines.classic.random:Random",
        1,
        "Uniform random actions",
        (*BOTH, "shifted"),
        tuple(OBSERVATIONS),
        learns=False,
        samples=False,
    ),
    "pid": Entry(
        "baselines.classic.pid:PID",
        1,
        "Feedback controllers with fixed gains, no learning",
        observations=("vector",),
        envs=("CartPole-v1", "Pendulum-v1"),
        learns=False,
        samples=False,
    ),
    "pusher": Entry(
        "baselines.classic.pusher:Pusher",
        1,
        "A scripted pusher that knows how a box slides, no learning",
        observations=("vector",),
        envs=("PushPose-v0", "PushPoseDirections-v0", "PushPoseStrict-v0", "PushPoseSplit-v0"),
        learns=False,
        samples=False,
    ),
    "tabular_q": Entry(
        "baselines.classic.tabular_q:TabularQ",
        1,
        "Q-learning in a table (Watkins, 1989)",
        (*DISCRETE, "shifted"),
        ("vector", "discrete", "shifted", "multidiscrete"),
        samples=False,
    ),
}
