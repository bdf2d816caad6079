"""Dreamer behind `api.Agent`: acting, remembering, and learning in between."""

from __future__ import annotations

from collections import deque
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from baselines import api
from baselines.classic.space import only_of, probe
from baselines.kept import Kept
from baselines.world_models.action import CorrelatedActions
from baselines.world_models.dreamer.action import kind_of
from baselines.world_models.dreamer.behaviour import Behaviour, Metrics
from baselines.world_models.dreamer.config import Config
from baselines.world_models.dreamer.dynamics import LatentDynamics
from baselines.world_models.dreamer.replay import Replay
from baselines.world_models.dreamer.rssm import State
from baselines.world_models.dreamer.senses import ObservationCode
from baselines.world_models.dreamer.trainer import Model, Trainer

LOG_EVERY = 1000  # steps
VALIDATE_EVERY = 25  # updates: it costs about as much as a tenth of one
EPISODES = 100  # over which the training return is averaged, as in SB3


class Mind(NamedTuple):
    """What an agent carries from one action to the next, for n environments."""

    state: State  # (n, ...)
    action: Tensor  # (n, A): the last one

    def restarted(self, starts: Tensor) -> Mind:  # (n,) bool
        """With nothing in it where an episode begins."""
        keep = (~starts).float()[:, None]
        state = State(self.state.deter * keep, self.state.stoch * keep)
        return Mind(state, self.action * keep)


