"""Stable-Baselines3 and sb3-contrib behind `api.Agent`: one adapter, one table of classes.

`baselines.sb3:ppo` and its like are classes made from the table. A learner of our own that
subclasses an SB3 algorithm uses the adapter too::

    class PPORND(SB3Agent):
        algorithm = CuriosityPPO

Its Config then follows from CuriosityPPO's constructor, PPO's arguments included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from gymnasium import spaces
from pydantic import Field
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.save_util import load_from_zip_file, recursive_getattr
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize
from stable_baselines3.her.goal_selection_strategy import KEY_TO_GOAL_STRATEGY

from baselines import SAID, jax_state
from baselines.api import Barrier, Config, Progress, Task
from baselines.bound import Count, Positive
from baselines.hindsight import GoalsEnd, ManyGoals, PaidAlike
from baselines.kept import Kept
from baselines.rollout import fitted
from baselines.sb3_config import BUILDERS, config_of
from baselines.sb3_family import OffPolicy, OnPolicy
from baselines.sb3_state import NO_STATE, constant, rings, truncate
from baselines.space import observation_kind, shown
from baselines.target import load as load_target

SMALLEST_IMAGE = 36  # SB3's NatureCNN refuses smaller ones
STATES = "states.npz"  # of networks that are not torch's
LOG_EVERY = 1000  # steps: SAC alone would otherwise log after every one of them


class SB3Agent:
    """A learner that is an SB3 algorithm. Subclasses name it in `algorithm`; `Config` follows."""

    algorithm: ClassVar[type[BaseAlgorithm]]
    fields: ClassVar[Mapping[str, tuple[Any, Any]]] = {}  # name -> type, default: not SB3's own
    Config: ClassVar[type[Config]]

    def __init_subclass__(cls) -> None:
        if "Config" not in vars(cls) and hasattr(cls, "algorithm"):
            cls.Config = config_of(cls.algorithm, cls.fields)

    def __init__(self, task: Task, config: Any, env: VecEnv | None = None) -> None:
        """:param env: to train in instead of the task's own environments."""
        self.task = task
        self.config = config
        env = training_envs(task, config) if env is None else env
        on_policy = issubclass(self.algorithm, OnPolicyAlgorithm)
        algorithm = fitted(self.algorithm) if on_policy else self.algorithm
        self.model = algorithm(env=env, **self._arguments(env))
        self.model.set_logger(Logger(folder=None, output_formats=[]))
        self._normalize = self.model.get_vec_normalize_env()
        self._reported = Reported()

    def _arguments(self, env: VecEnv) -> dict[str, Any]:
        """The config as the algorithm's constructor wants it."""
        given = dict(self.config)  # not model_dump: nested models stay what they are
        normalize, n_envs = given.pop("normalize"), given.pop("n_envs")
        del normalize, n_envs  # they have shaped `env`
        if isinstance(self.config, OffPolicy):
            given["buffer_size"] = self.config.buffer_rows(self.task.steps)
        given["policy"] = self._policy(given["policy"], env.observation_space)
        for name, build in BUILDERS.items():
            if given.get(name) is not None:
                given[name] = build(given[name], env)
        return given | {"seed": self.task.seed, "device": self.task.device, "verbose": 0}

    def _policy(self, chosen: str, observation_space: spaces.Space) -> str:
        """`auto` takes the first of the algorithm's policies that reads such observations."""
        kind: str = "Mlp"
        others: tuple[str, ...] = ("MultiInput", "Cnn")
        if observation_kind(observation_space) == "array":
            raise ValueError(
                f"{shown(observation_space)} may be images, which a perceptron would read as a "
                "list: show them as bytes from 0 to 255, or show a vector"
            )
        if isinstance(observation_space, spaces.Dict):
            kind, others = "MultiInput", ("Mlp", "Cnn", "Linear")
        elif is_image_space(observation_space) and min(_sides(observation_space)) >= SMALLEST_IMAGE:
            kind, others = "Cnn", ("MultiInput",)
        if chosen.startswith(others):
            shape = getattr(observation_space, "shape", None)
            what = f"{type(observation_space).__name__} observations of shape {shape}"
            raise ValueError(f"policy: {chosen} does not read {what}: leave it at auto")
        if chosen != "auto":
            return chosen
        found = [name for name in self.algorithm.policy_aliases if name.startswith(kind)]
        if not found:
            raise ValueError(
                f"{self.algorithm.__name__} has no policy for {type(observation_space).__name__} "
                f"observations, only {', '.join(self.algorithm.policy_aliases)}"
            )
        return found[0]

    def total_steps(self) -> int:
        """The part of the budget that is learned from, or the budget if only the run can tell.

        :raises ValueError: if not one rollout fits.
        """
        rollout = self.config.rollout()
        if rollout is not None and rollout > self.task.steps:
            length = "n_steps" if isinstance(self.config, OnPolicy) else "train_freq"
            raise ValueError(
                f"one rollout is {rollout} steps ({length} times n_envs), more than the "
                f"budget of {self.task.steps}: lower {length} or n_envs, or raise the budget"
            )
        return self.config.trained_steps(self.task.steps)

    def learn(self, progress: Progress) -> int:
        """Train to the end of the budget; return the steps before the last update."""
        # SB3's constructor has seeded them with the agent's seed; this one is paired over arms.
        self._envs().seed(self.task.env_seed)
        # Rollouts that fit are never cut: SB3 would skip the update after the last one.
        ceiling = self.task.steps if self.config.rollout() is None else None
        report = _Report(progress, ceiling, self.task.barrier, self._reported)
        trained, before = None, self.model.num_timesteps
        try:
            self.model.learn(
                self.total_steps() - before,
                callback=report,
                log_interval=None,  # type: ignore[arg-type]  # never
                reset_num_timesteps=before == 0,
                **self._learn_options(),
            )
        except _BudgetSpent:
            trained = self._reported.updated
        except Barrier:
            self._leave_episodes()
            raise
        report.log()
        return self.model.num_timesteps if trained is None else trained

    def kept(self) -> Kept:
        """All that it holds, a subclass's own too, and VecNormalize's statistics; a replay buffer's
        rows as a ring.
        """
        root = {"agent": self, "moments": self._moments()}
        return Kept(root, rings(self.model), NO_STATE, constant(self.model))

    def _leave_episodes(self) -> None:
        """Where they are cut off counts as a truncation; the next steps are the first of others."""
        self.model._last_obs = None
        buffer = getattr(self.model, "replay_buffer", None)
        if isinstance(buffer, ReplayBuffer):
            truncate(buffer)

    def _envs(self) -> VecEnv:
        """As the model wraps them."""
        env = self.model.env
        assert env is not None
        return env

    def _learn_options(self) -> dict[str, Any]:
        return {}

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        """Through the policy: DQN's own `predict` draws from the action space of training."""
        if self._normalize is not None:
            observation = self._normalize.normalize_obs(observation)
        with jax_state.acting(self.model.policy):
            return self.model.policy.predict(
                observation, state, episode_start, deterministic, **self._masks(action_masks)
            )

    def _masks(self, action_masks: np.ndarray | None) -> dict[str, Any]:
        return {}

    def weights(self) -> dict[str, np.ndarray]:
        """Every network, SAC's entropy coefficient, and VecNormalize's statistics."""
        found = {
            f"{module}.{name}": value
            for module, values in self.model.get_parameters().items()
            if "optimizer" not in module
            for name, value in values.items()
        }
        for name in self.model._get_torch_save_params()[1] or []:
            found[name] = recursive_getattr(self.model, name)
        arrays = {name: value.detach().cpu().numpy().copy() for name, value in found.items()}
        arrays |= jax_state.arrays(self.model)
        return arrays | {name: np.array(value) for name, value in self._statistics()}

    def _statistics(self) -> Iterator[tuple[str, Any]]:
        for name, moments in self._moments().items():
            for part in ("mean", "var", "count"):
                yield f"normalize.{name}.{part}", getattr(moments, part)

    def _moments(self) -> dict[str, Any]:
        env = self._normalize
        if env is None:
            return {}
        found = {"return": env.ret_rms}
        if env.norm_obs:
            parts = env.obs_rms if isinstance(env.obs_rms, dict) else {"": env.obs_rms}
            found |= {f"obs.{key}".rstrip("."): moments for key, moments in parts.items()}
        return found

    def save(self, folder: Path) -> None:
        """SB3's own file, which SB3 loads without us, and VecNormalize's statistics beside it."""
        self.model.save(folder / "model.zip")
        if states := jax_state.arrays(self.model):
            np.savez(folder / STATES, **states)  # type: ignore[arg-type]
        if self._normalize is not None:
            np.savez(folder / "normalize.npz", **dict(self._statistics()))

    def load(self, folder: Path) -> None:
        """Take over what `save` wrote, into an agent made with the same task and config.

        Whatever a subclass learns must be in its `_get_torch_save_params`, running statistics as
        buffers of a module, or it is not restored.
        """
        _, modules, variables = load_from_zip_file(
            folder / "model.zip", device=self.task.device, load_data=False
        )
        self.model.set_parameters(modules, device=self.task.device)
        for name in self.model._get_torch_save_params()[1] or []:
            recursive_getattr(self.model, name).data.copy_((variables or {})[name].data)
        if (folder / STATES).exists():
            with np.load(folder / STATES) as saved:
                jax_state.restore(self.model, saved)
        if self._normalize is not None:
            with np.load(folder / "normalize.npz") as saved:
                for name, moments in self._moments().items():
                    for part in ("mean", "var", "count"):
                        setattr(moments, part, saved[f"normalize.{name}.{part}"])


