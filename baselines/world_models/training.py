"""How V and M learn from episodes: minibatches, and losses on both sides of the split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from baselines.world_models.action import ActionCode
from baselines.world_models.episode import Episode, windows
from baselines.world_models.mdn_rnn import MDNRNN, Losses
from baselines.world_models.vae import CHUNK, VAE, Code

Log = Callable[[Mapping[str, float]], None]


def minibatches(n: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """All rows once, in a new order."""
    order = rng.permutation(n)
    for at in range(0, n, size):
        yield order[at : at + size]


def observations(episodes: Sequence[Episode]) -> np.ndarray:
    """All that was seen, one episode after the other."""
    return np.concatenate([episode.observations for episode in episodes])


def fit_vae(
    eye: VAE,
    train: np.ndarray,  # observations (M, ...)
    held_out: np.ndarray | None,
    *,
    rng: np.random.Generator,
    generator: torch.Generator,
    log: Log,
) -> None:
    """Passes over the training observations; logs both losses after each."""
    config = eye.config
    optimizer = torch.optim.Adam(eye.parameters(), lr=config.learning_rate)
    for epoch in range(config.epochs):
        losses = []
        for rows in minibatches(len(train), config.batch_size, rng):
            loss = eye.loss(train[rows], generator).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        metrics = {"train/vae_epoch": epoch + 1.0}
        metrics["train/vae_loss"] = torch.stack(losses).mean().item()
        if held_out is not None:
            metrics["validation/vae_loss"] = vae_validation(eye, held_out)
        log(metrics)


@torch.no_grad()
def vae_validation(eye: VAE, held_out: np.ndarray) -> float:
    """The mean loss; its noise is the same every time that it is asked for."""
    generator = torch.Generator(eye.mean.weight.device).manual_seed(0)
    chunks = range(0, len(held_out), CHUNK)
    parts = [eye.loss(held_out[at : at + CHUNK], generator) for at in chunks]
    return torch.cat(parts).mean().item()


class Sequences:
    """Episodes as M reads them: windows of latents, actions, rewards and terminations.

    :param code: of all observations, one episode after the other.
    """

    def __init__(
        self, episodes: Sequence[Episode], code: Code, actions: ActionCode, length: int
    ) -> None:
        found, device = windows(episodes, length), code.mean.device
        self.code = code
        self.rows = torch.from_numpy(found.rows()).to(device)
        self.actions = actions.encode(found.actions).to(device)
        self.rewards = torch.from_numpy(found.rewards).to(device)
        self.terminated = torch.from_numpy(found.terminated).to(device)
        self.mask = torch.from_numpy(found.mask()).float().to(device)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(
        self, chosen: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Some windows, or all, no longer than they must be. Without a generator: mean latents."""
        chosen = torch.arange(len(self)) if chosen is None else chosen
        mask = self.mask[chosen]
        steps = int(mask.sum(dim=1).max())
        rows = self.rows[chosen][:, : steps + 1]
        latents = self.code.mean[rows]
        if generator is not None:  # drawn anew every time, as the paper does
            latents = Code(latents, self.code.std[rows]).sample(generator)
        others = self.actions, self.rewards, self.terminated
        return latents, *(part[chosen][:, :steps] for part in others), mask[:, :steps]


def fit_rnn(
    memory: MDNRNN,
    train: Sequences,
    held_out: Sequences | None,
    *,
    rng: np.random.Generator,
    generator: torch.Generator,
    log: Log,
) -> None:
    """Passes over the training windows; logs both losses, and their parts, after each."""
    config = memory.config
    memory.see(train.rewards[train.mask > 0])
    groups = memory.trained_parameters()
    if not groups:
        with torch.no_grad():
            untrained = torch.stack(memory.losses(*train.batch()))
        log({"train/rnn_epoch": 0.0} | _named("train", untrained) | _validation(memory, held_out))
        return
    optimizer = torch.optim.Adam(groups)
    parameters = [parameter for group in groups for parameter in group["params"]]
    for epoch in range(config.epochs):
        losses = []
        for rows in minibatches(len(train), config.batch_size, rng):
            found = memory.losses(*train.batch(torch.from_numpy(rows), generator), noise=generator)
            optimizer.zero_grad()
            sum(found).backward()
            torch.nn.utils.clip_grad_value_(parameters, config.max_grad)
            optimizer.step()
            losses.append(torch.stack(found).detach())
        metrics = {"train/rnn_epoch": epoch + 1.0}
        metrics |= _named("train", torch.stack(losses).mean(dim=0))
        log(metrics | _validation(memory, held_out))
    if config.head == "deterministic":
        latents, actions, _, _, mask = (held_out or train).batch()
        memory.measure_noise(latents, actions, mask)


@torch.no_grad()
def _validation(memory: MDNRNN, held_out: Sequences | None) -> dict[str, float]:
    if not held_out:
        return {}
    # Of drawn latents, as in training, and of the same ones every time.
    generator = torch.Generator(held_out.code.std.device).manual_seed(0)
    batch = held_out.batch(generator=generator)
    return _named("validation", torch.stack(memory.losses(*batch)))


def _named(side: str, losses: Tensor) -> dict[str, float]:
    values = dict(zip(Losses._fields, losses.tolist(), strict=True))
    return {f"{side}/rnn_loss": sum(values.values())} | {
        f"{side}/rnn_{name}_loss": value for name, value in values.items()
    }
