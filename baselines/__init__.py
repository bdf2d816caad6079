"""The learners and the bonuses, one line each. A target is imported only when it is used.

A learner that takes bonuses makes an agent with each of them: `ppo_rnd` is `ppo` with `rnd`.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
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

SPACES: dict[str, Collection[str]] = {"observations": OBSERVATIONS, "actions": ACTIONS}

# How far a bonus looks, and so which learners can pay it.
REACHES = {
    "step": "single steps",
    "training": "ordered rollouts",
    "episode": "ordered rollouts, reset with every episode",
}


@dataclass(frozen=True)
class Taker:
    """How learners of one kind take a bonus."""

    target: str  # "module:class", a `curiosity.learner.Curious`
    reaches: tuple[str, ...]  # of REACHES


# What trains the learners of Stable-Baselines3: itself, or lockstep, the same algorithms compiled.
SB3, LOCKSTEP = "sb3", "lockstep"
ENGINES = (SB3, LOCKSTEP)


@dataclass(frozen=True)
class Twin:
    """A learner under the engine lockstep."""

    target: str  # "module:class", or "module:function" of the learner and a bonus
    version: int  # raise it whenever a change can move scores under this engine alone
    curious: Twin | None = None  # what makes it with a bonus; None: it takes none


@dataclass(frozen=True)
class Entry:
    """One learner, described without importing it."""

    target: str  # "module:class"
    # Raise it whenever a change can move scores: old runs go stale. None: the sources decide.
    version: int | str | None
    summary: str
    actions: tuple[str, ...] = ("discrete", "continuous")  # of ACTIONS
    observations: tuple[str, ...] = (*FLAT, "image", "dict", "goals")  # of OBSERVATIONS
    envs: tuple[str, ...] = ()  # the only environments it can act in; empty: any
    lockstep: Twin | None = None  # None: only its own engine trains it
    learns: bool = True
    samples: bool = True  # may act otherwise where it is not to act greedily
    bonuses: Taker | None = None  # None: it takes none
    parts: tuple[str, str] | None = None  # the learner and the bonus that it is made of

    @property
    def module(self) -> str:
        return self.target.partition(":")[0]

    @property
    def goals(self) -> bool:
        """Whether it needs observations in `api.GOAL_PARTS`, and `api.GOAL_METHODS`."""
        return self.observations == ("goals",)

    def under(self, engine: str) -> Entry:
        """It, trained by an engine of ENGINES that can (`lockstep`)."""
        if engine == SB3:
            return self
        assert self.lockstep is not None
        target, version = self.lockstep.target, f"{self.version}.{self.lockstep.version}"
        return replace(self, target=target, version=version)

    def load(self) -> Any:
        """The class behind `target`.

        :raises ValueError: if it is neither an `api.Agent` nor an algorithm of SB3's kind.
        """
        from baselines.api import lacks  # Gymnasium, for those who act

        found = target.attribute(self.target)
        if self.parts is not None:
            found = found(*self.parts)
        elif "stable_baselines3" in sys.modules:  # which whoever subclasses it has imported
            found = target.attribute("baselines.sb3:adapted")(found)
        if why := lacks(found):
            raise ValueError(
                f"'{self.target}' is no agent: it {why}. Name a class like baselines.api.Agent, or "
                "a subclass of a Stable-Baselines3 algorithm"
            )
        return found


# What the class of an agent of the user's own may say of itself, as an entry here does.
SAID = ("version", "actions", "observations", "envs", "learns", "samples")

DISCRETE = ("discrete",)
CONTINUOUS = ("continuous",)
BOTH = (*DISCRETE, *CONTINUOUS)
SEVERAL = ("multidiscrete", "multibinary")
# sb3-contrib 2.9.0's RecurrentPPO cannot size an LSTM for the first, nor store the second.
ONE_BY_ONE = tuple(kind for kind in FLAT if kind != "multidiscrete")

ROLLOUTS = Taker("baselines.curiosity.ppo:CuriousRollouts", ("step", "training", "episode"))
SEQUENCES = Taker("baselines.curiosity.recurrent:CuriousSequences", ("step", "training"))
REPLAY = Taker("baselines.curiosity.off_policy:CuriousOffPolicy", ("step",))

AGENTS: dict[str, Entry] = {
    "ppo": Entry(
        "baselines.sb3:ppo",
        2,
        "Proximal policy optimisation (Schulman et al., 2017)",
        BOTH + SEVERAL,
        bonuses=ROLLOUTS,
        lockstep=Twin(
            "baselines.lockstep.ppo:PPO", 3, Twin("baselines.lockstep.curious:agent_class", 4)
        ),
    ),
    "a2c": Entry(
        "baselines.sb3:a2c",
        2,
        "Advantage actor-critic, synchronous (Mnih et al., 2016)",
        BOTH + SEVERAL,
    ),
    "dqn": Entry(
        "baselines.sb3:dqn",
        1,
        "Deep Q-network (Mnih et al., 2015)",
        DISCRETE,
        samples=False,
        bonuses=REPLAY,
        lockstep=Twin("baselines.lockstep.dqn:DQN", 2),
    ),
    "dqn_reset": Entry(
        "baselines.reset:DQNReset",
        1,
        "DQN with resets (Nikishin et al., 2022)",
        DISCRETE,
        samples=False,
        lockstep=Twin("baselines.lockstep.reset:DQNReset", 1),
    ),
    "sac": Entry(
        "baselines.sb3:sac",
        1,
        "Soft actor-critic (Haarnoja et al., 2018)",
        CONTINUOUS,
        bonuses=REPLAY,
        lockstep=Twin("baselines.lockstep.sac:SAC", 2),
    ),
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
        bonuses=REPLAY,
    ),
    "tqc": Entry(
        "baselines.sb3:tqc",
        1,
        "Truncated quantile critics (Kuznetsov et al., 2020)",
        CONTINUOUS,
        bonuses=REPLAY,
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
        bonuses=SEQUENCES,
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
    "world_model": Entry(
        "baselines.world_models.world_model:WorldModel",
        1,
        "A VAE, an MDN-RNN and a controller trained in them (Ha and Schmidhuber, 2018)",
        (*BOTH, "shifted"),
        ("vector", "image"),
    ),
    "dreamer": Entry(
        "baselines.world_models.dreamer.agent:Dreamer",
        3,
        "Actor-critic in a world model with discrete latents (DreamerV3, Hafner et al., 2023)",
        (*BOTH, "shifted"),
        ("vector", "image", "discrete", "shifted"),
    ),
    "plan2explore": Entry(
        "baselines.world_models.dreamer.plan2explore:Plan2Explore",
        1,
        "Dreamer that first seeks what its model is about to learn (Sekar et al., 2020)",
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
    "max_tabular": Entry(
        "baselines.active.tabular:MaxTabular",
        1,
        "Model-based active exploration in a table (MAX, Shyam et al., 2019)",
        (*DISCRETE, "shifted"),
        ("discrete", "shifted"),
        samples=False,
    ),
    "max": Entry(
        "baselines.active.agent:Max",
        1,
        "Model-based active exploration, SAC in Gaussian models (MAX, Shyam et al., 2019)",
        CONTINUOUS,
        ("vector",),
    ),
}

# Names of bonuses; their classes say what they are and how far they reach: `curiosity.bonus.Bonus`.
BONUSES: dict[str, str] = {
    "rnd": "baselines.curiosity.rnd:RND",
    "icm": "baselines.curiosity.icm:ICM",
    "rf": "baselines.curiosity.rf:RF",
    "disagreement": "baselines.curiosity.disagreement:Disagreement",
    "count": "baselines.curiosity.count:Count",
    "ngu": "baselines.curiosity.ngu:NGU",
    "e3b": "baselines.curiosity.e3b:E3B",
    "ride": "baselines.curiosity.ride:RIDE",
    "noveld": "baselines.curiosity.noveld:NovelD",
}


def names() -> Iterator[str]:
    """Every agent: the learners, then each bonus with each learner that takes it."""
    yield from AGENTS
    for bonus in BONUSES:
        yield from (name(learner, bonus) for learner in AGENTS if takes(learner, bonus))


def name(learner: str, bonus: str) -> str:
    """`ppo_rnd`; with a bonus of the user's own, `ppo+module:Class`."""
    return f"{learner}{'+' if is_target(bonus) else '_'}{bonus}"


