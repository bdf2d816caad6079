"""Estimates come from what was measured, closest first."""

from __future__ import annotations

import io

import fake_store
import numpy as np
import pytest
from rich.console import Console

from baselines import AGENTS, names
from harness.cli import check
from harness.config import strict
from harness.spec import Engine, Evaluation
from harness.store import cost, estimate
from harness.store.cost import Cost, CostFile, Learner
from harness.store.course import Course
from harness.store.estimate import Experience, duration, not_counted
from harness.store.reader import Store
from harness.train.progress import Display

PROTOCOL = Evaluation(every=1_000, episodes=5, final_episodes=10)
SLOW = {"cpu_seconds": 21.0, "evaluation_seconds": 1.0, "peak_memory_mb": 400.0}


def spec(agent="ppo", env="CartPole-v1", seed=0, steps=10_000, hparams=None, **facts):
    found = fake_store.spec("ppo", env, seed, steps)
    fixed = {"agent": agent, "arm": agent, "hparams": hparams or {"gamma": 0.9}}
    return found.model_copy(update=fixed | {"evaluation": PROTOCOL} | facts)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def finish(store, run, **result):
    fake_store.write_run(store, run, result=SLOW | result)


def seconds(store, run):
    return Experience(store, probe=None).seconds(run)


# Closest first ------------------------------------------------------------------------------------


def test_runs_like_it_in_the_folder_are_the_best_guide(store):
    finish(store, spec())
    finish(store, spec(hparams={"gamma": 0.5}), cpu_seconds=101.0)

    known = Experience(store).of(spec(seed=1))

    assert known.source == estimate.ALIKE
    assert known.cost.training == pytest.approx(2.0)
    assert known.cost.memory_mb == 400.0


def test_runs_with_other_settings_stand_in_for_what_was_never_run_here(store):
    finish(store, spec())
    assert Experience(store).of(spec(hparams={"gamma": 0.1})).source == estimate.SAME_TASK


def test_final_episodes_are_played_in_both_ways():
    assert cost.evaluation_episodes(spec()) == 10 * PROTOCOL.episodes + 2 * PROTOCOL.final_episodes


def test_evaluation_is_counted_by_episodes_and_training_by_steps(store):
    finish(store, spec())  # 10 evaluations of 5 episodes and 2 of 10: 1 s

    often = Evaluation(every=100, episodes=5, final_episodes=10)

    assert seconds(store, spec()) == pytest.approx(21.0, rel=1e-3)
    assert seconds(store, spec(steps=20_000)) == pytest.approx(40 + 120 / 70, rel=1e-3)
    assert seconds(store, spec(evaluation=often)) == pytest.approx(20 + 520 / 70, rel=1e-3)


def test_an_agent_that_does_not_learn_costs_its_evaluation_only(store):
    finish(store, spec("random"), cpu_seconds=1.0)
    assert seconds(store, spec("random", steps=1_000_000)) == pytest.approx(5_020 / 70, rel=1e-3)


def test_steps_before_learning_starts_are_free(store):
    finish(store, spec(hparams={"learning_starts": 5_000}))

    assert seconds(store, spec(hparams={"learning_starts": 5_000}, steps=15_000)) == (
        pytest.approx(40 + 95 / 70, rel=1e-3)
    )


def test_shipped_measurements_are_scaled_by_what_was_measured_here(store):
    shipped = cost.shipped_costs().agents["ppo"]["CartPole-v1"]
    finish(store, spec(), cpu_seconds=1 + 3 * shipped.training * 10)

    dqn = Experience(store, probe=lambda: pytest.fail("there is a better guide")).of(spec("dqn"))

    assert dqn.source == f"{estimate.SHIPPED}, times 3 for this machine"
    assert dqn.cost.training == pytest.approx(
        3 * cost.shipped_costs().agents["dqn"]["CartPole-v1"].training, rel=1e-3
    )


def test_with_nothing_measured_here_a_probe_says_how_fast_the_machine_is(store):
    table = cost.shipped_costs()

    known = Experience(store, probe=lambda: 2 * table.probe).of(spec())

    assert known.source == f"{estimate.SHIPPED}, times 2 for this machine"
    assert known.cost.training == pytest.approx(2 * table.agents["ppo"]["CartPole-v1"].training)


def test_the_probe_computes_with_no_subnormal_numbers_which_some_processors_take_long_for():
    assert np.abs(cost.probed()).min() > np.finfo(float).tiny


