"""How bonuses read observations: images by convolutions that fit their size, others by perceptrons.

Images are what `baselines.space.is_image` says. The layers of a bonus are its own, never the
policy's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from gymnasium import spaces
from gymnasium.spaces.utils import flatdim
from torch import Tensor, nn

from baselines import FLAT, api
from baselines.curiosity.network import mlp
from baselines.space import observation_kind

READS = (*FLAT, "image")  # of baselines.OBSERVATIONS
COLOURS = 3  # channels of a frame in colour


class Filters(NamedTuple):
    """A layer of convolutions."""

    channels: int
    size: int
    stride: int = 1
    padding: int = 0


# From this shorter side on; the first that fits.
LAYERS: dict[int, tuple[Filters, ...]] = {
    # Mnih et al. 2015 (Nature 518), for 84 x 84 pixels; RND's networks have the same.
    36: (Filters(32, 8, 4), Filters(64, 4, 2), Filters(64, 3)),
    # Pathak et al. 2017 (arXiv:1705.05363), for 42 x 42 pixels.
    17: (Filters(32, 3, 2, 1),) * 4,
    # MiniGrid's documentation, "Training Minigrid Environments", for 7 x 7 cells.
    4: (Filters(16, 2), Filters(32, 2), Filters(64, 2)),
}
PIXELS = 17  # shorter sides below this are of grids: their channels are kinds, not frames


class View(NamedTuple):
    """What an encoder reads of a flat observation: its last numbers."""

    dim: int  # how many
    image: tuple[int, int, int] | None = None  # channels, height and width; None: it is no image

    def of(self, obs: Tensor) -> Tensor:  # (..., D) -> (..., dim)
        return obs[..., -self.dim :]


def whole(space: spaces.Space) -> View:
    """All of an observation.

    :param space: of an image with the channels first, as `Bonus` has it.
    """
    if observation_kind(space) == "image" and min(space.shape[1:]) >= min(LAYERS):
        return View(flatdim(space), space.shape)
    return View(flatdim(space))


def last_frame(space: spaces.Space) -> View:
    """The last frame of an image that may be a stack of frames, as by the wrapper frame_stack.

    Nothing tells a stack but its channels: where their number can be divided by three, frames have
    colours; else each channel is a grey frame. A small grid is one frame.
    """
    view = whole(space)
    if view.image is None or min(view.image[1:]) < PIXELS:
        return view
    channels, height, width = view.image
    channels = 1 if channels % COLOURS else COLOURS
    return View(channels * height * width, (channels, height, width))


class Convolutions(nn.Module):
    """The layers that fit an image, on flat images."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        generator: torch.Generator,
        activation: type[nn.Module] = nn.ReLU,
    ) -> None:
        """:param shape: channels, height, width."""
        super().__init__()
        self.shape = shape
        layers: list[nn.Module] = []
        channels = shape[0]
        filters = next(each for side, each in LAYERS.items() if min(shape[1:]) >= side)
        for each in filters:
            layer = nn.utils.skip_init(
                nn.Conv2d, channels, each.channels, each.size, each.stride, each.padding
            )
            nn.init.orthogonal_(layer.weight, math.sqrt(2), generator=generator)
            nn.init.zeros_(layer.bias)
            layers += [layer, activation()]
            channels = each.channels
        self.layers = nn.Sequential(*layers)
        self.width = self.layers(torch.zeros(1, *shape)).numel()

    def forward(self, obs: Tensor) -> Tensor:  # (..., C * H * W) -> (..., width)
        images = obs.reshape(-1, *self.shape)
        return self.layers(images).reshape(*obs.shape[:-1], self.width)


def encoder(
    view: View,
    widths: Sequence[int],
    generator: torch.Generator,
    activation: type[nn.Module],
    dense: type[nn.Module] | None = None,
) -> nn.Sequential:
    """Dense layers of these widths; of an image behind convolutions.

    :param dense: the activation between dense layers behind convolutions, if it is another one.
    """
    if view.image is None:
        return mlp([view.dim, *widths], activation, generator)
    torso = Convolutions(view.image, generator, activation)
    return nn.Sequential(torso, *mlp([torso.width, *widths], dense or activation, generator))


def weights(sizes: api.Sizes, *widths: int) -> int:
    """Numbers in an encoder with dense layers of these widths, at the least: of an observation in
    bytes, which may be an image, those between the dense layers.
    """
    return api.weights_of(*([] if sizes.obs_bytes == sizes.obs else [sizes.obs]), *widths)
