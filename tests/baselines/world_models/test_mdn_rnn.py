"""V and M: the paper's sizes, losses by hand, masks, and what an action tells."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm
from small_world_model import COLOURS, D, K, L, N, batch, episode, memory, mixture, total

from baselines.world_models import mdn_rnn, vae
from baselines.world_models.controller import Policy
from baselines.world_models.episode import pack, unpack, windows
from baselines.world_models.mdn_rnn import MDNRNN, Mixture
from baselines.world_models.vae import Code


@pytest.mark.parametrize(("latent_size", "parameters"), [(32, 4_348_547), (64, 4_446_915)])
def test_the_convolutional_vae_has_the_papers_parameter_count(latent_size, parameters):
    assert total(vae.ConvVAE(COLOURS, vae.Config(latent_size=latent_size))) == parameters


def test_the_mdn_rnn_and_the_controller_have_the_papers_parameter_counts():
    found = MDNRNN(32, 3, mdn_rnn.Config(hidden_size=256, mixtures=5, net_arch=[]))

    assert total(found.rnn) + total(found.mixture) == 422_368
    assert Policy(32 + 256, 3, []).size == 867


# Losses by hand.


def test_the_vaes_loss_is_the_squared_error_and_the_divergence_above_its_floor():
    code = Code(torch.tensor([[1.0, 0.0], [0.1, 0.0]]), torch.tensor([[2.0, 1.0], [1.0, 1.0]]))
    decoded, target = torch.zeros(2, 3), torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 3.0]])
    first = 0.5 * (1 + 4 - 1 - math.log(4))

    found = vae.vae_loss(decoded, target, code, kl_coef=2.0, kl_tolerance=0.1)

    assert found.tolist() == pytest.approx([5 + 2 * first, 9 + 2 * 0.2], rel=1e-6)


def test_the_log_likelihood_of_a_mixture_is_scipys():
    parts, target = mixture(), torch.tensor(np.random.default_rng(1).normal(size=(N, D)))
    logs = norm.logpdf(target.numpy()[..., None], parts.means.numpy(), parts.log_stds.exp().numpy())

    found = mdn_rnn.mixture_log_prob(parts, target)

    np.testing.assert_allclose(found, logsumexp(logs + parts.log_weights.numpy(), axis=-1))


def test_a_far_target_has_a_finite_likelihood():
    assert torch.isfinite(mdn_rnn.mixture_log_prob(mixture(), torch.full((N, D), 1e4))).all()


@pytest.mark.parametrize("temperature", [0.25, 1.0, 2.0])
def test_the_temperature_divides_log_weights_and_multiplies_variances(temperature):
    parts = Mixture(
        torch.log(torch.tensor([0.8, 0.2])).expand(100_000, 1, 2),
        torch.tensor([0.0, 100.0]).expand(100_000, 1, 2),
        torch.tensor([0.0, 0.0]).expand(100_000, 1, 2),
    )
    drawn = mdn_rnn.mixture_sample(parts, temperature, torch.Generator().manual_seed(0))
    odds = (0.2 / 0.8) ** (1 / temperature)
    near = drawn[drawn < 50]

    assert (drawn > 50).double().mean().item() == pytest.approx(odds / (1 + odds), abs=0.005)
    assert near.std().item() == pytest.approx(math.sqrt(temperature), rel=0.02)


def test_the_mean_of_a_mixture_is_the_mean_of_its_draws():
    parts = mixture(lead=(1,))
    many = Mixture(*(part.expand(100_000, D, K) for part in parts))
    drawn = mdn_rnn.mixture_sample(many, 1.0, torch.Generator().manual_seed(0))

    np.testing.assert_allclose(drawn.mean(dim=0), mdn_rnn.mixture_mean(parts)[0], atol=0.05)


def test_the_losses_are_what_their_parts_say():
    model, (latents, actions, rewards, terminated, mask) = memory(), batch()
    found = model.losses(latents, actions, rewards, terminated, mask)
    hidden = model.unroll(latents[:, :-1], actions)
    parts = model.next_latent(hidden, latents[:, :-1])
    reward, logit = model.outcome(hidden, latents[:, 1:])
    p = torch.sigmoid(logit)
    entropy = -(terminated * p.log() + (1 - terminated) * (1 - p).log())

    log_prob = mdn_rnn.mixture_log_prob(parts, latents[:, 1:])
    assert found.latent.item() == pytest.approx(-log_prob.mean().item(), rel=1e-5)
    assert found.reward.item() == pytest.approx((reward - rewards).pow(2).mean().item(), rel=1e-5)
    assert found.termination.item() == pytest.approx(entropy.mean().item(), rel=1e-5)


def test_reward_and_termination_do_not_shape_the_recurrent_network():
    model = memory()
    found = model.losses(*batch())
    (found.reward + found.termination).backward()

    assert all(p.grad is None for p in [*model.rnn.parameters(), *model.mixture.parameters()])
    assert all(p.grad.abs().sum() > 0 for p in model.termination.parameters())


def test_rewards_have_the_scale_of_the_first_data_in_which_they_differ():
    model = memory()
    model.see(torch.zeros(4))
    assert (model.reward_mean, model.reward_std) == (0, 0)  # so is every dreamed one
    model.see(torch.tensor([0.0, 2.0]))
    assert (model.reward_mean, model.reward_std) == (1, 1)
    model.see(torch.tensor([0.0, 200.0]))
    assert (model.reward_mean, model.reward_std) == (1, 1)


def test_deviations_have_a_floor():
    model = memory(min_log_std=-3.0)
    with torch.no_grad():
        model.mixture[-1].weight.mul_(100)
    parts = model.next_latent(torch.randn(N, 5), torch.zeros(N, D))

    assert parts.log_stds.min() >= -3.0
    assert parts.log_stds.max() > 3.0


@pytest.mark.parametrize("head", ["mixture", "deterministic"])
def test_a_change_is_told_relative_to_the_latent(head):
    hidden, latents = torch.randn(N, 5), torch.randn(N, D)
    change, plain = (memory(head=head, predict_delta=delta) for delta in (True, False))

    np.testing.assert_allclose(
        change.next_latent(hidden, latents).means.detach(),
        (plain.next_latent(hidden, latents).means + latents[..., None]).detach(),
    )


def test_noise_is_on_what_is_read_and_never_on_what_is_to_be_predicted():
    clean, noisy = (memory(head="deterministic", input_noise=noise) for noise in (0.0, 0.5))
    for model in (clean, noisy):
        for parameter in model.mixture.parameters():
            torch.nn.init.zeros_(parameter)  # nothing changes, it says
    latents, actions = torch.randn(N, 4, D), torch.randn(N, 3, 1)
    rest = torch.zeros(N, 3), torch.zeros(N, 3), torch.ones(N, 3)
    drawn = torch.randn(N, 3, D, generator=torch.Generator().manual_seed(1))

    def error(model, noise):
        return model.losses(latents, actions, *rest, noise=noise).latent

    moved = (latents[:, :-1] + 0.5 * drawn - latents[:, 1:]).pow(2).mean()
    still = (latents[:, :-1] - latents[:, 1:]).pow(2).mean()
    torch.testing.assert_close(error(noisy, torch.Generator().manual_seed(1)), moved)
    torch.testing.assert_close(error(noisy, None), still)  # on held-out data
    generator = torch.Generator().manual_seed(1)
    torch.testing.assert_close(error(clean, generator), still)
    assert torch.equal(generator.get_state(), torch.Generator().manual_seed(1).get_state())


# Masks and alignment.


def test_windows_hold_every_step_once_and_never_two_episodes():
    episodes = [episode(0, 7), episode(50, 3, terminated=False)]
    found = windows(episodes, 4)
    seen = np.concatenate([one.observations for one in episodes])[found.rows(), 0]
    real = found.mask()

    assert found.length.tolist() == [4, 3, 3]
    assert seen[:, 0].tolist() == [0, 4, 50]
    np.testing.assert_array_equal(found.actions[real], seen[:, :-1][real] + 100)
    np.testing.assert_array_equal(found.rewards[real], seen[:, :-1][real] + 1000)
    np.testing.assert_array_equal(seen[:, 1:][real], seen[:, :-1][real] + 1)
    assert found.terminated.sum(axis=1).tolist() == [0, 1, 0]
    assert found.terminated[1, 2] == 1


def test_packed_episodes_come_back():
    episodes = [episode(0, 7), episode(50, 1, terminated=False), episode(9, 2)]

    for before, after in zip(episodes, unpack(pack(episodes)), strict=True):
        for a, b in zip(before, after, strict=True):
            np.testing.assert_array_equal(a, b)


def test_what_is_masked_does_not_count():
    model, parts = memory(), batch()
    parts[4][1:, 2:] = 0
    before = model.losses(*parts)
    parts[0][1:, 3:] = 7.0
    for part in parts[1:4]:
        part[1:, 2:] = 1.0
    after = model.losses(*parts)

    for a, b in zip(before, after, strict=True):
        assert a.item() == pytest.approx(b.item(), rel=1e-6)


def test_a_batch_of_one_has_the_loss_that_it_has_among_others():
    model, parts = memory(), batch()
    parts[4][1:] = 0
    together = model.losses(*parts)
    alone = model.losses(*(part[:1] for part in parts))

    for a, b in zip(together, alone, strict=True):
        assert a.item() == pytest.approx(b.item(), rel=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_step_by_step_the_memory_goes_where_it_goes_at_once(cell):
    model, (latents, actions, *_) = memory(cell=cell), batch()
    state = torch.zeros(N, model.state_size)
    together = model.unroll(latents[:, :-1], actions)

    for t in range(L):
        state = model.advance(latents[:, t], actions[:, t], state)
        torch.testing.assert_close(model.hidden(state), together[:, t])


def test_an_action_tells_the_latent_after_it_and_not_the_one_at_which_it_is_taken():
    """The next latent is the action: foretold only if the two are paired rightly."""
    rng = torch.Generator().manual_seed(0)
    model = memory(hidden_size=16, predict_delta=False, head="deterministic")
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        actions = torch.rand(32, L, 1, generator=rng) * 2 - 1
        latents = torch.cat([torch.zeros(32, 1, D), actions.expand(-1, -1, D)], dim=1)
        zeros, ones = torch.zeros(32, L), torch.ones(32, L)
        loss = model.losses(latents, actions, zeros, zeros, ones).latent
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.02  # the variance of an action is 1/3