def taking(training, updates=None):
    return Cost(training=training, episode=0.0, memory_mb=9.0, disk_mb=1.0, updates=updates)


RATES = {
    "a": {"Quick": 1.0, "Slow": 3.0},
    "b": {"Quick": 2.0, "Slow": 10.0, "Middle": 4.0},
    "c": {"Quick": 5.0, "Slow": 20.0},
    "mine": {"Quick": 0.5, "Middle": 1.0},
    "still": {"Quick": 0.001, "Slow": 9.0},
}
TABLE = {name: {env: taking(t) for env, t in envs.items()} for name, envs in RATES.items()}


PRICES = {"mine": 4.0, "mine (lockstep)": 1.0, "a": 0.5}


def shipping(monkeypatch, agents, prices=PRICES):
    file = CostFile(measured_on="", probe=1.0, prices=prices, agents=agents)
    monkeypatch.setattr(cost, "shipped_costs", lambda: file)


def test_a_pair_that_nobody_measured_is_the_agents_rate_times_what_others_take_for_the_environment(
    store, monkeypatch
):
    shipping(monkeypatch, TABLE)

    known = Experience(store, probe=None).of(spec("mine", "Slow"))

    assert known.source == estimate.ELSEWHERE
    # Slow is 4 (3, 5, 4) times Quick and 2.5 times Middle; `still` learns nothing.
    assert known.cost.training == pytest.approx(2.0 + 0.5 * 0.75)


def test_runs_of_this_folder_tell_what_an_environment_takes_that_the_shipped_ones_do_not_have(
    store, monkeypatch
):
    shipping(monkeypatch, TABLE)
    finish(store, spec("a", "New-v0"))  # 2 s for 1,000 steps, where a takes 1 and 3

    judged = Experience(store, probe=None)

    assert judged.of(spec("b", "New-v0")).cost.training == pytest.approx(
        np.quantile([2.0 * 2, 10.0 * 2 / 3], 0.75)
    )
    assert judged.of(spec("b", "Elsewhere-v0")).cost.training == np.quantile([2, 10, 4], 0.75)


def test_pairs_that_were_measured_are_judged_by_the_others_within_the_factor_that_check_tells(
    store, monkeypatch
):
    file = cost.shipped_costs()
    whole = {n: envs for n, envs in file.agents.items() if Learner.named(n).engine == cost.OWN}
    ratios = []
    for name, env in [(n, e) for n, envs in whole.items() for e in envs if len(envs) > 1]:
        known = whole[name][env]
        rest = {n: {e: c for e, c in whole[n].items() if (n, e) != (name, env)} for n in whole}
        if known.training < estimate.LEAST_COMPARED:
            continue
        shipping(monkeypatch, rest, file.prices)
        judged = Experience(store, probe=None).elsewhere(name, env, known.updates)
        ratios.append(judged.training / known.training)

    close = [1 / estimate.WITHIN < ratio < estimate.WITHIN for ratio in ratios]
    assert len(ratios) > 40
    assert np.mean(close) >= estimate.OF_PAIRS
    assert np.mean(np.array(ratios) < 0.8) <= 0.2  # told too little


def test_an_agent_that_nobody_measured_has_no_estimate_and_is_named(store):
    found = Experience(store, probe=None).estimate([spec(), spec("mine"), spec("mine", seed=1)])

    assert found.cpu_seconds == seconds(store, spec())
    assert not_counted(found.unknown) == "no estimate for mine (2 runs)"


def test_every_learner_has_an_estimate_without_a_bonus():
    learners = set(map(Learner.named, cost.shipped_costs().agents))

    assert set(AGENTS) <= {each.agent for each in learners if each.engine == cost.OWN}
    assert {each.agent for each in learners} <= set(names())


# Updates ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hparams", "updates"),
    [
        ({"train_freq": 4, "gradient_steps": 1}, 0.25),
        ({"train_freq": 4, "gradient_steps": 16}, 4.0),
        ({"train_freq": 4, "gradient_steps": 16, "n_envs": 2}, 2.0),
        ({"train_freq": 64, "gradient_steps": -1}, 1.0),
        ({"train_freq": [1, "episode"], "gradient_steps": -1}, 1.0),
        ({"train_freq": [8, "step"], "gradient_steps": 4}, 0.5),
        ({"train_freq": [1, "episode"], "gradient_steps": 64}, None),
        ({"train_freq": 4}, None),  # a tabular agent's
        ({"n_epochs": 10}, None),
    ],
)
def test_updates_are_counted_for_each_step(hparams, updates):
    assert cost.updates(hparams) == updates


