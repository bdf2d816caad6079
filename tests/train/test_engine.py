"""The engine lockstep under the harness: what asks for it, what it refuses, and what it leaves."""

from __future__ import annotations

import json

import gymnasium as gym
import pytest

pytest.importorskip("numba")

from harness import agents, envs
from harness.config import strict
from harness.report.results import protocol
from harness.seeding import episode_seeds
from harness.spec import Engine
from harness.store.reader import Store
from harness.sweep.expand import expand
from harness.sweep.request import Request
from harness.sweep.resolve import resolve
from harness.train.evaluate import Evaluator
from harness.train.executors.serial import serial
from harness.train.run import Job
from harness.train.trained import trained as load

HEAD = "name: twins\nquestion: q\nenvs: [CartPole-v1]\nseeds: 2\nsteps: 400\n"
HEAD += "evaluation: {every: 200, episodes: 2, final_episodes: 2}\n"
SMALL = "base: {agent: ppo, hparams: {n_envs: 2, n_steps: 50, batch_size: 50}}\n"


def expanded(tmp_path, text, **options):
    file = tmp_path / "twins.yaml"
    file.write_text(HEAD + text)
    return expand(file, **options).sweep


def engines(sweep):
    return {run.arm: run.engine.name for run in sweep.runs}


# Who asks for it ----------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["lockstep", "{name: lockstep}"])
def test_an_engine_may_stand_in_the_sweep_in_the_base_or_in_an_arm(tmp_path, said):
    arms = "arms: {a: {}, b: {hparams: {gamma: 0.9}}}\n"
    for text in (
        SMALL + arms + f"engine: {said}\n",
        SMALL.replace("ppo,", f"ppo, engine: {said},") + arms,
    ):
        assert engines(expanded(tmp_path, text)) == {"a": "lockstep", "b": "lockstep"}
    one = SMALL + f"arms: {{a: {{}}, b: {{engine: {said}}}}}\n"
    assert engines(expanded(tmp_path, one)) == {"a": "sb3", "b": "lockstep"}


def test_an_arm_keeps_what_it_does_not_say_of_its_engine(tmp_path):
    text = SMALL + "arms: {a: {}, b: {engine: {name: sb3}, hparams: {gamma: 0.9}}}\n"
    text += "engine: {threads: 2}\n"

    assert {run.engine.threads for run in expanded(tmp_path, text).runs} == {2}


def test_the_command_line_has_the_last_word(tmp_path):
    text = SMALL + "arms: {a: {engine: lockstep}, b: {engine: lockstep, hparams: {gamma: 0.9}}}\n"

    assert set(engines(expanded(tmp_path, text, engine=Engine(name="sb3"))).values()) == {"sb3"}


def test_an_engine_decides_the_key_and_the_own_one_is_not_said():
    own = resolve(Request("ppo", "CartPole-v1", 10_000))
    other = resolve(Request("ppo", "CartPole-v1", 10_000, engine={"name": "lockstep"}))

    assert own.key != other.key
    assert "name" not in own.model_dump(mode="json")["engine"]
    assert own.agent_version != other.agent_version, "its own version is part of the key, too"
    assert type(other).model_validate_json(other.model_dump_json()) == other


# What it refuses ----------------------------------------------------------------------------------


