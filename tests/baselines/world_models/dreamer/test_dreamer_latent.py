"""Dreamer's latent state, and which row of the data is which."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from small_dreamer import (
    batch,
    config,
    draw,
    flags,
    generator,
    make,
    shake,
)
from torch import nn
from torch.distributions import Categorical, kl_divergence

from baselines.api import NoProgress
from baselines.world_models.dreamer.replay import Batch, Replay
from baselines.world_models.dreamer.rssm import RSSM, OneHot, State, mixed
from baselines.world_models.dreamer.world import World, divergence, entropy, latent_loss

# The latent


def test_divergence_and_entropy_are_torchs_own_summed_over_groups():
    p, q = mixed(draw(5, 3, 4), 0.01), mixed(draw(5, 3, 4, seed=1), 0.01)

    expected = kl_divergence(Categorical(p), Categorical(q)).sum(dim=-1)
    torch.testing.assert_close(divergence(p, q), expected)
    torch.testing.assert_close(entropy(p), Categorical(p).entropy().sum(dim=-1))


def test_free_nats_hold_up_each_row_by_itself_before_the_mean():
    even = torch.tensor([[0.5, 0.5]])
    sure = torch.tensor([[0.999, 0.001]])
    posterior, prior = torch.stack([sure, even]), torch.stack([sure.flip(-1), even])
    large = 0.999 * math.log(999) - 0.001 * math.log(999)

    dyn, rep = latent_loss(posterior, prior, free_nats=1.0)

    assert dyn.tolist() == pytest.approx([large, 1.0], rel=1e-4)
    assert rep.tolist() == dyn.tolist()


def test_dyn_teaches_the_prior_alone_rep_the_posterior_alone_and_free_nats_nobody():
    logits = [draw(1, 3, 4, seed=seed).requires_grad_() for seed in (0, 1)]

    def taught(which, free_nats):
        probs = [mixed(each, 0.01) for each in logits]
        loss = latent_loss(*probs, free_nats)[which].sum()
        found = torch.autograd.grad(loss, logits, allow_unused=True)
        return [grad is not None and bool(grad.any()) for grad in found]  # posterior, prior

    assert taught(0, 0.0) == [False, True]
    assert taught(1, 0.0) == [True, False]
    assert taught(0, 100.0) == taught(1, 100.0) == [False, False]


def test_free_nats_are_in_proportion_to_the_groups_of_the_latent():
    """As many in each group as in the paper's, which has 32: a thirty-second of them."""
    world = World((3,), 3, config(free_nats=1e6), generator())  # 3 groups, all rows below it

    metrics = world.loss(batch(), generator(1)).metrics
    assert metrics["train/dyn_loss"].item() == pytest.approx(1e6 * 3 / 32)


def test_unimix_leaves_every_class_a_floor():
    probs = mixed(torch.tensor([[1e4, 0.0, 0.0, 0.0]]), 0.01)

    assert probs.tolist()[0] == pytest.approx([0.9925, 0.0025, 0.0025, 0.0025])


def test_one_hot_draws_each_class_as_often_as_its_probability_says():
    probs = torch.tensor([0.6, 0.3, 0.1])
    noise = torch.empty(40_000, 3).exponential_(generator=generator())

    shares = OneHot.apply(probs.expand(40_000, 3), noise).mean(dim=0)

    assert shares.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.01)


def test_one_hot_without_noise_is_the_mode_and_its_gradient_goes_straight_through():
    probs = torch.tensor([[0.2, 0.5, 0.3]], requires_grad=True)
    sample = OneHot.apply(probs, torch.ones(1, 3))
    (sample * torch.tensor([[1.0, 2.0, 3.0]])).sum().backward()

    assert sample.tolist() == [[0.0, 1.0, 0.0]]
    assert probs.grad.tolist() == [[1.0, 2.0, 3.0]]


# Which row is which


def rssm(**changed):
    return RSSM(tokens=5, action_width=3, config=config(**changed), generator=generator())


def observed(model, tokens, actions, first):
    with torch.no_grad():
        return model.observe(tokens, actions, first, generator(7))


def test_a_first_row_forgets_what_came_before_and_the_action_before_it():
    model, first = rssm(), flags((3, 1))
    tokens, actions = draw(6, 2, 5), draw(6, 2, 3, seed=1)
    other_tokens, other_actions = tokens.clone(), actions.clone()
    other_tokens[:3] += 1
    other_actions[:4] += 1  # that of the first row too

    before = observed(model, tokens, actions, first)[0].deter
    after = observed(model, other_tokens, other_actions, first)[0].deter

    assert torch.equal(before[3:, 1], after[3:, 1])
    assert not torch.equal(before[3:, 0], after[3:, 0])  # a lane without a reset remembers