class MaskedAgent(SB3Agent):
    """A learner that never takes an action which the environment's `action_masks()` rules out."""

    def _learn_options(self) -> dict[str, Any]:
        return {"use_masking": self._envs().has_attr("action_masks")}

    def _masks(self, action_masks: np.ndarray | None) -> dict[str, Any]:
        return {"action_masks": action_masks}


class SearchAgent(SB3Agent):
    """A learner that tries candidates one whole episode after the other."""

    # ARS 2.9.2 counts n_envs steps for each of its environments: n_envs squared at every step.
    fields: ClassVar[Mapping[str, tuple[Any, Any]]] = {
        "n_envs": (Annotated[Literal[1], Field(description="Only one environment.")], 1)
    }


class HindsightAgent(SB3Agent):
    """A learner that replays what it did as if a place it came to had been its goal.

    Andrychowicz et al. (2017). Observations come in the parts `api.GOAL_PARTS`, and the
    environment's `compute_reward` and `compute_terminated` say what it would have paid for another
    goal, and whether that would have ended the episode.
    """

    fields: ClassVar[Mapping[str, tuple[Any, Any]]] = {
        "goal_selection_strategy": (
            Annotated[
                Literal[tuple(KEY_TO_GOAL_STRATEGY)],
                Field(description="Which states of the episode become goals."),
            ],
            "future",
        ),
        "n_sampled_goal": (
            Annotated[Positive, Field(description="Such goals for each real one.")],
            4,
        ),
        # SB3's 100 would have it sample before the first episode is over.
        "learning_starts": (Count, 1000),
        "n_steps": (Literal[1], 1),  # HerReplayBuffer 2.9.2 ignores another one
    }

    def __init__(self, task: Task, config: Any) -> None:
        goals = replace(task, make_env=lambda: PaidAlike(ManyGoals(task.make_env())))
        super().__init__(goals, config)
        for limit in self._envs().get_attr("time_limit"):
            self._check_buffer(limit * config.n_envs)

    def _check_buffer(self, episode: int) -> None:
        """Hindsight replays whole episodes: one must be over, and kept, when learning begins."""
        for name in ("learning_starts", "buffer_size"):
            given = getattr(self.config, name)
            if given < episode:
                raise ValueError(
                    f"{name} is {given}, and the first episode may last {episode} steps of all "
                    f"environments together: raise {name} to at least that"
                )

    def _arguments(self, env: VecEnv) -> dict[str, Any]:
        given = super()._arguments(env)
        options = {name: given.pop(name) for name in ("n_sampled_goal", "goal_selection_strategy")}
        return given | {"replay_buffer_class": GoalsEnd, "replay_buffer_kwargs": options}


