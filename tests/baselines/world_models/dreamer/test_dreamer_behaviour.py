"""What Dreamer's actor and critic learn: closed forms, and what must not reach what."""

from __future__ import annotations

import pytest
import torch
from small_dreamer import (
    BUTTONS,
    GRADS,
    KINDS,
    LEVER,
    batch,
    config,
    draw,
    flags,
    generator,
    shake,
    trainer,
)
from torch.distributions import Categorical, Normal

from baselines.world_models.dreamer.behaviour import (
    Critic,
    ReturnScale,
    dream_weights,
    imagine,
    lambda_returns,
    policy_loss,
)
from baselines.world_models.dreamer.network import linear
from baselines.world_models.dreamer.rssm import State, mixed
from baselines.world_models.dreamer.world import World

# Returns, weights, losses


def test_lambda_returns_by_hand():
    rewards, values = torch.tensor([[9.0], [1.0], [2.0]]), torch.tensor([[9.0], [4.0], [8.0]])
    found = lambda_returns(rewards, values, torch.ones(3, 1), gamma=0.5, lam=0.5)

    later = 2 + 0.5 * 8
    assert found.flatten().tolist() == [1 + 0.5 * (0.5 * 4 + 0.5 * later), later]


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_lambda_goes_from_one_step_to_the_whole_sum(lam):
    rewards, values = draw(4, 1), draw(4, 1, seed=1)
    found = lambda_returns(rewards, values, torch.ones(4, 1), gamma=0.9, lam=lam)

    whole = sum(0.9**k * rewards[k + 1] for k in range(3)) + 0.9**3 * values[3]
    one = rewards[1] + 0.9 * values[1]
    torch.testing.assert_close(found[0], whole if lam else one)


def test_nothing_follows_a_terminal_row():
    rewards, values = torch.ones(4, 1), torch.full((4, 1), 100.0)
    going_on = torch.tensor([1.0, 1.0, 0.0, 1.0])[:, None]

    found = lambda_returns(rewards, values, going_on, gamma=0.9, lam=1.0)
    assert found[:2].flatten().tolist() == pytest.approx([1.9, 1.0])


def test_a_return_ends_at_the_value_of_the_row_at_which_the_episode_was_cut_off():
    rewards, values = torch.ones(4, 1), torch.full((4, 1), 100.0)
    last = torch.tensor([False, False, True, False])[:, None]

    found = lambda_returns(rewards, values, torch.ones(4, 1), gamma=0.9, lam=1.0, last=last)
    assert found[:2].flatten().tolist() == pytest.approx([1 + 0.9 * 91, 91.0])


def test_an_action_is_weighted_by_how_its_state_came_about_and_not_by_what_it_leads_to():
    going_on = torch.tensor([[1.0, 0.0], [0.5, 1.0], [0.0, 1.0], [1.0, 1.0]])

    # The action in row 1 leads to a certain end, and counts; a dream from a terminal row never.
    assert dream_weights(going_on, gamma=0.9).tolist() == [
        pytest.approx([1.0, 0.0]),
        pytest.approx([0.45, 0.0]),
        pytest.approx([0.0, 0.0]),
    ]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_dream_pairs_each_state_with_the_action_taken_in_it(kind):
    world = World((3,), kind.width, config(), generator())
    shake(world)
    actor = linear(world.width, kind.outputs, generator(1))
    begin = State(draw(5, 12), mixed(draw(5, 3, 4), 0.0).flatten(1))

    with torch.no_grad():
        dream = imagine(world, actor, kind, begin, 3, generator(2))
        assert dream.features.shape == (4, 5, world.width)
        assert torch.equal(dream.features[0], begin.features())
        for t in range(3):
            state = State(*dream.features[t].split([12, 12], dim=-1))
            deter = world.rssm(state, world.rssm.acted(dream.actions[t]))
            torch.testing.assert_close(dream.features[t + 1, :, :12], deter)


