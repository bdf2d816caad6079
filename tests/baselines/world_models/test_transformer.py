"""A transformer as M: what it sees, what it keeps, and that the one agrees with the other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_world_model import D, L, N, batch, memory, trained
from torch import nn

from baselines.world_models import transformer
from baselines.world_models.mdn_rnn import Config
from baselines.world_models.transformer import Transformer

LONG = 23
GROUP = {"cell": "transformer", "hidden_size": 8, "sequence_length": 10, "epochs": 2}


def network(context=5, layers=2, heads=2, inputs=3, width=8):
    torch.manual_seed(0)
    made = Transformer(inputs, width, context, transformer.Config(layers=layers, heads=heads))
    for block in made.blocks:  # at first all distances are alike
        nn.init.normal_(block.distance)
    return made


def tokens(n=N, steps=LONG, inputs=3, seed=1):
    return torch.randn(n, steps, inputs, generator=torch.Generator().manual_seed(seed))


def walked(made, inputs, state=None):
    """The outputs step by step, and the last state."""
    state = torch.zeros(len(inputs), made.state_size) if state is None else state
    outputs = []
    for t in range(inputs.shape[1]):
        state = made.advance(inputs[:, t], state)
        outputs.append(state[:, : made.width])
    return torch.stack(outputs, dim=1), state


def naive(made, inputs):
    """One head, one step and one row after the other, by the formula."""
    width = made.width
    x = made.embed(inputs)
    for block in made.blocks:
        queries, keys, values = block.project(block.norm(x)).split(width, dim=-1)
        heads = len(block.distance)
        size, attended = width // heads, torch.zeros_like(x)
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            for t in range(x.shape[1]):
                seen = range(max(0, t - made.context + 1), t + 1)
                scores = [
                    (queries[:, t, part] * keys[:, s, part]).sum(-1) / size**0.5
                    + block.distance[head, t - s]
                    for s in seen
                ]
                weights = torch.stack(scores, dim=-1).softmax(dim=-1)
                attended[:, t, part] = sum(
                    weights[:, i, None] * values[:, s, part] for i, s in enumerate(seen)
                )
        x = x + block.merge(attended)
        x = x + block.think(x)
    return made.norm(x)


@pytest.mark.parametrize("context", [1, 5, 50])
@torch.no_grad()
def test_all_at_once_it_is_what_the_formula_says(context):
    made, inputs = network(context), tokens()
    torch.testing.assert_close(made.unroll(inputs), naive(made, inputs), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("context", [1, 5, 50])
@pytest.mark.parametrize("layers", [1, 3])
@torch.no_grad()
def test_with_kept_keys_and_values_each_step_is_what_it_is_when_all_is_computed_anew(
    context, layers
):
    made, inputs = network(context, layers), tokens()
    stepped, _ = walked(made, inputs)
    for t in range(LONG):
        anew = made.unroll(inputs[:, : t + 1])[:, t]
        torch.testing.assert_close(stepped[:, t], anew, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_later_step_changes_no_earlier_output():
    made, inputs = network(), tokens()
    changed = inputs.clone()
    changed[:, 9:] += 1
    before, after = made.unroll(inputs), made.unroll(changed)

    torch.testing.assert_close(before[:, :9], after[:, :9], atol=0, rtol=0)
    assert (before[:, 9:] != after[:, 9:]).any(dim=-1).all()


@pytest.mark.parametrize("context", [1, 4])
@torch.no_grad()
def test_one_layer_sees_as_many_steps_as_its_context_has(context):
    made, inputs = network(context, layers=1), tokens()
    changed = inputs.clone()
    changed[:, 7] += 1
    differs = (made.unroll(inputs) != made.unroll(changed)).any(dim=-1)

    assert differs[:, 7 : 7 + context].all()
    assert not differs[:, :7].any() and not differs[:, 7 + context :].any()


@torch.no_grad()
def test_what_is_kept_stops_growing_at_the_context():
    made = network(context=4)
    sizes = [walked(made, tokens(steps=t))[1].shape[1] for t in range(1, 8)]

    assert np.diff(sizes).tolist() == [2 * 2 * made.width] * 3 + [0] * 3


@torch.no_grad()
def test_a_row_that_begins_anew_knows_nothing_of_what_the_others_remember():
    made, inputs = network(), tokens()
    _, state = walked(made, inputs[:, :9])
    ended = torch.tensor([False, True, False])
    after, _ = walked(made, inputs[:, 9:], state * ~ended[:, None])

    fresh = made.unroll(inputs[:, 9:])
    going_on = made.unroll(inputs)[:, 9:]
    torch.testing.assert_close(after[ended], fresh[ended], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(after[~ended], going_on[~ended], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_one_state_may_go_on_in_two_ways():
    made, inputs = network(), tokens()
    _, state = walked(made, inputs[:, :9])
    before = state.clone()
    one, other = (walked(made, tokens(steps=5, seed=seed), state)[0] for seed in (2, 3))
    again, _ = walked(made, tokens(steps=5, seed=2), state)

    assert torch.equal(state, before)
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_the_memory_walks_where_it_unrolls():
    model, (latents, actions, *_) = memory(**GROUP), batch()
    state = torch.zeros(N, model.state_size)
    together = model.unroll(latents[:, :-1], actions)

    for t in range(L):
        state = model.advance(latents[:, t], actions[:, t], state)
        torch.testing.assert_close(model.hidden(state), together[:, t])


def test_it_learns_to_repeat_what_it_saw_at_the_beginning():
    """Steps in between tell nothing: only the first latent says what the last one will be."""
    rng = torch.Generator().manual_seed(0)
    model = memory(**GROUP | {"hidden_size": 16, "predict_delta": False, "head": "deterministic"})
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(80):
        latents = torch.zeros(16, L + 1, D)
        latents[:, 0] = latents[:, -1] = torch.randn(16, D, generator=rng)
        mask = torch.zeros(16, L)
        mask[:, -1] = 1
        actions, zeros = torch.zeros(16, L, 1), torch.zeros(16, L)
        loss = model.losses(latents, actions, zeros, zeros, mask).latent
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[0] > 0.5  # the variance of a latent is 1
    assert losses[-1] < 0.1


# As part of the agent.


def test_the_same_seed_gives_the_same_weights():
    one, same, other = (trained(rnn=GROUP, seed=seed).weights() for seed in (0, 0, 1))

    assert all(np.array_equal(one[key], same[key]) for key in one)
    assert not np.array_equal(one["rnn.rnn.embed.weight"], other["rnn.rnn.embed.weight"])


def test_only_a_transformer_says_its_attention_and_only_it_may_have_one():
    assert "attention" not in Config().model_dump()
    assert Config(cell="transformer").model_dump()["attention"] == {"layers": 2, "heads": 4}
    for options in ({"attention": {"layers": 3}}, {"cell": "gru", "attention": {"heads": 2}}):
        with pytest.raises(ValidationError, match="take cell transformer"):
            Config(**options)
    with pytest.raises(ValidationError, match="4 heads cannot share"):
        Config(cell="transformer", hidden_size=10)