class _BudgetSpent(Exception):
    """Ends an algorithm whose updates wait for episodes, with the weights of the last update."""


@dataclass
class Reported:
    """How much of what SB3 did was handed over."""

    logged: int = 0  # steps before the last metrics
    updated: int = 0  # steps before the last update, for what waits for episodes
    remote: list[bool] = field(default_factory=list)  # since the last metrics


class _Report(BaseCallback):
    """Tells the progress where SB3 is."""

    def __init__(
        self, progress: Progress, ceiling: int | None, barrier: int | None, reported: Reported
    ) -> None:
        super().__init__()
        self._progress = progress
        self._ceiling = ceiling
        self._barrier = barrier
        self._reported = reported

    def _on_step(self) -> bool:
        self._progress.at(self.num_timesteps)
        # Of the wrapper noisy_tv: whether the step went to the television. ARS shows no infos.
        infos = self.locals.get("infos", ())
        self._reported.remote += [info["remote"] for info in infos if "remote" in info]
        if self._ceiling is not None and self.num_timesteps + self.model.n_envs > self._ceiling:
            raise _BudgetSpent
        return True

    def _on_rollout_start(self) -> None:  # the update on the rollout before is done
        step = self._reported.updated = self.model.num_timesteps
        if step - self._reported.logged >= LOG_EVERY:
            self.log()
        if self._barrier is not None and step >= self._barrier:
            raise Barrier(step)

    def log(self) -> None:
        """Hand over what SB3 recorded, but its clock: that would differ between equal runs."""
        logger, step = self.model.logger, self.model.num_timesteps
        metrics = {
            name: float(value)
            for name, value in logger.name_to_value.items()
            if not isinstance(value, str) and not name.startswith("time/")
        }
        episodes = self.model.ep_info_buffer or ()
        for name, part in (("rollout/ep_rew_mean", "r"), ("rollout/ep_len_mean", "l")):
            if episodes:
                metrics[name] = float(np.mean([episode[part] for episode in episodes]))
        if self._reported.remote:
            metrics["rollout/remote"] = float(np.mean(self._reported.remote))
            self._reported.remote.clear()
        logger.name_to_value.clear()
        logger.name_to_count.clear()
        logger.name_to_excluded.clear()
        self._reported.logged = step
        if metrics:
            self._progress.log(step, metrics)


