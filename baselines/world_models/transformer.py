"""A transformer as M: each step attends to the steps before it, as far back as a window.

A token is a latent and the action taken at it, as in TransDreamer (Chen et al. 2022,
arXiv:2202.09481) and STORM (Zhang et al. 2023, arXiv:2310.09615); IRIS (Micheli et al. 2023,
arXiv:2209.00588) has several for each latent. The blocks are GPT-2's, normalised before each part,
without dropout. Positions are a learned bias for each head and each distance between two steps
(Raffel et al. 2020, arXiv:1910.10683, section 2.1, here for each layer): so keys and values can be
kept from step to step, however long an episode is.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor, nn

from baselines.world_models.config import Group


class Config(Group):
    """The hyper-parameters of attention. `rnn.hidden_size` is its width."""

    layers: int = Field(2, ge=1, description="Blocks, one after the other; 2 in STORM.")
    heads: int = Field(4, ge=1, description="Heads of each block; 4 in IRIS.")


class Block(nn.Module):
    """Attention, then a perceptron on each step by itself; both are added to what came in."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)  # queries, keys and values
        self.distance = nn.Parameter(torch.zeros(heads, context))
        self.merge = nn.Linear(width, width)
        self.think = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(
        self, x: Tensor, past: Tensor, distances: Tensor, visible: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The outputs (N, L, W), and the keys and values (N, L, 2 W) of these steps.

        :param past: keys and values (N, T, 2 W) of the steps before these.
        :param distances: from each of these steps back to each of all: (L, T + L).
        :param visible: which of them count: (N or 1, 1, L, T + L).
        """
        width, heads = x.shape[-1], len(self.distance)
        queries, new = self.project(self.norm(x)).split([width, 2 * width], dim=-1)
        keys, values = torch.cat([past, new], dim=1).chunk(2, dim=-1)
        bias = self.distance[:, distances].masked_fill(~visible, float("-inf"))
        parts = (
            part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (queries, keys, values)
        )
        attended = nn.functional.scaled_dot_product_attention(*parts, attn_mask=bias)
        x = x + self.merge(attended.transpose(1, 2).flatten(2))
        return x + self.think(x), new


class Transformer(nn.Module):
    """Its state (N, S) is the last output, the number of steps known, and their keys and values.

    S grows with the steps, up to those of `context - 1`. Zeros know nothing, so a row that is
    multiplied by 0 begins anew, whatever the others hold.

    :param context: steps that a step attends to, itself included.
    """

    def __init__(self, inputs: int, width: int, context: int, config: Config) -> None:
        super().__init__()
        self.width, self.context = width, context
        self.embed = nn.Linear(inputs, width)
        self.blocks = nn.ModuleList(
            Block(width, config.heads, context) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)

    @property
    def state_size(self) -> int:
        """Of a state that knows nothing."""
        return self.width + 1

    def advance(self, inputs: Tensor, state: Tensor) -> Tensor:  # (N, I), (N, S) -> (N, S')
        _, known, flat = state.tensor_split([self.width, self.width + 1], dim=-1)
        row = 2 * self.width * len(self.blocks)
        steps = flat.shape[-1] // row
        past = flat.unflatten(-1, (steps, row))[:, max(0, steps - self.context + 1) :]
        outputs, new = self(inputs[:, None], past, known)
        cache = torch.cat([past, new], dim=1).flatten(1)
        return torch.cat([outputs[:, 0], known + 1, cache], dim=-1)

    def unroll(self, inputs: Tensor) -> Tensor:  # (N, L, I) -> (N, L, W)
        row = 2 * self.width * len(self.blocks)
        nothing = inputs.new_zeros(len(inputs), 0, row)
        return self(inputs, nothing, inputs.new_zeros(1, 1))[0]

    def forward(self, inputs: Tensor, past: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (N, L, W), and keys and values of all blocks, side by side.

        :param past: keys and values of the T steps before these, the oldest first.
        :param known: how many of them there really were: (N or 1, 1).
        """
        steps, before = inputs.shape[1], past.shape[1]
        columns = torch.arange(before + steps, device=inputs.device)
        distances = columns[before:, None] - columns  # (L, T + L)
        near = (distances >= 0) & (distances < self.context)
        real = columns >= before - known  # (N or 1, T + L)
        visible = near & real[:, None, None]
        x, new = self.embed(inputs), []
        distances = distances.clamp(0, self.context - 1)
        for block, part in zip(self.blocks, past.chunk(len(self.blocks), dim=-1), strict=True):
            x, made = block(x, part, distances, visible)
            new.append(made)
        return self.norm(x), torch.cat(new, dim=-1)
