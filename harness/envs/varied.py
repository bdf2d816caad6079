"""An environment that is another one in each episode, among those that a card declares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness.envs.wrappers.option import Env, Random

if TYPE_CHECKING:
    from harness.envs.card import Variant


class Varied(Random):
    """Draws one of the variants at every reset, uniformly.

    A seeded reset begins the draws anew, so that evaluation meets the same variants in every arm.
    """

    def __init__(self, env: Env, variants: Sequence[Variant]) -> None:
        super().__init__(env)
        self._variants = variants
        names = {name for variant in variants for name in variant.attributes}
        missing = sorted(name for name in names if not hasattr(env.unwrapped, name))
        if missing:
            raise AttributeError(f"{env.unwrapped} has no {', '.join(missing)} to vary")
        # What one variant leaves out is not what the one before it left behind.
        self._plain = {name: getattr(env.unwrapped, name) for name in names}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self._seed(seed)
        chosen = int(self.rng.integers(len(self._variants)))
        variant = self._variants[chosen]
        for name, value in {**self._plain, **variant.attributes}.items():
            setattr(self.env.unwrapped, name, value)
        if variant.layouts is not None:
            seed = int(self.rng.integers(*variant.layouts))
        merged = {**variant.options, **(options or {})}
        observation, info = self.env.reset(seed=seed, options=merged or None)
        return observation, info | {"variant": chosen}
