"""What holds for every test."""

from __future__ import annotations

import pytest

from harness.stats import crosscheck


@pytest.fixture(autouse=True, scope="session")
def no_figures_unless_asked():
    """Drawing takes most of the time of a report: commands draw where they get --figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_FIGURES", "0")
        yield


@pytest.fixture(autouse=True)
def few_resamples_of_rliable(monkeypatch):
    """Reports let rliable speak; a hundredth of its resamples say as much to a test."""
    monkeypatch.setattr(crosscheck, "RESAMPLES", 20)
