"""What every learner with a bonus shares, however it takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from baselines import REACHES, api, load_bonus
from baselines.curiosity.bonus import Bonus


class Curious:
    """What stands before an SB3 algorithm in a class of both: see `agent.curious`.

    :param bonus: a name in BONUSES.
    :param bonus_config: that bonus's Config; its defaults if None.
    :param curiosity: what bonuses of this kind of learner share; the defaults for that bonus if
        None.
    """

    reaches: ClassVar[tuple[str, ...]]  # of the bonuses that it takes
    observation_space: Any  # the algorithm's, as its policy sees it
    action_space: Any
    fields: ClassVar[Mapping[str, tuple[Any, Any]]] = {}  # of the Config, as SB3Agent's

    @staticmethod
    def settings(reach: str) -> type[api.Config]:
        """What all bonuses with this reach share."""
        raise NotImplementedError

    def __init__(
        self,
        *args: Any,
        bonus: str = "rnd",
        bonus_config: api.Config | None = None,
        curiosity: Any = None,
        **kwargs: Any,
    ) -> None:
        kind = load_bonus(bonus)
        self.bonus_name = bonus
        self.bonus_config = bonus_config or kind.Config()
        self.curiosity_config = curiosity or self.settings(kind.reach)()
        super().__init__(*args, **kwargs)

    def _make_bonus(self, generator: torch.Generator) -> Bonus:
        """:raises ValueError: if this learner cannot take the bonus as it is set."""
        kind = load_bonus(self.bonus_name)
        bonus: Bonus = kind(self.observation_space, self.action_space, self.bonus_config, generator)
        if bonus.reach not in self.reaches:
            able = " or ".join(f"that prices {REACHES[reach]}" for reach in self.reaches)
            raise ValueError(
                f"the bonus {self.bonus_name} as it is set prices {REACHES[bonus.reach]}: "
                f"{type(self).__name__} takes one {able}, such as rnd"
            )
        return bonus
