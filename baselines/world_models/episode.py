"""What an environment did, episode by episode: the data of a world model.

One alignment for all: action t is taken at observation t and leads, with reward t, to observation
t + 1. So an episode of T steps has T + 1 observations; the last is a row of its own, and the first
observation of the next episode is never in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from baselines.kept import Ring


class Episode(NamedTuple):
    """From a reset to an end, or to where it was cut off."""

    observations: np.ndarray  # (T + 1, *observation shape)
    actions: np.ndarray  # (T, *action shape)
    rewards: np.ndarray  # (T,)
    terminated: bool  # whether the last step ended it; false if it was truncated or cut off

    def __len__(self) -> int:
        """Its steps, T."""
        return len(self.rewards)

    def terminations(self) -> np.ndarray:
        """Whether each step ended the episode: (T,) bool."""
        ends = np.zeros(len(self), bool)
        ends[-1] = self.terminated
        return ends


class Windows(NamedTuple):
    """Parts of episodes, N of them, L steps each; what is beyond an episode's end is 0."""

    start: np.ndarray  # (N,) row of the first observation, in all observations put together
    length: np.ndarray  # (N,) steps that are real
    actions: np.ndarray  # (N, L, *action shape)
    rewards: np.ndarray  # (N, L)
    terminated: np.ndarray  # (N, L)

    def rows(self) -> np.ndarray:
        """Rows (N, L + 1) of the observations; a step that is not real stays at the last one."""
        steps = np.arange(self.rewards.shape[1] + 1)
        return self.start[:, None] + np.minimum(steps, self.length[:, None])

    def mask(self) -> np.ndarray:
        """Which steps are real: (N, L) bool."""
        return np.arange(self.rewards.shape[1]) < self.length[:, None]


def windows(episodes: Sequence[Episode], length: int) -> Windows:
    """Each episode cut into consecutive parts of `length` steps; its last part may be shorter."""
    first = np.cumsum([0, *(len(episode) + 1 for episode in episodes)])
    cuts = [
        (episode, at, first[i] + at)
        for i, episode in enumerate(episodes)
        for at in range(0, len(episode), length)
    ]
    one = episodes[0].actions
    shape = len(cuts), length
    actions = np.zeros((*shape, *one.shape[1:]), one.dtype)
    rewards, terminated = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    lengths = np.zeros(len(cuts), np.int64)
    for n, (episode, at, _) in enumerate(cuts):
        part = slice(at, at + length)
        steps = lengths[n] = len(episode.rewards[part])
        actions[n, :steps] = episode.actions[part]
        rewards[n, :steps] = episode.rewards[part]
        terminated[n, :steps] = episode.terminations()[part]
    return Windows(np.array([row for _, _, row in cuts]), lengths, actions, rewards, terminated)


ROWS = ("observations", "actions", "rewards")  # of what is packed, what grows with every step


class Episodes:
    """All episodes, in the order in which they were played."""

    def __init__(self) -> None:
        self.episodes: list[Episode] = []
        self.held_out: list[bool] = []  # whether each is, of those for which it was drawn
        self._index: dict[str, np.ndarray] = {}  # the episodes packed, without rows: see `rings`

    def part(self, held_out: bool) -> list[Episode]:
        """Those that are held out, or those that are learned from."""
        drawn = zip(self.episodes, self.held_out, strict=False)
        return [episode for episode, out in drawn if out == held_out]

    def rings(self) -> dict[str, Ring]:
        """What a barrier keeps beside all else that this holds but `episodes`.

        Where all else was put back, there are episodes again, which are views of the rings.
        """
        if self.episodes:
            arrays = pack(self.episodes)
            self._index = {name: a[:0] if name in ROWS else a for name, a in arrays.items()}
        elif self._index:
            lengths = self._index["lengths"]
            arrays = dict(self._index)
            for name, each in zip(ROWS, (lengths + 1, lengths, lengths), strict=True):
                rowless = arrays[name]
                arrays[name] = np.empty((each.sum(), *rowless.shape[1:]), rowless.dtype)
            self.episodes += unpack(arrays)
        else:
            return {}
        return {name: Ring({name: arrays[name]}, len(arrays[name])) for name in ROWS}


def pack(episodes: Sequence[Episode]) -> dict[str, np.ndarray]:
    """Episodes as a few arrays, to be written to a file."""
    return {
        "observations": np.concatenate([episode.observations for episode in episodes]),
        "actions": np.concatenate([episode.actions for episode in episodes]),
        "rewards": np.concatenate([episode.rewards for episode in episodes]),
        "terminated": np.array([episode.terminated for episode in episodes]),
        "lengths": np.array([len(episode) for episode in episodes]),
    }


def unpack(arrays: dict[str, np.ndarray]) -> list[Episode]:
    """The episodes that `pack` was given."""
    lengths = arrays["lengths"]
    seen = np.split(arrays["observations"], np.cumsum(lengths + 1)[:-1])
    taken = np.split(arrays["actions"], np.cumsum(lengths)[:-1])
    rewards = np.split(arrays["rewards"], np.cumsum(lengths)[:-1])
    ends = [bool(value) for value in arrays["terminated"]]
    return [Episode(*parts) for parts in zip(seen, taken, rewards, ends, strict=True)]