@pytest.mark.parametrize("here", [False, True])
def test_a_measurement_with_fewer_updates_is_scaled_by_the_price_of_a_step_without_one(
    store, monkeypatch, here
):
    rhythm = {"train_freq": 4, "gradient_steps": 1}
    shipping(monkeypatch, {"mine": {"CartPole-v1": taking(2.0, 0.25)}})
    if here:
        finish(store, spec("mine", hparams=rhythm))

    known = Experience(store, probe=None).of(spec("mine", hparams=rhythm | {"gradient_steps": 16}))

    assert known.source.endswith(", scaled from 0.25 to 4 updates a step")
    assert known.cost.training == pytest.approx(2.0 * (4 + 4) / (4 + 0.25))


def test_a_price_is_the_learners_own_or_that_of_what_it_descends_from_or_the_middle_one():
    file = CostFile(measured_on="", probe=1.0, prices=PRICES, agents={})

    assert file.price(Learner("mine")) == file.price(Learner("mine_rnd")) == 4.0
    assert file.price(Learner("mine_rnd", "lockstep")) == 1.0
    assert file.price(Learner("theirs")) == 1.0


def test_environments_are_compared_at_as_many_updates(store, monkeypatch):
    table = {
        "mine": {"Quick": taking(1.0, 1.0)},
        "a": {"Quick": taking(1.0, 0.25), "Slow": taking(2.0, 1.0)},
    }
    shipping(monkeypatch, table)

    known = Experience(store, probe=None).of(
        spec("mine", "Slow", hparams={"train_freq": 1, "gradient_steps": 1})
    )

    assert known.cost.training == pytest.approx(
        1.0
    )  # with as many updates, `a` is as quick in both


def test_a_damaged_run_says_nothing_of_cost(store):
    finish(store, spec())
    fake_store.write_run(store, spec(seed=1))
    (store.folder(spec(seed=1)) / "result.json").write_text("[]")
    assert seconds(store, spec(seed=2)) == pytest.approx(21.0, rel=1e-3)


@pytest.mark.parametrize(("workers", "wall"), [(1, 84.0), (2, 42.0), (8, 21.0)])
def test_no_sweep_is_shorter_than_its_longest_run(store, workers, wall):
    finish(store, spec(seed=9))
    found = Experience(store).estimate([spec(seed=seed) for seed in range(4)])
    assert found.wall_seconds(workers) == pytest.approx(wall, rel=1e-3)


# Time left ----------------------------------------------------------------------------------------


def test_the_time_left_is_judged_by_the_runs_that_have_ended_since(store, monkeypatch):
    runs = [spec(agent, seed=seed) for seed in range(3) for agent in ("quick", "slow")]
    console = Console(file=io.StringIO(), width=180)
    clock = [0.0]
    monkeypatch.setattr("harness.train.progress.time.monotonic", lambda: clock[0])

    display = Display(Course(runs, store, Experience(store, probe=None)), console)
    display.tick(last=True)
    finish(store, runs[0], cpu_seconds=11.0)
    finish(store, runs[1], cpu_seconds=91.0)
    clock[0] = 51.0  # two side by side
    display.tick(last=True)

    first, last = console.file.getvalue().splitlines()
    assert "no estimate yet for quick, slow" in first
    assert f"2/6 runs, 392 steps/s, {duration(102)} left" in last


# configs/costs.yaml -------------------------------------------------------------------------------


@pytest.fixture
def written(store, tmp_path, monkeypatch):
    """By a machine that takes twice as long as the file's."""
    finish(store, spec())
    monkeypatch.setattr(cost, "probe", lambda: 2.0)
    before = CostFile(
        measured_on="elsewhere",
        probe=1.0,
        prices=PRICES,
        agents={
            "ppo": {"CartPole-v1": Cost(training=9.0, episode=9.0, memory_mb=900.0, disk_mb=0.0)},
            "other": {"CartPole-v1": Cost(training=1.0, episode=1.0, memory_mb=1.0, disk_mb=1.0)},
        },
    )
    path = tmp_path / "costs.yaml"
    path.write_text(cost.text(store.root, before))
    return strict.read(path, CostFile)


