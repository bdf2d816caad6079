"""Layers that draw their first weights from a generator that is passed in."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-3  # of the norms
SMALLEST = 4  # side of the image at the encoder's end


def truncated_normal(weight: Tensor, fan_in: int, generator: torch.Generator, scale: float) -> None:
    """Cut at two standard deviations; the factor makes up for the variance that this takes."""
    if scale == 0:
        nn.init.zeros_(weight)
        return
    std = 1.1368 * scale / fan_in**0.5
    # torch's bounds are not in standard deviations: left at their default they would cut nothing.
    nn.init.trunc_normal_(weight, 0.0, std, -2 * std, 2 * std, generator=generator)


def linear(width_in: int, width: int, generator: torch.Generator, scale: float = 1.0) -> nn.Linear:
    """With a bias always: a norm behind a layer that has none forgets how long a vector is."""
    layer = nn.utils.skip_init(nn.Linear, width_in, width)
    truncated_normal(layer.weight, width_in, generator, scale)
    nn.init.zeros_(layer.bias)
    return layer


class BlockLinear(nn.Module):
    """A block-diagonal matrix: input (..., blocks, width_in) to (..., blocks, width)."""

    def __init__(self, blocks: int, width_in: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(blocks, width_in, width))
        self.bias = nn.Parameter(torch.zeros(blocks, width))
        truncated_normal(self.weight, width_in, generator, scale=1.0)

    def forward(self, x: Tensor) -> Tensor:  # (N, blocks, width_in)
        if len(self.weight) == 1:  # the plain product is several times faster
            return F.linear(x, self.weight.flatten(0, 1).T, self.bias.flatten())
        return torch.baddbmm(self.bias[:, None], x.transpose(0, 1), self.weight).transpose(0, 1)


class Dense(nn.Module):
    """Linear, norm, SiLU."""

    def __init__(self, width_in: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = linear(width_in, width, generator)
        self.norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(self.norm(self.linear(x)))


def beside_one(x: Tensor) -> Tensor:  # (..., D) -> (..., D + 1)
    """A constant beside a few numbers, so that a norm behind the first layer keeps their size.

    Without it all multiples of a vector look alike, and those near 0 are blown up.
    """
    return torch.cat([x, torch.ones_like(x[..., :1])], dim=-1)


def mlp(width_in: int, units: int, layers: int, generator: torch.Generator) -> nn.Sequential:
    widths = [width_in] + [units] * (layers - 1)
    return nn.Sequential(*(Dense(width, units, generator) for width in widths))


def head(
    width_in: int,
    width: int,
    units: int,
    layers: int,
    generator: torch.Generator,
    scale: float = 1.0,
) -> nn.Sequential:
    """A perceptron with a linear end, whose first weights are multiplied with `scale`."""
    last = linear(units, width, generator, scale)
    return nn.Sequential(*mlp(width_in, units, layers, generator), last)


class _ChannelNorm(nn.LayerNorm):
    """Over the channels at each place of an image."""

    def forward(self, x: Tensor) -> Tensor:  # (N, channels, height, width)
        return super().forward(x.movedim(1, -1)).movedim(-1, 1)


def _convolution(
    kind: type[nn.Module], depth_in: int, depth: int, generator: torch.Generator
) -> nn.Module:
    """4 x 4 with stride 2: halves an image, or doubles it if transposed."""
    layer = nn.utils.skip_init(kind, depth_in, depth, 4, 2, 1)
    # A transposed one adds only a quarter of its taps into each place.
    taps = 4 if kind is nn.ConvTranspose2d else 16
    truncated_normal(layer.weight, depth_in * taps, generator, scale=1.0)
    nn.init.zeros_(layer.bias)
    return layer


def image_depths(shape: tuple[int, ...], depth: int) -> list[int]:
    """Channels after each halving of an image (height, width, channels), down to SMALLEST.

    :raises ValueError: if the sides are not SMALLEST times a power of two.
    """
    height, width, _ = shape
    halvings = (min(height, width) // SMALLEST).bit_length() - 1
    if halvings < 1 or height != width or height != SMALLEST << halvings:
        raise ValueError(f"images must be square with a side of 8, 16, 32, 64, ..., not {shape}")
    return [depth << i for i in range(halvings)]


class ImageEncoder(nn.Module):
    """Images (N, height, width, channels) in 0 ... 255 to vectors (N, width)."""

    def __init__(self, shape: tuple[int, ...], depth: int, generator: torch.Generator) -> None:
        super().__init__()
        depths = image_depths(shape, depth)
        layers: list[nn.Module] = []
        for depth_in, depth_out in zip([shape[2], *depths], depths, strict=False):
            conv = _convolution(nn.Conv2d, depth_in, depth_out, generator)
            layers += [conv, _ChannelNorm(depth_out, eps=EPSILON), nn.SiLU()]
        self.layers = nn.Sequential(*layers)
        self.width = depths[-1] * SMALLEST**2

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images.movedim(-1, 1).float() / 255 - 0.5).flatten(1)


class ImageDecoder(nn.Module):
    """Vectors (N, width) to images (N, height, width, channels) in 0 ... 1."""

    def __init__(
        self, width: int, shape: tuple[int, ...], depth: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        depths = image_depths(shape, depth)
        self.depth = depths[-1]
        self.linear = linear(width, depths[-1] * SMALLEST**2, generator)
        layers: list[nn.Module] = [_ChannelNorm(depths[-1], eps=EPSILON), nn.SiLU()]
        for depth_in, depth_out in zip(depths[:0:-1], depths[-2::-1], strict=True):
            conv = _convolution(nn.ConvTranspose2d, depth_in, depth_out, generator)
            layers += [conv, _ChannelNorm(depth_out, eps=EPSILON), nn.SiLU()]
        layers += [_convolution(nn.ConvTranspose2d, depths[0], shape[2], generator)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        seed = self.linear(x).view(-1, self.depth, SMALLEST, SMALLEST)
        return self.layers(seed).sigmoid().movedim(1, -1)