def test_the_reset_row_does_not_reach_into_the_rows_before_it():
    model, tokens, actions = rssm(), draw(6, 2, 5), draw(6, 2, 3, seed=1)

    with_reset = observed(model, tokens, actions, flags((3, 1)))[0].deter
    without = observed(model, tokens, actions, flags())[0].deter

    assert torch.equal(with_reset[:3], without[:3])
    assert torch.equal(with_reset[:, 0], without[:, 0])
    assert not torch.equal(with_reset[3, 1], without[3, 1])


def test_an_action_moves_the_row_that_it_led_to_and_none_before():
    model, tokens, actions = rssm(), draw(6, 2, 5), draw(6, 2, 3, seed=1)
    changed = actions.clone()
    changed[4] += 1

    before = observed(model, tokens, actions, flags())[0].deter
    after = observed(model, tokens, changed, flags())[0].deter

    assert torch.equal(before[:4], after[:4])
    assert not torch.equal(before[4], after[4])


def test_what_is_seen_is_in_the_posterior_of_its_row_and_in_the_recurrent_state_of_the_next():
    model, tokens, actions = rssm(), draw(6, 2, 5), draw(6, 2, 3, seed=1)
    changed = tokens.clone()
    changed[2] += 5

    (before, posterior), (after, other) = (
        observed(model, each, actions, flags()) for each in (tokens, changed)
    )

    assert torch.equal(before.deter[:3], after.deter[:3])
    assert not torch.equal(posterior[2], other[2])
    assert not torch.equal(before.deter[3], after.deter[3])


def test_a_batch_of_one_is_what_it_is_among_others():
    model, tokens, actions = rssm(), draw(6, 2, 5), draw(6, 2, 3, seed=1)
    model.noise = lambda shape, _: torch.ones(*shape, 3, 4)  # the mode: no draw to depend on

    both = observed(model, tokens, actions, flags((2, 0)))[0]
    alone = observed(model, tokens[:, :1], actions[:, :1], flags((2, 0))[:, :1])[0]

    torch.testing.assert_close(both.deter[:, :1], alone.deter, rtol=1e-5, atol=1e-6)
    assert alone.deter.shape == (6, 1, 12)


def test_acting_step_by_step_builds_the_states_that_training_sees():
    agent = make()
    shake(agent.model.world)
    world, rows = agent.model.world, batch(B=1)
    world.rssm.noise = lambda shape, _: torch.ones(*shape, 3, 4)
    first = flags((0, 0), (4, 0), B=1)
    mind = agent._initial(1)
    found = []
    with torch.no_grad():
        for t in range(6):
            mind = mind._replace(action=rows.action[t]).restarted(first[t])
            mind = agent._think(agent.model, rows.obs[t].numpy(), mind, None, deterministic=True)
            found.append(mind.state.deter)
        tokens = world.senses.encode(rows.obs.flatten(0, 1)).view(6, 1, -1)
        states, _ = world.rssm.observe(tokens, rows.action, first, generator())

    torch.testing.assert_close(torch.stack(found), states.deter, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("blocks", [1, 3])
def test_the_recurrent_step_is_a_gru_over_blocks_by_hand(blocks):
    model = rssm(blocks=blocks)
    state = State(draw(2, 12), mixed(draw(2, 3, 4), 0.0).flatten(1))
    acted = model.acted(draw(2, 3))
    shared = torch.cat([model.from_deter(state.deter), model.from_stoch(state.stoch), acted], -1)
    width, hidden, parts = 12 // blocks, [], []
    for i in range(blocks):
        own = state.deter[:, i * width : (i + 1) * width]
        x = torch.cat([own, shared], dim=-1)
        hidden.append(x @ model.hidden.weight[i] + model.hidden.bias[i])
    hidden = nn.functional.silu(model.hidden_norm(torch.cat(hidden, dim=-1)))
    for i in range(blocks):
        x = hidden[:, i * width : (i + 1) * width]
        parts.append((x @ model.gates.weight[i] + model.gates.bias[i]).chunk(3, dim=-1))
    reset, candidate, update = (torch.cat(part, dim=-1) for part in zip(*parts, strict=True))
    update = torch.sigmoid(update - 1)
    expected = update * torch.tanh(torch.sigmoid(reset) * candidate) + (1 - update) * state.deter

    torch.testing.assert_close(model(state, acted), expected)


def test_actions_beyond_their_bounds_count_as_the_bounds():
    model = rssm()

    beyond, bounds = model.acted(torch.tensor([[5.0, -3.0, 0.5], [1.0, -1.0, 0.5]]))
    torch.testing.assert_close(beyond, bounds)


def test_actions_in_one_direction_are_told_apart_by_their_size():
    model = RSSM(tokens=5, action_width=1, config=config(units=64), generator=generator())

    small, large = model.acted(torch.tensor([[0.25], [1.0]]))
    assert (small - large).norm() > 0.1 * large.norm()


def test_observations_are_told_apart_by_their_size_and_those_near_0_are_not_blown_up():
    senses = World((3,), 3, config(units=64), generator()).senses
    directions = nn.functional.normalize(draw(50, 3), dim=-1)
    tiny, one, two = (senses.encode(size * directions) for size in (0.01, 1.0, 2.0))

    assert ((one - two).norm(dim=-1) > 0.1 * one.norm(dim=-1)).all()
    assert ((tiny - tiny.mean(dim=0)).norm(dim=-1) < 0.1 * tiny.norm(dim=-1)).all()


class Told(gym.Env):
    """Observation 10 e + t, reward t, in episode e; ends after three steps, in turn either way."""

    def __init__(self):
        self.observation_space = spaces.Box(-100.0, 100.0, (1,), np.float32)
        self.action_space = spaces.Discrete(3)
        self.episode, self.taken = -1, []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.time = self.episode + 1, 0
        return np.array([10.0 * self.episode], np.float32), {}

    def step(self, action):
        self.taken.append(int(action))
        self.time += 1
        over, even = self.time == 3, self.episode % 2 == 0
        obs = np.array([10.0 * self.episode + self.time], np.float32)
        return obs, float(self.time), over and even, over and not even, {}


def lived(steps=8):
    """The rows (T,) of a short life in Told, and the actions that it really took."""
    env = Told()
    agent = make(lambda: env, steps=steps, learning_starts=steps)
    agent.learn(NoProgress())
    replay = agent._replay
    rows = replay.sample(1, len(replay), np.random.default_rng(0), "cpu")
    return Batch(*(part[:, 0] for part in rows)), env.taken


def test_the_last_observation_has_a_row_of_its_own_and_the_reset_row_follows():
    rows, _ = lived()

    assert rows.obs.flatten().tolist() == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22]
    assert rows.reward.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2]
    assert rows.first.nonzero().flatten().tolist() == [0, 4, 8]
    assert rows.last.nonzero().flatten().tolist() == [3, 7]