def test_the_file_holds_what_was_measured_and_keeps_the_rest(store, written):
    mine = cost.measured(store.root)["ppo"]["CartPole-v1"]
    found = written.agents["ppo"]["CartPole-v1"]

    assert (mine.training, found.training) == (2.0, 1.0)
    assert found.episode == pytest.approx(mine.episode / 2, abs=1e-5)
    assert found.disk_mb == mine.disk_mb
    assert written.agents["other"]["CartPole-v1"].training == 1.0
    assert (written.measured_on, written.probe) == ("elsewhere", 1.0)


def test_the_memory_of_a_short_run_does_not_replace_that_of_a_long_one(written):
    assert written.agents["ppo"]["CartPole-v1"].memory_mb == 900.0


def test_what_check_prints_says_where_it_comes_from(store):
    runs = tuple(spec(agent, seed=seed) for seed in range(3) for agent in ("ppo", "mine"))
    sweep = fake_store.sweep(("ppo", "mine"), ("CartPole-v1",), runs=runs)
    finish(store, runs[0])
    console = Console(file=io.StringIO(), width=120)

    console.print(check.costs(sweep, store, check.Price(10.0, None, workers=2)))

    text = " ".join(console.file.getvalue().split())
    assert "6, of which 1 are finished" in text
    assert "time about 21 s with 2 runs in parallel CPU time about 42 s" in text
    assert "not counted no estimate for mine (3 runs)" in text
    assert f"estimated from {estimate.ALIKE}: 2 runs" in text


# Engines ------------------------------------------------------------------------------------------


def test_runs_of_one_engine_say_nothing_of_another(store, monkeypatch):
    shipping(monkeypatch, {"ppo": {"CartPole-v1": taking(4.0)}})
    lockstep = Engine(name="lockstep")
    for seed in range(3):
        finish(store, spec(seed=seed, engine=lockstep), cpu_seconds=3.0)
    experience = Experience(store, probe=None)

    own, quick = experience.of(spec(hparams={"gamma": 0.5})), experience.of(spec(engine=lockstep))

    assert experience.slowness == 1.0, "a quicker engine is no quicker machine"
    assert own.source.startswith(estimate.SHIPPED) and own.cost.training == 4.0
    assert quick.source == estimate.ALIKE and quick.cost.training == pytest.approx(0.2)
    assert set(cost.measured(store.root)) == {"ppo (lockstep)"}


def test_another_engine_takes_the_share_of_the_own_one_that_it_takes_in_other_environments(
    store, monkeypatch
):
    table = {
        "mine": {"Quick": taking(10.0, 1.0), "Slow": taking(30.0, 1.0)},
        "mine (lockstep)": {"Quick": taking(2.0, 0.5)},
    }
    shipping(monkeypatch, table)
    hparams = {"train_freq": 1, "gradient_steps": 1}

    known = Experience(store, probe=None).of(
        spec("mine", "Slow", hparams=hparams, engine=Engine(name="lockstep"))
    )

    share = 2.0 * (1 + 1) / (1 + 0.5) / 10.0
    assert known.cost.training == pytest.approx(30.0 * share)
    assert "times 0.27, as lockstep takes in other environments" in known.source


def test_an_engine_under_which_an_agent_was_never_measured_takes_at_most_what_the_own_one_takes(
    store, monkeypatch
):
    shipping(monkeypatch, {"mine": {"Slow": taking(30.0)}})
    experience = Experience(store, probe=None)

    own = experience.of(spec("mine", "Slow"))
    other = experience.of(spec("mine", "Slow", engine=Engine(name="lockstep")))

    assert other.cost == own.cost
    assert estimate.UNDER_OWN in other.source and estimate.UNDER_OWN not in own.source


@pytest.mark.parametrize("learner", [Learner("ppo"), Learner("ppo_rnd", "lockstep")])
def test_a_learner_is_read_as_it_is_written(learner):
    assert Learner.named(str(learner)) == learner


def test_check_shows_what_the_other_engine_would_take(store):
    pytest.importorskip("numba")
    finish(store, spec(engine=Engine(name="lockstep")), cpu_seconds=3.0)
    runs = [spec(seed=seed) for seed in (7, 8)]

    own, quick = runs, check.under("lockstep", runs)

    assert {run.engine.name for run in quick} == {"lockstep"}
    assert check.under("sb3", quick) == own
    assert check.under("lockstep", [spec("td3")]) == [spec("td3")]
