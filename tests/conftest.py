"""What holds for every test."""

from __future__ import annotations

import sys

import pytest

from harness.config import declared, study
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


@pytest.fixture
def no_study(tmp_path, monkeypatch):
    """A process that has seen no study and no package that is written for the test."""
    for name, fresh in (("_folder", None), ("_trusted", False), ("_named", set())):
        monkeypatch.setattr(study, name, fresh)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    declared._declared.cache_clear()
    yield
    declared._declared.cache_clear()
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
