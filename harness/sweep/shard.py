"""A share of a sweep's runs, for machines that know nothing of one another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from harness.config.strict import UserError
from harness.spec import RunSpec

MOST = 20_000  # shards: a sweep has no more runs
FORM = re.compile(r"(?P<number>\d{1,9})/(?P<of>\d{1,9})", re.ASCII)
T = TypeVar("T")


class Shard(NamedTuple):
    """One of so many shares, counted from 0."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Shard:
        """:raises UserError: if it does not read 3/200."""
        match = FORM.fullmatch(text)
        shard = cls(int(match["number"]), int(match["of"])) if match else cls(0, 0)
        if not 1 <= shard.of <= MOST:
            why = f"write the number of the shard and how many there are, as 3/200 (1 to {MOST:,})"
            raise UserError.of("--shard", why, text)
        if shard.number >= shard.of:
            last = shard.of - 1
            why = f"the first of {shard.of} shards is 0/{shard.of} and the last {last}/{shard.of}"
            raise UserError.of("--shard", why, text)
        return shard

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def share(self, specs: Iterable[RunSpec]) -> list[RunSpec]:
        """Its runs, each key once. It depends on nothing but the keys and seeds of all the runs.

        The runs are dealt out by seed, so that the shards have equally many, give or take one, and
        make the first seeds of every arm first. Within a seed they go by key, so that no shard has
        always the same arm.
        """
        runs = {spec.key: spec for spec in specs}.values()
        return deal(sorted(runs, key=lambda spec: (spec.seed, spec.key)), self)


def deal(things: Sequence[T], shard: Shard) -> list[T]:
    return list(things[shard.number :: shard.of])
