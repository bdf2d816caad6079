"""A bonus is one file and one line in BONUSES: every learner that can take it has it at once."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from pydantic import Field
from torch import Tensor
from typer.testing import CliRunner

import baselines
from baselines import AGENTS, BONUSES, REACHES, api
from baselines.curiosity.bonus import Bonus, Transitions
from baselines.curiosity.learner import Curious
from baselines.target import attribute
from harness import setting
from harness.cli.main import app
from harness.config.strict import UserError
from harness.search import study
from harness.store.reader import Store
from harness.sweep.expand import expand
from harness.train.run import Job, run

TAKERS = [name for name, entry in AGENTS.items() if entry.bonuses]


class Config(api.Config):
    toy_scale: float = Field(0.5, gt=0, description="What the distance counts.")

    search: ClassVar[dict[str, Any]] = {
        "toy_scale": {"why": "A tenth to one.", "low": 0.1, "high": 1.0}
    }


class Toy(Bonus):
    """The distance that a step covers, times a weight that it learns to make small."""

    Config: ClassVar[type[Config]] = Config
    summary: ClassVar[str] = "a toy"
    reach = "step"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.weight = torch.nn.Parameter(torch.tensor(self.config.toy_scale))

    @torch.no_grad()
    def reward(self, steps: Transitions) -> Tensor:
        return self.weight.abs() * (steps.next_obs - steps.obs).abs().sum(dim=-1)

    def loss(self, steps: Transitions) -> Tensor:
        return self.weight.pow(2)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(BONUSES, "toy", f"{__name__}:Toy")


SWEEP = """\
name: toy
question: Does it train?
envs: [CartPole-v1]
seeds: 1
steps: 512
evaluation: {every: 256, episodes: 1, final_episodes: 2}
base: {bonus: toy}
arms:
  ppo: {agent: ppo, hparams: {n_envs: 2, n_steps: 32, batch_size: 32}}
  dqn: {agent: dqn, hparams: {learning_starts: 50, warmup_steps: 20, bonus_batch_size: 8}}
  plain: {agent: ppo, bonus: null}
report: {baseline: plain}
"""


def harness(*words):
    result = CliRunner().invoke(app, list(words), terminal_width=400)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_bonus_in_one_file_and_one_line_is_listed_checked_and_trained(toy, tmp_path):
    path, results = tmp_path / "toy.yaml", ["--results", str(tmp_path / "results")]
    path.write_text(SWEEP)

    listed = " ".join(harness("ls", "bonuses", *results).split())
    assert "toy single steps ppo, dqn, sac, qrdqn, tqc, recurrent_ppo a toy" in listed
    assert "dqn_toy" in harness("ls", "agents", *results)
    checked = harness("check", str(path), *results)
    assert "toy_scale" in checked and "int_coef" in checked
    runs = {run.arm: run for run in expand(path).sweep.runs}
    for spec in runs.values():
        run(spec, Job(tmp_path / "results"))

    store = Store(tmp_path / "results")
    assert {arm: run.agent for arm, run in runs.items()} == {
        "ppo": "ppo_toy", "dqn": "dqn_toy", "plain": "ppo"
    }  # fmt: skip
    logs = {arm: (store.folder(run) / "train.jsonl").read_text() for arm, run in runs.items()}
    paid = {arm for arm, text in logs.items() if "curiosity/raw_bonus" in text}
    assert paid == {"ppo", "dqn"}


def test_a_bonus_brings_its_defaults_and_its_ranges_to_each_learner(toy):
    for learner in TAKERS:
        name = f"{learner}_toy"
        plain = setting.search_space(learner).keys()
        assert setting.own_defaults(name)["toy_scale"] == 0.5
        assert setting.search_space(name).keys() > plain | {"toy_scale", "int_coef"}


@pytest.mark.parametrize("name", TAKERS)
def test_what_a_learner_asks_of_a_bonus_is_what_it_takes(name):
    taker = AGENTS[name].bonuses
    assert taker.reaches and set(taker.reaches) <= set(REACHES)
    assert issubclass(attribute(taker.target), Curious)


@pytest.mark.parametrize("name", BONUSES)
def test_a_bonus_says_what_it_is(name):
    kind = baselines.load_bonus(name)
    assert issubclass(kind, Bonus) and kind.summary and kind.version >= 1
    assert kind.reach in REACHES
    for key, one in kind.Config.search.items():
        assert one is None or key in kind.Config.model_fields


def test_every_agent_has_a_name_of_its_own():
    names = list(baselines.names())
    assert len(names) == len(set(names))
    pairs = [name for name in names if name not in AGENTS]
    assert pairs == [baselines.name(*baselines.split(name)) for name in pairs]


FILE = """\
name: pairs
question: Which?
envs: [CartPole-v1]
seeds: 1
steps: 20_000
"""


def runs_of(path, text):
    path.write_text(FILE + text)
    return expand(path).sweep.runs


def test_an_arm_that_names_a_learner_and_a_bonus_has_the_runs_of_their_short_name(tmp_path):
    pairs = runs_of(tmp_path / "a.yaml", "base: {agent: ppo}\narms: {a: {bonus: rnd}, b: {}}\n")
    short = runs_of(tmp_path / "b.yaml", "arms: {a: {agent: ppo_rnd}, b: {agent: ppo}}\n")

    assert [run.agent for run in pairs] == ["ppo_rnd", "ppo"]
    assert [run.key for run in pairs] == [run.key for run in short]


def test_an_arm_that_is_searched_names_them_too():
    (pair,) = study.shipped("ppo", "CartPole-v1", 20_000, 3, {"agent": "ppo", "bonus": "rnd"})
    (short,) = study.shipped("ppo_rnd", "CartPole-v1", 20_000, 3)

    assert pair.agent == "ppo_rnd" and pair.space == short.space
    assert [spec.key for spec in pair.base] == [spec.key for spec in short.base]


@pytest.mark.parametrize(
    ("arm", "why"),
    [
        ("agent: ppo, bonus: rdn", "a.bonus: unknown bonus 'rdn'. Did you mean 'rnd'?"),
        ("agent: dqn, bonus: count", "a.bonus: dqn does not take the bonus count: take rnd, icm, "),
        ("agent: random, bonus: rnd", "a.bonus: random does not take .*: `harness ls bonuses`"),
        ("agent: ppo_rnd, bonus: icm", "a.bonus: ppo_rnd has a bonus already: name its learner, "),
        ("agent: pppo, bonus: rnd", "a.agent: unknown agent 'pppo'. Did you mean 'ppo'?"),
        ("bonus: rnd", "a: no agent: set"),
    ],
)
def test_a_pair_that_cannot_be_is_refused_at_its_line_with_a_way_out(tmp_path, arm, why):
    with pytest.raises(UserError, match=rf"a.yaml:6: arms.{why}"):
        runs_of(tmp_path / "a.yaml", f"arms: {{a: {{{arm}}}}}\n")
