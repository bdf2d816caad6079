"""V of a world model: observations to latents and back (Ha and Schmidhuber 2018).

The convolutional variational autoencoder is the paper's, to the parameter count. Beside it stand
one of perceptrons for vectors, and the identity, which only standardises every dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from pydantic import Field
from torch import Tensor, nn

from baselines import api
from baselines.bound import Amount, LearningRate, Repeats0, Widths
from baselines.world_models.config import Group

SIDE = 64  # pixels of an image: the convolutions fit no other
CHUNK = 256  # observations that V looks at together


class Config(Group):
    """The hyper-parameters of V."""

    kind: Literal["auto", "conv", "mlp", "identity"] = Field(
        "auto", description="auto: conv for images, identity for vectors."
    )
    latent_size: int = Field(32, ge=1, description="Dimensions of a latent; not for the identity.")
    channels: Widths = Field(
        [32, 64, 128, 256], min_length=4, max_length=4, description="Of the encoder's convolutions."
    )
    net_arch: Widths = Field(
        [64, 64], min_length=1, description="Hidden widths of the perceptrons."
    )
    kl_coef: Amount = Field(1.0, description="Weight of the KL divergence.")
    kl_tolerance: Amount = Field(
        0.5, description="KL divergence per latent dimension below which it is not penalised."
    )
    learning_rate: LearningRate = Field(1e-4, description="Of Adam.")
    batch_size: int = Field(100, ge=1, description="Observations of a minibatch.")
    epochs: Repeats0 = Field(10, description="Passes over the data in each round.")

    def latents(self, sizes: api.Sizes) -> int:
        """Dimensions of a latent."""
        return sizes.obs if self.kind == "identity" else self.latent_size

    def memory(self, sizes: api.Sizes) -> dict[str, float]:
        found = super().memory(sizes)
        if self.kind == "mlp":
            half = api.weights_of(sizes.obs, *self.net_arch, self.latent_size)
            found["net_arch"] = api.TRAINED * 2 * half
        elif self.kind != "identity":
            found["latent_size"] = api.TRAINED * 3 * self.channels[-1] * self.latent_size
            conv = [16 * a * b for a, b in pairwise(self.channels)]
            found["channels"] = api.TRAINED * 2 * sum(conv)
        return found


class Code(NamedTuple):
    """A Gaussian over latents."""

    mean: Tensor  # (N, latent_size)
    std: Tensor

    def sample(self, generator: torch.Generator | None = None) -> Tensor:
        """:param generator: torch's global one if None."""
        noise = torch.randn(
            self.mean.shape, generator=generator, device=self.mean.device, dtype=self.mean.dtype
        )
        return self.mean + self.std * noise


def kl_divergence(code: Code) -> Tensor:
    """From the unit Gaussian, in nats: (N,)."""
    var = code.std.pow(2)
    return 0.5 * (code.mean.pow(2) + var - 1 - var.log()).sum(dim=-1)


def vae_loss(
    decoded: Tensor, target: Tensor, code: Code, *, kl_coef: float, kl_tolerance: float
) -> Tensor:  # decoded, target (N, ...)
    """The paper's: a sample's sum of squared errors, and its KL divergence above a floor: (N,)."""
    error = (decoded - target).pow(2).flatten(1).sum(dim=-1)
    floor = kl_tolerance * code.mean.shape[-1]
    return error + kl_coef * kl_divergence(code).clamp(min=floor)


