"""What installed packages declare by entry points can be used like what ships."""

from __future__ import annotations

import sys

import pytest
from package import install

from harness.config import declared, study
from harness.config.declared import GROUPS
from harness.config.shipped import shipped
from harness.config.strict import UserError
from harness.sweep.expand import expand

SWEEP = """\
name: declared
question: Does it train?
envs: [CartPole-v1]
seeds: 1
steps: 2_000
arms:
  by_name: {agent: novel}
  plain: {agent: ppo}
"""


@pytest.fixture
def site(no_study, tmp_path):
    """Where packages are installed."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    sys.path.insert(0, str(folder))
    return folder


@pytest.fixture
def agent(site):
    code = (shipped("configs/study") / "my_agent.py").read_text()
    files = {"their_pkg/__init__.py": "", "their_pkg/mine.py": code}
    install(site, "their-pkg", {"agents": ["novel = their_pkg.mine:HillClimber"]}, files)


def runs(tmp_path, text=SWEEP):
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    return {run.arm: run for run in expand(path).sweep.runs}


def test_the_name_of_a_declared_agent_stands_for_its_target(agent, tmp_path):
    named = runs(tmp_path)["by_name"]
    targeted = runs(tmp_path, SWEEP.replace("novel", "'their_pkg.mine:HillClimber'"))["by_name"]

    assert named.agent == "their_pkg.mine:HillClimber"
    assert named.key == targeted.key


def test_nothing_of_a_package_is_imported_before_it_is_used(agent):
    assert [thing.name for thing in declared.declared("agents")] == ["novel"]
    assert not [name for name in sys.modules if name.startswith("their_pkg")]


@pytest.mark.parametrize("group", GROUPS)
def test_two_packages_that_declare_one_name_are_an_error_that_names_both(site, group):
    for package in ("first", "second"):
        target = package if group == "envs" else f"{package}:Thing"
        install(site, package, {group: [f"twice = {target}", f"{package} = {target}"]})

    with pytest.raises(KeyError, match=r"'twice', first.* of first 1.2 and second.* of second 1.2"):
        declared.find(group, "twice")
    assert declared.find(group, "first").package == "first 1.2"
    assert declared.find(group, "neither") is None


def test_an_agent_that_is_called_like_one_that_ships_is_an_error_that_names_both(site, tmp_path):
    install(site, "other", {"agents": ["ppo = other:PPO"]})

    with pytest.raises(UserError, match=r"sweep.yaml:8.*'ppo', one that ships and other:PPO of"):
        runs(tmp_path, SWEEP.replace("novel", "a2c"))


def test_what_a_package_declares_may_be_named_by_a_record(agent):
    assert not study.refused("their_pkg.mine:HillClimber")
    assert study.refused("their_pkg.mine:Other")