def is_target(name: str) -> bool:
    """Whether it is "module:Class", of the user's own, and no name in these tables."""
    return target.TARGET.fullmatch(name) is not None


def takes(learner: str, bonus: str) -> bool:
    """Whether what the learner asks of a bonus is what the bonus says of itself."""
    taker = AGENTS[learner].bonuses if learner in AGENTS else None
    return taker is not None and load_bonus(bonus).reach in taker.reaches


def load_bonus(name: str) -> Any:
    """The class of a bonus, imported only now.

    :raises ValueError: if a target names something else.
    """
    if not is_target(name):
        return target.attribute(BONUSES[name])
    kind: Any = target.load(name, target.attribute("baselines.curiosity.bonus:Bonus"))
    wrong = list(unknown({each: getattr(kind, each) for each in ("reach", "version", *SPACES)}))
    if not issubclass(kind.Config, target.attribute("baselines.api:Config")):
        wrong.append("Config: not derived from baselines.api.Config")
    if wrong:
        raise ValueError(f"'{name}' says of itself what there is not, {'; '.join(wrong)}")
    return kind


def split(agent: str) -> tuple[str, str]:
    """The learner and the bonus, or "", that make an agent.

    :raises KeyError: if there is no such agent.
    """
    if agent in AGENTS or is_target(agent):
        return agent, ""
    learner, plus, bonus = agent.partition("+")
    if plus and takes(learner, bonus):
        return learner, bonus
    for bonus in BONUSES:
        learner = agent.removesuffix(name("", bonus))
        if learner != agent and learner in AGENTS and takes(learner, bonus):
            return learner, bonus
    raise KeyError(agent)


