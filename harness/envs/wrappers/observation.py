"""Wrappers that change what an agent sees."""

from __future__ import annotations

from typing import Annotated, Any

import gymnasium as gym
import gymnasium.wrappers as stock
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from harness.envs.extra import need
from harness.envs.wrappers.option import Amount, Env, Index, Random, Size

Hidden = Annotated[list[Index | str], Field(min_length=1)]

# What the numbers of an observation are, by the class of the environment.
NUMBERS = {
    "AcrobotEnv": ("cos_1", "sin_1", "cos_2", "sin_2", "velocity_1", "velocity_2"),
    "CartPoleEnv": ("position", "velocity", "angle", "angular_velocity"),
    "Continuous_MountainCarEnv": ("position", "velocity"),
    "MountainCarEnv": ("position", "velocity"),
    "PendulumEnv": ("cos", "sin", "angular_velocity"),
}
VELOCITIES = "velocities"  # stands for every number with "velocity" in its name


def flat_image(env: Env) -> Env:
    from harness.envs.grid import FlatImage  # imports minigrid

    return FlatImage(env)


def cell_image(env: Env) -> Env:
    """MinAtar's cells, or MiniGrid's view, with the channels first: 10 x 10 x 10 cells would not
    tell which they are.
    """
    space = env.observation_space
    if isinstance(space, gym.spaces.Box) and space.dtype == np.bool_ and len(space.shape) == 3:
        height, width, channels = space.shape
        return stock.TransformObservation(
            env,
            lambda cells: np.moveaxis(cells, 2, 0) * np.uint8(255),
            gym.spaces.Box(0, 255, (channels, height, width), np.uint8),
        )
    from harness.envs.grid import CellImage  # imports minigrid

    return CellImage(env)


def action_masks(env: Env) -> Env:
    from harness.envs.grid import ActionMasks  # imports minigrid

    return ActionMasks(env)


def flatten(env: Env) -> Env:
    space = env.observation_space
    if not space.is_np_flattenable:
        raise TypeError(f"flatten is for observations that have one length, not for {space}")
    return single_precision(stock.FlattenObservation(env))


def time_aware(env: Env) -> Env:
    return stock.TimeAwareObservation(env, flatten=True, normalize_time=True)


def frame_stack(env: Env, frames: Size = 4) -> Env:
    """Colour images are stacked along their channels, where convolutional policies look.

    :param frames: how many observations, the present one among them.
    """
    stacked = stock.FrameStackObservation(env, frames)
    one = env.observation_space
    if not isinstance(one, gym.spaces.Box) or one.dtype != np.uint8 or len(one.shape) != 3:
        return stacked
    height, width, channels = one.shape
    shape = (height, width, frames * channels)
    return stock.TransformObservation(
        stacked,
        lambda images: np.moveaxis(images, 0, 2).reshape(shape),
        gym.spaces.Box(0, 255, shape, np.uint8),
    )


def single_precision(env: Env) -> Env:
    space = env.observation_space
    if not isinstance(space, gym.spaces.Box):
        raise TypeError(f"single_precision is for Box observations, not for {space}")
    # Gymnasium's DtypeObservation warns of bounds that lose precision, infinite ones among them.
    low, high = space.low.astype(np.float32), space.high.astype(np.float32)
    return stock.TransformObservation(
        env, lambda seen: seen.astype(np.float32), gym.spaces.Box(low, high)
    )


def resize(env: Env, width: Size, height: Size) -> Env:
    """
    :param width: of the image, in pixels.
    :param height: of the image, in pixels.
    """
    need("pixels", "resize")
    return stock.ResizeObservation(env, (height, width))


def grey(env: Env) -> Env:
    return stock.GrayscaleObservation(env, keep_dim=True)


def mask_observation(env: Env, hide: Hidden) -> Env:
    """What is hidden reads 0, so that the agent's network keeps its size.

    :param hide: places in the observation, or names from `NUMBERS`; "velocities" means all those.
    """
    space = _flat(env, "mask_observation")
    keep = np.ones(space.shape, space.dtype)
    keep[_places(env, hide)] = 0
    # 0 times infinity, a bound of CartPole's velocities, is no number.
    low, high = (np.where(keep, bound, 0).astype(space.dtype) for bound in (space.low, space.high))
    return stock.TransformObservation(
        env, lambda seen: seen * keep, gym.spaces.Box(low, high, dtype=space.dtype.type)
    )


