"""Whatever ends a run, it goes on from its last barrier to the bits that it would have had."""

from __future__ import annotations

import gc
import io
import json
import os
import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from killed import Killed, killed, killed_at
from rich.console import Console
from small_world_model import merge
from tiny import ENTRIES, NESTED, store_at, tiny

import baselines.sb3
from baselines import ENGINES, SB3, state
from baselines.classic.random import Random
from baselines.world_models.world_model import WorldModel
from harness import agents, envs
from harness.cli.check import barriers
from harness.cli.status import of_sweep
from harness.config.strict import UserError
from harness.spec import Checkpoint, Limits, ResolvedSweep
from harness.store import checkpoint, layout, writer
from harness.store.course import Course
from harness.store.estimate import Experience
from harness.store.scalars import FPS
from harness.sweep.expand import expand
from harness.sweep.request import Request
from harness.sweep.resolve import resolve
from harness.train import barrier, limit, watch
from harness.train import run as train
from harness.train.run import Job, run
from harness.train.task import learning_task
from harness.train.track import Trackers

STEPS, EVERY = 400, 90
TABLE = os.environ.get("RESUME_TABLE")  # a file that gets the rows of the table in docs/living.md
# Every agent that can, under each engine that trains it.
ABLE = [
    (name, engine)
    for name, entry in ENTRIES.items()
    for engine in ENGINES
    if (engine == SB3 or entry.lockstep) and entry.learns and agents.resumable(name, engine)
]


@pytest.fixture(autouse=True, scope="module")
def what_other_tests_left_is_not_looked_through():
    """A run collects garbage at each barrier, and here there are hundreds of them."""
    gc.collect()
    gc.freeze()


def asked(*quick):
    """All of these; in each test run some alone."""
    marks = {True: [], False: [pytest.mark.slow]}
    return [
        pytest.param(*case, marks=marks["-".join(case) in quick], id="-".join(case))
        for case in ABLE
    ]


def spec_of(agent, every=EVERY, steps=STEPS, **chosen):
    spec = tiny(agent, steps=steps, **chosen)
    return spec.model_copy(update={"checkpoint": Checkpoint(every=every)})


def made(root, spec, *kills):
    """The folder of a run that was killed at these steps, and then left alone."""
    store = store_at(root)
    for step in kills:
        killed_at(step, spec, store)
    run(spec, Job(store.root))
    return store.folder(spec)


def outcome(folder):
    """What a run made that must not depend on how it was made."""
    result = json.loads((folder / "result.json").read_text())
    rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    for row in rows:
        row.pop("seconds")  # the clock's
    visits = folder / "visits.npz"
    counted = visits.is_file() and {n: a.tobytes() for n, a in np.load(visits).items()}
    kept = [result[name] for name in ("weights", "steps_trained", "final", "symptoms")]
    return [*kept, rows, (folder / "evals.jsonl").read_text(), counted]


@pytest.mark.parametrize(("agent", "engine"), asked("ppo-sb3", "tabular_q-sb3"))
def test_a_run_that_is_killed_goes_on_to_the_same_bits(agent, engine, tmp_path):
    spec = spec_of(agent, engine=engine)
    drawn = np.random.default_rng(sum(agent.encode())).integers(EVERY + 40, STEPS - 20, 3)
    kills = sorted(map(int, drawn))

    whole = made(tmp_path / "whole", spec)
    broken = made(tmp_path / "broken", spec, *kills)

    assert outcome(broken) == outcome(whole)
    from_steps = [row.get("from_step", 0) for row in attempts(broken) if "started" in row][1:]
    assert all(0 < start <= step for start, step in zip(from_steps, kills, strict=True))
    if TABLE:
        row = [agent, engine, *(", ".join(map(str, steps)) for steps in (kills, from_steps))]
        with open(TABLE, "a") as table:
            table.write(f"| {' | '.join(row)} | the same |\n")


@pytest.mark.slow
@pytest.mark.parametrize("agent", ["ppo_rnd", "ppo_ngu", "recurrent_ppo_icm"])
def test_a_bonus_of_images_goes_on_to_the_same_bits(agent, tmp_path):
    spec = spec_of(agent, env="MiniGrid-MultiRoomImage-N4-S5-v1")

    whole = made(tmp_path / "whole", spec)
    broken = made(tmp_path / "broken", spec, 250)

    assert outcome(broken) == outcome(whole)