def entry(agent: str) -> Entry:
    """What an agent is.

    :raises KeyError: if there is no such agent.
    """
    learner, bonus = split(agent)
    if is_target(learner):
        return own(learner)
    plain = AGENTS[learner]
    if not bonus:
        return plain
    kind = load_bonus(bonus)
    declared = not is_target(bonus) or "version" in vars(kind)
    version = plain.version + kind.version - 1 if declared else None
    return replace(
        plain,
        target="baselines.curiosity.agent:agent_class",
        parts=(learner, bonus),
        version=version,
        summary=f"{learner} with {kind.summary}",
        actions=tuple(each for each in plain.actions if each in kind.actions),
        observations=tuple(each for each in plain.observations if each in kind.observations),
        lockstep=plain.lockstep and plain.lockstep.curious,
    )


def unknown(told: Mapping[str, Any]) -> Iterator[str]:
    """What a class of the user's own says of itself that there is not, and what there is."""
    for name, known in {**SPACES, "reach": REACHES}.items():
        words = told.get(name, ())
        if name == "reach":
            words = (words,) if words else ()
        elif not isinstance(words, tuple | list):
            yield f"{name}: {words!r} (write ({words!r},), with a comma)"
            continue
        if odd := set(words) - set(known):
            yield f"{name}: {', '.join(sorted(map(str, odd)))} (there are {', '.join(known)})"
    version = told.get("version")
    if version is not None and not (type(version) is int and version > 0):
        yield f"version: {version!r} (a whole number from 1 on)"


def own(agent: str) -> Entry:
    """What an agent of the user's own is, by what its class says of itself; it is imported.

    :raises ValueError: if it is none, or says what is not in OBSERVATIONS or ACTIONS.
    """
    plain = Entry(agent, None, "", (*BOTH, *SEVERAL))
    made = plain.load()
    told = {name: getattr(made, name) for name in SAID if hasattr(made, name)}
    if "version" not in vars(made):  # that of a base says nothing of what was derived from it
        told.pop("version", None)
    if wrong := list(unknown(told)):
        raise ValueError(f"'{agent}' says of itself what there is not, {'; '.join(wrong)}")
    first = (made.__doc__ or "").strip().partition("\n")[0]
    return replace(plain, summary=first, **told)