class Episodes(Monitor):
    """SB3's lists of all episodes of an environment grow as long as it is trained in, and nothing
    reads them: some 80 bytes for each episode.
    """

    def reset(self, **given: Any) -> tuple[Any, dict[str, Any]]:
        for every in (self.episode_returns, self.episode_lengths, self.episode_times):
            every.clear()
        return super().reset(**given)


def training_envs(task: Task, config: Any) -> VecEnv:
    """`n_envs` copies of the environment, which tell training returns; normalised if asked."""
    env: VecEnv = DummyVecEnv([lambda: Episodes(task.make_env())] * config.n_envs)
    normalize = config.normalize
    if normalize.obs or normalize.reward:
        env = VecNormalize(
            env,
            norm_obs=normalize.obs,
            norm_reward=normalize.reward,
            gamma=getattr(config, "gamma", 0.99),  # ARS has none
        )
    return env


def _sides(space: spaces.Space) -> list[int]:
    """Height and width, whichever end of the shape the channels are at."""
    return sorted(space.shape or ())[-2:]


@dataclass(frozen=True)
class Algorithm:
    """One line of the table."""

    target: str  # "module:class" of SB3 or sb3-contrib
    adapter: type[SB3Agent] = SB3Agent


ALGORITHMS: dict[str, Algorithm] = {
    "ppo": Algorithm("stable_baselines3:PPO"),
    "a2c": Algorithm("stable_baselines3:A2C"),
    "dqn": Algorithm("stable_baselines3:DQN"),
    "sac": Algorithm("stable_baselines3:SAC"),
    "td3": Algorithm("stable_baselines3:TD3"),
    "qrdqn": Algorithm("sb3_contrib:QRDQN"),
    "tqc": Algorithm("sb3_contrib:TQC"),
    "trpo": Algorithm("sb3_contrib:TRPO"),
    "recurrent_ppo": Algorithm("sb3_contrib:RecurrentPPO"),
    "maskable_ppo": Algorithm("sb3_contrib:MaskablePPO", MaskedAgent),
    "ars": Algorithm("sb3_contrib:ARS", SearchAgent),
    "crossq": Algorithm("sb3_contrib:CrossQ"),
    "sac_her": Algorithm("stable_baselines3:SAC", HindsightAgent),
    "tqc_her": Algorithm("sb3_contrib:TQC", HindsightAgent),
    "dqn_her": Algorithm("stable_baselines3:DQN", HindsightAgent),
}


@cache
def agent_class(name: str) -> type[SB3Agent]:
    """The `api.Agent` for a line of the table."""
    entry = ALGORITHMS[name]
    algorithm = load_target(entry.target, BaseAlgorithm)
    body = {"algorithm": algorithm, "__module__": __name__}
    return type(algorithm.__name__, (entry.adapter,), body)


def adapted(found: Any) -> Any:
    """An algorithm of SB3's kind as an `api.Agent`; anything else as it is."""
    if not (isinstance(found, type) and issubclass(found, BaseAlgorithm)):
        return found
    return _adapted(found)


@cache
def _adapted(algorithm: type[BaseAlgorithm]) -> type[SB3Agent]:
    body = {"algorithm": algorithm, "__module__": __name__, "__doc__": algorithm.__doc__}
    if not _preprocesses(algorithm):
        body["observations"] = ("vector", "image")
    body |= {name: getattr(algorithm, name) for name in SAID if name in vars(algorithm)}
    return type(algorithm.__name__, (SB3Agent,), body)


def _preprocesses(algorithm: type[BaseAlgorithm]) -> bool:
    """Whether its policies read observations as SB3's do: categories one by one, bytes over 255.

    SBX's have a `predict` of their own, in which the number of a category is a number like others.
    """
    policy = next(iter(algorithm.policy_aliases.values()))
    reads = next(base for base in policy.__mro__ if "predict" in vars(base))
    return reads.__module__.partition(".")[0] in ("stable_baselines3", "sb3_contrib")


def __getattr__(name: str) -> type[SB3Agent]:
    if name in ALGORITHMS:
        return agent_class(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
