"""README and CONTRIBUTING promise only what works. Their commands: docs/test_commands.py."""

from __future__ import annotations

import ast
import re
import textwrap
from importlib import import_module
from pathlib import Path

import fake_store
import gymnasium as gym
import pytest
import torch

from baselines import BONUSES, load_bonus, takes
from baselines.curiosity.bonus import Transitions
from harness.config.strict import UserError
from harness.report.evidence import Evidence
from harness.report.plot import Points
from harness.report.results.figures import Kind
from harness.store.reader import Store
from harness.sweep.expand import expand as expand_file

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
# A module and the line that registers it: of a bonus, then of a figure.
EXAMPLES = [
    textwrap.dedent(block)
    for block in re.findall(r"```python\n(.*?)```", CONTRIBUTING, flags=re.DOTALL)
]
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", TEXT, flags=re.DOTALL)
EXAMPLE, DESIGN = [block for language, block in BLOCKS if language == "yaml"]


def expand(path, text):
    path.write_text(text)
    return expand_file(path).sweep


def test_the_example_ablation_expands(tmp_path):
    found = expand(tmp_path / "gae.yaml", EXAMPLE)

    assert len(found.arms) == 5
    assert len(found.runs) == 5 * 2 * 10


def test_the_example_design_expands(tmp_path):
    head = EXAMPLE.split("arms:")[0]

    assert expand(tmp_path / "gae.yaml", head + DESIGN).arms == (
        "full",
        "no_clipping",
        "no_entropy",
    )


def test_the_error_that_is_shown_is_the_error_that_comes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        expand(Path("gae.yaml"), EXAMPLE.replace("normalize", "normalise"))

    assert str(caught.value).splitlines()[0] in TEXT


@pytest.mark.parametrize("text", [TEXT, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_every_file_that_is_named_exists(text):
    links = re.findall(r"\]\(((?!http)[^)#]+)(?:#[^)]*)?\)", text)
    code = re.findall(r"`((?:harness|baselines|ablations|configs|tests)/[\w/.]+\.\w+)", text)

    assert links and code
    missing = {name for name in {*links, *code} if not (ROOT / name).exists()}
    examples = {"baselines/curiosity/simhash.py", "harness/report/results/agreement.py"}
    assert missing <= examples


def test_the_registers_that_are_named_are_where_it_says():
    registers = re.findall(r"`([\w/]+\.py): ([A-Z]+)`", TEXT)
    assert {table for _, table in registers} >= {"AGENTS", "BONUSES", "WRAPPERS", "FIGURES"}
    for file, table in registers:
        assert re.search(rf"^{table}\b", (ROOT / file).read_text(), flags=re.MULTILINE)


def test_the_bonus_that_contributing_adds_pays_less_for_what_it_has_seen(tmp_path, monkeypatch):
    module, line, *_ = EXAMPLES
    (tmp_path / "simhash.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    [(name, target)] = ast.literal_eval(f"{{{line}}}").items()
    monkeypatch.setitem(BONUSES, name, target.removeprefix("baselines.curiosity."))
    assert takes("ppo", name) and takes("dqn", name)

    kind = load_bonus(name)
    seen = gym.spaces.Box(-1, 1, (2,))
    bonus = kind(seen, gym.spaces.Discrete(2), kind.Config(), torch.Generator().manual_seed(0))
    obs, ended = torch.ones(3, 1, 2), torch.zeros(3, 1, dtype=torch.bool)
    steps = Transitions(obs, torch.zeros(3, 1, 1), obs, ended, ended)
    first = bonus.reward(steps)
    bonus.update(steps)
    assert (bonus.reward(steps) < first).all()


def test_the_figure_that_contributing_adds_has_a_point_for_each_run(tmp_path, monkeypatch):
    *_, module, entry = EXAMPLES
    (tmp_path / "agreement.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    names = {"Kind": Kind, "agreement": import_module("agreement")}
    [kind] = eval(f"{{{entry}}}", names).values()
    store = Store(tmp_path / "results")
    sweep = fake_store.sweep(("ppo", "rnd"), ("DeepSea-10",), 3)
    fake_store.write_sweep(store, sweep)

    plot = kind.plot(Evidence(sweep, store), "final")

    points = [mark for panel in plot.panels for mark in panel.of(Points)]
    assert [len(each.x) for each in points] == [3, 3]