@pytest.mark.parametrize(("agent", "engine"), asked("dqn-sb3"))
def test_what_is_kept_is_all_that_a_learner_goes_on_from(agent, engine, tmp_path, monkeypatch):
    spec = spec_of(agent, engine=engine)
    fresh = made(tmp_path / "fresh", spec)
    make, first = agents.make, []

    def same(name, task, hparams, engine):
        """The learner that passed the barrier, with nothing put back into it."""
        if not first:
            first.append(make(name, task, hparams, engine))
        there = "task" if hasattr(first[0], "task") else "_task"
        setattr(first[0], there, replace(task, make_env=getattr(first[0], there).make_env))
        return first[0]

    monkeypatch.setattr(agents, "make", same)
    monkeypatch.setattr(barrier.state, "put_back", lambda *of: None)
    monkeypatch.setattr(barrier, "_fill", lambda *of: None)
    monkeypatch.setattr(barrier.state, "set_generators", lambda states: None)
    going_on = made(tmp_path / "same", spec)

    assert len(first) == 1
    assert outcome(fresh) == outcome(going_on)


IN_DREAMS = {"n_envs": 2, "policy_kwargs": {"net_arch": [4]}}
BY_PPO = IN_DREAMS | {"n_steps": 8, "batch_size": 8}
BY_SAC = IN_DREAMS | {"learning_starts": 10}
STAGED = {
    "rounds": {"data": {"rounds": 3}},
    "V": {"vae": {"kind": "mlp", "latent_size": 2, "net_arch": [4], "epochs": 1}},
    "transformer": {"data": {"rounds": 2}, "rnn": {"cell": "transformer"}},
    "real episodes": {
        "controller": {"real_share": 0.6, "population": 3, "episodes": 2, "shared_starts": True}
    },
    "PPO": {
        "data": {"rounds": 2},
        "controller": {"learner": "ppo", "steps": 40, "hparams": BY_PPO},
    },
    "SAC": {
        "data": {"rounds": 2},
        "controller": {"learner": "sac", "steps": 40, "hparams": BY_SAC},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("how", STAGED)
def test_a_world_model_goes_on_to_the_same_bits_from_within_each_of_its_stages(how, tmp_path):
    env = "Pendulum-v1" if how == "SAC" else "CartPole-v1"
    spec = spec_of("world_model", env=env, **merge(NESTED["world_model"], STAGED[how]))

    whole = made(tmp_path / "whole", spec)
    store, stages = store_at(tmp_path / "broken"), ["fit_rnn", "fit_controller", "fit_vae"]
    stages[1] += "_real" * (how == "real episodes")
    killed_at(130, spec, store)
    for stage in stages if how == "rounds" else stages[:2]:
        killed(spec, store, WorldModel, stage, raising)
    killed_at(390, spec, store)

    assert outcome(made(tmp_path / "broken", spec)) == outcome(whole)


def raising(*given):
    raise Killed


def test_a_stage_that_is_over_is_not_learned_again(tmp_path, monkeypatch):
    spec, store, fitted = spec_of("world_model", steps=60, every=50), store_at(tmp_path), []
    for stage in ("fit_vae", "fit_rnn", "fit_controller"):
        fit = getattr(WorldModel, stage)
        monkeypatch.setattr(
            WorldModel, stage, lambda *given, fit=fit: fitted.append(fit.__name__) or fit(*given)
        )
    killed(spec, store, WorldModel, "fit_controller", raising)
    run(spec, Job(store.root))

    assert fitted == ["fit_vae", "fit_rnn", "fit_controller"]
    assert [row.get("from_step") for row in attempts(store.folder(spec)) if "started" in row] == [
        None, 60,
    ]  # fmt: skip


def test_barriers_are_part_of_what_a_run_is(tmp_path):
    without = tiny("ppo", steps=STEPS)
    some, more = spec_of("ppo"), spec_of("ppo", every=100)

    assert len({without.key, some.key, more.key}) == 3
    assert "checkpoint" not in without.model_dump()
    assert outcome(made(tmp_path, some))[0] != outcome(made(tmp_path, without))[0]


def test_environments_are_seeded_anew_at_each_barrier(tmp_path, monkeypatch):
    seeds, make = [], agents.make

    def noted(name, task, hparams, engine):
        seeds.append((task.seed, task.env_seed, task.barrier))
        return make(name, task, hparams, engine)

    monkeypatch.setattr(agents, "make", noted)
    made(tmp_path, spec_of("ppo", every=128))  # rollouts are 64 steps

    of_agent, of_envs, barriers = zip(*seeds, strict=True)
    assert len(set(of_agent)) == 1
    assert len(set(of_envs)) == 3
    assert barriers == (128, 256, 384)


# What ends it where ------------------------------------------------------------------------------


def while_it_writes_arrays():
    write, calls = checkpoint.write_arrays, []

    def torn(folder, name, values):
        write(folder, name, values)
        calls.append(name)
        if len(calls) == 3:  # two at each barrier: this one is the second's
            (folder / layout.KEPT / name).write_bytes(b"half")
            raise Killed

    return checkpoint, "write_arrays", torn


def before_they_are_named():
    publish, calls = checkpoint.publish, []

    def torn(*of):
        calls.append(of)
        if len(calls) == 2:
            raise Killed
        return publish(*of)

    return checkpoint, "publish", torn


def before_what_went_before_is_removed():
    unlink = Path.unlink

    def torn(path, **options):
        if path.parent.name == layout.KEPT:
            raise Killed
        unlink(path, **options)

    return Path, "unlink", torn


MOMENTS = [
    while_it_writes_arrays,
    *(
        pytest.param(moment, marks=pytest.mark.slow)
        for moment in (before_they_are_named, before_what_went_before_is_removed)
    ),
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_is_killed_while_it_leaves_a_barrier_goes_on_from_that_or_the_one_before(
    moment, tmp_path
):
    spec, store = spec_of("dqn"), store_at(tmp_path / "broken")
    killed(spec, store, *moment())

    run(spec, Job(store.root))

    folder = store.folder(spec)
    assert [row["from_step"] for row in attempts(folder) if "from_step" in row] == [
        96 if moment is not before_what_went_before_is_removed else 184
    ]
    assert outcome(folder) == outcome(made(tmp_path / "whole", spec))


def attempts(folder):
    return [json.loads(line) for line in (folder / "attempts.jsonl").read_text().splitlines()]


def test_a_finished_run_keeps_no_barrier_and_its_record_tells_what_all_parts_cost(tmp_path):
    folder = made(tmp_path, spec_of("ppo", n_epochs=1), 150, 300)

    result = json.loads((folder / "result.json").read_text())
    rows = attempts(folder)
    spent = [row["cpu_seconds"] for row in rows if "ended" in row]

    assert not {"checkpoint", "checkpoint.json"} & {path.name for path in folder.iterdir()}
    assert result["resumed"] == 2
    assert [row.get("from_step") for row in rows if "started" in row] == [None, 128, 192]
    assert spent[-1] < result["cpu_seconds"] < sum(spent)  # what was lost is no part of the run
    seconds = [json.loads(line)["seconds"] for line in (folder / "train.jsonl").open()]
    assert seconds == sorted(seconds)
    assert seconds[-1] <= result["cpu_seconds_before"] + result["cpu_seconds"]


def test_a_run_that_goes_on_is_sampled_and_paced_as_one(tmp_path, monkeypatch):
    spec, store = spec_of("tabular_q", steps=4_000, every=1_000), store_at(tmp_path)
    judged, tracked = [], []
    monkeypatch.setattr(watch, "grown", lambda *given: judged.append(given) or ())
    monkeypatch.setattr(Trackers, "scalars", lambda _, *point: tracked.append(point))

    killed_at(2_500, spec, store)
    tracked.clear()
    run(spec, Job(store.root))

    ((samples, *_, process_from),) = judged
    steps = [sample.step for sample in samples]
    assert steps == sorted(set(steps)) and len(steps) >= 40
    assert process_from == 2_000  # another process holds another amount of memory
    assert [step for step, values in tracked if FPS in values] == [2_000, 3_000, 4_000]


def test_a_finished_run_that_was_killed_before_it_could_tidy_up_is_tidied_up(tmp_path):
    spec, store = spec_of("ppo", n_epochs=1), store_at(tmp_path)
    killed(spec, store, checkpoint, "discard", killed_if_finished)
    folder = store.folder(spec)
    assert store.finished(spec) and (folder / "checkpoint").exists()

    assert writer.mend(folder, store.root) == []

    assert store.finished(spec) and not (folder / "checkpoint").exists()


def killed_if_finished(folder):
    if (folder / "result.json").exists():
        raise Killed


def test_status_says_which_runs_go_on_from_a_barrier(tmp_path):
    spec, store = spec_of("tabular_q"), store_at(tmp_path)
    killed_at(200, spec, store)
    told = shown(spec, store)

    assert "1 of them go on from a barrier" in told
    assert "from step 180." in told
    assert store.status(spec).state == "interrupted"


def shown(spec, store):
    """What `harness status` shows of a sweep of one run."""
    sweep = ResolvedSweep(
        name="some", question="", source="", arms=("",), envs=(spec.env,), runs=(spec,)
    )
    told = io.StringIO()
    Console(file=told, width=200).print(of_sweep(sweep, store))
    return told.getvalue()


def test_how_far_and_how_quick_a_run_is_that_goes_on_is_told_by_what_it_did_since(tmp_path):
    spec, store = spec_of("tabular_q", steps=1_000, every=400), store_at(tmp_path)
    killed_at(900, spec, store)

    (waiting,) = Course([spec], store, Experience(store, None)).runs.values()
    killed_at(950, spec, store)
    step, rate = store.pace(spec)
    progress = json.loads((store.folder(spec) / "progress.json").read_text())

    assert (waiting.state, waiting.part) == ("waiting", 0.8)
    assert step > progress["from_step"] == 800
    assert rate == pytest.approx((step - 800) / progress["wall_seconds"])


def test_limits_of_time_count_all_parts_that_made_a_run(tmp_path, monkeypatch):
    spec, store, taken = spec_of("tabular_q"), store_at(tmp_path), []
    monkeypatch.setattr(
        limit, "enforced", lambda limits, failed, spent: nullcontext(taken.append(spent()))
    )
    killed_at(200, spec, store)
    before = checkpoint.read(store.folder(spec))["cost"]["wall_seconds"]
    run(spec, Job(store.root, limits=Limits(hours=1)))

    assert taken[0] < before <= taken[1]


# What it does not go on from ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["evals.jsonl", pytest.param("checkpoint/state-2.npz", marks=pytest.mark.slow)]
)
def test_a_run_whose_files_were_altered_since_its_barrier_begins_anew(name, tmp_path, capsys):
    spec, store = spec_of("ppo", n_epochs=1), store_at(tmp_path / "altered")
    killed_at(200, spec, store)
    folder = store.folder(spec)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)

    run(spec, Job(store.root))

    told = f"checkpoint.json: {Path(name).name} is not as it was at the barrier of step 192"
    assert told in capsys.readouterr().err
    assert not [row for row in attempts(folder) if "from_step" in row]
    assert outcome(folder) == outcome(made(tmp_path / "whole", spec))


def test_status_says_why_a_run_began_anew_whose_barrier_was_damaged(tmp_path):
    spec, store = spec_of("tabular_q"), store_at(tmp_path)
    killed_at(200, spec, store)
    path = store.folder(spec) / "checkpoint/state-2.npz"
    state = bytearray(path.read_bytes())
    state[len(state) // 2] ^= 1
    path.write_bytes(state)

    killed_at(150, spec, store)

    assert store.barrier(spec).step == 90
    why = "state-2.npz is not as it was at the barrier of step 180"
    assert f"1 began anew, not from their barrier, first {spec}: {why}." in shown(spec, store)


def test_a_run_does_not_go_on_from_what_another_seed_left(tmp_path):
    spec, store = spec_of("tabular_q"), store_at(tmp_path)
    other = spec.model_copy(update={"seed": spec.seed + 1})
    killed_at(200, spec, store)
    killed_at(200, other, store)
    for name in (*checkpoint.LOGS, layout.CHECKPOINT, layout.KEPT):
        there, here = store.folder(other) / name, store.folder(spec) / name
        if here.is_dir():
            shutil.rmtree(here)
            shutil.copytree(there, here)
        elif there.exists():
            shutil.copy(there, here)

    run(spec, Job(store.root))

    assert not [row for row in attempts(store.folder(spec)) if "from_step" in row]
    assert outcome(store.folder(spec)) == outcome(made(tmp_path / "whole", spec))


def test_what_is_learned_once_more_without_files_passes_no_barrier():
    spec = spec_of("tabular_q")

    assert train.rehearse(spec, lambda agent: agent)._step == 0


def test_what_a_subclass_holds_beside_the_algorithm_goes_on():
    class Counting(baselines.sb3.agent_class("ppo")):
        def __init__(self, task, config):
            super().__init__(task, config)
            self.counted = {"calls": 0}

    spec = spec_of("ppo")
    card, config = envs.card(spec.env), Counting.Config.model_validate(spec.hparams)
    before, fresh = (Counting(learning_task(spec, card), config) for _ in range(2))
    before.counted["calls"] = 3

    state.put_back(fresh.kept(), state.taken(before.kept()))

    assert fresh.counted == {"calls": 3}
    assert fresh.task is not before.task


def test_a_run_does_not_go_on_with_other_code_or_packages_and_says_so(
    tmp_path, monkeypatch, capsys
):
    spec, store = spec_of("tabular_q"), store_at(tmp_path)
    killed_at(200, spec, store)
    packages = train.provenance.packages()
    monkeypatch.setattr(train.provenance, "packages", lambda *of: packages | {"numpy": "0.1"})

    run(spec, Job(store.root))

    assert store.result(spec)["resumed"] == 0
    why = f"packages.numpy was {packages['numpy']} and is 0.1"
    assert store.status(spec).anew == why
    told = f"tabular_q on CartPole-v1, seed 0 begins anew, not from step 180: {why}"
    assert told in capsys.readouterr().err
    assert "1 began anew, not from their barrier, first tabular_q" in shown(spec, store)


class Forgetful(Random):
    """Says that it learns, and has nothing to go on from."""

    version = 1


SWEEP = """\
name: barriers
question: Which runs pass some?
envs: [CartPole-v1]
seeds: 1
steps: 400
checkpoint: {every: %s}
arms:
  random: {agent: random}
  forgetful: {agent: %s}
"""


def expanded(folder, every, agent="tabular_q"):
    (folder / "sweep.yaml").write_text(SWEEP % (every, agent))
    return expand(folder / "sweep.yaml", rehearse=True).sweep


def test_an_agent_that_cannot_go_on_is_refused_with_the_line_that_asks_it_to_and_its_own(tmp_path):
    own = f"{__name__}:Forgetful"
    with pytest.raises(UserError) as refused:
        expanded(tmp_path, 100, own)

    (problem,) = refused.value.problems
    assert (problem.line, problem.key) == (6, "checkpoint")
    assert problem.message.startswith(
        f"{own} (arms.forgetful.agent, line 9) cannot go on from a barrier, for it has no `kept`"
    )
    with pytest.raises(UserError, match=r"checkpoint: .*Forgetful cannot go on from a barrier"):
        resolve(Request(own, "CartPole-v1", 10_000, checkpoint={"every": 1000}))


def test_what_learns_nothing_passes_no_barrier_and_is_the_run_that_it_is_without(tmp_path):
    random, learner = expanded(tmp_path, 100).runs

    assert (random.checkpoint, learner.checkpoint) == (None, Checkpoint(every=100))
    assert random.key == resolve(Request("random", "CartPole-v1", 400)).key


@pytest.mark.parametrize("every", [400, 50_000])
def test_barriers_that_no_run_comes_to_are_refused(every, tmp_path):
    with pytest.raises(UserError, match=r"sweep.yaml:6: checkpoint.every: no run .* 400 steps"):
        expanded(tmp_path, every)
    with pytest.raises(UserError, match="no run passes a barrier, for none learns anything"):
        expanded(tmp_path, 100, "random, wrappers: [{name: living_reward, amount: 1}]")


@pytest.mark.parametrize("every", [0, -5, "often"])
def test_a_distance_that_is_none_is_refused_with_its_line(every, tmp_path):
    with pytest.raises(UserError, match=r"sweep.yaml:6: checkpoint.every: input should be"):
        expanded(tmp_path, every)


def test_a_run_that_is_too_short_for_a_barrier_beside_longer_ones_is_told_and_is_another_runs_twin(
    tmp_path,
):
    longer = SWEEP.replace("steps: 400", "steps: {CartPole-v1: 400, Acrobot-v1: 100}")
    longer = longer.replace("[CartPole-v1]", "[CartPole-v1, Acrobot-v1]") % (100, "tabular_q")
    (tmp_path / "sweep.yaml").write_text(longer)
    expansion = expand(tmp_path / "sweep.yaml")

    (told,) = barriers(expansion)

    assert told.startswith("forgetful on Acrobot-v1 passes no barrier: it has 100 steps")
    (short,) = (r for r in expansion.sweep.runs if r.env == "Acrobot-v1" and r.arm == "forgetful")
    assert short.key == resolve(Request("tabular_q", "Acrobot-v1", 100)).key


# Replay ------------------------------------------------------------------------------------------


def test_rows_of_replay_are_written_once_and_kept_as_long_as_the_ring_holds_them(
    tmp_path, monkeypatch
):
    written, write = [], checkpoint.write_arrays

    def noted(folder, name, values):
        written.append((name, {path.name for path in (folder / layout.KEPT).glob("*")}))
        write(folder, name, values)

    monkeypatch.setattr(checkpoint, "write_arrays", noted)
    made(tmp_path, spec_of("dqn", buffer_size=150))

    rows = [name for name, _ in written if name.startswith("replay")]
    assert rows == [
        "replay-0-96.npz", "replay-96-184.npz", "replay-184-272.npz", "replay-272-360.npz",
    ]  # fmt: skip
    before_the_last = written[-1][1]
    assert before_the_last >= {"replay-96-184.npz", "replay-184-272.npz"}
    assert "replay-0-96.npz" not in before_the_last  # all of it was overwritten by step 272
