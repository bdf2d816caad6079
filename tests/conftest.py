"""What holds for every test."""

from __future__ import annotations

import pytest

from harness.stats import crosscheck


@pytest.fixture(autouse=True)
def few_resamples_of_rliable(monkeypatch):
    """Reports let rliable speak; a hundredth of its resamples say as much to a test."""
    monkeypatch.setattr(crosscheck, "RESAMPLES", 20)
