"""A study of the user's own: environments, agents and bonuses without a fork."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from command import typed

from baselines.api import Barrier, Config
from baselines.kept import Kept
from harness import agents, envs, own
from harness.config import study
from harness.config.strict import UserError
from harness.search import study as search
from harness.sweep.expand import expand
from harness.testing import check_agent, check_env

MODULES = (
    *("corridor", "my_agent", "my_bonus", "my_metrics"),
    *("tasks", "tasks.late", "late_metric", "prizes"),
)


@pytest.fixture
def folder(no_study, tmp_path, monkeypatch):
    """What `harness new` makes."""
    typed("new", "mine", cwd=tmp_path)
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine"


def keys(folder):
    return {run.arm: run.key for run in expand(folder / "sweep.yaml").sweep.runs if run.seed == 0}


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_a_new_study_names_its_own_things_and_can_be_checked(folder):
    sweep = expand(folder / "sweep.yaml").sweep

    assert sweep.envs == ("corridor",)
    assert {run.agent for run in sweep.runs} == {
        "ppo", "ppo+my_bonus:Novelty", "my_agent:HillClimber",
    }  # fmt: skip
    assert "my_agent" in typed("check", "sweep.yaml", cwd=folder)


def test_an_agent_of_the_current_folder_is_tuned_in_the_ranges_that_its_config_says(folder):
    (plan,) = search.shipped("my_agent:HillClimber", "corridor", 120, 2)

    assert (plan.file.name, plan.label) == ("my_agent.HillClimber-corridor", "my_agent.HillClimber")
    assert plan.agent == "my_agent:HillClimber" and set(plan.space) == {"noise"}
    (other,) = search.shipped("ppo+my_bonus:Novelty", "corridor", 9_000, 2)
    assert other.label == "ppo.my_bonus.Novelty" and "int_coef" in other.space


def test_a_folder_with_files_is_not_written_over(folder):
    told = typed("new", ".", cwd=folder, code=2)

    assert "is there already" in told


@pytest.mark.slow
def test_a_new_study_sweeps_and_passes_its_own_tests(folder):
    import subprocess

    python = [sys.executable, "-m"]
    swept = subprocess.run(
        [*python, "harness", "sweep", "sweep.yaml", "--no-crosscheck"], cwd=folder, check=False
    )
    tested = subprocess.run([*python, "pytest", "-n0", "-q", "."], cwd=folder, check=False)

    assert (swept.returncode, tested.returncode) == (0, 0)
    report = (folder / "results/sweeps/corridor/report/report.md").read_text()
    assert "18 runs: 18 finished" in report
    run = next((folder / "results/runs/my_agent.HillClimber/corridor").iterdir())
    again = [*python, "harness", "verify", run.name]
    assert subprocess.run(again, cwd=folder, check=False).returncode == 1
    assert subprocess.run([*again, "--study", "."], cwd=folder, check=False).returncode == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "moved"),
    [
        ("my_agent.py", "score >= self.best", "score > self.best", {"climber"}),
        ("my_bonus.py", "min(dim=-1)", "max(dim=-1)", {"novelty"}),
        ("corridor.py", "- 0.01", "- 0.02", {"ppo", "novelty", "climber"}),
        ("README.md", "My study", "Our study", set()),
    ],
)
def test_a_changed_source_makes_new_runs_of_what_uses_it(
    folder, tmp_path, monkeypatch, file, old, new, moved
):
    before = keys(folder)
    forget(monkeypatch, folder)
    edit(folder / file, old, new)

    after = keys(folder)

    assert {arm for arm in before if before[arm] != after[arm]} == moved


VERSIONS = {  # the file, where it says its version, and a change of its source
    "my_agent.py": ("    samples = False", "    version = 3", ">= self.best", "> self.best"),
    "my_bonus.py": ('    reach = "step"', "    version = 3", "min(dim=-1)", "max(dim=-1)"),
    "envs/corridor.yaml": ("actions: discrete", "version: 3", "- 0.01", "- 0.02"),
}


@pytest.mark.parametrize("file", VERSIONS)
def test_a_version_of_its_own_says_instead_when_runs_are_old(folder, monkeypatch, file):
    beside, version, old, new = VERSIONS[file]
    edit(folder / file, beside, f"{beside}\n{version}")
    before = keys(folder)
    forget(monkeypatch, folder)
    source = folder / file.replace("envs/corridor.yaml", "corridor.py")
    edit(source, old, new)

    assert keys(folder) == before


LATE = {
    "tasks/__init__.py": "import gymnasium\n"
    "gymnasium.register('Late-v0', entry_point='tasks.late:Late', max_episode_steps=9)\n",
    "tasks/late.py": "from corridor import Corridor\nclass Late(Corridor):\n    cost = 1\n",
    "late_metric.py": 'def prize(episode):\n    "Prize."\n    import prizes\n    return 1.0\n',
    "prizes.py": "first = 1\n",
}


@pytest.mark.parametrize("file", ["tasks/late.py", "corridor.py", "prizes.py"])
def test_what_is_imported_only_when_it_is_needed_makes_new_runs_too(folder, monkeypatch, file):
    (folder / "tasks").mkdir()
    for name, text in LATE.items():
        (folder / name).write_text(text)
    study.enter(folder)
    study.name("tasks:Late-v0", "late_metric:prize")

    def versions():
        importlib.import_module("harness.envs.card")._registered.cache_clear()
        gym.registry.pop("Late-v0", None)
        sys.modules.pop("tasks", None)
        return envs.card("tasks:Late-v0").version, own.metric("late_metric:prize").version

    before = versions()
    importlib.import_module(file.removesuffix(".py").replace("/", "."))
    assert versions() == before  # imported by now
    forget(monkeypatch, folder)
    (folder / file).write_text((folder / file).read_text() + "# edited\n")
    after = versions()

    assert [b != a for b, a in zip(before, after, strict=True)] == [
        file != "prizes.py", file == "prizes.py",
    ]  # fmt: skip


def test_the_version_of_a_base_says_nothing_of_what_is_derived_from_it(folder):
    path = folder / "my_agent.py"
    path.write_text(
        f"{path.read_text()}\n\nHillClimber.version = 7\n\n\nclass Mine(HillClimber):\n"
        '    """Mine."""\n'
    )
    study.enter(folder)
    study.name("my_agent:HillClimber", "my_agent:Mine")

    assert agents.entry("my_agent:HillClimber").version == 7
    assert agents.entry("my_agent:Mine").version not in (7, None)


def test_a_refused_module_names_the_way_out_of_the_command_and_of_python(folder):
    study.enter(folder)

    assert "--study FOLDER (in Python: study_folder=FOLDER)" in study.refused(
        "my_agent:HillClimber"
    )


def forget(monkeypatch, folder):
    """As if another process had started."""
    from harness import provenance

    provenance._source.cache_clear()
    for name in MODULES:
        sys.modules.pop(name, None)
    for cached in folder.rglob("__pycache__"):
        for compiled in cached.iterdir():
            compiled.unlink()


@pytest.mark.parametrize("name", ["FrozenLake-v1", "Taxi-v4", "LunarLander-v3"])
def test_a_registered_environment_needs_no_card(name):
    card, spec = envs.card(name), gym.spec(name)

    assert (card.id, card.max_episode_steps, card.anchors) == (name, spec.max_episode_steps, None)
    assert card.actions == "discrete"
    check_env(name)


def test_another_version_of_a_registered_environment_is_told():
    with pytest.raises(KeyError, match="Did you mean 'Taxi-v4'"):
        envs.card("Taxi-v3")


def test_a_sweep_over_environments_without_anchors_is_resolved_and_has_none(folder):
    edit(folder / "sweep.yaml", "[envs/corridor.yaml]", "[envs/corridor.yaml, FrozenLake-v1]")
    sweep = expand(folder / "sweep.yaml").sweep

    assert sweep.anchors == {}
    assert {run.env for run in sweep.runs} == {"corridor", "FrozenLake-v1"}


WRONG = {
    "a module that is not there": ("sweep.yaml", "my_agent:", "mi_agent:", "No module named"),
    "a class that is not there": ("sweep.yaml", ":HillClimber", ":Climber", "has no Climber"),
    "a class that is no agent": ("sweep.yaml", ":HillClimber", ":Config", "is no agent"),
    "a bonus that is none": ("sweep.yaml", "my_bonus:Novelty", "my_bonus:Config", "is no Bonus"),
    "a module with a mistake": (
        "my_agent.py", "import annotations", "import annotation", "my_agent.py:",
    ),
    "kinds that there are not": ("my_agent.py", '("vector",)', '("vektor",)', "vektor"),
    "a word instead of a tuple": ("my_agent.py", '("vector",)', '("vector")', "with a comma"),
    "a reach that there is not": ("my_bonus.py", '"step"', '"steps"', "reach: steps (there are"),
    "a Config that is none": ("my_bonus.py", "(api.Config)", "", "Config: not derived from"),
    "a card that is not there": (
        "sweep.yaml", "corridor.yaml", "korridor.yaml", "Did you mean 'envs/corridor.yaml'?",
    ),
    "a card of elsewhere": (
        "sweep.yaml", "envs/corridor.yaml", "../corridor.yaml",
        "beside this file. Did you mean 'envs/corridor.yaml'?",
    ),
    "a card with a wrong key": ("envs/corridor.yaml", "summary:", "sumary:", "envs/corridor.yaml:"),
    "a module that ends the process": (
        "my_agent.py", "import annotations", "import annotations\nraise SystemExit", "ends the",
    ),
    "a module that lacks a key": (
        "my_agent.py", "import annotations", "import annotations\n\n{}['x']", "KeyError: 'x' (",
    ),
    "an agent that cannot act": ("my_agent.py", "def predict", "def act", "it has no predict"),
    "an agent with another Config": ("my_agent.py", "(api.Config)", "", "has no Config that is"),
    "a Config that cannot be written": (
        "my_agent.py", "    noise: float", "    what: Any = object()\n    noise: float",
        "my_agent.py:15: Config: cannot be read",
    ),
    "a version that is none": (
        "my_agent.py", "    samples", "    version = -1\n    samples", "version: -1",
    ),
    "an environment that is no class": ("envs/corridor.yaml", ":Corridor", ":np", "is no Env"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_used_is_one_line_with_the_way_out(folder, what):
    file, old, new, line = WRONG[what]
    edit(folder / file, old, new)

    with pytest.raises(UserError) as caught:
        expand(folder / "sweep.yaml")

    assert any(line in str(problem) for problem in caught.value.problems), caught.value


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("envs/corridor.yaml", "{length: 10}", "{lenght: 10}", "corridor cannot be made: Corridor"),
        ("corridor.py", "self.length = length", "1 / 0", "corridor cannot be made: division"),
        ("corridor.py", "import annotations", "import annotation", "corridor.py:"),
        ("corridor.py", "gym.spaces.Discrete(2)", "2", "its action_space is 2, and must be one of"),
        ("corridor.py", "gym.spaces.Discrete(2)", "gym.spaces.Discrete(id(self))", "changes from"),
        ("corridor.py", "arrived, False, {}", "arrived, {}", "step returns (array([0."),
        ("corridor.py", "_observation(), {}", "_observation()", "not (observation, info)"),
        ("corridor.py", "], np.float32)", "])", "which is not in Box (1,) float32"),
        ("corridor.py", "arrived = self", "arrived = 1 / 0 == self", "fails: ZeroDivisionError: d"),
    ],
)
@pytest.mark.parametrize("version", ["", "version: 1\n"])
def test_an_environment_that_cannot_be_made_is_one_line_before_training(
    folder, version, file, old, new, line
):
    edit(folder / file, old, new)
    edit(folder / "envs/corridor.yaml", "actions:", f"{version}actions:")

    assert line in typed("check", "sweep.yaml", cwd=folder, code=2)


def test_an_environment_that_cannot_be_drawn_says_what_it_must_take(folder):
    edit(folder / "corridor.py", "def render", "def unseen")

    out = typed("preview", "corridor", cwd=folder, code=2)

    assert "corridor: it cannot be drawn" in out and "take render_mode" in out


def test_two_cards_of_one_name_are_an_error_that_names_both(folder):
    (folder / "envs/corridor.yaml").rename(folder / "envs/CartPole-v1.yaml")
    study.enter(folder)

    with pytest.raises(KeyError, match=r"mine/envs/CartPole-v1.yaml and .*configs/envs/CartPole"):
        envs.card("CartPole-v1")


def test_what_only_a_record_names_is_not_imported(folder):
    study.enter(folder)

    with pytest.raises(KeyError, match="what a record names is not imported"):
        agents.entry("my_agent:HillClimber")
    assert "my_agent" not in sys.modules


def test_a_plain_folder_of_a_study_is_no_package_from_which_a_record_may_import(folder):
    (folder / "results").mkdir()
    (folder / "results/evil.py").write_text("class That: ...\n")
    study.enter(folder, trusted=True)

    with pytest.raises(KeyError, match="what a record names is not imported"):
        agents.entry("results.evil:That")
    assert "results.evil" not in sys.modules


def test_a_folder_that_the_user_calls_his_may_be_imported_from_and_no_other_module(folder):
    study.enter(folder, trusted=True)

    assert agents.entry("my_agent:HillClimber").actions == ("discrete",)
    with pytest.raises(KeyError, match="what a record names is not imported"):
        agents.entry("this:That")
    assert "this" not in sys.modules


def test_a_sweep_file_in_a_folder_that_the_user_calls_his_says_what_a_record_may_name(folder):
    (folder / "theirs.yaml").write_text('arms: {a: {agent: "json:JSONDecoder"}}\n')
    (folder / "broken.yaml").write_text("arms: [")
    study.enter(folder, trusted=True)

    with pytest.raises(KeyError, match="is no agent"):  # it was imported, and looked at
        agents.entry("json:JSONDecoder")
    with pytest.raises(KeyError, match="what a record names is not imported"):
        agents.entry("this:That")


# Agents that each break one rule ------------------------------------------------------------------


class Sound:
    """Walks its one weight by what it is paid."""

    Config = Config
    observations = ("vector",)
    actions = ("discrete",)
    samples = False

    def __init__(self, task, config):
        self.task, self.env = task, task.make_env()
        self.rng = np.random.default_rng(task.seed)
        self.weight = self.rng.normal(size=1)

    def learn(self, progress):
        seed, over = self.task.env_seed, True
        for step in range(1, self.task.steps + 1):
            if over:
                self.env.reset(seed=seed)
                seed = None
            _, reward, terminated, truncated, _ = self.env.step(self.rng.integers(2))
            over = terminated or truncated
            self.weight = self.weight + 0.1 * (reward + self.rng.normal() + truncated)
            progress.at(step)
        return self.task.steps

    def predict(
        self, observation, state=None, episode_start=None, deterministic=True, action_masks=None
    ):
        return np.full(len(observation), int(self.weight[0] > 0)), state

    def weights(self):
        return {"weight": self.weight.copy()}

    def save(self, folder: Path):
        np.save(folder / "weight.npy", self.weight)

    def load(self, folder: Path):
        self.weight = np.load(folder / "weight.npy")


class Ambient(Sound):
    def __init__(self, task, config):
        super().__init__(task, config)
        self.rng = np.random.default_rng()


class Deaf(Sound):
    def __init__(self, task, config):
        super().__init__(task, config)
        self.rng, self.weight = np.random.default_rng(0), np.zeros(1)


class Shaken(Sound):
    def predict(self, *args, **kwargs):
        self.rng.normal()
        return super().predict(*args, **kwargs)


class Idle(Sound):
    def weights(self):
        return {"weight": np.zeros(1)}


class Greedy(Sound):
    def learn(self, progress):
        super().learn(progress)
        self.env.reset()
        self.env.step(0)
        return self.task.steps


class Forgetful(Sound):
    def load(self, folder):
        pass


class Outside(Sound):
    def predict(self, observation, *args, **kwargs):
        return np.full(len(observation), 7), None


class EndIsEnd(Sound):
    def learn(self, progress):
        self.task = type(self.task)(**vars(self.task))
        make = self.env

        class Blind(gym.Wrapper):
            def step(self, action):
                obs, reward, terminated, truncated, info = super().step(action)
                return obs, reward, terminated or truncated, False, info

        self.env = Blind(make)
        return super().learn(progress)


class Resumes(Sound):
    done = 0

    def kept(self):
        return Kept(self)

    def learn(self, progress):
        over = True
        while self.done < self.task.steps:
            if self.done == self.task.barrier:
                raise Barrier(self.done)
            if over:
                self.env.reset(seed=self.task.env_seed + self.done)
            _, reward, terminated, truncated, _ = self.env.step(self.rng.integers(2))
            over = terminated or truncated
            self.weight = self.weight + 0.1 * (reward + self.rng.normal() + truncated)
            self.done += 1
            progress.at(self.done)
        return self.task.steps


class Heedless(Sound):
    def kept(self):
        return Kept(self)


class Blank(Resumes):
    def kept(self):
        return Kept({"rng": self.rng})


class Uncounted(Resumes):
    def kept(self):
        return Kept({"rng": self.rng, "weight": self.weight})


BROKEN = {
    Ambient: "does not repeat itself",
    Deaf: "ignores its seed",
    Shaken: "looking at .* changes what it learns",
    Idle: "learns nothing",
    Greedy: "of a budget of",
    Forgetful: "does not load what it saved",
    Outside: "not in Discrete",
    EndIsEnd: "bootstrap through truncation",
    Heedless: "has `kept` and passes no barrier in 60 steps",
    Blank: "does not go on from a barrier with what it had learned",
    Uncounted: "went on from step 1 of 60 and took 60 steps more",
}


@pytest.mark.parametrize("kind", [Sound, Resumes])
def test_a_sound_agent_passes(kind):
    check_agent(f"{__name__}:{kind.__name__}", "CartPole-v1", steps=60)


@pytest.mark.parametrize("kind", BROKEN, ids=lambda kind: kind.__name__)
def test_an_agent_that_breaks_a_rule_is_told_which(kind):
    with pytest.raises(AssertionError, match=BROKEN[kind]):
        check_agent(f"{__name__}:{kind.__name__}", "CartPole-v1", steps=60)
