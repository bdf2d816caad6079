"""The recurrent networks that M may be made of: torch's own, step by step and all at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LSTM(nn.LSTM):
    """Its state (N, 2 H) is the hidden state, then the cell."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(inputs, width, batch_first=True)
        # torch adds two biases; the paper's LSTM has one.
        nn.init.zeros_(self.bias_hh_l0).requires_grad_(False)

    @property
    def state_size(self) -> int:
        return 2 * self.hidden_size

    def advance(self, inputs: Tensor, state: Tensor) -> Tensor:  # (N, I), (N, S) -> (N, S)
        parts = tuple(part[None].contiguous() for part in state.split(self.hidden_size, 1))
        _, after = self(inputs[:, None], parts)
        return torch.cat(after, dim=-1)[0]

    def unroll(self, inputs: Tensor) -> Tensor:  # (N, L, I) -> (N, L, H)
        return self(inputs)[0]


class GRU(nn.GRU):
    """Its state (N, H) is the hidden state."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(inputs, width, batch_first=True)

    @property
    def state_size(self) -> int:
        return self.hidden_size

    def advance(self, inputs: Tensor, state: Tensor) -> Tensor:  # (N, I), (N, S) -> (N, S)
        return self(inputs[:, None], state[None].contiguous())[1][0]

    def unroll(self, inputs: Tensor) -> Tensor:  # (N, L, I) -> (N, L, H)
        return self(inputs)[0]
