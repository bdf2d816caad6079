"""All that an object holds, as data, and back again: what it takes to go on later to the same bits.

`taken` walks everything that can be reached from an object: containers, arrays, tensors, generators
of random numbers, optimisers, and the attributes of other objects. `put_back` fills an object that
was made in the same way with what was taken. Nothing that is read is executed: objects are filled
and never made, but for plain data and records (dataclasses and named tuples) of loaded modules.

What is no state is left as it is: classes, functions, configs, environments. An object that is
none of these, and shows no attributes, is refused by its place, such as `model.policy.sampler`.
"""

from __future__ import annotations

import enum
import functools
import json
import math
import random
import re
import sys
import types
import weakref
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from pydantic import BaseModel
from torch.optim import Optimizer

from baselines.api import Task
from baselines.kept import Kept

# What a learner is made with, or makes anew before it uses it.
LEFT: tuple[type, ...] = (
    type,
    types.FunctionType,
    types.MethodType,
    types.BuiltinFunctionType,
    types.ModuleType,
    functools.partial,
    staticmethod,
    re.Pattern,
    weakref.ReferenceType,
    Path,
    np.dtype,
    np.ufunc,
    torch.dtype,
    torch.device,
    torch.distributions.Distribution,
    BaseModel,
    Task,
    gym.Env,
)
PLAIN = (type(None), bool, int, str)
BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
TREE = "tree"  # the name of an array that is the JSON of all else


class Unsaved(TypeError):
    """Something cannot be taken as data, or what was taken does not fit."""


def taken(kept: Kept) -> dict[str, np.ndarray]:
    """All of it but the rings, as arrays by name.

    :raises Unsaved: for what is no data, by its place.
    """
    return _Taking(kept).arrays()


def put_back(kept: Kept, arrays: Mapping[str, np.ndarray]) -> None:
    """Fill objects that were made as those were of which `arrays` was taken.

    :raises Unsaved: if they were not.
    """
    _Filling(kept, arrays).fill()


def generators() -> dict[str, Any]:
    """The states of the generators that libraries share, to be taken or put back."""
    cuda: Any = torch.cuda
    return {
        "random": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": cuda.get_rng_state_all() if cuda.is_initialized() else [],
    }


def set_generators(states: Mapping[str, Any]) -> None:
    """Go on from `generators`."""
    random.setstate(states["random"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])


def _name(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _is_record(kind: type) -> bool:
    return is_dataclass(kind) or (issubclass(kind, tuple) and hasattr(kind, "_fields"))


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__"):
                yield name


def _attributes(value: Any) -> dict[str, Any]:
    slots = {name: getattr(value, name) for name in _slots(type(value)) if hasattr(value, name)}
    return slots | getattr(value, "__dict__", {})


class _Taking:
    """One walk: a node for each value, as JSON; arrays apart."""

    def __init__(self, kept: Kept) -> None:
        self.left = (*LEFT, *kept.left)
        self.found: dict[str, np.ndarray] = {}
        self.ids: dict[int, int] = {}  # of what was met
        self.held: list[Any] = []  # so that no id is given twice
        rows = (array for ring in kept.rings.values() for array in ring.arrays.values())
        self.apart = {id(value) for value in (*rows, *kept.constant)}
        self.tree = self.node(kept.root, "")

    def arrays(self) -> dict[str, np.ndarray]:
        text = json.dumps(self.tree, separators=(",", ":"), allow_nan=False)
        return {TREE: np.frombuffer(text.encode(), np.uint8), **self.found}

    def node(self, value: Any, path: str) -> Any:
        if type(value) in PLAIN:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else ["float", repr(value)]
        if id(value) in self.ids:
            return ["same", self.ids[id(value)]]
        if isinstance(value, self.left) or id(value) in self.apart:
            return ["left"]
        if isinstance(value, enum.Enum):
            return ["enum", value.name]
        if isinstance(value, bytes):
            return ["bytes", value.hex()]
        if isinstance(value, tuple):
            parts = [self.node(part, f"{path}[{i}]") for i, part in enumerate(value)]
            return ["tuple", _name(type(value)), parts]
        number = self.ids[id(value)] = len(self.held)
        self.held.append(value)
        return self.mutable(value, number, path)

    def mutable(self, value: Any, number: int, path: str) -> list[Any]:
        kind = _name(type(value))
        if isinstance(value, np.ndarray | np.generic | torch.Tensor):
            self.found[str(number)] = self.array(value, path)
            if isinstance(value, np.generic):
                return ["scalar", number]
            place = str(value.device) if isinstance(value, torch.Tensor) else ""
            return ["array", number, place]
        if (state := _state_of(value)) is not None:
            return ["state", number, kind, self.node(state, path)]
        if isinstance(value, dict):
            pairs = [
                [self.node(key, path), self.node(each, f"{path}[{key!r}]")]
                for key, each in value.items()
            ]
            return ["dict", number, kind, pairs]
        if isinstance(value, list | deque | set | frozenset):
            longest = value.maxlen if isinstance(value, deque) else None
            parts = [self.node(part, f"{path}[{i}]") for i, part in enumerate(value)]
            return ["list", number, kind, parts, longest]
        attributes = _attributes(value)
        if not attributes and not hasattr(value, "__dict__"):
            raise Unsaved(f"{path.lstrip('.')} is a {kind}, which shows nothing of its state")
        parts = [[name, self.node(each, f"{path}.{name}")] for name, each in attributes.items()]
        return ["object", number, kind, parts]

    def array(self, value: Any, path: str) -> np.ndarray:
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise Unsaved(f"{path.lstrip('.')} is an array of objects")
        return array


def _state_of(value: Any) -> Any:
    """Of what tells its state and takes it back; None: it does not."""
    if isinstance(value, np.random.Generator):
        return value.bit_generator.state
    if isinstance(value, np.random.RandomState):
        return value.get_state()
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, Optimizer):
        return value.state_dict()
    return None