def test_the_policy_loss_by_hand():
    objective, weights = torch.tensor([[2.0], [4.0]]), torch.tensor([[1.0], [0.5]])

    loss = policy_loss(objective, torch.tensor([[1.0], [2.0]]), weights, ent_coef=0.1)
    assert loss.item() == pytest.approx(-(2.1 + 0.5 * 4.2) / 2)


def test_returns_are_scaled_by_their_smoothed_range_and_never_enlarged():
    scale = ReturnScale()
    returns = torch.linspace(0, 1000, 1001)
    scale.update(returns)
    first = scale().item()
    for _ in range(1000):
        scale.update(returns)
    settled = scale().item()
    small = ReturnScale()
    small.update(torch.linspace(0, 0.1, 11))

    assert first == pytest.approx(0.01 * 900)
    assert settled == pytest.approx(900, rel=1e-3)
    assert small().item() == 1.0


def test_the_critic_is_drawn_to_its_slow_copy_by_the_coefficient():
    critic = Critic(4, config(), generator())
    shake(critic)
    features, returns, slow = draw(5, 4), draw(5, seed=1), draw(5, seed=2)
    log_probs = critic.layers(features).log_softmax(dim=-1)
    parts = [critic.two_hot.cross_entropy(log_probs, target) for target in (returns, slow)]

    torch.testing.assert_close(critic.loss(features, returns, slow, 0.5), parts[0] + 0.5 * parts[1])
    torch.testing.assert_close(critic.loss(features, returns, slow, 0.0), parts[0])


def test_policies_have_the_densities_and_entropies_of_torchs_distributions():
    output = draw(6, 3)
    onehots = BUTTONS.draw(output, BUTTONS.noise(output, generator()))
    plain = Categorical(mixed(output, 0.01))
    torch.testing.assert_close(
        BUTTONS.log_prob(output, onehots), plain.log_prob(onehots.argmax(dim=-1))
    )
    torch.testing.assert_close(BUTTONS.entropy(output), plain.entropy())

    output = draw(6, 2)
    numbers = LEVER.draw(output, LEVER.noise(output, generator()))
    mean, raw = output.split(1, dim=-1)
    normal = Normal(mean.tanh(), 0.1 + 0.9 * torch.sigmoid(raw + 2))
    torch.testing.assert_close(LEVER.log_prob(output, numbers), normal.log_prob(numbers)[:, 0])
    torch.testing.assert_close(LEVER.entropy(output), normal.entropy()[:, 0])


# What reaches what


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("grad", GRADS)
def test_an_update_moves_every_part_once(grad, kind):
    learner = trainer(kind, actor_grad=grad)
    before = {name: v.clone() for name, v in learner.model.state_dict().items()}
    metrics = learner.update(batch(kind=kind))

    still = {
        name
        for name, value in learner.model.state_dict().items()
        if torch.equal(value, before[name])
    }
    assert not still
    assert all(torch.isfinite(value) for value in metrics.values())
    assert metrics["train/gradient_actor"] > 0


@pytest.mark.parametrize("grad", GRADS)
def test_the_actors_objective_never_moves_the_model_or_the_critic(grad):
    """A model that learned from it would learn to dream of good returns, not of true ones."""

    def model_after(ent_coef, steeper):
        learner = trainer(LEVER, actor_grad=grad, ent_coef=ent_coef)
        if steeper:  # another objective for the actor, from the same dreams
            learner.model.return_scale.forward = lambda: torch.tensor(0.01)
        learner.update(batch(kind=LEVER))
        parts = learner.model.world.state_dict() | learner.model.critic.state_dict()
        return parts, learner.model.actor.state_dict()

    plain, actor = model_after(0.0, steeper=False)
    other, other_actor = model_after(10.0, steeper=True)

    assert all(torch.equal(plain[name], other[name]) for name in plain)
    assert any(not torch.equal(actor[name], other_actor[name]) for name in actor)


def test_reinforce_pushes_towards_actions_with_advantage_and_away_from_the_others():
    output = torch.zeros(2, 3, requires_grad=True)
    taken = torch.eye(3)[:2]
    advantages = torch.tensor([1.0, -1.0])

    objective = BUTTONS.log_prob(output, taken) * advantages
    policy_loss(objective, torch.zeros(2), torch.ones(2), 0.0).backward()

    assert output.grad[0, 0] < 0 < output.grad[0, 1]  # descent raises the first
    assert output.grad[1, 1] > 0 > output.grad[1, 0]