def test_an_episode_that_is_cut_off_is_not_terminal():
    rows, _ = lived()

    assert rows.terminal.nonzero().flatten().tolist() == [3]  # that of row 7 was truncated


def test_a_row_holds_the_action_that_led_to_it_and_a_first_row_none():
    rows, taken = lived()

    assert rows.action[~rows.first].argmax(dim=-1).tolist() == taken
    assert rows.action.sum(dim=-1).tolist() == (~rows.first).float().tolist()


def test_the_continue_head_is_told_to_go_on_where_an_episode_was_cut_off():
    world = World((3,), 3, config(kl_dyn=0.0, kl_rep=0.0), generator())
    with torch.no_grad():
        world.continue_head[-1].weight.zero_()
        world.continue_head[-1].bias.fill_(2.0)

    def loss(**ends):
        return world.loss(batch(**ends), generator()).metrics["train/continue_loss"].item()

    going, ending = math.log1p(math.exp(-2)), math.log1p(math.exp(2))
    assert loss(last=flags((5, 0))) == pytest.approx(going, rel=1e-5)
    expected = (11 * going + ending) / 12
    assert loss(last=flags((5, 0)), terminal=flags((5, 0))) == pytest.approx(expected, rel=1e-5)


# Replay


@pytest.mark.parametrize("disk", [False, True])
def test_sequences_are_rows_in_a_row_also_when_the_oldest_were_overwritten(disk):
    replay = Replay(10, (1,), np.float32, 2, disk)
    for i in range(17):
        replay.add(np.array([i]), np.array([i, -i]), float(i), False, False)
    rows = replay.sample(200, 4, np.random.default_rng(0), "cpu")

    begins = rows.obs[0, :, 0]
    assert len(replay) == 10
    assert set(begins.tolist()) == set(range(7, 14))
    for t in range(4):
        assert torch.equal(rows.obs[t, :, 0], begins + t)
        assert torch.equal(rows.action[t, :, 1], -(begins + t))


def test_rows_on_disk_and_in_memory_teach_the_same_weights():
    agents = [make(replay=where) for where in ("memory", "disk")]
    for agent in agents:
        agent.learn(NoProgress())

    one, other = (agent.weights() for agent in agents)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_calibrated_each_number_is_weighed_by_the_error_that_is_usual_for_it():
    plain, calibrated = (World((3,), 3, config(calibrated=c), generator()) for c in (False, True))
    usual = torch.tensor([0.5, 0.02, 0.0])
    for world in (plain, calibrated):
        shake(world)
        world.senses.error.copy_(usual)
    found = calibrated.loss(batch(), generator(1))
    as_in_the_paper = plain.loss(batch(), generator(1)).metrics["train/reconstruction_loss"]

    torch.testing.assert_close(as_in_the_paper, found.error.sum())
    # The third would count without end, were it not for the floor of 1e-5.
    expected = (0.5 * found.error / torch.tensor([0.5, 0.02, 1e-5])).sum()
    torch.testing.assert_close(found.metrics["train/reconstruction_loss"], expected)
