"""DQN with resets (`baselines/reset.py`) around lockstep's DQN."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from baselines import reset
from baselines.lockstep.dqn import DQN, CompiledDQN
from baselines.lockstep.kernel import F


class CompiledResettingDQN(reset.ResettingDQN, CompiledDQN):
    """What is drawn anew, in place, is a part of the flat vectors."""

    def _drawn(self) -> Mapping[str, Tensor]:
        """As torch draws a linear layer, but from this learner's own numbers: learners that train
        side by side in one process share torch's.
        """
        drawn = {}
        for name, layer in self.q_net.named_modules():
            if isinstance(layer, nn.Linear):
                edge = 1 / np.sqrt(layer.in_features)
                for part, value in layer.named_parameters():
                    new = self.generator.uniform(-edge, edge, value.shape).astype(F)
                    drawn[f"{name}.{part}"] = torch.from_numpy(new)
        return drawn


class DQNReset(DQN):
    """`baselines.reset:DQNReset` with compiled acting and updates."""

    algorithm = CompiledResettingDQN
    Config = reset.DQNReset.Config
