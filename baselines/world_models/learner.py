"""C as one of Stable-Baselines3's algorithms, trained in the dream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from baselines import api
from baselines.kept import Kept
from baselines.sb3 import agent_class
from baselines.world_models.dream import Dream, dreamed_to_the_end

N_ENVS = 16  # dreams side by side, unless the hyper-parameters say otherwise
N_VALIDATION = 16  # dreams in which what was learned is played


def check(learner: str, hparams: Mapping[str, Any]) -> dict[str, Any]:
    """Complete hyper-parameters of an SB3 algorithm.

    :raises ValueError: if they are not its own.
    """
    config: api.Config = agent_class(learner).Config(**{"n_envs": N_ENVS, **hparams})
    return config.model_dump(mode="json")


def misfits(learner: str, hparams: Mapping[str, Any], steps: int) -> Iterator[tuple[str, str]]:
    """What is wrong with them: (key beside `hparams`, why)."""
    try:
        config = agent_class(learner).Config(**{"n_envs": N_ENVS, **hparams})
    except ValidationError as error:
        yield from _named(error)
        return
    if config.normalize.obs or config.normalize.reward:
        yield "hparams.normalize", "the dream's observations are scaled already"
    if steps < config.least_steps():
        lower = ", ".join(config.paced_by())
        why = f"{steps} hold no update of {learner}, which needs {config.least_steps()}"
        yield "steps", f"{why}: raise it, or lower {lower} in hparams"


def _named(error: ValidationError) -> Iterator[tuple[str, str]]:
    for detail in error.errors():
        clash = detail.get("ctx", {}).get("error")
        misfits = getattr(clash, "misfits", [(".".join(map(str, detail["loc"])), detail["msg"])])
        yield from ((f"hparams.{key}", why) for key, why in misfits)


class Learned:
    """A policy that PPO or SAC learns.

    :param make_dream: as many dreams side by side as it is asked for.
    """

    def __init__(self, config: Any, task: api.Task, make_dream: Callable[[int], Dream]) -> None:
        self.config, self.make_dream = config, make_dream
        learner = agent_class(config.learner)
        self.hparams = learner.Config(**config.hparams)
        self.agent = learner(replace(task, steps=config.steps), self.hparams, self._envs())

    def act(self, features: Tensor, deterministic: bool = True) -> np.ndarray:  # (N, F)
        return self.agent.predict(features.cpu().numpy(), deterministic=deterministic)[0]

    def fit(self, seed: int, log: Callable[[Mapping[str, float]], None]) -> None:
        """Train for `steps` more steps, in dreams of M as it now is."""
        model, envs = self.agent.model, self._envs()
        model.set_env(envs)
        model.set_random_seed(seed)
        if isinstance(model, OffPolicyAlgorithm):  # what older Ms dreamed is not true any more
            model.replay_buffer.reset()
        model.learn(self.config.steps, callback=_Watch(envs.dream, self.config.steps, log))
        # Dreams that it did not learn from, as uncertain as the last ones that it did.
        others = self.make_dream(N_VALIDATION)
        others.reset(seed=seed + 1)
        others.temperature = others.config.temperature_at(1.0)
        returns = dreamed_to_the_end(others, lambda seen: self.agent.predict(seen)[0])
        found = float(returns.mean())
        log({"dream/validation_return": found, "dream/final_return": found})

    def kept(self) -> Kept:
        """Without what is replayed: that was dreamed by a model that has learned since."""
        kept = self.agent.kept()
        rows = (array for ring in kept.rings.values() for array in ring.arrays.values())
        return Kept(self, left=kept.left, constant=(*kept.constant, *rows))

    def weights(self) -> dict[str, np.ndarray]:
        return self.agent.weights()

    def save(self, folder: Path) -> None:
        self.agent.save(folder)

    def load(self, folder: Path) -> None:
        self.agent.load(folder)

    def _envs(self) -> DreamVecEnv:
        return DreamVecEnv(self.make_dream(self.hparams.n_envs))


class _Watch(BaseCallback):
    """Anneals the temperature and logs the returns of the dreams that have ended."""

    def __init__(
        self, dream: Dream, steps: int, log: Callable[[Mapping[str, float]], None]
    ) -> None:
        super().__init__()
        self.dream, self.steps, self.log = dream, steps, log
        self.sums = np.zeros(dream.num_envs)
        self.returns: list[float] = []

    def _on_step(self) -> bool:
        part = min(self.num_timesteps / self.steps, 1.0)
        self.dream.temperature = self.dream.config.temperature_at(part)
        self.sums += self.locals["rewards"]
        ended = self.locals["dones"]
        self.returns += self.sums[ended].tolist()
        self.sums[ended] = 0.0
        return True

    def _on_rollout_end(self) -> None:
        if len(self.returns) >= 10 * self.dream.num_envs:  # SAC has a rollout every step
            self._tell()

    def _on_training_end(self) -> None:
        self._tell()

    def _tell(self) -> None:
        if self.returns:
            metrics = {"dream/train_return": float(np.mean(self.returns))}
            metrics["dream/steps"] = float(self.num_timesteps)
            learned = self.logger.name_to_value.items()
            self.log(metrics | {name: float(v) for name, v in learned if name.startswith("train/")})
        self.returns = []


class DreamVecEnv(VecEnv):
    """The dream as Stable-Baselines3 wants its environments."""

    def __init__(self, dream: Dream) -> None:
        self.dream = dream
        self.actions: np.ndarray | None = None
        super().__init__(dream.num_envs, dream.single_observation_space, dream.single_action_space)

    def reset(self) -> np.ndarray:
        observations, _ = self.dream.reset(seed=self._seeds[0])
        self._reset_seeds()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        self.actions = actions

    def step_wait(self) -> Any:
        observations, rewards, terminated, truncated, found = self.dream.step(self.actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for i in np.flatnonzero(terminated | truncated):
            infos[i] = {
                "terminal_observation": found["final_obs"][i],
                "TimeLimit.truncated": bool(truncated[i]),
            }
        return observations, rewards.astype(np.float32), terminated | truncated, infos

    def close(self) -> None: ...

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [getattr(self.dream, attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        setattr(self.dream, attr_name, value)

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> Any:
        raise NotImplementedError("the dreams are one environment, without methods of their own")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs
