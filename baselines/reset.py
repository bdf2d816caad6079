"""DQN whose network is drawn anew now and then, while its replay buffer stays.

Nikishin et al. (2022), "The primacy bias in deep reinforcement learning" (arXiv:2205.07802):
trained often on few early transitions, a network loses the ability to learn from later ones;
resetting its last layer, or all of it, gives the ability back, and the buffer soon teaches it what
it knew. Beside the paper's fixed period there is a trigger, the return of the training episodes
having stalled, and an end, because a run that ends soon after a reset is scored on an untaught
network.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from stable_baselines3 import DQN
from torch import Tensor, nn

from baselines.sb3 import SB3Agent

EPISODES = 20  # of training, whose mean return is watched

Steps = Annotated[int, Field(ge=1)]


@dataclass
class Plateau:
    """Whether the mean return of the last `EPISODES` episodes has stopped reaching new heights."""

    since: int  # the step of the best mean, or at which watching began
    best: float = -float("inf")
    returns: deque[float] = field(default_factory=lambda: deque(maxlen=EPISODES))

    def add(self, episode_return: float, step: int) -> None:
        self.returns.append(episode_return)
        mean = sum(self.returns) / len(self.returns)
        if len(self.returns) == EPISODES and mean > self.best:
            self.best, self.since = mean, step

    def stalled(self, step: int, patience: int) -> bool:
        """Too few episodes are no evidence of anything."""
        return len(self.returns) == EPISODES and step - self.since >= patience


class ResettingDQN(DQN):
    """Stable-Baselines3's DQN; without `reset_every` and `reset_on_plateau` the same bit for bit.

    :param reset_layers: what is drawn anew: the last layer of the network, or all.
    :param reset_every: environment steps from one reset to the next; None: no such rhythm.
    :param reset_on_plateau: reset after so many environment steps without a new best mean return
        of training episodes, since the last reset; None: never for that reason.
    :param reset_until: the part of the budget after which nothing is reset.
    """

    def __init__(
        self,
        *args: Any,
        reset_layers: str = "last",
        reset_every: int | None = None,
        reset_on_plateau: int | None = None,
        reset_until: float = 0.8,
        **kwargs: Any,
    ) -> None:
        self.reset_layers = reset_layers
        self.reset_every = reset_every
        self.reset_on_plateau = reset_on_plateau
        self.reset_until = reset_until
        self.resets = 0
        self._last_reset = 0
        self._plateau: Plateau | None = None
        super().__init__(*args, **kwargs)

    def _update_info_buffer(self, infos: list[dict[str, Any]], dones: Any = None) -> None:
        super()._update_info_buffer(infos, dones)
        if self._plateau is not None:
            for info in infos:
                if "episode" in info:  # SB3's Monitor: the return that training was paid
                    self._plateau.add(info["episode"]["r"], self.num_timesteps)

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        if self._plateau is None:  # the time before learning_starts is no plateau
            self._plateau = Plateau(self.num_timesteps)
        if self._due(self._plateau):
            self._reset()
        super().train(gradient_steps, batch_size)
        self.logger.record("train/resets", self.resets)

    def _due(self, plateau: Plateau) -> bool:
        now = self.num_timesteps
        if now > self.reset_until * self._total_timesteps:
            return False
        rhythm = self.reset_every is not None and now - self._last_reset >= self.reset_every
        patience = self.reset_on_plateau
        return rhythm or (patience is not None and plateau.stalled(now, patience))

    def _reset(self) -> None:
        """Layers as a new policy has them, in the target network too, without Adam's memory."""
        whole, drawn = self.reset_layers == "all", self._drawn()
        with torch.no_grad():
            for network in (self.q_net, self.q_net_target):
                for name, value in parameters(network, whole).items():
                    value.copy_(drawn[name])
        for value in parameters(self.q_net, whole).values():
            for moment in self.policy.optimizer.state.get(value, {}).values():
                moment.zero_()
        self.resets += 1
        self._last_reset = self.num_timesteps
        self._plateau = Plateau(self.num_timesteps)

    def _drawn(self) -> Mapping[str, Tensor]:
        """The parameters of a new network, by name."""
        policy: Any = self.policy_class(
            self.observation_space, self.action_space, self.lr_schedule, **self.policy_kwargs
        )
        return dict(policy.q_net.named_parameters())


def parameters(network: nn.Module, whole: bool) -> dict[str, nn.Parameter]:
    """Of a Q-network, or of its last layer alone, by name."""
    chosen = dict(network.named_parameters())
    last = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)][-1]
    return {name: value for name, value in chosen.items() if whole or name.startswith(f"{last}.")}


class DQNReset(SB3Agent):
    """By default the paper's rhythm for SPR; a config may choose another, or none."""

    algorithm = ResettingDQN
    fields: ClassVar[dict[str, tuple[Any, Any]]] = {
        "reset_layers": (Literal["last", "all"], "last"),
        # SPR's last layer every 20,000 steps, there on Atari 100k.
        "reset_every": (Steps | None, 20_000),
        "reset_on_plateau": (Steps | None, None),
        "reset_until": (Annotated[float, Field(gt=0, le=1)], 0.8),
    }