REFUSED = {
    "arms: {a: {}, b: {agent: a2c, hparams: {}}}\nbase: {agent: ppo}\n": (
        "arms.b.agent", "the engine lockstep does not train a2c, only ppo",
    ),
    "arms: {a: {}}\nbase: {agent: dqn, bonus: rnd}\n": (
        "base.agent", "does not train dqn_rnd, only ppo",
    ),
    "arms: {a: {}}\nbase: {agent: dqn, hparams: {normalize: true}}\n": (
        "base.hparams.normalize", "statistics that move under what is replayed",
    ),
    "arms: {a: {}}\nbase: {agent: ppo, hparams: {policy_kwargs: {activation_fn: elu}}}\n": (
        "base.hparams.policy_kwargs.activation_fn", "elu is not compiled yet",
    ),
    "arms: {a: {engine: {name: lockstep, threads: 2}}}\nbase: {agent: ppo}\n": (
        "arms.a.engine.threads", "has threads 1 only",
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_an_arm_that_it_cannot_train_is_an_error_that_names_the_place_and_why(tmp_path, text):
    file = tmp_path / "twins.yaml"
    file.write_text(HEAD.replace("400", "10_000") + text + "engine: lockstep\n")

    with pytest.raises(strict.UserError) as refused:
        expand(file)

    place, why = REFUSED[text]
    (problem,) = refused.value.problems
    assert problem.key == place and problem.line and why in problem.message
    assert "take the engine sb3" in problem.message


def test_without_its_compiler_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(agents, "find_spec", lambda name: None)

    with pytest.raises(strict.UserError, match=r"needs numba: pip install .*\[lockstep\]"):
        resolve(Request("ppo", "CartPole-v1", 10_000, engine={"name": "lockstep"}))


def test_what_shows_images_is_refused_before_training():
    with pytest.raises(strict.UserError, match="the engine lockstep reads vector"):
        resolve(Request("ppo", "CarRacing-v3", 10_000, engine={"name": "lockstep"}), rehearse=True)


# What it leaves -----------------------------------------------------------------------------------


class Fragile(gym.Wrapper):
    """Breaks in the middle of training, for one seed."""

    def step(self, action):
        Fragile.steps += 1
        if Fragile.steps == 150:
            raise OSError("the simulator is gone")
        return self.env.step(action)


def trained(specs, store):
    serial(specs, Job(store.root))
    return [store.result(spec) for spec in specs]


@pytest.fixture(scope="module")
def twins(tmp_path_factory):
    """Two seeds of either engine, trained, and with a bonus of one."""
    folder = tmp_path_factory.mktemp("twins")
    text = SMALL + "arms: {own: {}, compiled: {engine: lockstep}, "
    text += "curious: {engine: lockstep, bonus: rnd, hparams: {warmup_epochs: 1}}}\n"
    sweep, store = expanded(folder, text), Store(folder / "results")
    trained(sweep.runs, store)
    return sweep, store


of_either = pytest.mark.parametrize("arm", ["compiled", "curious"])


@of_either
def test_a_run_alone_has_the_bits_that_it_has_among_others(twins, tmp_path, arm):
    sweep, store = twins
    spec = next(run for run in sweep.runs if run.seed == 1 and run.arm == arm)

    (alone,) = trained([spec], Store(tmp_path / "alone"))

    for name in ("weights", "final", "other_mode"):
        assert alone[name] == store.result(spec)[name]


def test_its_record_names_what_compiled_it_and_the_sources(twins):
    sweep, store = twins
    results = {run.arm: store.result(run) for run in sweep.runs}

    for arm in ("compiled", "curious"):
        assert set(agents.COMPILERS["lockstep"]) <= set(results[arm]["packages"])
        assert "baselines.lockstep.kernel" in results[arm]["sources"]
    assert "baselines.curiosity.rnd" in results["curious"]["sources"]
    assert "numba" not in results["own"]["packages"]
    assert results["compiled"]["weights"] != results["own"]["weights"]


@of_either
def test_a_trained_run_can_be_loaded_and_acts_as_it_did(twins, arm):
    sweep, store = twins
    spec = next(run for run in sweep.runs if run.arm == arm)

    loaded = load(store.folder(spec))

    evaluator = Evaluator(lambda: envs.make(loaded.card, training=False))
    seeds = episode_seeds("final", spec.env, spec.seed, spec.evaluation.final_episodes)
    played = evaluator.play(loaded.agent, seeds)
    assert sum(played.returns) / len(played.returns) == store.result(spec)["final"]["mean"]


def test_the_report_names_the_engine_of_each_arm(twins):
    sweep, _ = twins
    own, compiled = (next(r for r in sweep.runs if r.arm == arm) for arm in ("own", "compiled"))

    assert ("engine", "sb3", "lockstep") in protocol._changes(own, compiled)


def test_a_run_whose_environment_raises_fails_alone_and_the_rest_go_on(tmp_path, monkeypatch):
    sweep = expanded(tmp_path, SMALL + "arms: {a: {engine: lockstep}}\n")
    store, make = Store(tmp_path / "results"), envs.make
    Fragile.steps = 0

    def fragile(card, wrappers=(), training=True, **options):
        made = make(card, wrappers, training=training, **options)
        return Fragile(made) if training else made

    monkeypatch.setattr(envs, "make", fragile)
    results = trained(sweep.runs, store)
    assert results[0] is None and results[1] is not None
    failure = json.loads((store.folder(sweep.runs[0]) / "failure.json").read_text())
    assert "the simulator is gone" in failure["error"]

    assert [spec.seed for spec in store.missing(sweep.runs)] == [0]
    assert all(trained(sweep.runs, store)), "the same command trains what is missing"
