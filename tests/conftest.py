"""What holds for every test."""

from __future__ import annotations

import gc
import inspect
import sys
from functools import cache, partial
from types import SimpleNamespace

import pytest
import typer.main

from harness.config import declared, study
from harness.stats import crosscheck

# Compile the engine lockstep: two workers that come to them at once would compile it twice.
COMPILING = ("tests/baselines/lockstep/", "tests/test_golden.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of a file stay in one worker, as with --dist loadfile, and so do those that compile."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return COMPILING[0] if nodeid.startswith(COMPILING) else super()._split_scope(nodeid)

    return Scheduling(config, log)


def pytest_collection_finish():
    """What is imported by now stays. Runs collect garbage, and need not look through it each time:
    that took most of the time of a small one."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def no_figures_unless_asked():
    """Drawing takes most of the time of a report: commands draw where they get --figures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_FIGURES", "0")
        yield


@pytest.fixture(autouse=True, scope="session")
def what_libraries_do_at_every_call_is_done_once():
    """Typer makes all commands anew for each that is invoked, and Sacred reads the source of every
    frame of the stack for each run, of which pytest has many: a quarter of a test of commands."""
    stack = SimpleNamespace(stack=partial(inspect.stack, 0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(typer.main.get_command))
        patch.setattr("sacred.experiment.inspect", stack)
        yield


@pytest.fixture(autouse=True)
def few_resamples_of_rliable(monkeypatch):
    """Reports let rliable speak; a hundredth of its resamples say as much to a test."""
    monkeypatch.setattr(crosscheck, "RESAMPLES", 20)


@pytest.fixture(scope="module")
def place():
    """A folder for the homes of commands that are killed."""
    from killing import place_for_homes

    with place_for_homes() as folder:
        yield folder


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
