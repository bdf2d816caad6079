"""No odd hyper-parameter is let pass that then cannot be trained with."""

from __future__ import annotations

import numpy as np
import odd_hparams
import pytest
from odd_hparams import WRONG, allowed, ask, cases, known
from tiny import OFF_POLICY, SMALL_NET, tiny

from baselines.api import NoProgress, Task
from harness import agents, envs
from harness.config.strict import UserError
from harness.sweep import rehearsal

HUGE = 10**10


@pytest.fixture(autouse=True)
def small_machine(monkeypatch):
    monkeypatch.setattr(rehearsal, "installed_memory", lambda: 4e9)


def refusal(agent, steps=256, **hparams):
    """The one line with which `harness check` refuses them."""
    with pytest.raises(UserError) as error:
        tiny(agent, steps=steps, rehearse=True, **hparams)
    (problem,) = error.value.problems
    assert "\n" not in str(problem)
    return problem


def learned(spec):
    card = envs.card(spec.env)
    agent = agents.make(spec.agent, Task(lambda: envs.make(card), spec.steps), spec.hparams)
    before = agent.weights()
    agent.learn(NoProgress())
    return before, agent.weights()


@pytest.mark.slow
def test_every_odd_value_is_refused_or_in_the_table_of_those_asked_to_train():
    asked = cases()
    assert len(asked) > 5000
    assert {str(case) for case in asked if allowed(case)} == set(known())


def test_no_value_in_the_table_crashes_or_hangs():
    assert set(known().values()) <= {"trained", "refused", "diverged", "idle"}


@pytest.mark.soak
def test_each_odd_value_is_refused_in_one_line_or_trains_to_the_end():
    odd_hparams.prepare()
    wrong = [(str(case), *verdict) for case, verdict, _ in ask(cases()) if verdict.kind in WRONG]
    assert wrong == []


@pytest.mark.slow
def test_one_odd_value_in_forty_is_refused_in_one_line_or_trains_to_the_end():
    odd_hparams.prepare()
    wrong = [(str(c), *verdict) for c, verdict, _ in ask(cases()[::40]) if verdict.kind in WRONG]
    assert wrong == []


# A value, the key that is named, and what else the line must say.
CLASHES = [
    ("ppo", {"batch_size": 1}, "batch_size", "normalize_advantage: false"),
    ("ppo", {"n_envs": 1, "n_steps": 1}, "n_steps", "normalize_advantage: false"),
    ("maskable_ppo", {"n_envs": 1, "n_steps": 33}, "batch_size", "a last minibatch of one step"),
    ("sac", {"n_envs": 2, "train_freq": [1, "episode"]}, "n_envs", "train_freq"),
    ("sac", {"policy_kwargs": {"net_arch": {"pi": [8]}}}, "policy_kwargs.net_arch", "pi and qf"),
    ("tqc", {"top_quantiles_to_drop_per_net": 25}, "top_quantiles_to_drop_per_net", "n_quantiles"),
    ("ars", {"n_delta": 1, "n_top": 2}, "n_top", "n_delta"),
    ("crossq", {"batch_size": 1}, "batch_size", "batch_norm"),
    ("dreamer", {"bins": 10}, "bins", "odd"),
    ("dreamer", {"deter": 8, "blocks": 3}, "blocks", "deter"),
    ("world_model", {"controller": {"patience": 3}}, "controller.patience", "real_share"),
]


@pytest.mark.parametrize(("agent", "hparams", "key", "other"), CLASHES)
def test_hyper_parameters_that_contradict_one_another_are_refused_by_both_names(
    agent, hparams, key, other
):
    problem = refusal(agent, **hparams)
    assert problem.key.startswith(key)
    assert other in problem.message


def test_all_contradictions_are_told_at_once():
    with pytest.raises(UserError) as error:
        tiny("dreamer", bins=10, deter=8, blocks=3)
    assert [problem.key for problem in error.value.problems] == ["bins", "blocks"]


SIZES = [
    ("ppo", {"policy_kwargs": {"net_arch": [10**6, 10**6]}}, "policy_kwargs"),
    ("dqn", {"batch_size": HUGE}, "batch_size"),
    ("sac", {"n_steps": HUGE}, "n_steps"),
    ("tqc", {"policy_kwargs": {"n_critics": HUGE}}, "policy_kwargs"),
    ("recurrent_ppo", {"policy_kwargs": {"lstm_hidden_size": HUGE}}, "policy_kwargs"),
    ("ppo_rnd", {"predictor_net": [10**6, 10**6]}, "predictor_net"),
    ("dqn_disagreement", {"ensemble_size": HUGE}, "dynamics_width"),
    ("dreamer", {"deter": HUGE}, "deter"),
    (
        "world_model",
        {"rnn": {"hidden_size": HUGE}, "controller": {"inputs": "z"}},
        "rnn.hidden_size",
    ),
    ("world_model", {"controller": {"net_arch": [10_000]}}, "controller.net_arch"),
    ("tabular_q", {"bins": HUGE}, "bins"),
]


@pytest.mark.parametrize(("agent", "hparams", "key"), SIZES)
def test_a_size_that_the_machine_cannot_hold_is_refused_with_what_it_needs(agent, hparams, key):
    problem = refusal(agent, **hparams)
    assert f"GB of them for {key}" in problem.message
    assert "this machine has 4.0 GB" in problem.message


def test_a_replay_buffer_larger_than_the_budget_can_fill_is_no_larger_than_that():
    chosen = OFF_POLICY | SMALL_NET | {"n_steps": 3}
    endless = learned(tiny("dqn", **chosen | {"buffer_size": 10**15}))[1]
    enough = learned(tiny("dqn", **chosen | {"buffer_size": 256}))[1]
    for name, value in enough.items():
        np.testing.assert_array_equal(endless[name], value)


@pytest.mark.parametrize("agent", ["ppo", "dqn", "dqn_rnd"])
def test_the_least_budget_holds_an_update_and_one_step_less_is_refused(agent):
    least = agents.config(agent, tiny(agent).hparams).least_steps()
    before, after = learned(tiny(agent, steps=least))
    assert any((before[name] != value).any() for name, value in after.items())
    problem = refusal(agent, steps=least - 1)
    assert f"hold no update of {agent}, which needs {least}" in problem.message


@pytest.mark.parametrize("agent", ["ppo", "dqn", "recurrent_ppo"])
def test_a_policy_that_does_not_read_the_observations_is_refused_before_training(agent):
    policy = "CnnLstmPolicy" if agent == "recurrent_ppo" else "CnnPolicy"
    assert f"{policy} does not read Box" in refusal(agent, policy=policy).message