def _places(env: Env, hide: list[int | str]) -> list[int]:
    space = _flat(env, "mask_observation")
    kinds = [kind.__name__ for kind in type(env.unwrapped).__mro__]
    names = next((NUMBERS[kind] for kind in kinds if kind in NUMBERS), ())
    places: list[int] = []
    for what in hide:
        if what == VELOCITIES:
            more = [i for i, name in enumerate(names) if "velocity" in name]
        elif isinstance(what, str):
            more = [i for i, name in enumerate(names) if name == what]
        else:
            more = [what] if what < space.shape[0] else []
        if not more:
            known = ", ".join([*names, VELOCITIES] if names else ["none by name"])
            raise ValueError(
                f"mask_observation: '{what}' is none of the {space.shape[0]} numbers that are "
                f"observed. Known: {known}"
            )
        places += more
    return places


class NoisyObservation(Random, gym.ObservationWrapper[Any, Any, Any]):
    """Gaussian noise in the observation's own units, kept inside its bounds.

    :param std: one standard deviation for all dimensions, or one for each.
    """

    def __init__(self, env: Env, std: Amount | list[Amount]) -> None:
        super().__init__(env)
        space = env.observation_space
        if not isinstance(space, gym.spaces.Box):
            raise TypeError(f"observation_noise is for Box observations, not for {space}")
        if isinstance(std, list) and (len(std),) != space.shape:
            raise ValueError(
                f"observation_noise: {len(std)} standard deviations for a shape {space.shape}"
            )
        self._space = space
        self._std = np.asarray(std, np.float64)

    def observation(self, observation: NDArray[Any]) -> NDArray[Any]:
        space = self._space
        noisy = observation + self.rng.normal(0.0, 1.0, space.shape) * self._std
        if np.issubdtype(space.dtype, np.integer):
            noisy = np.rint(noisy)
        return np.clip(noisy, space.low, space.high).astype(space.dtype)


class NoisyTV(Random):
    """A television beside the task (Burda et al., 2018b): numbers in [0, 1] that mean nothing.

    A bonus for what cannot be predicted is drawn to it for ever; one for what was never seen, only
    while there are patterns that it has not seen.

    :param idle: what the environment is told while the agent presses the remote control, which is
        one action more than it had. None: there is no remote, and every step shows another picture.
    :param patterns: how many pictures there are, the same in every episode; None: all are new.
    :param numbers: how many numbers a picture has.
    :param pattern_seed: what the pictures are drawn from.
    """

    def __init__(
        self,
        env: Env,
        idle: Index | None = None,
        patterns: Size | None = 10,
        numbers: Size = 8,
        pattern_seed: Index = 0,
    ) -> None:
        super().__init__(env)
        space = _flat(env, "noisy_tv")
        self._idle = idle
        self._numbers = numbers
        self._pictures = (
            None
            if patterns is None
            else np.random.default_rng(pattern_seed).random((patterns, numbers), np.float32)
        )
        blank, bright = np.zeros(numbers, np.float32), np.ones(numbers, np.float32)
        self.observation_space = gym.spaces.Box(
            np.concatenate([space.low, blank]), np.concatenate([space.high, bright])
        )
        self._remote = -1
        if idle is not None:
            actions = env.action_space
            if not isinstance(actions, gym.spaces.Discrete) or idle >= actions.n:
                raise TypeError(f"noisy_tv: there is no action {idle} in {actions} to stay idle by")
            self._remote = int(actions.n)
            self.action_space = gym.spaces.Discrete(self._remote + 1)

    def reset(self, **given: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = super().reset(**given)
        self._screen = self._picture()
        return self._beside(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        pressed = self._idle is not None and action == self._remote
        observation, reward, terminated, truncated, info = self.env.step(
            self._idle if pressed else action
        )
        if pressed or self._idle is None:
            self._screen = self._picture()
        seen = self._beside(observation)
        return seen, reward, terminated, truncated, info | {"remote": pressed}

    def _picture(self) -> NDArray[np.float32]:
        if self._pictures is None:
            return self.rng.random(self._numbers, np.float32)
        picture: NDArray[np.float32] = self._pictures[self.rng.integers(len(self._pictures))]
        return picture

    def _beside(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.concatenate([observation, self._screen])


def _flat(env: Env, wrapper: str) -> gym.spaces.Box:
    space = env.observation_space
    flat = isinstance(space, gym.spaces.Box) and len(space.shape) == 1
    if not (flat and space.dtype == np.float32):
        raise TypeError(f"{wrapper} is for flat vectors of floats, not for {space}")
    assert isinstance(space, gym.spaces.Box)
    return space
