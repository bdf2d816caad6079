"""The order of work: what a sweep has when a part of its time is over."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tiny import store_at, tiny

from harness.sweep.expand import expand
from harness.sweep.order import in_order
from harness.train.executors.processes import _preload, _record_failure

SIX_SEEDS = """\
name: test
question: Does it?
envs: [CartPole-v1, DeepSea-10]
seeds: 6
steps: {CartPole-v1: 4_000, DeepSea-10: 2_000}
arms: {quick: {agent: random}, slow: {agent: ppo}, slower: {agent: dqn}}
"""
SECONDS = {"random": 1.0, "ppo": 8.0, "dqn": 20.0}


@pytest.fixture
def runs(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(SIX_SEEDS)
    return expand(path).sweep.runs


def finished_after(order, seconds, workers=2):
    """When each run ends, in order: every worker takes the next as soon as it is free."""
    free, ends = [0.0] * workers, {}
    for spec in order:
        at = free.index(min(free))
        free[at] += seconds(spec)
        ends[spec.arm, spec.env, spec.seed] = free[at]
    return ends


def test_after_a_third_of_the_time_every_arm_has_about_a_third_of_its_seeds(runs):
    def seconds(spec):
        return SECONDS[spec.agent] * (1 if spec.env == "CartPole-v1" else 0.4)

    ends = finished_after(in_order(runs, seconds), seconds)

    third = max(ends.values()) / 3
    for arm, env in {run[:2] for run in ends}:
        have = sum(run[:2] == (arm, env) and end <= third for run, end in ends.items())
        assert have in (1, 2, 3), (arm, env, have)
    work = sum(map(seconds, runs)) / 2
    assert max(ends.values()) <= work + 1.0, "and no worker is idle at the end"


def test_a_resumed_sweep_begins_with_the_seeds_that_are_furthest_behind(runs):
    left = [run for run in runs if not (run.arm == "quick" and run.seed < 4)]

    order = [spec.seed for spec in in_order(left)]

    assert order == sorted(order)


# What the server of workers imports for all of them -------------------------------------------


def imported(first):
    """Whether importing the last module of the server brings torch, or its compiler, in."""
    code = (
        f"import sys, {first}, harness.train.executors.warm\n"
        "print('torch' in sys.modules, 'torch._dynamo' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return out.stdout.split()


def test_workers_that_need_no_torch_are_not_made_to_import_it():
    assert imported("json") == ["False", "False"]


@pytest.mark.slow
def test_what_the_first_optimizer_would_import_is_imported_once_for_all_workers():
    assert imported("torch") == ["True", "True"]


def test_the_server_imports_the_agents_first_and_then_what_depends_on_them(runs):
    names = _preload(in_order(runs))
    assert names.index("baselines.sb3") < names.index("harness.train.executors.warm")
    assert names[-1] == "harness.train.executors.warm"


def test_a_worker_that_dies_before_its_run_begins_leaves_a_failure_with_its_reason(tmp_path):
    store, spec = store_at(tmp_path), tiny("random")

    _record_failure(spec, 1, store)

    assert store.status(spec).error == "the worker ended with exit code 1"
