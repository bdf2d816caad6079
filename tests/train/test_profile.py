"""Where time goes: sections count their own, and what is quicker is told in lines to paste."""

from __future__ import annotations

import io
import json
import re

import gymnasium as gym
import pytest
from command import typed
from rich.console import Console
from tiny import tiny

from harness.cli.profile import SECTIONS, compared, parts
from harness.config import strict
from harness.sweep.file import SweepFile
from harness.train import profile
from harness.train.profile import Profile, Setting, measure, recommended, settings
from harness.train.stopwatch import REST, Stopwatch, TimedEnv


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_section_within_another_counts_for_itself():
    clock = Clock()
    watch = Stopwatch(clock)
    clock.now = 1.0
    with watch.section("acting"):
        clock.now = 3.0
        with watch.section("environment"):
            clock.now = 7.0
        clock.now = 15.0

    assert watch.total() == 15.0
    assert watch.seconds == {REST: 1.0, "environment": 4.0, "acting": 10.0}


def test_an_environment_is_timed_in_its_steps_and_resets():
    clock, steps = Clock(), []

    class Slow(gym.Env):
        observation_space = action_space = gym.spaces.Discrete(2)

        def reset(self, *, seed=None, options=None):
            clock.now += 5.0
            return 0, {}

        def step(self, action):
            clock.now += 1.0
            return 0, 0.0, False, False, {}

    watch = Stopwatch(clock)
    env = TimedEnv(Slow(), watch, lambda: steps.append(1))
    env.reset()
    env.step(0)
    env.step(1)

    assert watch.seconds["environment"] == 7.0 and len(steps) == 2


SPEC = tiny("ppo")


def rates(per_second, per_cpu_second):
    return Profile(1_000, 1_000 / per_second, 1_000 / per_cpu_second, {}, 0.0)


def tried(*rows):
    """Settings with their rates, of one run alone and of each core."""
    return [(Setting(SPEC, "", paste, alike), rates(*two)) for paste, alike, two in rows]


def test_what_is_recommended_depends_on_whether_runs_are_side_by_side():
    lines = recommended(
        tried(
            ("", True, (100, 100)),
            ("engine: {threads: 2}", True, (150, 75)),
            ("engine: lockstep", True, (120, 300)),
        )
    )

    assert lines == [
        "engine: lockstep  # x3.0 in a sweep",
        "engine: {threads: 2}  # x1.5 alone",
    ]


def test_another_algorithm_is_called_so_and_noise_is_no_reason():
    lines = recommended(
        tried(
            ("", True, (100, 100)),
            ("engine: {threads: 2}", True, (105, 90)),
            ("hparams: {n_envs: 16}", False, (200, 200)),
        )
    )

    assert lines == ["hparams: {n_envs: 16}  # x2.0 in a sweep, x2.0 alone; another algorithm"]


def test_threads_engines_and_environments_are_tried_where_there_are_any():
    found = list(settings(SPEC, cores=4))

    changed = [each.changed for each in found]
    assert changed[0] == "" and "2 threads" in changed and "4 threads" in changed
    assert {each.changed for each in found if not each.alike} == {
        "1 environment", "4 environments", "8 environments",
    }  # fmt: skip
    assert [each.changed for each in settings(tiny("tabular_q"), 1)] == [""]
    lockstep = [each for each in found if each.changed == "engine lockstep"]
    assert all(each.spec.engine.name == "lockstep" for each in lockstep)


def test_what_is_to_be_pasted_is_read_by_a_sweep(tmp_path):
    for i, setting in enumerate(settings(SPEC, cores=2)):
        path = tmp_path / f"{i}.yaml"
        text = "name: n\nquestion: q\nenvs: [CartPole-v1]\nsteps: 9\nseeds: 1\n"
        base = setting.paste.startswith("hparams")
        path.write_text(text + (f"base:\n  {setting.paste}\n" if base else f"{setting.paste}\n"))
        strict.read(path, SweepFile)


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["ppo", "dqn", "dreamer"])
def test_most_of_a_learners_time_is_in_a_section_that_says_what_it_is(agent):
    found = measure(tiny(agent, steps=100_000), seconds=0.3)

    total = sum(found.sections.values())
    assert found.sections.keys() >= {"environment", "acting", "update", "logging", "evaluation"}
    assert found.sections[REST] < 0.2 * total
    assert found.cpu_seconds == pytest.approx(total, rel=0.1)
    assert found.steps > 0 and 0 <= found.measuring < 0.5


def test_the_command_shows_shares_rates_and_lines_and_the_same_as_json(tmp_path, monkeypatch):
    spent = {"environment": 1.0, "acting": 2.0, "update": 6.0, "evaluation": 0.5, REST: 0.5}
    monkeypatch.setattr(
        profile,
        "measure",
        lambda spec, _: Profile(500, 10.0 / spec.engine.threads, 10.0, spent, 0.01),
    )
    monkeypatch.setattr("harness.cli.verb.cores", lambda _: 2)
    command = "profile", "a2c", "CartPole-v1", "--set", "n_envs=1"

    told = typed(*command, cwd=tmp_path)
    facts = json.loads(typed(*command, "--json", cwd=tmp_path))

    assert re.search(r"update +60% +6,000.0 +learning", told)
    assert re.search(r"as it is +100 +100\b", told) and re.search(r"2 threads +200 +100\b", told)
    assert "engine: {threads: 2}  # x2.0 alone" in told
    assert facts["recommended"] == ["engine: {threads: 2}  # x2.0 alone"]
    assert facts["settings"][0]["sections"] == spent
    assert not list(tmp_path.iterdir())


def test_it_is_shown_in_80_columns():
    spent = dict.fromkeys(SECTIONS, 123_456.7)
    of = Profile(500, 1.0, 1.0, spent, 0.01)
    console = Console(file=io.StringIO(), width=80)

    console.print(parts(of), compared([(setting, of) for setting in settings(SPEC, 64)]))

    told = console.file.getvalue()
    lines = {line.rstrip() for line in told.splitlines()}
    for name, about in SECTIONS.items():
        assert any(line.startswith(name) and line.endswith(about) for line in lines)
    most = recommended(tried(("", True, (10, 10)), ("hparams: {n_envs: 1024}", False, (999, 999))))
    assert len(most[0]) <= 80


def test_an_error_names_the_command_that_was_typed(tmp_path):
    said = typed("profile", "ppp", "CartPole-v1", cwd=tmp_path, code=2)

    assert said.startswith("harness profile: agent: unknown agent 'ppp'")
