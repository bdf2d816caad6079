"""What an object holds, as arrays, and back into one that was made in the same way."""

from __future__ import annotations

import contextlib
import random
from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from baselines.kept import Kept, Ring
from baselines.state import Unsaved, put_back, taken


class Pair(NamedTuple):
    left: Any
    right: Any


@dataclass
class Record:
    rows: np.ndarray


class Slotted:
    __slots__ = ("value",)


class Thing:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


def over(before: Any, fresh: Any) -> Any:
    """`fresh`, filled with what `before` holds, over a file's worth of arrays."""
    put_back(Kept(fresh), {name: np.array(value) for name, value in taken(Kept(before)).items()})
    return fresh


VALUES = [
    None, True, 3, 2**130, 0.1, -0.0, float("inf"), "text", b"bytes", (1, (2.5, None)),
    Pair(1, [2]), [1, "a"], {"a": 1, 2: {"b": ()}}, {1, 2}, frozenset({3}), deque([1, 2], maxlen=5),
    np.float32(0.1), np.int64(7), np.arange(6).reshape(2, 3), np.zeros(0), Record(np.ones(2)),
    torch.arange(3), torch.zeros(2, dtype=torch.bool),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_that_a_fresh_object_lacks_is_made_again(value):
    found = over(Thing(value=value), Thing()).value

    assert type(found) is type(value)
    assert repr(found) == repr(value)


def test_what_is_not_a_number_stays_so():
    assert np.isnan(over([float("nan")], [0.0])[0])


def test_arrays_and_containers_are_filled_where_they_stand():
    fresh = Thing(array=np.zeros(3), many=defaultdict(list, old=[1]), tensor=torch.zeros(2))
    stood = dict(vars(fresh))
    before = Thing(array=np.ones(3), many=defaultdict(list, new=[2]), tensor=torch.ones(2))

    over(before, fresh)

    assert all(getattr(fresh, name) is value for name, value in stood.items())
    assert (fresh.array.sum(), fresh.tensor.sum(), fresh.many) == (3, 2, {"new": [2]})
    assert fresh.many["other"] == []


def test_what_was_one_object_is_one_again_and_what_was_two_are_two():
    shared, other = [1], [1]
    before = Thing(a=shared, b=shared, c=other)
    one = [0]
    fresh = over(before, Thing(a=[0], b=one, c=one))

    fresh.a.append(2)

    assert fresh.b is fresh.a and fresh.b == [1, 2]
    assert fresh.c == [1]


def test_an_object_may_hold_itself():
    before = Thing(name="a")
    before.me = before

    fresh = over(before, Thing(name="b"))

    assert fresh.me is fresh and fresh.name == "a"


def test_attributes_that_are_gone_go_and_slots_are_filled():
    before, fresh = Slotted(), Slotted()
    before.value, fresh.value = 1, 2

    left = over(Thing(), Thing(value=1))

    assert over(before, fresh).value == 1
    assert vars(left) == {}


@pytest.mark.parametrize(
    ("make", "draw"),
    [
        (np.random.default_rng, lambda rng: rng.random()),
        (np.random.RandomState, lambda rng: rng.random()),
        (random.Random, lambda rng: rng.random()),
        (
            lambda seed: torch.Generator().manual_seed(seed),
            lambda rng: torch.rand((), generator=rng).item(),
        ),
    ],
    ids=["Generator", "RandomState", "Random", "torch"],
)
def test_a_generator_goes_on_whether_there_was_one_or_not(make, draw):
    before = make(1)
    draw(before)
    filled, made = over([before], [make(2)]), over(Thing(rng=before), Thing())

    expected = [draw(before) for _ in range(3)]

    assert [draw(filled[0]) for _ in range(3)] == expected
    assert [draw(made.rng) for _ in range(3)] == expected


def learner(seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    return {"net": net, "optimizer": torch.optim.Adam(net.parameters(), lr=0.1)}


def step(learner: dict[str, Any]) -> None:
    learner["optimizer"].zero_grad()
    learner["net"](torch.arange(12.0).reshape(4, 3)).pow(2).mean().backward()
    learner["optimizer"].step()


def test_networks_and_their_optimiser_go_on_with_the_same_bits():
    before, fresh = learner(0), learner(1)
    step(before)
    over(before, fresh)

    step(before)
    step(fresh)

    for name, value in before["net"].state_dict().items():
        assert torch.equal(value, fresh["net"].state_dict()[name])


def test_the_rows_of_a_ring_are_not_taken():
    rows = np.zeros((1000, 10))
    kept = Kept(Thing(rows=rows, pos=3), {"replay": Ring({"rows": rows}, 3)})

    assert sum(array.nbytes for array in taken(kept).values()) < 1000


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (iter([1]), "model.deep['a'][0] is a builtins:list_iterator"),
        (np.array([Thing()], dtype=object), "model.deep['a'][0] is an array of objects"),
    ],
    ids=["no data", "objects"],
)
def test_what_cannot_be_taken_is_named_by_its_place(value, said):
    with pytest.raises(Unsaved, match="^" + said.replace("[", r"\[")):
        taken(Kept(Thing(model=Thing(deep={"a": [value]}))))


def test_what_a_fresh_object_lacks_and_nothing_may_make_is_named():
    with pytest.raises(Unsaved, match=r"^thing was a .*:Thing, and a fresh one has nothing there"):
        over(Thing(thing=Thing()), Thing())


class Loud(NamedTuple("Loud", [("value", int)])):
    def __new__(cls, value):
        raise AssertionError("its constructor was called")


@dataclass
class Loader:
    values: Any

    def __post_init__(self):
        raise AssertionError("its constructor was called")


@pytest.mark.parametrize("name", ["Loud", "Loader"])
def test_a_tuple_that_is_read_is_made_without_a_constructor_of_anybodys(name):
    arrays = taken(Kept(Thing(pair=Pair(1, 2))))
    tree = arrays["tree"].tobytes().decode().replace(f"{__name__}:Pair", f"{__name__}:{name}")
    arrays["tree"] = np.frombuffer(tree.encode(), np.uint8)
    thing = Thing()

    with contextlib.suppress(Unsaved):
        put_back(Kept(thing), arrays)

    assert isinstance(getattr(thing, "pair", ()), tuple)


def test_names_that_are_read_make_nothing_but_records():
    arrays = taken(Kept(Thing(record=Record(np.ones(1)))))
    tree = arrays["tree"].tobytes().decode()
    there = f"{Record.__module__}:Record"
    assert there in tree
    for name in ("subprocess:Popen", "os:system", "absent:Record"):
        arrays["tree"] = np.frombuffer(tree.replace(there, name).encode(), np.uint8)
        with pytest.raises(Unsaved, match=name):
            put_back(Kept(Thing()), arrays)
