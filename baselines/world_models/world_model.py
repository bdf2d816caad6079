"""World models (Ha and Schmidhuber 2018, arXiv:1803.10122): see, remember, control.

In each round real steps are collected (the first time at random), V learns to see them, M learns
what comes next, and C learns what to do in the dream that M makes. Differences from the paper: M
predicts rewards too, so that C may learn in dreams everywhere; the data of a round joins that of
all before; every stage goes on from where it was left. Steps of the dream cost nothing: the budget
is spent on real ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from pydantic import Field
from torch import Tensor

from baselines import api
from baselines.classic.space import only_of, probe, time_limit
from baselines.kept import Kept
from baselines.world_models.action import ActionCode, CorrelatedActions
from baselines.world_models.collect import Act, Collector, Count
from baselines.world_models.config import Group
from baselines.world_models.controller import Config as ControllerConfig
from baselines.world_models.controller import Evolved
from baselines.world_models.dream import Config as DreamConfig
from baselines.world_models.dream import Dream, features
from baselines.world_models.episode import Episode, Episodes, pack, unpack
from baselines.world_models.imagination import Imagination
from baselines.world_models.learner import Learned
from baselines.world_models.mdn_rnn import MDNRNN
from baselines.world_models.mdn_rnn import Config as RNNConfig
from baselines.world_models.training import Sequences, fit_rnn, fit_vae, observations
from baselines.world_models.vae import VAE, Code, encode, make_eye
from baselines.world_models.vae import Config as VAEConfig

STAGES = ("data", "vae", "rnn", "controller")


class Data(Group):
    """How real steps are collected."""

    rounds: int = Field(1, ge=1, description="The budget is collected in so many equal parts.")
    correlation: float = Field(
        0.5, ge=0, lt=1, description="Correlation of a random action with the one before it."
    )
    exploration: float = Field(
        0.1, ge=0, le=1, description="Share of random actions when C collects."
    )
    validation: float = Field(
        0.1, gt=0, lt=1, description="Share of the episodes held out for validation."
    )


class Config(Group):
    """The hyper-parameters, one group for each part."""

    data: Data = Data()
    vae: VAEConfig = VAEConfig()
    rnn: RNNConfig = RNNConfig()
    dream: DreamConfig = DreamConfig()
    controller: ControllerConfig = ControllerConfig()

    def clashes(self) -> Iterator[tuple[str, str]]:
        yield from super().clashes()
        if self.controller.real_share and self.data.rounds > 1:
            yield "data.rounds", "must be 1 with a controller.real_share above 0"

    def least_steps(self) -> int:
        return math.ceil(self.data.rounds / (1 - self.controller.real_share))

    def paced_by(self) -> tuple[str, ...]:
        return "data.rounds", "controller.real_share"

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        latents = self.vae.latents(sizes)
        features = latents + self.rnn.hidden_size * (self.controller.inputs == "z_h")
        groups = {
            "vae": self.vae.memory(sizes),
            "rnn": self.rnn.memory(sizes, latents),
            "controller": self.controller.memory(sizes, features),
        }
        found = {f"{name}.{key}": n for name, each in groups.items() for key, n in each.items()}
        kept = sizes.obs_bytes + api.NUMBER * (sizes.actions + 1)  # of each real step
        return found | {"data": float(sizes.steps * kept)}


class WorldModel:
    """Its four stages may be run, saved and loaded one by one: see STAGES."""

    Config = Config

    def __init__(self, task: api.Task, config: Any) -> None:
        env = probe(task)
        space = only_of(env.observation_space, (spaces.Box,), "observations")
        actions = only_of(env.action_space, (spaces.Discrete, spaces.Box), "actions")
        self.task, self.config = task, config
        self.code = ActionCode(actions)
        horizon = config.dream.horizon or time_limit(env) or 1000
        self.dreams = config.dream.model_copy(update={"horizon": horizon})
        self.data = Episodes()
        self._at = 0  # the stage that it is at, counted over all rounds
        self._count = Count()
        self._drawing: np.random.Generator | None = None  # of a round while it is collected
        # Torch's layers draw their first weights from its global generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(task.seed)
            self.eye = make_eye(space, config.vae).to(task.device)
            self.memory = MDNRNN(self.eye.latent_size, self.code.size, config.rnn).to(task.device)
        self.with_hidden = config.controller.inputs == "z_h"
        self.controller = self._controller()

    def _controller(self) -> Any:
        chosen = self.config.controller
        if chosen.learner != "cma":
            return Learned(chosen, self.task, self.dream)
        size = self.eye.latent_size + self.config.rnn.hidden_size * self.with_hidden
        return Evolved(chosen, size, self.code, self.dream)

    @property
    def round(self) -> int:
        return self._at // len(STAGES)

    @property
    def train(self) -> list[Episode]:
        return self.data.part(held_out=False)

    @property
    def held_out(self) -> list[Episode]:
        return self.data.part(held_out=True)

    def kept(self) -> Kept:
        learner = self.controller.kept()
        constant = self.data.episodes, *learner.constant
        return Kept(self, self.data.rings(), learner.left, constant)

    def learn(self, progress: api.Progress) -> int:
        """Round after round, to the end of the budget. Barriers come between stages, too."""
        collector = Collector(self.task, progress, self._count)
        share = 1 - self.config.controller.real_share
        steps, rounds = int(self.task.steps * share), self.config.data.rounds
        end = len(STAGES) * rounds
        while True:
            stage = STAGES[self._at % len(STAGES)]
            if stage == "data":
                self.collect(collector, steps * (self.round + 1) // rounds)
                if ended := collector.metrics():
                    progress.log(collector.steps, ended)
            elif stage == "vae":
                self.fit_vae(progress, collector.steps)
            elif stage == "rnn":
                self.fit_rnn(progress, collector.steps)
            elif share < 1:
                self.fit_controller_real(progress, collector)
            else:
                self.fit_controller(progress, collector.steps)
            if self._at + 1 == end:
                break
            self._at += 1
            if self.task.barrier is not None:
                raise api.Barrier(collector.steps)
        collector.close()
        return collector.steps

    def collect(self, collector: Collector, until: int) -> None:
        """Stage 1: at random in the first round, later by C with some random actions.

        :raises Barrier: if one comes before `until` steps are done; the stage then goes on.
        """
        rng = self._drawing = self._drawing or np.random.default_rng(self._seed("data"))
        actions = CorrelatedActions(self.code.space, self.config.data.correlation, rng)
        act = self._explore(actions, rng) if self.round else _blind(actions)
        barrier, data = self.task.barrier or until, self.data
        data.episodes += collector.collect(act, min(until, barrier))
        if collector.steps < until:
            collector.release()
            raise api.Barrier(collector.steps)
        self._drawing = None
        new = len(data.episodes) - len(data.held_out)
        wanted = max(round(self.config.data.validation * new), 1)
        n = min(wanted, max(new - 1, 0))  # at least one of each, if there are two
        chosen = set(rng.choice(new, n, replace=False).tolist())
        data.held_out += [i in chosen for i in range(new)]

    def _explore(self, random: CorrelatedActions, rng: np.random.Generator) -> Act:
        state: Any = None

        def act(observation: np.ndarray, first: bool) -> Any:
            nonlocal state
            if first:
                random.start()
                state = None
            drawn = random.draw()
            chosen = drawn if rng.random() < self.config.data.exploration else None
            action, state = self._act(observation[None], state, chosen)
            return action[0]

        return act

    def fit_vae(self, progress: api.Progress, step: int) -> None:
        """Stage 2: V learns to see; the identity only takes its scale."""
        train = observations(self.train)
        self.eye.see(train)
        if isinstance(self.eye, VAE):
            held_out = observations(self.held_out) if self.held_out else None
            log = partial(progress.log, step)
            fit_vae(self.eye, train, held_out, **self._random("vae"), log=log)

    def fit_rnn(self, progress: api.Progress, step: int) -> None:
        """Stage 3: M learns what comes next."""
        held_out = self._sequences(self.held_out) if self.held_out else None
        log = partial(progress.log, step)
        fit_rnn(self.memory, self._sequences(self.train), held_out, **self._random("rnn"), log=log)

    def _sequences(self, episodes: list[Episode]) -> Sequences:
        code = encode(self.eye, observations(episodes))
        return Sequences(episodes, code, self.code, self.config.rnn.sequence_length)

    def fit_controller(self, progress: api.Progress, step: int) -> None:
        """Stage 4: C learns in the dream."""
        self.controller.fit(self._seed("controller"), partial(progress.log, step))

    def fit_controller_real(self, progress: api.Progress, collector: Collector) -> None:
        """Stage 4 in the real environment, with what is left of the budget."""

        patience = self.config.controller.patience

        def play(parameters: np.ndarray, start: int | None) -> float | None:
            if collector.steps >= self.task.steps:
                return None
            if self.task.barrier is not None and collector.steps >= self.task.barrier:
                collector.release()
                raise api.Barrier(collector.steps)
            state: Any = None

            def act(observation: np.ndarray, first: bool) -> Any:
                nonlocal state
                state = None if first else state
                action, state = self._act(observation[None], state, parameters=parameters)
                return action[0]

            # Never an episode that judges: those have seeds beyond env_seed's room.
            seed = None if start is None else self.task.env_seed + start % api.RESET_SEEDS
            episode = collector.play(act, self.task.steps, seed, patience)
            return None if collector.steps >= self.task.steps else float(episode.rewards.sum())

        def log(metrics: Mapping[str, float]) -> None:
            progress.log(collector.steps, {**metrics, **collector.metrics()})

        self.controller.fit_real(self._seed("controller"), play, log)

    def dream(self, num_envs: int) -> Dream:
        """Dreams that begin as the real training episodes did; before there are any, at 0."""
        zeros = torch.zeros(1, self.eye.latent_size, device=self.task.device)
        starts = Code(zeros, zeros)
        if self.train:
            first = np.stack([episode.observations[0] for episode in self.train])
            starts = encode(self.eye, first)
        return Dream(self.memory, starts, self.code, self.dreams, num_envs, self.with_hidden)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = True,
        action_masks: np.ndarray | None = None,
    ) -> tuple[np.ndarray, Any]:
        """The state is M's. Without `deterministic` the latent is drawn, as the paper does."""
        if state is not None and episode_start is not None:
            going = torch.as_tensor(~np.asarray(episode_start, bool), device=self.task.device)
            state = state * going[:, None]
        return self._act(observation, state, deterministic=deterministic)

    @torch.no_grad()
    def _act(
        self,
        observations: np.ndarray,  # (N, *observation shape)
        state: Tensor | None,
        chosen: Any = None,  # one action that is taken whatever C wants
        *,
        parameters: np.ndarray | None = None,  # others than C's own
        deterministic: bool = True,
    ) -> tuple[np.ndarray, Tensor]:
        code = self.eye.encode(np.asarray(observations))
        latents = code.mean if deterministic else code.sample()
        if state is None:
            state = latents.new_zeros(len(latents), self.memory.state_size)
        seen = features(latents, self.memory.hidden(state), self.with_hidden)
        if chosen is not None:
            actions = np.asarray(chosen)[None]
        elif parameters is not None:
            actions = self.controller.act_with(parameters[None], seen[None])[0]
        else:
            actions = self.controller.act(seen, deterministic)
        if self.with_hidden:
            taken = self.code.encode(actions).to(latents.device)
            state = self.memory.advance(latents, taken, state)
        return actions, state

    def dynamics(self) -> Imagination:
        """The model alone, for `open_loop`."""
        return Imagination(self.eye, self.memory, self.code)

    def weights(self) -> dict[str, np.ndarray]:
        networks = {"vae": self.eye, "rnn": self.memory}
        found = {
            f"{name}.{key}": value.detach().cpu().numpy().copy()
            for name, network in networks.items()
            for key, value in network.state_dict().items()
        }
        found |= {f"controller.{key}": value for key, value in self.controller.weights().items()}
        return found

    def save(self, folder: Path) -> None:
        for stage in STAGES:
            self.save_stage(stage, folder)

    def load(self, folder: Path) -> None:
        for stage in STAGES:
            self.load_stage(stage, folder)

    def save_stage(self, stage: str, folder: Path) -> None:
        """One of STAGES, into a file or two of its own."""
        if stage == "controller":
            self.controller.save(folder)
        elif stage == "data" and self.data.held_out:
            arrays = pack(self.data.episodes)
            arrays |= {"held_out": np.array(self.data.held_out), "round": np.array(self.round)}
            np.savez_compressed(folder / "data.npz", **arrays)
        elif stage in ("vae", "rnn"):
            network = self.eye if stage == "vae" else self.memory
            torch.save(network.state_dict(), folder / f"{stage}.pt")

    def load_stage(self, stage: str, folder: Path) -> None:
        if stage == "controller":
            self.controller.load(folder)
        elif stage == "data" and (folder / "data.npz").exists():
            with np.load(folder / "data.npz") as saved:
                arrays = dict(saved)
            # A stage run alone draws what it drew in its round.
            self._at = len(STAGES) * int(arrays["round"])
            self.data.episodes[:] = unpack(arrays)
            self.data.held_out[:] = arrays["held_out"].tolist()
        elif stage in ("vae", "rnn"):
            network = self.eye if stage == "vae" else self.memory
            path, device = folder / f"{stage}.pt", self.task.device
            network.load_state_dict(torch.load(path, map_location=device, weights_only=True))

    def _seed(self, stage: str) -> int:
        """A seed for one stage in one round, so that a stage run alone does what it did before."""
        entropy = [self.task.seed, STAGES.index(stage), self.round]
        return int(np.random.SeedSequence(entropy).generate_state(1)[0])

    def _random(self, stage: str) -> dict[str, Any]:
        seed = self._seed(stage)
        generator = torch.Generator(self.task.device).manual_seed(seed)
        return {"rng": np.random.default_rng(seed), "generator": generator}


def _blind(actions: CorrelatedActions) -> Act:
    """Random actions, whatever is seen."""

    def act(observation: np.ndarray, first: bool) -> Any:
        if first:
            actions.start()
        return actions.draw()

    return act
