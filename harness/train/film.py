"""Episodes on film: what a camera sees of an environment while evaluation plays it.

The camera stands in the evaluation itself: a film of an episode is of the very steps that gave its
return, and not of others that ought to equal them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

from harness import envs
from harness.config.name import shortened
from harness.envs.picture import Pixels, picture, to_draw
from harness.seeding import episode_seeds
from harness.train.evaluate import Evaluator
from harness.train.trained import Trained

MOST_SHOTS = 1_800  # of an episode: of a longer one, every second step is filmed, every third, ...
RATES = (4.0, 50.0)  # steps a second: slower nobody waits for, faster no GIF can show
_USUAL_RATE = 30.0  # where an environment does not tell
_NUMBERS = 4  # of a continuous action, as many as are shown


class Shot(NamedTuple):
    """One frame, and what had happened by then."""

    step: int
    action: str  # that led to it; empty: the episode begins
    total: float  # the return so far
    measured: str  # what the card reports beside the score
    frame: bytes  # see `pixels`
    shape: tuple[int, int, int]

    @property
    def pixels(self) -> Pixels:
        """A frame is kept packed: an episode may have thousands."""
        return np.frombuffer(zlib.decompress(self.frame), np.uint8).reshape(self.shape)


@dataclass
class Film:
    """One episode."""

    name: str  # of its environment
    seed: int  # of its reset
    every: int = 1  # steps from one shot to the next; the last step is always filmed
    rate: float = _USUAL_RATE  # steps a second, as the environment is usually shown
    shots: list[Shot] = field(default_factory=list)
    ended: str = ""  # how: terminated or truncated; empty: it has not

    @property
    def steps(self) -> int:
        return self.shots[-1].step

    @property
    def total(self) -> float:
        """Its return."""
        return self.shots[-1].total


class Camera(gym.Wrapper[Any, Any, Any, Any]):
    """Films the episodes that are asked for, known by the seeds of their resets.

    :param films: by seed; those of other episodes are not filmed.
    :param done: is called when one of them has ended.
    :param stepped: is called at every step, of those that are not filmed too.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        card: envs.Card,
        films: Mapping[int, Film],
        done: Callable[[], None] = lambda: None,
        stepped: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(env)
        self._card, self._films, self._done, self._stepped = card, films, done, stepped

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(seed=seed, options=options)
        self._film = None if seed is None else self._films.get(seed)
        self._step, self._total = 0, 0.0
        if self._film is not None:
            told = self.env.unwrapped.metadata.get("render_fps") or _USUAL_RATE
            self._film.rate = float(np.clip(told, *RATES))
            self._shoot(self._film, "", info)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        film = self._film
        self._stepped()
        if film is None:
            return observation, reward, terminated, truncated, info
        self._step += 1
        self._total += float(reward)
        ended = terminated or truncated
        if ended or self._step % film.every == 0:
            self._shoot(film, _named(self.env, action), info)
        if ended:
            film.ended = "terminated" if terminated else "truncated"
            self._film = None
            self._done()
        return observation, reward, terminated, truncated, info

    def _shoot(self, film: Film, action: str, info: Mapping[str, Any]) -> None:
        measures = self._card.measures
        told = ", ".join(m.written(float(info[key])) for key, m in measures.items() if key in info)
        frame = np.ascontiguousarray(picture(self.env, self._card.name))
        packed = zlib.compress(frame.tobytes(), 1)
        film.shots.append(Shot(self._step, action, self._total, told, packed, frame.shape))


def filmed(
    run: Trained, seed: int, every: int = 1, stepped: Callable[[], None] = lambda: None
) -> Film:
    """An episode of a finished run, acted as its evaluations are.

    One of the final evaluation is played in its company: lanes, batches and random numbers are
    those of the evaluation. Any other is played alone.

    :param seed: of its reset.
    :param every: see `Film`.
    :param stepped: is called at every step, of its company too.
    """
    spec, seeds = run.spec, final_seeds(run)
    film = Film(spec.env, seed, every)

    def make_env() -> gym.Env[Any, Any]:
        return Camera(to_draw(run.card, spec.wrappers), run.card, {seed: film}, _stop, stepped)

    with closing(Evaluator(make_env)) as evaluator, suppress(_Seen):
        deterministic = spec.evaluation.deterministic
        evaluator.play(run.agent, seeds if seed in seeds else [seed], deterministic)
    return film


def final_seeds(run: Trained) -> list[int]:
    """Of the resets of the final evaluation, in its order."""
    spec = run.spec
    return episode_seeds("final", spec.env, spec.seed, spec.evaluation.final_episodes)


def typical(returns: Sequence[float]) -> int:
    """The place of an episode of median return: of several, the first."""
    return list(returns).index(sorted(returns)[(len(returns) - 1) // 2])


def every_step(lengths: Sequence[int]) -> int:
    """How many steps lie between two shots, so that the longest episode has no more than MOST."""
    return max(1, -(-max(lengths) // MOST_SHOTS))


class _Seen(Exception):
    """The episode that is filmed has ended: the others need not."""


def _stop() -> None:
    raise _Seen


def _named(env: gym.Env[Any, Any], action: Any) -> str:
    """An action in words, where the environment has any."""
    inner: Any = env.unwrapped
    if isinstance(env.action_space, gym.spaces.Discrete):
        words: Mapping[int, str] = {}
        if env.action_space != inner.action_space:  # a wrapper gave the actions other numbers
            pass
        elif hasattr(inner, "get_action_meanings"):  # Atari
            words = dict(enumerate(map(str.lower, inner.get_action_meanings())))
        elif hasattr(inner, "actions") and hasattr(inner.actions, "__members__"):  # MiniGrid
            words = {each.value: name for name, each in inner.actions.__members__.items()}
        return words.get(int(action), str(int(action)))
    numbers = np.ravel(action) if isinstance(action, np.ndarray | np.generic) else None
    if numbers is None:
        return shortened(str(action))
    form = "{:+.2f}" if isinstance(env.action_space, gym.spaces.Box) else "{}"
    more = f" and {len(numbers) - _NUMBERS} more" if len(numbers) > _NUMBERS else ""
    return " ".join(form.format(each) for each in numbers[:_NUMBERS]) + more
