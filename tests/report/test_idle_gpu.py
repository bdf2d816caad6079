"""A GPU that was paid for and not used is the first thing that a report warns of."""

from __future__ import annotations

import socket

import fake_store
import pytest
from fake_report import TWO_ARMS, report

from harness.store import machines

HERE = socket.gethostname()
GPU = {"part": "gpu", "state": "fine", "text": "NVIDIA L4", "facts": {"gpus": ["NVIDIA L4"]}}
NONE = GPU | {"text": "none", "facts": {"gpus": []}}
CPU_BUILD = {"part": "torch", "state": "broken", "text": "torch is built for CPUs", "facts": {}}


def examined(store, host=HERE, gpu=GPU, paid=True, findings=()):
    found = {"host": host, "at": "2026-01-01T00:00:00+00:00", "asked_for_gpu": paid}
    machines.keep(store.root, found | {"findings": [gpu, *findings]})


def trained(store, device="cpu"):
    """The report's warnings, of a sweep that ran on this machine."""
    sweep = fake_store.sweep(TWO_ARMS, ["DeepSea-20"], 2, claims=())
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run, result={"device": device})
    lines = report(store, sweep).splitlines()
    return [line for line in lines if "Warning" in line]


def test_it_is_the_first_warning_with_the_way_out(store):
    examined(store, findings=[CPU_BUILD])

    first = trained(store)[0]

    assert f"A GPU was paid for and not used: {HERE} has NVIDIA L4, and all 4 runs" in first
    assert "(torch is built for CPUs)" in first and "engine: {device: cuda}" in first


def test_of_a_gpu_that_nobody_asked_for_it_says_that_it_was_there(store):
    examined(store, paid=False)

    assert "A GPU was there and not used" in trained(store)[0]


@pytest.mark.parametrize(
    ("machine", "device"),
    [({}, "cuda:0"), ({"host": "another"}, "cpu"), ({"gpu": NONE}, "cpu"), (None, "cpu")],
)
def test_it_says_nothing_that_the_records_do_not_prove(machine, device, store):
    if machine is not None:
        examined(store, **machine)

    assert not [line for line in trained(store, device) if "GPU" in line]


def test_an_answer_that_cannot_be_read_is_told(store):
    examined(store)
    path = store.root / "machines" / f"{HERE}.json"
    path.write_text(path.read_text().replace("L4", "T4"))

    assert f"{path.name} is damaged" in trained(store)[0]
