"""What M costs with an LSTM, a GRU and a transformer: a step of training, and one of a dream.

    python -m benchmarks.world_model_memory

With the shipped settings of an environment: a minibatch of full windows, and as many dreams as C's
training has, once from nothing and once when all of a transformer's window is known. CPU time of
one thread, medians; all meet the same machine, one after the other in every repeat.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor

from baselines.world_models.mdn_rnn import MDNRNN
from baselines.world_models.world_model import Config
from benchmarks.world_models import Work, times
from harness import envs
from harness.setting import Layer, resolve

CELLS = ("lstm", "gru", "transformer")
COLUMNS = ("training", "first dreamed", "late dreamed")


def works(env: str, cell: str) -> list[Work]:
    """A step of training, the first step of a dream, and a late one."""
    layer = Layer("benchmarks/world_model_memory.py", {"rnn": {"cell": cell}})
    config = Config.model_validate(resolve("world_model", env, [layer]).hparams)
    made = envs.make(envs.card(env))
    latents, actions = made.observation_space.shape[0], int(made.action_space.n)
    generator = torch.Generator().manual_seed(0)
    memory = MDNRNN(latents, actions, config.rnn)
    optimizer = torch.optim.Adam(memory.trained_parameters())
    rows, steps = config.rnn.batch_size, config.rnn.sequence_length
    drawn = [
        torch.randn(rows, steps + 1, latents, generator=generator),
        torch.randn(rows, steps, actions, generator=generator),
        torch.randn(rows, steps, generator=generator),
    ]
    never, real = torch.zeros(rows, steps), torch.ones(rows, steps)

    def learn() -> None:
        loss = sum(memory.losses(*drawn, never, real), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    lanes = (config.controller.population + 1) * config.controller.episodes
    seen = torch.randn(lanes, latents, generator=generator)
    taken = torch.randn(lanes, actions, generator=generator)

    @torch.no_grad()
    def dream(state: Tensor) -> Tensor:
        return memory.advance(seen, taken, state)

    nothing = torch.zeros(lanes, memory.state_size)
    late = nothing
    for _ in range(steps):
        late = dream(late)
    return [learn, lambda: dream(nothing), lambda: dream(late)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--env", default="TMaze-50")
    options = parser.parse_args()
    torch.set_num_threads(1)

    made = [work for cell in CELLS for work in works(options.env, cell)]
    seconds = times(made, options.repeats)
    print(
        f"{options.env:16} {'training':>16} {'first dreamed':>16} {'late dreamed':>16}  ms (times)"
    )
    for i, cell in enumerate(CELLS):
        cells = zip(seconds[3 * i : 3 * i + 3], seconds[:3], strict=True)
        shown = [f"{1e3 * mine:.2f} ({mine / lstm:.1f})" for mine, lstm in cells]
        print(f"{cell:16}", *(f"{each:>16}" for each in shown))


if __name__ == "__main__":
    main()
