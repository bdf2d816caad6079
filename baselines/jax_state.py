"""What an algorithm of SB3's kind has learned where its networks are Flax's, as SBX's are.

Torch knows nothing of them, so SB3's own `get_parameters` is empty there. They stand in train
states, which the algorithm and its policy hold as attributes: parameters, those of target networks
and batch statistics are what acts; the optimiser's state is not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch

UNLEARNED = ("step", "opt_state")  # of a train state
KEYS = ("key", "noise_key")  # of a policy: what it samples actions with


def arrays(model: Any) -> dict[str, np.ndarray]:
    """All that is learned, by its place, such as `policy.qf_state.params['params']['bias']`."""
    return {
        f"{name}.{part}{place}": np.array(leaf)
        for _, name, state in _states(model)
        for part in _learned(state)
        for place, leaf in _leaves(getattr(state, part))
    }


def restore(model: Any, saved: Mapping[str, np.ndarray]) -> None:
    """Put back what `arrays` told, into a model with the same networks."""
    for owner, name, state in list(_states(model)):
        learned = {
            part: _filled(getattr(state, part), f"{name}.{part}", saved) for part in _learned(state)
        }
        setattr(owner, name.rpartition(".")[2], state.replace(**learned))


@contextmanager
def acting(policy: Any) -> Iterator[None]:
    """Actions are sampled by torch's generator, and what training draws next stays as it is."""
    kept = {name: vars(policy)[name] for name in KEYS if name in vars(policy)}
    if kept:
        jax: Any = sys.modules["jax"]
        policy.key = jax.random.PRNGKey(int(torch.randint(2**31, ())))
    try:
        yield
    finally:
        vars(policy).update(kept)


def _states(model: Any) -> Iterator[tuple[Any, str, Any]]:
    """Each train state with its owner and its name."""
    for owner, prefix in ((model.policy, "policy."), (model, "")):
        for name, value in sorted(vars(owner).items()):
            if is_dataclass(value) and hasattr(value, "opt_state"):
                yield owner, prefix + name, value


def _learned(state: Any) -> list[str]:
    of_arrays = (each.name for each in fields(state) if each.metadata.get("pytree_node", True))
    return [name for name in of_arrays if name not in UNLEARNED]


def _leaves(tree: Any) -> list[tuple[str, Any]]:
    jax: Any = sys.modules["jax"]
    pairs = jax.tree_util.tree_flatten_with_path(tree)[0]
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in pairs]


def _filled(tree: Any, name: str, saved: Mapping[str, np.ndarray]) -> Any:
    jax: Any = sys.modules["jax"]
    leaves = [jax.numpy.asarray(saved[name + place]) for place, _ in _leaves(tree)]
    return jax.tree_util.tree_unflatten(jax.tree_util.tree_structure(tree), leaves)