def perceptron(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of these widths with SiLU between them."""
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(sizes):
        layers += [nn.Linear(width_in, width_out), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


class Scale(nn.Module):
    """Vectors with mean 0 and standard deviation 1, fixed by the first data.

    Later rounds go further than the first; a scale that moved with them would change the meaning
    of all that was learned before.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape
        self.size = int(np.prod(shape))
        self.register_buffer("mean", torch.zeros(self.size))
        self.register_buffer("std", torch.ones(self.size))
        self.register_buffer("seen", torch.zeros((), dtype=torch.bool))

    def see(self, values: np.ndarray) -> None:  # (M, *shape)
        if not self.seen:
            std, mean = torch.std_mean(self._rows(values).double(), dim=0, correction=0)
            self.mean.copy_(mean)
            self.std.copy_(torch.where(std > 1e-6, std, 1.0))  # a constant stays as it is
            self.seen.fill_(True)

    def read(self, values: np.ndarray) -> Tensor:  # (N, *shape) -> (N, size)
        return (self._rows(values) - self.mean) / self.std

    def write(self, scaled: Tensor) -> np.ndarray:
        """The way back."""
        return (scaled * self.std + self.mean).reshape(-1, *self.shape).cpu().numpy()

    def _rows(self, values: np.ndarray) -> Tensor:
        rows = torch.as_tensor(values, device=self.mean.device)
        return rows.reshape(len(rows), -1).float()


class Identity(nn.Module):
    """The latent is the observation itself, scaled: nothing to learn."""

    def __init__(self, space: spaces.Box, config: Config) -> None:
        super().__init__()
        self.scale = Scale(space.shape)
        self.latent_size = self.scale.size

    def see(self, observations: np.ndarray) -> None:
        self.scale.see(observations)

    def encode(self, observations: np.ndarray) -> Code:  # (N, *observation shape)
        mean = self.scale.read(observations)
        return Code(mean, torch.zeros_like(mean))

    @torch.no_grad()
    def decode(self, latents: Tensor) -> np.ndarray:  # (N, latent_size)
        return self.scale.write(latents)


class VAE(nn.Module):
    """What the two autoencoders share. Subclasses have `encoder`, `decoder`, and the two ways."""

    def __init__(self, config: Config, features: int) -> None:
        super().__init__()
        self.config = config
        self.latent_size = config.latent_size
        self.mean = nn.Linear(features, config.latent_size)
        self.log_var = nn.Linear(features, config.latent_size)

    def read(self, observations: np.ndarray) -> Tensor:
        """Observations as the encoder takes them and the decoder gives them back."""
        raise NotImplementedError

    def write(self, decoded: Tensor) -> np.ndarray:
        """The way back."""
        raise NotImplementedError

    def see(self, observations: np.ndarray) -> None:
        """All training data, before any pass over it."""

    def encode(self, observations: np.ndarray) -> Code:
        return self._code(self.read(observations))

    @torch.no_grad()
    def decode(self, latents: Tensor) -> np.ndarray:
        return self.write(self.decoder(latents))

    def loss(self, observations: np.ndarray, generator: torch.Generator) -> Tensor:  # -> (N,)
        target = self.read(observations)
        code = self._code(target)
        decoded = self.decoder(code.sample(generator))
        config = self.config
        return vae_loss(
            decoded, target, code, kl_coef=config.kl_coef, kl_tolerance=config.kl_tolerance
        )

    def _code(self, target: Tensor) -> Code:
        features = self.encoder(target)
        return Code(self.mean(features), (0.5 * self.log_var(features)).exp())


class MLPVAE(VAE):
    """For vectors, scaled as the identity scales them."""

    def __init__(self, space: spaces.Box, config: Config) -> None:
        scale, widths = Scale(space.shape), config.net_arch
        super().__init__(config, widths[-1])
        self.scale = scale
        self.encoder = nn.Sequential(perceptron([scale.size, *widths]), nn.SiLU())
        self.decoder = perceptron([config.latent_size, *reversed(widths), scale.size])

    def see(self, observations: np.ndarray) -> None:
        self.scale.see(observations)

    def read(self, observations: np.ndarray) -> Tensor:
        return self.scale.read(observations)

    def write(self, decoded: Tensor) -> np.ndarray:
        return self.scale.write(decoded)


class ConvVAE(VAE):
    """For images of 64 x 64 pixels (height, width, channels): 4,348,547 parameters with colours."""

    def __init__(self, space: spaces.Box, config: Config) -> None:
        if space.shape[:2] != (SIDE, SIDE) or len(space.shape) != 3 or space.dtype != np.uint8:
            raise ValueError(
                f"V reads images (64, 64, channels) of bytes, not {space}: add the wrapper resize"
            )
        a, b, c, d = config.channels
        super().__init__(config, 4 * d)
        colours = space.shape[2]
        self.encoder = nn.Sequential(
            nn.Conv2d(colours, a, 4, stride=2), nn.ReLU(),
            nn.Conv2d(a, b, 4, stride=2), nn.ReLU(),
            nn.Conv2d(b, c, 4, stride=2), nn.ReLU(),
            nn.Conv2d(c, d, 4, stride=2), nn.ReLU(),
            nn.Flatten(),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(config.latent_size, 4 * d), nn.Unflatten(1, (4 * d, 1, 1)),
            nn.ConvTranspose2d(4 * d, c, 5, stride=2), nn.ReLU(),
            nn.ConvTranspose2d(c, b, 5, stride=2), nn.ReLU(),
            nn.ConvTranspose2d(b, a, 6, stride=2), nn.ReLU(),
            nn.ConvTranspose2d(a, colours, 6, stride=2), nn.Sigmoid(),
        )  # fmt: skip

    def read(self, observations: np.ndarray) -> Tensor:
        images = torch.as_tensor(observations, device=self.mean.weight.device)
        return images.permute(0, 3, 1, 2).float() / 255

    def write(self, decoded: Tensor) -> np.ndarray:
        return (decoded * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


KINDS: dict[str, type[nn.Module]] = {"conv": ConvVAE, "mlp": MLPVAE, "identity": Identity}


def make_eye(space: spaces.Box, config: Config) -> nn.Module:
    """V for such observations."""
    kind = config.kind
    if kind == "auto":
        kind = "conv" if len(space.shape) == 3 else "identity"
    return KINDS[kind](space, config)


@torch.no_grad()
def encode(eye: nn.Module, observations: np.ndarray) -> Code:
    """The code of many observations, some at a time."""
    chunks = range(0, len(observations), CHUNK)
    parts = [eye.encode(observations[at : at + CHUNK]) for at in chunks]
    return Code(*(torch.cat(part) for part in zip(*parts, strict=True)))
