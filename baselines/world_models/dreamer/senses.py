"""What is seen: the rows that stand for it, and the networks that read and rebuild them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from baselines.curiosity.network import RunningMoments
from baselines.world_models.dreamer.config import Config
from baselines.world_models.dreamer.network import ImageDecoder, ImageEncoder, beside_one, head, mlp
from baselines.world_models.dreamer.symlog import symexp, symlog

LEAST_STD = 1e-6


class ObservationCode:
    """Between the environment's observations and rows: bytes of an image, else vectors."""

    def __init__(self, space: Any) -> None:
        self.space = space
        self.one_of = isinstance(space, spaces.Discrete)
        # A field of bytes with sides of a few numbers is a map of things, not a picture.
        self.image = not self.one_of and (
            len(space.shape) == 3 and space.dtype == np.uint8 and min(space.shape[:2]) >= 8
        )
        if self.image:
            self.shape, self.dtype = tuple(space.shape), np.uint8
        else:
            width = int(space.n) if self.one_of else int(np.prod(space.shape))
            self.shape, self.dtype = (width,), np.float32

    def encode(self, observations: np.ndarray) -> np.ndarray:  # (N, *observation shape)
        """(N, *shape)."""
        if self.one_of:
            return np.eye(int(self.space.n), dtype=np.float32)[observations - int(self.space.start)]
        return np.asarray(observations).reshape(-1, *self.shape).astype(self.dtype)

    def restore(self, rows: np.ndarray) -> np.ndarray:  # (N, *shape)
        """The observations that `encode` was given, or the nearest that rows may stand for."""
        if self.one_of:
            return int(self.space.start) + rows.argmax(axis=-1)
        return rows.reshape(-1, *self.space.shape)


class Vectors(nn.Module):
    """Reads and rebuilds rows (N, D), which it squashes.

    If asked to, it first scales them to unit standard deviation over all data so far. Otherwise
    dimensions that vary by little, such as an angle of 0.1, gain the reconstruction less than their
    bits cost. The first data alone would not do: what goes far beyond it, symlog makes coarse.
    """

    def __init__(
        self, width: int, features: int, config: Config, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.encoder = mlp(width + 1, config.units, config.layers, generator)
        self.decoder = head(features, width, config.units, config.layers, generator)
        self.moments = RunningMoments(width) if config.normalize else None
        self.tokens, self.dimensions = config.units, width
        self.register_buffer("error", torch.ones(width))

    def meet(self, rows: Tensor) -> None:  # (M, D)
        """Count what is new."""
        if self.moments is not None:
            self.moments.update(rows)

    def target(self, rows: Tensor) -> Tensor:
        """What the decoder is to say."""
        mean, std = self._scale()
        return symlog((rows - mean) / std)

    def encode(self, rows: Tensor) -> Tensor:
        return self.encoder(beside_one(self.target(rows)))

    def restore(self, output: Tensor) -> np.ndarray:
        """Rows, from what the decoder says."""
        mean, std = self._scale()
        return (symexp(output) * std + mean).cpu().numpy()

    def _scale(self) -> tuple[Tensor | float, Tensor | float]:
        if self.moments is None:
            return 0.0, 1.0
        # A number that never changed stays as it is.
        std = self.moments.var.sqrt()
        return self.moments.mean.float(), torch.where(std > LEAST_STD, std, 1.0).float()


class Images(nn.Module):
    """Reads and rebuilds rows (N, height, width, channels) in 0 ... 255."""

    def __init__(
        self, shape: tuple[int, ...], features: int, config: Config, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.encoder = ImageEncoder(shape, config.depth, generator)
        self.decoder = ImageDecoder(features, shape, config.depth, generator)
        self.tokens, self.dimensions = self.encoder.width, int(np.prod(shape))
        self.register_buffer("error", torch.ones(shape))

    def meet(self, rows: Tensor) -> None:
        """Nothing to count: the scale of an image is known."""

    def target(self, rows: Tensor) -> Tensor:
        return rows.float() / 255

    def encode(self, rows: Tensor) -> Tensor:
        return self.encoder(rows)

    def restore(self, output: Tensor) -> np.ndarray:
        return (output * 255).round().to(torch.uint8).cpu().numpy()
