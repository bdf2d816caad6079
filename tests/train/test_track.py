"""What trackers are given while a run trains is what its records hold."""

from __future__ import annotations

import json
import os
import struct
import sys
import types
from collections import defaultdict
from importlib import util

import pytest
from command import typed
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tiny import ENTRIES, store_at, tiny

from baselines import AGENTS, SB3
from harness import agents, provenance
from harness.spec import Checkpoint, ResolvedSweep
from harness.store import run_files, scalars
from harness.store.scalars import FPS
from harness.sweep.record import keep
from harness.train import event_files, track
from harness.train.run import Job, run
from harness.train.sacred_log import SacredMetrics

TWO = ["ppo", "world_model"]  # one that logs once a rollout; one with several rows for a step
LEARNERS = [*AGENTS, "ppo_rnd", "dqn_rnd"]  # all, and a bonus of each kind


class FakeWandb(types.ModuleType):
    """As much of wandb as we call: the package is no part of the tests' installation."""

    def __init__(self):
        super().__init__("wandb")
        self.__spec__ = util.spec_from_loader("wandb", loader=None)
        self.started, self.rows, self.metrics, self.finished = [], [], [], 0

    def init(self, **options):
        self.started.append(options)
        return self

    def define_metric(self, name, step_metric=None):
        self.metrics.append((name, step_metric))

    def log(self, row):
        assert not self.finished
        self.rows.append(row)

    def finish(self):
        self.finished += 1


class Tracked:
    """One run under all trackers."""

    def __init__(self, agent, root, wandb):
        self.store, self.wandb = store_at(root), wandb
        self.spec = tiny(agent).model_copy(update={"arm": "plain"})
        run(self.spec, Job(self.store.root, trackers=("tensorboard", "wandb")))
        self.folder = self.store.folder(self.spec)

    def recorded(self):
        return recorded(self.folder)


def recorded(folder):
    """By name, the steps and values of the records, the clock's left out."""
    found = defaultdict(list)
    for point in scalars.recorded(folder):
        for name, value in point.values.items():
            if name != FPS:
                found[name].append((point.step, value))
    return found


def of_sacred(store, spec):
    record = store.result(spec)["sacred"]["id"]
    metrics = json.loads((store.root / "sacred" / record / "metrics.json").read_text())
    return {
        name: list(zip(each["steps"], each["values"], strict=True))
        for name, each in metrics.items()
    }


@pytest.fixture(scope="module", params=TWO)
def tracked(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        wandb = FakeWandb()
        patch.setitem(sys.modules, "wandb", wandb)
        yield Tracked(request.param, tmp_path_factory.mktemp(request.param), wandb)


def killed_from(last):
    """Instead of `SacredMetrics.scalars`: ends the run there."""
    scalars_of = SacredMetrics.scalars

    def killed(self, step, values):
        scalars_of(self, step, values)
        if step >= last:
            raise KeyboardInterrupt

    return killed


def of_events(folder):
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def same(found, records):
    """Whether they are equal, as far as a float32 tells, whatever their clock says."""
    assert found.keys() - {FPS} == records.keys()
    for name, rows in records.items():
        assert [step for step, _ in found[name]] == [step for step, _ in rows]
        values = pytest.approx([value for _, value in rows], rel=1e-6, nan_ok=True)
        assert [value for _, value in found[name]] == values
    return True


def test_event_files_hold_what_the_records_hold(tracked):
    assert same(of_events(run_files.events(tracked.folder)), tracked.recorded())


def test_event_files_that_are_written_afterwards_equal_those_of_training(tracked):
    live = of_events(run_files.events(tracked.folder))
    for file in run_files.events(tracked.folder).iterdir():
        file.unlink()

    event_files.write(tracked.folder)

    assert same(of_events(run_files.events(tracked.folder)), tracked.recorded())
    afterwards = of_events(run_files.events(tracked.folder))
    assert afterwards.get(FPS) == live.get(FPS)


def test_event_files_afterwards_say_when_the_run_was_at_it(tracked, tmp_path):
    events = EventAccumulator(str(run_files.events(tracked.folder)))
    events.Reload()
    times = [event.wall_time for event in events.Scalars("rollout/ep_rew_mean")]
    result = tracked.store.result(tracked.spec)

    assert times == sorted(times)
    assert times[-1] - times[0] <= result["cpu_seconds"] + result["wall_seconds"]


def test_sacred_holds_what_the_records_hold(tracked):
    assert same(of_sacred(tracked.store, tracked.spec), tracked.recorded())


@pytest.mark.slow
@pytest.mark.parametrize("agent", LEARNERS)
def test_sacred_holds_what_the_records_hold_of_every_learner(agent, tmp_path):
    store, spec = store_at(tmp_path), tiny(agent)

    run(spec, Job(store.root))

    assert same(of_sacred(store, spec), recorded(store.folder(spec)))


def test_wandb_is_given_what_the_records_hold(tracked):
    found = defaultdict(list)
    for row in tracked.wandb.rows:
        for name, value in row.items():
            found[name].append((row["global_step"], value))
    del found["global_step"]

    assert same(found, tracked.recorded())
    (options,) = tracked.wandb.started
    assert options["config"]["key"] == tracked.spec.key
    assert tracked.wandb.finished == 1
    assert ("*", "global_step") in tracked.wandb.metrics


BLOCK, HEAD = 32_768, 7  # bytes, of LevelDB's log and of what stands before each part of a record
FIRST, MIDDLE = 2, 3  # kinds of parts after which another one follows


def parts_of_log(content):
    """The records of a `.wandb` file: a log of LevelDB after 7 bytes of its own."""
    at, whole = HEAD, b""
    while at + HEAD <= len(content):
        if BLOCK - at % BLOCK < HEAD:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + HEAD])
        whole += content[at + HEAD : at + HEAD + length]
        at += HEAD + length
        if kind not in (FIRST, MIDDLE):
            yield whole
            whole = b""