def test_dynamics_follows_the_gradient_of_the_return_through_the_model():
    changed = {"imagination_horizon": 1, "ent_coef": 0.0, "normalize_returns": False}
    learner = trainer(LEVER, actor_grad="dynamics", **changed)
    learner.model.actor[-1].weight.data.zero_()
    learner.model.actor[-1].bias.data[1] = -20.0  # the least deviation: all within the bounds
    rows = batch(kind=LEVER)
    state = State(draw(6, 2, 12), mixed(draw(6, 2, 3, 4), 0.0).flatten(-2))
    everything = torch.arange(12)

    def loss(bias):
        with torch.no_grad():
            learner.model.actor[-1].bias[0] = bias
        learner.generator.manual_seed(3)
        learner.model.world.rssm.noise = lambda shape, _: torch.ones(*shape, 3, 4)
        model = learner.model
        dream, going_on = learner._dream(model, state, rows, everything)
        return model.judge(dream, going_on, model.world.rewards(dream.features)).loss

    # One step ahead only h depends smoothly on the action, so the latents are held still.
    learner.model.world.rssm.prior = lambda deter: torch.full((*deter.shape[:-1], 3, 4), 0.25)
    gradient = torch.autograd.grad(loss(0.2), learner.model.actor[-1].bias)[0][0].item()
    slope = (loss(0.21) - loss(0.19)).item() / 0.02

    assert gradient == pytest.approx(slope, rel=0.02)
    assert abs(slope) > 1e-4


def test_the_replay_loss_bootstraps_with_dreamed_returns_and_skips_the_row_before_a_reset():
    learner = trainer(imagination_starts=3)
    last, first = flags((2, 0)), flags((3, 0))
    rows = batch(last=last, first=first, terminal=flags((2, 0)))
    features, starts = draw(6, 2, 24), torch.tensor([1, 6, 11])
    dreamed = torch.tensor([[10.0, 20.0, 30.0]])
    seen = {}
    learner.model._toward = lambda _, returns: seen.setdefault("returns", returns) * 0 + 1

    loss = learner.model.replay_loss(features, rows, starts, dreamed)

    values = learner.model.critic(features).detach()
    values[0, 1], values[3, 0], values[5, 1] = 10.0, 20.0, 30.0
    gamma, lam = learner.config.gamma, learner.config.return_lambda
    expected = rows.reward[5] + gamma * values[5]
    for t in (5, 4, 3, 2, 1):
        if t < 5:
            expected = rows.reward[t] + gamma * ((1 - lam) * values[t] + lam * expected)
            expected[0] = rows.reward[t, 0] if t == 2 else expected[0]
        torch.testing.assert_close(seen["returns"][t - 1, 1], expected[1])
        if t != 3:  # what "follows" the last row of an episode is not used
            torch.testing.assert_close(seen["returns"][t - 1, 0], expected[0])
    assert loss.item() == pytest.approx(9 / 10)


def test_the_slow_critic_follows_by_tau_at_its_interval():
    learner = trainer(tau=0.25, target_update_interval=2)
    model, name = learner.model, "layers.1.bias"
    start = model.slow_critic.state_dict()[name].clone()
    learner.update(batch())
    assert torch.equal(model.slow_critic.state_dict()[name], start)
    learner.update(batch(seed=3))

    fast = model.critic.state_dict()[name]
    torch.testing.assert_close(model.slow_critic.state_dict()[name], start.lerp(fast, 0.25))


def test_dreams_begin_at_as_many_rows_as_asked_for_without_repetition():
    few = trainer(imagination_starts=5)._starts(batch())

    assert len(few) == len(set(few.tolist())) == 5
    assert trainer(imagination_starts=0)._starts(batch()).tolist() == list(range(12))
    assert trainer(imagination_starts=99)._starts(batch()).tolist() == list(range(12))
