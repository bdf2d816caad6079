"""What installed packages declare by entry points can be used like what ships."""

from __future__ import annotations

import re
import sys

import pytest
from command import typed
from package import install

from harness import envs
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


THINGS = {  # what a sweep or a command names, and what its module holds
    "agents": "climber = their_pkg.things:HillClimber",
    "bonuses": "novelty = their_pkg.things:Novelty",
    "wrappers": "dull = their_pkg.things:Dull",
    "executors": "one_by_one = their_pkg.things:one_by_one",
    "envs": "their_corridor = their_pkg.cards",
    "metrics": "pushing = their_pkg.things:mean_action",
    "figures": "blank = their_pkg.things:nothing",
}
MORE = """

import gymnasium
from harness.train.executors.serial import serial
from my_bonus_of_theirs import Novelty


class Dull(gymnasium.RewardWrapper):
    \"""No reward.\"""

    def reward(self, reward):
        return 0.0


def mean_action(episode):
    \"""Mean action of an episode.\"""
    return np.mean(episode.actions)


def nothing(data):
    \"""Nothing.\"""
    return f"runs have {data.runs['pushing'].notna().sum()} numbers"


def one_by_one(specs, job, workers, tick):
    print("one by one")
    serial(specs, job, workers, tick)
"""
ALL = """\
name: all_of_them
question: Does it train?
envs: [their_corridor]
seeds: 1
steps: 256
evaluation: {every: 128, episodes: 1, final_episodes: 2}
arms:
  climber: {agent: climber}
  novelty: {agent: ppo, bonus: novelty, hparams: {n_steps: 32, batch_size: 32}}
  dull: {agent: ppo, bonus: novelty, hparams: {n_steps: 32, batch_size: 32}, wrappers: [dull]}
metrics: [pushing]
report: {figures: [blank]}
"""


@pytest.fixture
def all_groups(site):
    study_ = shipped("configs/study")
    card = (study_ / "envs/corridor.yaml").read_text()
    files = {
        "their_pkg/__init__.py": "",
        "their_pkg/things.py": (study_ / "my_agent.py").read_text() + MORE,
        "my_bonus_of_theirs.py": (study_ / "my_bonus.py").read_text(),
        "their_pkg/corridor.py": (study_ / "corridor.py").read_text(),
        "their_pkg/cards/their_corridor.yaml": card.replace('"corridor:', '"their_pkg.corridor:'),
    }
    install(site, "their-pkg", {group: [line] for group, line in THINGS.items()}, files)


@pytest.mark.slow
def test_a_package_may_declare_all_that_a_sweep_names(all_groups, tmp_path):
    (tmp_path / "sweep.yaml").write_text(ALL)

    told = typed(
        "sweep", "sweep.yaml", "--executor", "one_by_one", "--figures", "--no-crosscheck",
        cwd=tmp_path,
    )  # fmt: skip

    assert "one by one" in told and "3/3 runs" in told
    text = (tmp_path / "results/sweeps/all_of_them/report/report.md").read_text()
    assert "`their_pkg.things:nothing` is not drawn: `runs have 3 numbers`" in text
    specs = {run.arm: run for run in expand(tmp_path / "sweep.yaml").sweep.runs}
    assert [run.agent for run in specs.values()] == [
        "their_pkg.things:HillClimber", "ppo+their_pkg.things:Novelty",
        "ppo+their_pkg.things:Novelty",
    ]  # fmt: skip
    assert specs["dull"].wrappers[0]["name"] == "their_pkg.things:Dull"


@pytest.mark.slow
def test_a_record_of_what_a_package_declares_is_made_again(all_groups, tmp_path):
    typed("run", "climber", "their_corridor", "--steps", "200", cwd=tmp_path)
    (folder,) = (tmp_path / "results/runs").glob("*/*/*")

    assert "their_pkg.things:HillClimber" in (folder / "spec.json").read_text()
    typed("verify", folder.name, cwd=tmp_path)


def test_an_environment_of_a_package_that_is_called_like_another_is_an_error(site, no_study):
    install(site, "other", {"envs": ["CartPole-v1 = other"]}, {"other/CartPole-v1.yaml": ""})

    with pytest.raises(KeyError, match=r"'CartPole-v1', .*CartPole-v1.yaml and other of other 1.2"):
        envs.card("CartPole-v1")


def test_a_card_that_a_package_does_not_hold_is_told(site):
    install(site, "other", {"envs": ["maze = other.cards"]}, {"other/__init__.py": ""})

    with pytest.raises(KeyError, match=r"other.cards of other 1.2, .* holds no maze.yaml"):
        envs.card("maze")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("seriel", "unknown executor 'seriel'. Did you mean 'serial'?"),
        ("nowhere:run", "No module named 'nowhere'"),
        ("harness.train.executors:EXECUTORS", "is no executor: a function of (specs, job,"),
    ],
)
def test_an_executor_that_is_none_is_one_line(no_study, tmp_path, name, why):
    (tmp_path / "sweep.yaml").write_text(SWEEP.replace("novel", "random"))

    told = typed("sweep", "sweep.yaml", "--executor", name, cwd=tmp_path, code=2)

    assert told.startswith("--executor: ") and why in told


@pytest.mark.parametrize("group", ["agents", "bonuses", "envs", "wrappers", "metrics", "figures"])
def test_ls_shows_what_a_package_declares_and_where_it_is_from(all_groups, site, tmp_path, group):
    broken = "other.cards" if group == "envs" else "other.things:That"
    install(site, "other", {group: [f"broken = {broken}"]})

    lines = typed("ls", group, cwd=tmp_path).splitlines()

    name = THINGS[group].partition(" ")[0]
    (line,) = (line for line in lines if line.startswith(f"{name} "))
    assert line.rstrip().endswith("their-pkg 1.2")
    assert lines[0].split()[-1] == "from" and lines[1].rstrip().endswith("ships")
    assert any(line.startswith("broken ") and line.rstrip().endswith("other 1.2") for line in lines)


@pytest.mark.parametrize(
    ("group", "line"),
    [
        ("agents", r"my_agent:HillClimber .*sweep.yaml"),
        ("bonuses", r"my_bonus:Novelty .*sweep.yaml"),
        ("wrappers", r"mine:Coat +sweep.yaml"),
        ("metrics", r"my_metrics:reached +\w.* sweep.yaml"),
        ("figures", r"my_figures:gap +\w.* sweep.yaml"),
    ],
)
def test_ls_shows_what_the_sweeps_of_the_current_folder_name_and_imports_nothing_of_theirs(
    tmp_path, group, line
):
    typed("new", "mine", cwd=tmp_path)
    sweep = tmp_path / "mine/sweep.yaml"
    sweep.write_text(sweep.read_text() + 'base: {wrappers: [{name: "mine:Coat"}]}\n')

    told = typed("ls", group, cwd=tmp_path / "mine")

    assert re.search(line, told)
    assert not {"my_agent", "my_bonus", "my_metrics", "my_figures"} & sys.modules.keys()


def test_ls_shows_the_cards_of_the_current_folder_and_imports_nothing_of_theirs(tmp_path):
    typed("new", "mine", cwd=tmp_path)
    (tmp_path / "mine/envs/wrong.yaml").write_text("summary: [\n")

    told = " ".join(typed("ls", "envs", cwd=tmp_path / "mine").split())

    assert "corridor discrete 60 envs/corridor.yaml" in told
    assert "wrong envs/wrong.yaml:" in told
    assert "corridor" not in sys.modules
