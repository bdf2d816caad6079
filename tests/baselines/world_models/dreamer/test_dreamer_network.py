"""Dreamer's numbers, layers and optimiser: closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from gymnasium import spaces
from small_dreamer import (
    config,
    draw,
    generator,
)

from baselines.world_models.dreamer.action import Discrete
from baselines.world_models.dreamer.config import SIZES, Config
from baselines.world_models.dreamer.network import BlockLinear, ImageDecoder, ImageEncoder, linear
from baselines.world_models.dreamer.optimizer import Optimizer, clip
from baselines.world_models.dreamer.symlog import TwoHot, symexp, symlog
from baselines.world_models.dreamer.trainer import Model

# Numbers of any size


def test_symlog_has_its_closed_form_and_symexp_undoes_it():
    x = torch.tensor([-1e4, -1.0, 0.0, 0.5, math.e - 1, 1e6])

    assert symlog(torch.tensor([math.e - 1, 1 - math.e])).tolist() == pytest.approx([1.0, -1.0])
    torch.testing.assert_close(symexp(symlog(x)), x, rtol=1e-4, atol=1e-6)


def test_bins_are_symexp_of_an_even_grid_and_symmetric():
    values = TwoHot(5, 2.0).values
    outer, inner = math.e**2 - 1, math.e - 1

    assert values.tolist() == pytest.approx([-outer, -inner, 0.0, inner, outer])
    assert len(TwoHot(255, 20.0).values) == 255


def test_a_uniform_distribution_over_bins_has_mean_zero_to_the_last_bit():
    assert TwoHot(255, 20.0).mean(torch.full((4, 255), 0.3)).tolist() == [0.0] * 4


def test_two_hot_weights_have_the_target_as_their_mean():
    two_hot = TwoHot(9, 3.0)
    targets = torch.tensor([-19.0, -1.0, -0.2, 0.0, 0.7, 5.5, 19.0])
    above, share = two_hot.encode(targets)

    mean = two_hot.values[above - 1] * (1 - share) + two_hot.values[above] * share
    torch.testing.assert_close(mean, targets)


def test_a_target_on_a_bin_is_that_bin_alone_and_one_beyond_them_is_the_last():
    two_hot = TwoHot(5, 2.0)
    above, share = two_hot.encode(torch.tensor([0.0, math.e - 1, 1e9, -1e9]))

    assert (above - 1 + share).tolist() == pytest.approx([2, 3, 4, 0])


def test_two_hot_cross_entropy_by_hand():
    two_hot = TwoHot(3, 1.0)  # -1.718, 0, 1.718
    log_probs = torch.tensor([0.2, 0.3, 0.5]).log()
    target = torch.tensor(0.25 * (math.e - 1))

    expected = -(0.75 * math.log(0.3) + 0.25 * math.log(0.5))
    assert two_hot.cross_entropy(log_probs, target).item() == pytest.approx(expected, rel=1e-5)


def test_the_mean_that_two_hot_learns_is_the_mean_of_its_targets():
    two_hot, targets = TwoHot(9, 3.0), torch.tensor([0.0, 2.0, 10.0, -1.0])
    above, share = two_hot.encode(targets)
    best = torch.zeros(9).index_add(0, above, share / 4).index_add(0, above - 1, (1 - share) / 4)
    logits = (best + 1e-12).log().requires_grad_()
    two_hot.cross_entropy(logits.log_softmax(dim=-1).expand(4, -1), targets).mean().backward()

    assert logits.grad.abs().max() < 1e-6
    assert two_hot.mean(logits).item() == pytest.approx(2.75, rel=1e-5)


def test_an_image_of_64_is_halved_four_times_and_rebuilt_in_its_shape():
    encoder = ImageEncoder((64, 64, 3), 2, generator())
    decoder = ImageDecoder(10, (64, 64, 3), 2, generator())

    assert encoder(torch.zeros(2, 64, 64, 3, dtype=torch.uint8)).shape == (2, 2 * 8 * 16)
    image = decoder(draw(2, 10))
    assert image.shape == (2, 64, 64, 3)
    assert 0 < image.min() < image.max() < 1


# The optimiser


def test_adam_is_torchs_own_where_nothing_is_clipped():
    start = [draw(3, 2), draw(4, seed=1)]
    ours, theirs = [p.clone() for p in start], [p.clone().requires_grad_() for p in start]
    plain = torch.optim.Adam(theirs, lr=0.01)
    optimizer = Optimizer(ours, config(optimizer="adam", learning_rate=0.01, clip=1e9))
    for seed in range(5):
        gradients = [draw(3, 2, seed=seed), draw(4, seed=seed + 9)]
        for p, gradient in zip(theirs, gradients, strict=True):
            p.grad = gradient.clone()
        plain.step()
        optimizer.step(gradients)

    for p, expected in zip(ours, theirs, strict=True):
        torch.testing.assert_close(p, expected.detach())


def test_laprop_scales_before_it_averages_and_the_rate_warms_up():
    p = torch.tensor([1.0])
    optimizer = Optimizer([p], config(optimizer="laprop", learning_rate=0.1, warmup=2, clip=1e9))
    optimizer.step([torch.tensor([2.0])])
    optimizer.step([torch.tensor([-4.0])])

    second = (0.999 * 0.001 * 4 + 0.001 * 16) / (1 - 0.999**2)
    first = 0.9 * 0.1 * 1.0 + 0.1 * -4 / math.sqrt(second)
    expected = 1 - 0.05 * 1.0 - 0.1 * first / (1 - 0.9**2)
    assert p.item() == pytest.approx(expected, rel=1e-5)


def test_the_rate_falls_with_what_is_left_of_the_budget():
    for remaining, expected in ((1.0, 0.1), (0.25, 0.025), (0.0, 0.0)):
        p = torch.tensor([1.0])
        Optimizer([p], config(learning_rate="lin_0.1", clip=1e9)).step([torch.ones(1)], remaining)
        assert 1 - p.item() == pytest.approx(expected, abs=1e-6)


def test_a_gradient_is_clipped_to_a_share_of_its_own_parameters_norm():
    parameters = [torch.tensor([3.0, 4.0]), torch.zeros(2), torch.tensor([3.0, 4.0])]
    gradients = [torch.tensor([30.0, 40.0]), torch.tensor([3.0, 4.0]), torch.tensor([0.3, 0.4])]
    clip(gradients, parameters, 0.3)

    assert gradients[0].tolist() == pytest.approx([0.9, 1.2])  # norm 0.3 * 5
    assert gradients[1].norm().item() == pytest.approx(0.3 * 1e-3)
    assert gradients[2].tolist() == pytest.approx([0.3, 0.4])


# Sizes


def counted(observation, actions, *, deter, groups, classes, units, blocks, layers, bins):
    """Parameters of the model for vectors, from the widths alone."""

    def dense(width):
        return (width + 1) * units + 2 * units

    def perceptron(width, depth, out):
        return dense(width) + (depth - 1) * dense(units) + (units + 1) * out

    latent = groups * classes
    features, block = deter + latent, deter // blocks
    # A constant stands beside what is seen, and beside the action.
    encoder = dense(observation + 1) + (layers - 1) * dense(units)
    core = dense(deter) + dense(latent) + dense(actions + 1)
    core += blocks * (block + 3 * units + 1) * block + 2 * deter
    core += blocks * (block + 1) * 3 * block
    prior = perceptron(deter, 2, latent)
    posterior = perceptron(deter + units, 1, latent)
    decoder = perceptron(features, layers, observation)
    heads = perceptron(features, 1, bins) + perceptron(features, 1, 1)
    actor, critic = perceptron(features, layers, actions), perceptron(features, layers, bins)
    return encoder + core + prior + posterior + decoder + heads + actor + 2 * critic


@pytest.mark.parametrize(("size", "bins", "expected"), [("cpu", 63, 246_980), ("1m", 255, 705_604)])
def test_the_number_of_parameters_is_exact(size, bins, expected):
    settings = Config(size=size, bins=bins)
    kind = Discrete(spaces.Discrete(2), 0.01)
    model = Model((4,), kind, settings, generator())
    names = ("deter", "groups", "classes", "units", "blocks", "layers", "bins")
    widths = {name: getattr(settings, name) for name in names}

    assert sum(p.numel() for p in model.parameters()) == expected
    assert counted(4, 2, **widths) == expected


def test_a_size_sets_the_widths_and_one_that_is_given_by_itself_wins():
    chosen = Config(size="12m", deter=1024)

    assert chosen.model_dump().items() >= (SIZES["12m"] | {"deter": 1024}).items()
    assert Config.model_validate(chosen.model_dump()) == chosen


@pytest.mark.parametrize(("key", "value"), [("bins", 64), ("blocks", 5), ("size", "2m")])
def test_widths_that_do_not_fit_are_refused(key, value):
    with pytest.raises(ValueError, match=key):
        Config(**{key: value})


def test_first_weights_have_the_deviation_of_their_fan_in_and_are_cut_at_two_of_its_normal():
    weight = linear(400, 300, generator()).weight
    blocks = BlockLinear(3, 400, 100, generator()).weight

    for found in (weight, blocks):
        assert found.std().item() == pytest.approx(400**-0.5, rel=0.01)
        assert found.abs().max().item() <= 2 * 1.1368 / 20
    assert linear(400, 300, generator(), scale=0.0).weight.count_nonzero() == 0
