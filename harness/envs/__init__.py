"""Environments by card: what a task is, what its scores mean, and how to build it."""

from harness.envs.build import check, make
from harness.envs.card import Card, Measure, card, card_names
from harness.envs.extra import need
from harness.envs.visits import Visits
from harness.envs.wrappers import WRAPPERS, check_wrapper, complete
from harness.envs.wrappers.option import Env

__all__ = [
    "WRAPPERS",
    "Card",
    "Env",
    "Measure",
    "Visits",
    "card",
    "card_names",
    "check",
    "check_wrapper",
    "complete",
    "make",
    "need",
]
