"""PPO with a bonus (`baselines/curiosity/ppo.py`) around lockstep's PPO."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from stable_baselines3.common.buffers import RolloutBuffer
from torch import Tensor

from baselines import AGENTS, LOCKSTEP
from baselines.curiosity import agent
from baselines.curiosity.ppo import CuriousRollouts


class CompiledCuriosity(CuriousRollouts):
    """What stands before `baselines.lockstep.ppo:CompiledPPO`."""

    def _rollout_of(self, buffer: RolloutBuffer) -> tuple[Tensor, np.ndarray]:
        return torch.from_numpy(self.seen), buffer.actions.astype(self.action_space.dtype)


@cache
def agent_class(learner: str, bonus: str) -> type[agent.CuriosityAgent]:
    """`curiosity.agent.agent_class` of the compiled learner."""
    plain, kind = AGENTS[learner].under(LOCKSTEP).load(), agent.agent_class(learner, bonus)
    body = {"reaches": kind.algorithm.reaches, "__module__": __name__}
    algorithm = type(kind.algorithm.__name__, (CompiledCuriosity, plain.algorithm), body)
    body = {"algorithm": algorithm, "Config": kind.Config, "__module__": __name__}
    return type(kind.__name__, (kind, plain), body)
