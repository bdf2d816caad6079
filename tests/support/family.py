"""Families of tests, of which every test run asks one of each kind."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import pytest


def some(values: Iterable[Any], but: Container[Any]) -> list[Any]:
    """The values as parameters.

    :param but: those that are slow, because every test run asks others of their kind.
    """
    return [pytest.param(v, marks=[pytest.mark.slow] if v in but else []) for v in values]