def of_wandb(content):
    from wandb.proto.wandb_internal_pb2 import Record

    found = defaultdict(list)
    for part in parts_of_log(content):
        record = Record.FromString(part)
        row = {item.key or item.nested_key[0]: item.value_json for item in record.history.item}
        for name, value in row.items():
            if "/" in name:
                found[name].append((int(row["global_step"]), json.loads(value)))
    return found


@pytest.mark.slow
@pytest.mark.skipif(util.find_spec("wandb") is None, reason="Weights & Biases is not installed")
@pytest.mark.parametrize("agent", TWO)
def test_what_wandb_itself_keeps_offline_is_what_the_records_hold(agent, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    store, spec = store_at(tmp_path), tiny(agent)

    run(spec, Job(store.root, trackers=("wandb",)))

    (log,) = store.folder(spec).glob("wandb/offline-run-*/*.wandb")
    assert same(of_wandb(log.read_bytes()), recorded(store.folder(spec)))


def test_tracking_leaves_no_trace_in_the_records(tracked, tmp_path):
    alone = store_at(tmp_path)
    run(tracked.spec, Job(alone.root))

    for log in run_files.LOGS:
        assert run_files.rows(tracked.folder, log) == run_files.rows(
            alone.folder(tracked.spec), log
        )


def test_a_run_that_begins_anew_because_the_machine_is_another_one_is_tracked_whole(
    tmp_path, monkeypatch
):
    store = store_at(tmp_path)
    spec = tiny("ppo").model_copy(update={"checkpoint": Checkpoint(every=100)})
    with monkeypatch.context() as patch:
        patch.setattr(SacredMetrics, "scalars", killed_from(200))
        with pytest.raises(KeyboardInterrupt):
            run(spec, Job(store.root, trackers=("tensorboard",)))
    monkeypatch.setattr(provenance, "machine", lambda: {"cpu": "another one"})

    run(spec, Job(store.root, trackers=("tensorboard",)))

    assert store.result(spec)["resumed"] == 0
    folder = store.folder(spec)
    assert same(of_events(run_files.events(folder)), recorded(folder))


@pytest.mark.parametrize("agent", [
    pytest.param(name, marks=[] if name == "ppo" else [pytest.mark.slow])
    for name in LEARNERS if ENTRIES[name].learns and agents.resumable(name, SB3)
])  # fmt: skip
def test_a_run_that_goes_on_from_a_barrier_is_tracked_whole(agent, tmp_path, monkeypatch):
    store = store_at(tmp_path)
    spec = tiny(agent).model_copy(update={"checkpoint": Checkpoint(every=100)})
    with monkeypatch.context() as patch:
        patch.setattr(SacredMetrics, "scalars", killed_from(200))
        with pytest.raises(KeyboardInterrupt):
            run(spec, Job(store.root, trackers=("tensorboard",)))

    run(spec, Job(store.root, trackers=("tensorboard",)))

    assert store.result(spec)["resumed"] == 1
    records = recorded(store.folder(spec))
    assert same(of_events(run_files.events(store.folder(spec))), records)
    assert same(of_sacred(store, spec), records)
    attempts = (store.root / "sacred").glob("*/run.json")
    ended = sorted(json.loads(path.read_text())["status"] for path in attempts)
    assert ended == ["COMPLETED", "INTERRUPTED"]


def test_a_link_in_the_place_of_the_event_files_is_not_followed(tmp_path):
    store, spec = store_at(tmp_path), tiny("random")
    outside = tmp_path / "outside"
    outside.mkdir()
    store.folder(spec).mkdir(parents=True)
    run_files.events(store.folder(spec)).symlink_to(outside)

    run(spec, Job(store.root, trackers=("tensorboard",)))

    assert list(outside.iterdir()) == []
    assert of_events(run_files.events(store.folder(spec)))


# The board of a sweep -----------------------------------------------------------------------------


def test_a_board_has_arms_as_runs_also_of_runs_that_have_not_begun(tracked):
    missing = tracked.spec.model_copy(update={"seed": 7})

    board = event_files.lay_out("s", [tracked.spec, missing], tracked.store)
    shown = EventMultiplexer().AddRunsFromDirectory(str(board))
    shown.Reload()

    env, arm = tracked.spec.env, tracked.spec.arm
    assert set(shown.Runs()) == {f"{env}/{arm}/seed_0"}
    link = board / env / arm / "seed_7"
    assert link.is_symlink() and not os.path.isabs(os.readlink(link))


def test_the_board_of_a_sweep_is_written_and_its_place_printed(tracked):
    root, spec = tracked.store.root, tracked.spec
    missing = spec.model_copy(update={"seed": 7})
    facts = {"question": "?", "source": "s.yaml", "arms": (spec.arm,), "envs": (spec.env,)}
    keep(ResolvedSweep(name="s", runs=(spec, missing), **facts), tracked.store)
    for file in run_files.events(tracked.folder).iterdir():
        file.unlink()

    said = typed("board", "--no-serve", "--results", str(root), cwd=root.parent)

    assert "s: 1 run; 1 are not finished" in said
    assert f"tensorboard --logdir {root}/boards/s" in said
    assert same(
        of_events(root / "boards" / "s" / spec.env / spec.arm / "seed_0"), tracked.recorded()
    )


@pytest.mark.parametrize("name", track.TRACKERS)
def test_a_tracker_whose_package_is_missing_is_refused_with_the_way_out(name, monkeypatch):
    monkeypatch.setattr(track, "find_spec", lambda package: None)

    assert f"pip install 'rl-ablation-harness[{track.TRACKERS[name].extra}]'" in track.unavailable(
        name
    )


def test_a_server_that_refuses_the_user_is_told_before_anything_trains(monkeypatch):
    wandb = FakeWandb()
    wandb.errors = types.SimpleNamespace(Error=OSError)
    wandb.login = lambda: (_ for _ in ()).throw(OSError("No API key configured."))
    monkeypatch.setitem(sys.modules, "wandb", wandb)

    monkeypatch.setenv("WANDB_MODE", "offline")
    assert track.unavailable("wandb") is None
    monkeypatch.delenv("WANDB_MODE")
    assert track.unavailable("wandb").startswith("No API key configured. Or set WANDB_MODE=offl")


def test_a_tracker_that_there_is_not_is_refused_before_anything_trains(tmp_path):
    said = typed("run", "random", "CartPole-v1", "--track", "mlflow", cwd=tmp_path, code=2)

    assert "--track mlflow: no tracker 'mlflow': there are tensorboard, wandb" in said
    assert not (tmp_path / "results").exists()