class Dreamer:
    """A world model, and an actor that learns inside it. One environment."""

    Config: ClassVar[type[api.Config]] = Config
    Model: ClassVar[type[Model]] = Model
    Trainer: ClassVar[type[Trainer]] = Trainer

    def __init__(self, task: api.Task, config: Config) -> None:
        env = probe(task)
        kinds = spaces.Discrete, spaces.Box
        self._seen = ObservationCode(only_of(env.observation_space, kinds, "observations"))
        self._kind = kind_of(only_of(env.action_space, kinds, "actions"), config.unimix)
        self._task, self._config = task, config
        seeds = np.random.SeedSequence(task.seed).generate_state(4, np.uint64).tolist()
        init, update, act, numpy = (int(seed) >> 1 for seed in seeds)
        generator = torch.Generator().manual_seed(init)
        self.model = self.Model(self._seen.shape, self._kind, config, generator).to(task.device)
        self.trainer = self.Trainer(
            self.model, config, torch.Generator(task.device).manual_seed(update)
        )
        self._acting = torch.Generator(task.device).manual_seed(act)
        self._rng = np.random.default_rng(numpy)
        self._uniform = CorrelatedActions(self._kind.code.space, 0.0, self._rng)
        self._diary = Diary()
        self._step = 0

    @cached_property
    def _replay(self) -> Replay:
        config = self._config
        capacity = config.buffer_rows(self._task.steps)
        seen, on_disk = self._seen, config.replay == "disk"
        return Replay(capacity, seen.shape, seen.dtype, self._kind.width, on_disk)

    def kept(self) -> Kept:
        return Kept(self, {"replay": self._replay.ring()})

    def learn(self, progress: api.Progress) -> int:
        """Train to the end of the budget: acting is sampled, and uniform to begin with."""
        task, config = self._task, self._config
        env, replay, diary = task.make_env(), self._replay, self._diary
        obs = self._meet(env.reset(seed=task.env_seed)[0])
        replay.start(obs[0])
        mind = self._initial(1)
        for step in range(self._step + 1, task.steps + 1):
            mind = self._act(obs, mind, step)
            code = mind.action[0].cpu()
            action = self._kind.code.restore(code)
            observation, reward, terminated, truncated, _ = env.step(action)
            obs = self._meet(observation)
            replay.add(obs[0], code.numpy(), float(reward), terminated, truncated)
            diary.step(float(reward), terminated or truncated)
            if terminated or truncated:
                obs = self._meet(env.reset()[0])
                replay.start(obs[0])
                mind = self._initial(1)
            progress.at(step)
            if self._due(step, replay):
                if self.trainer.optimizer.updates % VALIDATE_EVERY < config.gradient_steps:
                    diary.validations.append(self._validation(replay))
                for _ in range(config.gradient_steps):
                    diary.updates.append(self._update(replay, step))
            if step % LOG_EVERY == 0 or step == task.steps:
                diary.report(step, progress)
            if step == task.barrier:
                self._step = step
                replay.cut()
                raise api.Barrier(step)
        env.close()
        return task.steps

    def _due(self, step: int, replay: Replay) -> bool:
        config = self._config
        begun = step >= config.learning_starts and len(replay) >= config.batch_length
        return begun and step % config.train_freq == 0

    def _update(self, replay: Replay, step: int) -> Metrics:
        config, task = self._config, self._task
        batch = replay.sample(config.batch_size, config.batch_length, self._rng, task.device)
        return self.trainer.update(batch, 1 - step / task.steps)

    @torch.no_grad()
    def _validation(self, replay: Replay) -> Metrics:
        """The model's losses on the rows since the last update, which it has not learned from."""
        config, device = self._config, self._task.device
        # Its noise is the same every time, and takes nothing from training's.
        generator = torch.Generator(device).manual_seed(0)
        batch = replay.latest(config.batch_length, device)
        unseen = min(config.train_freq, config.batch_length)
        metrics = self.model.world.loss(batch, generator, last=unseen).metrics
        parts = ((name.removeprefix("train/"), value) for name, value in metrics.items())
        return {f"validation/{name}": value for name, value in parts if name.endswith("_loss")}

    @torch.no_grad()
    def _act(self, obs: np.ndarray, mind: Mind, step: int) -> Mind:
        behaviour = self._behaviour(step)
        mind = self._think(behaviour, obs, mind, self._acting, deterministic=False)
        if step > self._config.learning_starts:
            return mind
        uniform = self._kind.code.encode(np.asarray(self._uniform.draw())[None])
        return Mind(mind.state, uniform.to(self._task.device))

    def _behaviour(self, step: int) -> Behaviour:
        """Who acts in training."""
        return self.model

    def _think(
        self,
        behaviour: Behaviour,
        obs: np.ndarray,
        mind: Mind,
        generator: torch.Generator | None,
        deterministic: bool,
    ) -> Mind:
        """See `obs` (n, ...) after the mind's last action, and choose the next one."""
        rssm = self.model.world.rssm
        tokens = self.model.world.senses.encode(torch.from_numpy(obs).to(self._task.device))
        noise = None if deterministic else rssm.noise((len(obs),), generator)
        state, _ = rssm.see(mind.state, rssm.acted(mind.action), rssm.seen(tokens), noise)
        output = behaviour.actor(state.features())
        if deterministic:
            return Mind(state, self._kind.mode(output))
        return Mind(state, self._kind.draw(output, self._kind.noise(output, generator)))

    def _initial(self, n: int) -> Mind:
        state = self.model.world.rssm.initial(n)
        return Mind(state, state.deter.new_zeros(n, self._kind.width))

    def _meet(self, observation: Any) -> np.ndarray:  # -> (1, ...)
        """A new observation of training."""
        rows = self._seen.encode(np.asarray(observation)[None])
        self.model.world.senses.meet(torch.from_numpy(rows).to(self._task.device))
        return rows

    @torch.no_grad()
    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        """The state is a `Mind`: a lane's is emptied where its episode begins.

        Deterministic actions are the policy's modes, seen from the posterior's modes. The others
        draw from torch's global generator, which the caller guards.
        """
        obs = self._seen.encode(np.asarray(observation))
        mind = state or self._initial(len(obs))
        if episode_start is not None:
            mind = mind.restarted(torch.as_tensor(episode_start, device=self._task.device))
        mind = self._think(self.model, obs, mind, None, deterministic)
        return self._kind.code.restore(mind.action.cpu()), mind

    def dynamics(self) -> LatentDynamics:
        """The model alone, for `open_loop`."""
        return LatentDynamics(self.model.world, self._seen, self._kind.code)

    def weights(self) -> dict[str, np.ndarray]:
        """Every network, the slow critic, and the range of returns."""
        return {name: v.cpu().numpy().copy() for name, v in self.model.state_dict().items()}

    def save(self, folder: Path) -> None:
        """The model, and the optimiser's state beside it."""
        torch.save(self.model.state_dict(), folder / "model.pt")
        torch.save(self.trainer.optimizer.state_dict(), folder / "optimizer.pt")

    def load(self, folder: Path) -> None:
        device = self._task.device
        model = torch.load(folder / "model.pt", map_location=device, weights_only=True)
        optimizer = torch.load(folder / "optimizer.pt", map_location=device, weights_only=True)
        self.model.load_state_dict(model)
        self.trainer.optimizer.load_state_dict(optimizer)


class Diary:
    """What happened since the last report, and the last episodes."""

    def __init__(self) -> None:
        self.updates: list[Metrics] = []
        self.validations: list[Metrics] = []
        self._ended: deque[tuple[float, int]] = deque(maxlen=EPISODES)
        self._reward, self._steps = 0.0, 0

    def step(self, reward: float, over: bool) -> None:
        self._reward += reward
        self._steps += 1
        if over:
            self._ended.append((self._reward, self._steps))
            self._reward, self._steps = 0.0, 0

    def report(self, step: int, progress: api.Progress) -> None:
        """Means over the updates since the last report, and over the last episodes."""
        found = _means(self.updates) | _means(self.validations)
        if self._ended:
            returns, lengths = zip(*self._ended, strict=True)
            found["rollout/ep_rew_mean"] = float(np.mean(returns))
            found["rollout/ep_len_mean"] = float(np.mean(lengths))
        self.updates, self.validations = [], []
        if found:
            progress.log(step, found)


def _means(metrics: list[Metrics]) -> dict[str, float]:
    names = metrics[0] if metrics else ()
    return {name: float(torch.stack([each[name] for each in metrics]).mean()) for name in names}