def _set_state(value: Any, state: Any) -> None:
    if isinstance(value, np.random.Generator):
        value.bit_generator.state = state
    elif isinstance(value, np.random.RandomState):
        value.set_state(state)
    elif isinstance(value, random.Random):
        value.setstate(state)
    elif isinstance(value, torch.Generator):
        value.set_state(state)
    else:
        parameters = [each for group in value.param_groups for each in group["params"]]
        value.state.clear()
        value.state.update({parameters[i]: each for i, each in state["state"].items()})
        for group, saved in zip(value.param_groups, state["param_groups"], strict=True):
            group |= {name: each for name, each in saved.items() if name != "params"}


def _generator(kind: str, state: Any) -> Any:
    """A generator of random numbers where there was none."""
    if kind == _name(np.random.Generator) and state["bit_generator"] in BIT_GENERATORS:
        return np.random.Generator(getattr(np.random, state["bit_generator"])())
    makers: dict[str, type] = {
        _name(each): each for each in (np.random.RandomState, random.Random, torch.Generator)
    }
    maker = makers.get(kind)
    return maker() if maker else None


MISSING = object()


class _Filling:
    """The walk back: each node finds the value that stands at its place."""

    def __init__(self, kept: Kept, arrays: Mapping[str, np.ndarray]) -> None:
        self.root = kept.root
        self.arrays = arrays
        self.made: dict[int, Any] = {}  # by the number of the node
        self.filled: set[int] = set()  # ids of values that belong to a node already

    def fill(self) -> None:
        tree = json.loads(np.asarray(self.arrays[TREE]).tobytes())
        if self.value(tree, self.root, "") is not self.root:
            raise Unsaved("the root is of another kind")

    def value(self, node: Any, current: Any, path: str) -> Any:
        if not isinstance(node, list):
            return node
        kind, *parts = node
        found: Any = getattr(self, f"_{kind}")(*parts, current=current, path=path)
        return found

    def _float(self, text: str, *, current: Any, path: str) -> float:
        return float(text)

    def _bytes(self, text: str, *, current: Any, path: str) -> bytes:
        return bytes.fromhex(text)

    def _same(self, number: int, *, current: Any, path: str) -> Any:
        return self.made[number]

    def _left(self, *, current: Any, path: str) -> Any:
        return current

    def _enum(self, name: str, *, current: Any, path: str) -> Any:
        if not isinstance(current, enum.Enum):
            raise self._unlike(path, "an enumeration", current)
        return type(current)[name]

    def _tuple(self, kind: str, parts: list[Any], *, current: Any, path: str) -> Any:
        old = current if isinstance(current, tuple) else ()
        values = [
            self.value(part, old[i] if i < len(old) else MISSING, f"{path}[{i}]")
            for i, part in enumerate(parts)
        ]
        maker = type(current) if _name(type(current)) == kind else _loaded(kind)
        if (
            maker is None
            or not issubclass(maker, tuple)
            or any(value is MISSING for value in values)
        ):
            raise self._unlike(path, kind, current)
        if maker in (tuple, torch.Size):
            return maker(values)
        return tuple.__new__(maker, values)  # its own constructor may do anything

    def _scalar(self, number: int, *, current: Any, path: str) -> Any:
        self.made[number] = self.arrays[str(number)][()]
        return self.made[number]

    def _array(self, number: int, place: str, *, current: Any, path: str) -> Any:
        saved = self.arrays[str(number)]
        value: Any = self._taken_up(number, current)
        if place:
            tensor = torch.from_numpy(np.array(saved))
            fits = isinstance(value, torch.Tensor) and value.shape == tensor.shape
            if fits and value.dtype == tensor.dtype:
                value.data.copy_(tensor)
            else:
                value = tensor.to(place)
        elif (
            isinstance(value, np.ndarray)
            and (value.shape, value.dtype) == (saved.shape, saved.dtype)
            and value.flags.writeable
        ):
            np.copyto(value, saved)
        else:
            value = np.array(saved)
        return self._known(number, value)

    def _state(self, number: int, kind: str, state: Any, *, current: Any, path: str) -> Any:
        value = self._taken_up(number, current)
        # An optimiser's own tensors are filled: they may be views of what others hold.
        old = value.state_dict() if isinstance(value, Optimizer) else MISSING
        given = self.value(state, old, path)
        if value is MISSING or _name(type(value)) != kind:
            value = _generator(kind, given)
        if value is None:
            raise self._unlike(path, kind, current)
        _set_state(value, given)
        return self._known(number, value)

    def _dict(self, number: int, kind: str, pairs: list[Any], *, current: Any, path: str) -> Any:
        value = self._taken_up(number, current)
        if _name(type(value)) != kind:
            makers: dict[str, type] = {_name(each): each for each in (dict, OrderedDict)}
            if kind not in makers:
                raise self._unlike(path, kind, current)
            value = makers[kind]()
        self._known(number, value)
        old = dict(value)
        value.clear()
        for key_node, node in pairs:
            key = self.value(key_node, MISSING, path)
            found = self.value(node, old.get(key, MISSING), f"{path}[{key!r}]")
            if found is not MISSING:
                value[key] = found
        return value

    def _list(
        self,
        number: int,
        kind: str,
        parts: list[Any],
        longest: int | None,
        *,
        current: Any,
        path: str,
    ) -> Any:
        value = self._taken_up(number, current)
        if _name(type(value)) != kind or (kind == _name(deque) and value.maxlen != longest):
            makers = {_name(each): each for each in (list, set, frozenset)}
            makers[_name(deque)] = functools.partial(deque, maxlen=longest)  # type: ignore[assignment]
            if kind not in makers:
                raise self._unlike(path, kind, current)
            value = makers[kind]()
        old = list(value) if isinstance(value, list | deque) else []
        ordered = isinstance(value, list | deque)
        if ordered or isinstance(value, set):
            self._known(number, value)
            value.clear()
        found = [
            self.value(node, old[i] if i < len(old) else MISSING, f"{path}[{i}]")
            for i, node in enumerate(parts)
        ]
        if any(part is MISSING for part in found):
            raise self._unlike(path, "list of what is no data", current)
        if ordered:
            value.extend(found)
        elif isinstance(value, set):
            value.update(found)
        else:
            value = self._known(number, type(value)(found))
        return value

    def _object(self, number: int, kind: str, parts: list[Any], *, current: Any, path: str) -> Any:
        value = self._taken_up(number, current)
        if value is MISSING or _name(type(value)) != kind:
            record = _loaded(kind)
            if record is None:
                raise self._unlike(path, kind, current)
            value = object.__new__(record)
        self._known(number, value)
        old, slots = _attributes(value), {*_slots(type(value))}
        for name in old.keys() - {name for name, _ in parts} - slots:
            del vars(value)[name]
        for name, node in parts:
            found = self.value(node, old.get(name, MISSING), f"{path}.{name}")
            if found is MISSING:
                continue
            if name in slots:
                object.__setattr__(value, name, found)
            else:
                vars(value)[name] = found
        return value

    def _taken_up(self, number: int, current: Any) -> Any:
        """What stands there, unless another node has it."""
        return MISSING if id(current) in self.filled else current

    def _known(self, number: int, value: Any) -> Any:
        self.made[number] = value
        self.filled.add(id(value))
        return value

    def _unlike(self, path: str, kind: str, current: Any) -> Unsaved:
        there = "nothing" if current is MISSING else f"a {_name(type(current))}"
        return Unsaved(f"{path.lstrip('.')} was a {kind}, and a fresh one has {there} there")


def _loaded(kind: str) -> Any:
    """The tuple or record of that name in a module that is loaded; None: there is none."""
    if kind == _name(tuple):
        return tuple
    module, _, name = kind.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is torch.Size:
        return found
    return found if isinstance(found, type) and _is_record(found) else None
