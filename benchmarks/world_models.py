"""Where a gradient step of Dreamer spends its time, and what the levers of its size are worth.

    python -m benchmarks.world_models

First the shipped step, part by part, each beside the time of its matrix products alone: the same
products, of the same shapes, with nothing between them. Then the whole step with one lever put back
at a time. CPU time of one thread, medians; a part's backward pass counts with it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from gymnasium import spaces
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from baselines.world_models.dreamer.action import Discrete
from baselines.world_models.dreamer.config import Config
from baselines.world_models.dreamer.replay import Batch
from baselines.world_models.dreamer.trainer import Model, Trainer
from harness.setting import Layer, resolve

aten = torch.ops.aten
PRODUCTS = {aten.mm, aten.addmm, aten.bmm, aten.baddbmm}
OBSERVATION, ACTIONS = 4, 2  # CartPole's
LEVERS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "dreams from every row": {"imagination_starts": 0},
    "255 bins": {"bins": 255},
    "sequences of 64 rows": {"batch_length": 64},
    "all three: the paper's": {"imagination_starts": 0, "bins": 255, "batch_length": 64},
}
Work = Callable[[], Any]


class Products(TorchDispatchMode):
    """Notes every matrix product, with the shapes of what it multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[Any, list[tuple[int, ...]]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in PRODUCTS:
            shapes = [tuple(arg.shape) for arg in args if isinstance(arg, Tensor)]
            self.found.append((func, shapes))
        return func(*args, **(kwargs or {}))


def products_of(work: Work) -> Work:
    """The same products and nothing else, on numbers made before."""
    with Products() as noted:
        work()
    calls = [(func, [torch.randn(shape) for shape in shapes]) for func, shapes in noted.found]

    def again() -> None:
        for func, args in calls:
            func(*args)

    return again


def times(works: Sequence[Work], repeats: int) -> list[float]:
    """Medians of CPU seconds, one after the other in every repeat: all meet the same machine."""
    found: list[list[float]] = [[] for _ in works]
    for repeat in range(repeats + 2):
        for seconds, work in zip(found, works, strict=True):
            start = time.process_time()
            work()
            if repeat >= 2:  # the first calls are slow
                seconds.append(time.process_time() - start)
    return [median(seconds) for seconds in found]


def trainer(changed: dict[str, Any]) -> tuple[Trainer, Batch]:
    """A new model for CartPole's vectors with the shipped settings, and rows to learn from."""
    lever = Layer("benchmarks/world_models.py", changed)
    config = Config.model_validate(resolve("dreamer", "CartPole-v1", [lever]).hparams)
    kind = Discrete(spaces.Discrete(ACTIONS), config.unimix)
    generator = torch.Generator().manual_seed(0)
    model = Model((OBSERVATION,), kind, config, generator)
    rows, size = config.batch_length, config.batch_size
    never = torch.zeros(rows, size, dtype=torch.bool)
    first = torch.rand(rows, size, generator=generator) < 0.02
    batch = Batch(
        torch.randn(rows, size, OBSERVATION, generator=generator),
        torch.eye(ACTIONS)[torch.randint(ACTIONS, (rows, size), generator=generator)],
        torch.ones(rows, size),
        first,
        never,
        never,
    )
    return Trainer(model, config, torch.Generator().manual_seed(1)), batch


def parts(learner: Trainer, batch: Batch) -> dict[str, Work]:
    """The pieces of `Trainer.update`, each with its backward pass and without the others'."""
    model, config = learner.model, learner.config
    world, critic, actor = (
        list(part.parameters()) for part in (model.world, model.critic, model.actor)
    )
    parameters = [*world, *critic, *actor]
    gradients = [torch.randn_like(parameter) for parameter in parameters]
    states = model.world.loss(batch, learner.generator).states
    features = states.features().detach()
    starts = learner._starts(batch)
    dream, going_on = learner._dream(model, states, batch, starts)

    def learn_model() -> None:
        loss = model.world.loss(batch, learner.generator).loss
        torch.autograd.grad(loss, world)

    def learn_behaviour() -> None:
        with torch.no_grad():
            rewards = model.world.rewards(dream.features)
        returns, actor_loss, _ = model.judge(dream, going_on, rewards)
        loss = model.critic_loss(dream, going_on, returns)
        replayed = model.replay_loss(features, batch, starts, returns)
        torch.autograd.grad(loss + config.replay_value_coef * replayed, critic)
        torch.autograd.grad(actor_loss, actor)

    return {
        "model": learn_model,
        "imagination": lambda: learner._dream(model, states, batch, starts),
        "heads (rewards, values, actor, critic)": learn_behaviour,
        "optimiser": lambda: learner.optimizer.step([g.clone() for g in gradients], 0.0),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=50)
    options = parser.parse_args()
    torch.set_num_threads(1)

    learner, batch = trainer({})
    works = parts(learner, batch)
    works["the whole step"] = lambda: learner.update(batch, 0.0)
    alone = [products_of(work) for work in works.values()]
    found = times([*works.values(), *alone], options.repeats)
    print(f"{'':40} {'ms':>8} {'products':>9}")
    for name, whole, products in zip(works, found, found[len(works) :], strict=False):
        print(f"{name:40} {1e3 * whole:8.1f} {1e3 * products:9.1f}")

    made = [trainer(changed) for changed in LEVERS.values()]
    steps = [lambda made=pair: made[0].update(made[1], 0.0) for pair in made]
    seconds = times(steps, options.repeats)
    print(f"\n{'':40} {'ms':>8} {'times':>9}")
    for name, found_seconds in zip(LEVERS, seconds, strict=True):
        print(f"{name:40} {1e3 * found_seconds:8.1f} {found_seconds / seconds[0]:9.2f}")


if __name__ == "__main__":
    main()
