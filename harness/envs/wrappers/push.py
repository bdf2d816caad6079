"""Means of learning for robots that push: shaping, a rule against stalling, and a curriculum.

They ask the environment for `errors()`, what is left to do by name, and for the object's pose: a
robot task that tells these can use them too.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Annotated, Any, Literal

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from harness.envs.wrappers.option import Amount, Count, Env, Fraction
from harness.envs.wrappers.reward import Shaped, StallEnd

Weights = Annotated[dict[str, Amount], Field(min_length=1)]
Frame = Literal["object", "start", "world"]


def push_frame(env: Env, observations: Frame = "object", actions: Frame = "object") -> Env:
    """From where the state is seen, and in whose axes the pusher is steered.

    :param observations: the frame in which the state is observed.
    :param actions: the frame in which the pusher moves.
    """
    _ask(env, "push_frame", "look_from")(observations, actions)
    return env


def error_shaping(env: Env, gamma: Fraction, weights: Weights) -> Env:
    """The potential is minus the weighted sum of the errors: 0 when nothing is left to do.

    :param gamma: the agent's own discount: with another, the optimal policy may change.
    :param weights: reward for each metre or radian less; PushPose tells distance, yaw_error and
        reach, which is the pusher's distance from the object's centre.
    """
    errors = _ask(env, "error_shaping", "errors")
    if unknown := sorted(set(weights) - set(errors())):
        raise ValueError(f"no error '{unknown[0]}'. Known: {', '.join(errors())}")

    def potential() -> float:
        now: dict[str, float] = errors()
        return -sum(weight * now[name] for name, weight in weights.items())

    return Shaped(env, potential, gamma)


def stall_end(env: Env, penalty: Amount = 1.0) -> Env:
    """
    :param penalty: taken from the reward of the last step.
    """
    if not env.has_wrapper_attr("stall_patience"):
        raise TypeError("stall_end needs the wrapper stall_clock before it")
    return StallEnd(env, penalty)


class GoalObservation(gym.ObservationWrapper[Any, Any, Any]):
    """The state in the parts that hindsight replay needs: it puts other goals in the goal's place.

    The pusher and the velocities are seen from the object, as by default; the object's pose and the
    goal from a frame that stays what it is through an episode: `start` is the object's at first.

    :param frame: that of the object's pose and the goal.
    """

    def __init__(self, env: Env, frame: Literal["start", "world"] = "start") -> None:
        super().__init__(env)
        self._poses, self._frame = _ask(env, "goal_observation", "poses"), frame
        push: Any = env.unwrapped
        push.look_from("object", push.action_frame)
        settings = push.settings
        self._near, self._aligned = settings.near, math.radians(settings.aligned)
        self._turns = settings.shape != "cylinder"
        self._length = push.length_unit
        sizes = {"observation": 7, "achieved_goal": 4, "desired_goal": 4}
        self.observation_space = gym.spaces.Dict(
            {name: gym.spaces.Box(-np.inf, np.inf, (size,)) for name, size in sizes.items()}
        )

    def observation(self, observation: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        reached, asked = self._poses(self._frame)
        return {
            "observation": np.delete(observation, np.s_[2:6]),  # all but the goal
            "achieved_goal": np.array(reached, np.float32),
            "desired_goal": np.array(asked, np.float32),
        }

    def compute_reward(
        self, achieved: NDArray[Any], desired: NDArray[Any], info: Any
    ) -> NDArray[np.float32]:
        """(n, 4), (n, 4) -> (n,): what the environment would have paid for these."""
        return self.compute_terminated(achieved, desired, info).astype(np.float32)

    def compute_terminated(
        self, achieved: NDArray[Any], desired: NDArray[Any], info: Any
    ) -> NDArray[np.bool_]:
        """(n, 4), (n, 4) -> (n,): whether that would have ended the episode: success alone does."""
        off = (achieved - desired)[..., :2] * self._length
        sin, cos = np.moveaxis(achieved[..., 2:], -1, 0)
        goal_sin, goal_cos = np.moveaxis(desired[..., 2:], -1, 0)
        turn = np.arctan2(goal_sin * cos - goal_cos * sin, goal_cos * cos + goal_sin * sin)
        near = np.hypot(off[..., 0], off[..., 1]) <= self._near
        aligned = (np.abs(turn) <= self._aligned) | (not self._turns)
        solved: NDArray[np.bool_] = near & aligned
        return solved


class StallClock(gym.Wrapper[Any, Any, Any, Any]):
    """Counts the decisions since the robot last made headway, and lets the agent see the count.

    Headway is a push that moves the object by `moved` metres or turns it by `turned` degrees, or a
    pusher that comes nearer to it by `approached` metres, each since the last headway. The clock
    ends nothing: it is observed in evaluation too, where episodes run to their limit.

    :param patience: decisions until the clock reads 1, where it stays.
    :param moved: metres.
    :param turned: degrees.
    :param approached: metres.
    :param observe: whether the agent sees the clock.
    """

    def __init__(
        self,
        env: Env,
        patience: Count = 30,
        moved: Amount = 0.005,
        turned: Amount = 3.0,
        approached: Amount = 0.01,
        observe: bool = True,
    ) -> None:
        super().__init__(env)
        self._errors = _ask(env, "stall_clock", "errors")
        self._pose = _ask(env, "stall_clock", "pose")
        self.stall_patience = patience
        self._moved, self._turned, self._approached = moved, math.radians(turned), approached
        self._observe = observe
        if observe:
            space = env.observation_space
            if not (isinstance(space, gym.spaces.Box) and len(space.shape) == 1):
                raise TypeError(f"stall_clock: `observe` is for flat vectors, not for {space}")
            low, high = np.append(space.low, 0.0), np.append(space.high, 1.0)
            self.observation_space = gym.spaces.Box(
                low.astype(np.float32), high.astype(np.float32), dtype=np.float32
            )

    def reset(self, **given: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = super().reset(**given)
        self._headway()
        return self._seen(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._still += 1
        x, y, yaw = self._pose()
        there_x, there_y, there_yaw = self._place
        if (
            math.hypot(x - there_x, y - there_y) >= self._moved
            or abs(math.remainder(yaw - there_yaw, 2 * math.pi)) >= self._turned
            or self._reach - self._errors()["reach"] >= self._approached
        ):
            self._headway()
        info["stalled"] = self._still >= self.stall_patience
        return self._seen(observation), reward, terminated, truncated, info

    def _headway(self) -> None:
        self._still = 0
        self._place, self._reach = self._pose(), self._errors()["reach"]

    def _seen(self, observation: Any) -> Any:
        if not self._observe:
            return observation
        clock = min(self._still / self.stall_patience, 1.0)
        return np.append(observation, np.float32(clock))


class Curriculum(gym.Wrapper[Any, Any, Any, Any]):
    """Episodes as easy as the agent needs them, harder as soon as it succeeds often enough.

    The difficulty begins at `start` and rises by `step`, up to 1, the task itself, whenever
    `target` of the last `window` episodes were solved. Each parallel copy of the environment has
    its own. A seeded reset begins anew. It must come after whatever ends episodes.

    :param start: the difficulty at first, from 0 to 1.
    :param step: by how much it rises.
    :param target: the share of solved episodes at which it rises.
    :param window: the number of episodes that count.
    """

    def __init__(
        self,
        env: Env,
        start: Fraction = 0.1,
        step: Fraction = 0.05,
        target: Fraction = 0.7,
        window: Count = 50,
    ) -> None:
        super().__init__(env)
        _ask(env, "curriculum", "errors")
        self._start, self._step, self._target = start, step, target
        self._solved: deque[bool] = deque(maxlen=window)
        self.difficulty = start

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        if seed is not None:
            self.difficulty = self._start
            self._solved.clear()
        merged = {"difficulty": self.difficulty, **(options or {})}
        return super().reset(seed=seed, options=merged)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        if terminated or truncated:
            self._solved.append(bool(info["success"]))
            full = len(self._solved) == self._solved.maxlen
            if full and sum(self._solved) >= self._target * len(self._solved):
                self.difficulty = min(1.0, self.difficulty + self._step)
                self._solved.clear()
            info["difficulty"] = self.difficulty
        return observation, reward, terminated, truncated, info


def _ask(env: Env, wrapper: str, method: str) -> Any:
    bound = getattr(env.unwrapped, method, None)
    if bound is None:
        raise TypeError(f"{wrapper} is for tasks with `{method}`, such as PushPose, not for {env}")
    return bound
