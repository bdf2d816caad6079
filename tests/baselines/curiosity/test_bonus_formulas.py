"""Each bonus is the formula of its paper: closed forms, and naive loops that agree with it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from small_curiosity import NOWHERE, B, D, T, draw, learn, line, make, transitions, walk, wander

from baselines.curiosity.bonus import Transitions
from baselines.curiosity.disagreement import Disagreement
from baselines.curiosity.e3b import E3B, elliptical
from baselines.curiosity.episodic import EpisodeMemory
from baselines.curiosity.ngu import NGU, episodic_novelty
from baselines.curiosity.noveld import NovelD
from baselines.curiosity.rf import RF
from baselines.curiosity.ride import RIDE
from baselines.curiosity.visits import Visits, digests, earlier

# ICM


def test_the_loss_of_icm_weighs_the_guess_of_the_action_against_the_forward_error():
    steps = walk(draw(T + 1, B, D)).flat()
    both, inverse, forward = (make("icm", forward_weight=w).loss(steps) for w in (0.2, 0.0, 1.0))
    torch.testing.assert_close(both, 0.8 * inverse + 0.2 * forward)
    torch.testing.assert_close(forward, make("icm").reward(walk(draw(T + 1, B, D))).mean())


@pytest.mark.parametrize("stop", [False, True])
def test_the_forward_error_reaches_the_features_of_icm_unless_it_is_stopped(stop):
    bonus = make("icm", forward_weight=1.0, stop_gradient=stop)
    bonus.loss(walk(draw(T + 1, B, D)).flat()).backward()
    reached = bonus.features.encoder[0].weight.grad
    assert (reached is None or not reached.any()) == stop


def test_features_learn_to_tell_actions_apart():
    bonus, generator = make("icm"), torch.Generator().manual_seed(1)
    actions = torch.randint(2, (64, B, 1), generator=generator)
    obs = draw(64, B, D)
    after = obs.clone()
    after[..., 0] += 2.0 * actions[..., 0] - 1  # the action moves the first feature
    steps = Transitions(obs, actions.float(), after, *(torch.zeros(64, B, dtype=torch.bool),) * 2)

    def guess():
        flat = steps.flat()
        inside = bonus.features(flat.obs), bonus.features(flat.next_obs)
        return bonus.features.inverse_loss(*inside, flat.actions).item()

    before = guess()
    learn(bonus, steps)
    assert before > 0.6 and guess() < 0.1


# Forward errors and disagreement


@pytest.mark.parametrize("kind", [RF, Disagreement])
def test_random_features_never_learn_and_others_learn_from_the_inverse_model_alone(kind):
    steps = walk(draw(T + 1, B, D)).flat()
    frozen = make(kind)
    assert not any(weight.requires_grad for weight in frozen.features.parameters())
    bonus = make(kind, feature_space="inverse")
    bonus.loss(steps).backward()
    found = bonus.features.encoder[0].weight.grad.clone()
    bonus.zero_grad()
    inside = bonus.features(steps.obs), bonus.features(steps.next_obs)
    bonus.features.inverse_loss(*inside, steps.actions).backward()
    torch.testing.assert_close(bonus.features.encoder[0].weight.grad, found)


def test_members_of_an_ensemble_do_not_mix():
    steps = walk(draw(T + 1, B, D))
    bonus = make("disagreement", ensemble_size=3)
    before = bonus.predict(steps)
    bonus.dynamics.last.bias.data[1] += 1
    moved = bonus.predict(steps) - before
    torch.testing.assert_close(moved[1], torch.ones_like(moved[1]))
    assert not moved[[0, 2]].any()


def test_disagreement_is_the_variance_of_predictions_whatever_their_errors():
    bonus, steps = make("disagreement"), walk(draw(T + 1, B, D))
    expected = np.var(bonus.predict(steps).detach().numpy(), axis=0).mean(axis=-1)
    np.testing.assert_allclose(bonus.reward(steps), expected, rtol=1e-4)
    other = bonus.reward(steps._replace(next_obs=steps.next_obs + 5))
    assert torch.equal(bonus.reward(steps), other)
    for weight in bonus.dynamics.parameters():
        weight.data[:] = weight.data[:1].clone()  # all members wrong, and all alike
    assert bonus.reward(steps).max() < 1e-10


def test_each_member_learns_from_its_own_share_of_the_samples():
    bonus, seen = make("disagreement", loss_keep=0.8), []
    for _ in range(50):
        error = torch.ones(5, 200, requires_grad=True)
        bonus.weigh(error).backward()
        seen.append(error.grad * 200)
    weight = torch.stack(seen)
    torch.testing.assert_close(weight[weight > 0], torch.full_like(weight[weight > 0], 1 / 0.8))
    assert 0.78 < (weight > 0).float().mean() < 0.82
    assert not torch.equal(weight[0, 0], weight[0, 1])


@pytest.mark.slow
def test_noise_keeps_the_forward_error_up_and_ends_disagreement():
    corners, found = draw(4, D), {}
    for kind in (RF, Disagreement):
        bonus = make(kind)
        bonus.update(wander(corners, 64))
        noise = bonus.features(corners).var(dim=0, correction=0).mean()  # nothing can foretell it
        for seed in range(120):  # where a step ends is pure chance
            learn(bonus, wander(corners, 64, seed), passes=1)
        found[kind] = (bonus.reward(wander(corners, 64, seed=1000)).mean() / noise).item()
    assert found[RF] > 0.8
    assert found[Disagreement] < 0.1


def test_the_fixed_scale_is_that_of_the_first_rollout_with_one_deviation_for_all_features():
    bonus = make("rf")
    obs = draw(500, D) * torch.tensor([1.0, 2.0, 3.0, 4.0]) + 7
    bonus.update(transitions(obs))
    bonus.update(transitions(100 + obs))
    scaled = bonus.features.scale(obs)
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(D), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        scaled, (obs - obs.mean(dim=0)) / obs.std(dim=0, correction=0).mean()
    )


# Counts


def test_counts_are_exact_over_rollouts_and_environments():
    bonus, steps = make("count"), walk(line(0, 1, 2, 1, 1, envs=2))
    expected = torch.tensor([[1.0, 2], [1, 2], [3, 4], [5, 6]]).rsqrt()  # by time, then environment
    torch.testing.assert_close(bonus.reward(steps), expected)
    bonus.update(steps)
    torch.testing.assert_close(
        bonus.reward(walk(line(2, 1, 3)))[:, 0], torch.tensor([7.0, 1]).rsqrt()
    )


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("lifelong", [1, 1 / 2**0.5, 1, 1 / 3**0.5]),
        ("episodic", [1, 1 / 2**0.5, 1 / 2**0.5, 1]),  # 0 is where the first episode began
        ("first_visit", [1, 0, 0, 1]),
        ("lifelong_first_visit", [1, 0, 0, 1 / 3**0.5]),
    ],
)
def test_counts_of_the_episode_begin_anew_and_know_where_it_began(scope, expected):
    ends = torch.tensor([[False], [False], [True], [False]])
    steps = Transitions(
        line(0, 1, 1, 5), torch.zeros(4, 1, 1), line(1, 1, 0, 1), ends, torch.zeros_like(ends)
    )
    bonus = make("count", count_scope=scope)
    torch.testing.assert_close(bonus.reward(steps)[:, 0], torch.tensor(expected).float())
    bonus.update(steps)
    again = bonus.reward(walk(line(1, 5)))[0, 0]  # the second episode has been there
    torch.testing.assert_close(
        again,
        torch.tensor({"lifelong": 1.0, "episodic": 0.5**0.5}.get(scope, 0.0)),
    )


def test_cells_of_a_width_are_counted_as_one():
    bonus = make("count", cell_width=0.5)
    raw = bonus.reward(walk(line(9, 0.0, 0.1, 0.4, 0.6)))[:, 0]
    torch.testing.assert_close(raw, torch.tensor([1.0, 2, 1, 2]).rsqrt())


def test_equal_observations_have_equal_digests_and_others_do_not():
    obs = draw(1000, D)
    assert len(digests(obs).unique()) == 1000
    assert torch.equal(digests(obs), digests(obs.clone()))
    assert torch.equal(digests(torch.zeros(1, D)), digests(-torch.zeros(1, D)))


def test_earlier_counts_within_a_rollout():
    digest = torch.tensor([[5, 7], [5, 5], [7, 9]])
    assert torch.equal(earlier(digest), torch.tensor([[0, 0], [1, 2], [1, 0]]))


def test_a_table_of_visits_takes_the_size_of_what_it_loads():
    visits, empty = Visits(), Visits()
    visits.add(torch.tensor([3, 3, -8]))
    empty.load_state_dict(visits.state_dict())
    assert empty.count(torch.tensor([3, -8, 4])).tolist() == [2, 1, 0]


# Episodic bonuses


def test_a_step_looks_back_on_its_own_episode_only():
    generator = torch.Generator().manual_seed(0)
    keys = torch.arange(4 * T * B).reshape(4 * T, B)
    ends = torch.rand(4 * T, B, generator=generator) < 0.15
    memory = EpisodeMemory(dtype=torch.long)
    for start in range(0, 4 * T, T):
        part = slice(start, start + T)
        known, mask = memory.recall(keys[part], ends[part])
        for t, i in product(range(T), range(B)):
            begins = start + t
            while begins and not ends[begins - 1, i]:
                begins -= 1
            expected = keys[begins : start + t + 1, i]
            assert torch.equal(known[:, i][mask[t, :, i]], expected)
        memory.update(keys[part], ends[part])


def test_a_memory_keeps_the_newest_up_to_its_limit():
    memory = EpisodeMemory(dtype=torch.long, limit=3)
    memory.update(torch.arange(5)[:, None], torch.zeros(5, 1, dtype=torch.bool))
    assert memory.keys.flatten().tolist() == [2, 3, 4]


def algorithm_1(config, rows, ends):
    """Badia et al. 2020, one environment, one embedding after the other: (T,)."""
    lists, memory = [], [rows[0]]
    for seen, end in zip(rows[1:], ends, strict=True):
        apart = sorted(float(((seen - key) ** 2).sum()) for key in memory)[: config.neighbours]
        lists.append(apart)
        memory = [seen] if end else [*memory, seen]
    mean = np.mean([value for apart in lists for value in apart])
    found = []
    for apart in lists:
        near = np.maximum(np.array(apart) / mean - config.cluster_distance, 0)
        kernel = config.kernel_epsilon / (near + config.kernel_epsilon)
        similarity = np.sqrt(kernel.sum()) + config.pseudo_count
        found.append(0.0 if similarity > config.max_similarity else 1 / similarity)
    return np.array(found)


@pytest.mark.parametrize("most", [8.0, 1.5])
def test_the_episodic_term_of_ngu_is_its_algorithm_1(most):
    bonus = make("ngu", lifelong=False, neighbours=3, max_similarity=most)
    corners, order = draw(5, D), torch.tensor([0, 1, 0, 0, 2, 0, 0, 3, 3, 4])
    ends = torch.zeros(9, 1, dtype=torch.bool)
    ends[5] = True
    places = corners[order][:, None]
    raw = bonus.reward(walk(places, ends))[:, 0]
    rows = bonus.features(places[:, 0]).detach().numpy().astype(float)
    # The walk goes on from where the episode ended, so that observation begins the next one.
    np.testing.assert_allclose(raw, algorithm_1(bonus.config, rows, ends[:, 0]), rtol=1e-3)
    assert (raw == 0).any() == (most < 8)


def test_the_kernel_of_ngu_at_its_two_ends():
    config = NGU.Config()
    here, far = torch.zeros(10), torch.full((10,), 1e9)
    one = torch.tensor(1.0)
    torch.testing.assert_close(
        episodic_novelty(here, one, config), torch.tensor(1 / (10**0.5 + 1e-3))
    )
    torch.testing.assert_close(
        episodic_novelty(far, one, config), torch.tensor(1e3), rtol=1e-2, atol=0
    )


def test_ngu_does_not_depend_on_the_size_of_its_embeddings():
    found, steps = [], walk(draw(T + 1, B, D))
    for factor in (1.0, 10.0):
        bonus = make("ngu", lifelong=False)
        bonus.features.encoder[-1].weight.data *= factor
        found.append(bonus.reward(steps))
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-5)


def test_the_lifelong_term_of_ngu_raises_the_bonus_at_most_by_its_limit_and_never_lowers_it():
    steps = walk(draw(64, B, D))
    both, alone = make("ngu", max_lifelong=1.5), make("ngu", max_lifelong=1.5, lifelong=False)
    ratio = both.reward(steps) / alone.reward(steps)
    assert ratio.min().item() == pytest.approx(1) and ratio.max().item() == pytest.approx(1.5)
    assert len(ratio.unique()) > 10


def test_the_elliptical_bonus_is_that_of_the_direct_inverse():
    keys, seen = draw(T, B, D).double(), draw(T, B, D, seed=1).double()
    before = draw(B, 5, D, seed=2).double()
    ends = NOWHERE.clone()
    ends[2, 1] = ends[4, 0] = True
    found = elliptical(keys, seen, ends, before.mT @ before, 0.1)
    for i in range(B):
        rows = list(before[i])
        for t in range(T):
            rows.append(keys[t, i])
            matrix = 0.1 * torch.eye(D).double() + sum(torch.outer(row, row) for row in rows)
            expected = seen[t, i] @ torch.linalg.inv(matrix) @ seen[t, i]
            torch.testing.assert_close(found[t, i], expected)
            rows = [] if ends[t, i] else rows


def test_the_elliptical_bonus_is_the_same_in_one_rollout_and_in_two():
    places, ends = draw(2 * T + 1, B, D), torch.zeros(2 * T, B, dtype=torch.bool)
    ends[3, 0] = ends[T - 1, 1] = ends[T + 2, 2] = True
    steps, bonus = walk(places, ends), make(E3B)
    whole = bonus.reward(steps)
    parts = [steps.at(part) for part in (slice(T), slice(T, None))]
    first = bonus.reward(parts[0])
    bonus.update(parts[0])
    torch.testing.assert_close(torch.cat([first, bonus.reward(parts[1])]), whole)


def test_the_elliptical_bonus_of_random_features_has_nothing_to_learn():
    bonus = make(E3B, feature_space="random")
    loss = bonus.loss(walk(draw(T + 1, B, D)).flat())
    assert loss == 0 and loss.requires_grad


# RIDE and NovelD: by hand, then against a loop that goes from step to step


def round_trip(**ends):
    """From 0 over 1, 1, 3 and 1 to 3; the fourth step may end the first episode at 1."""
    after = line(1, 1, 3, 1, 3)
    over = {name: torch.tensor([[0], [0], [0], [end]]) > 0 for name, end in ends.items()}
    flags = {name: torch.cat([over[name], over[name][:1]]) for name in over}
    steps = transitions(after, **flags)
    return steps._replace(obs=line(0, 1, 1, 3, 1))


@pytest.mark.parametrize(
    ("ends", "last"),
    [
        ({}, 4 / 2**0.5),  # the second time at 3
        ({"terminated": True}, 4.0),
        ({"truncated": True}, 4.0),  # the first time in its episode
    ],
)
def test_ride_pays_for_the_distance_by_the_root_of_the_visits_of_the_episode(ends, last):
    bonus = make(RIDE, feature_space="pixels")  # four equal numbers: the distance is twice theirs
    steps = round_trip(**ends)
    expected = [2.0, 0.0, 4.0, 4 / 3**0.5, last]  # the third time at 1 is the fourth step
    torch.testing.assert_close(bonus.reward(steps)[:, 0], torch.tensor(expected))
    bonus.update(steps)
    again = bonus.reward(walk(line(3, 1)))[0, 0]  # at 1 three times so far, or where it began
    visits = 2 if ends else 4
    torch.testing.assert_close(again, torch.tensor(4 / visits**0.5))


def test_ride_learns_the_features_that_icm_learns():
    steps = walk(draw(T + 1, B, D)).flat()
    torch.testing.assert_close(make("ride").loss(steps), make("icm").loss(steps), rtol=0, atol=0)


def known(bonus):
    """NovelD with the novelty of an observation set to its first number."""
    bonus.novelty = lambda obs: obs[..., 0].pow(2)  # of RND: a squared distance
    return bonus


@pytest.mark.parametrize(
    ("ends", "last"),
    [({}, 0.0), ({"terminated": True}, 2.5), ({"truncated": True}, 2.5)],
)
def test_noveld_pays_for_the_gain_in_novelty_at_the_first_visit_of_the_episode(ends, last):
    bonus, steps = known(make(NovelD)), round_trip(**ends)
    # 1 - 0.5 * 0; again at 1; 3 - 0.5 * 1; again at 1; and 3 - 0.5 * 1 again, if it counts.
    torch.testing.assert_close(bonus.reward(steps)[:, 0], torch.tensor([1.0, 0.0, 2.5, 0.0, last]))
    bonus.update(steps)
    assert bonus.reward(walk(line(3, 1)))[0, 0] == 0  # it has been at 1


def test_noveld_never_pays_less_than_nothing_and_alpha_weighs_what_was_left():
    for alpha, expected in ((0.0, 2.0), (0.5, 0.5), (0.9, 0.0), (1.0, 0.0)):
        bonus = known(make(NovelD, alpha=alpha))
        assert bonus.reward(walk(line(3, 2))).item() == pytest.approx(expected)


def test_the_novelty_of_noveld_is_the_distance_between_the_networks_of_rnd():
    bonus, steps = make(NovelD, alpha=0.0), walk(draw(T + 1, B, D))
    bonus.update(walk(draw(T + 1, B, D, seed=1)))
    seen = bonus.whiten(steps.next_obs)
    apart = (bonus.predictor(seen) - bonus.target(seen)).norm(dim=-1)
    torch.testing.assert_close(bonus.reward(steps), apart / bonus.config.features_dim**0.5)


@pytest.mark.parametrize("kind", [RIDE, NovelD])
def test_bonuses_of_first_and_later_visits_are_those_of_a_loop_over_two_rollouts(kind):
    generator = torch.Generator().manual_seed(3)
    corners = draw(4, D)
    places = corners[torch.randint(4, (2 * T + 1, B), generator=generator)]
    ends = torch.rand(2 * T, B, generator=generator) < 0.2
    steps, bonus = walk(places, ends), make(kind)
    parts = [steps.at(part) for part in (slice(T), slice(T, None))]
    found = []
    for part in parts:
        found.append(bonus.reward(part))
        bonus.episode.update(digests(part.obs), part.terminated)  # and nothing else is learned
    for i in range(B):
        visited = [places[0, i]]
        for t in range(2 * T):
            before, after = places[t, i], places[t + 1, i]
            visits = sum(torch.equal(after, place) for place in visited)
            if kind is RIDE:
                expected = (bonus.features(after) - bonus.features(before)).norm()
                expected = expected / (visits + 1) ** 0.5
            else:
                new, old = bonus.novelty(after).sqrt(), bonus.novelty(before).sqrt()
                expected = (visits == 0) * max(new - 0.5 * old, torch.zeros(()))
            torch.testing.assert_close(torch.cat(found)[t, i], expected, rtol=1e-4, atol=1e-6)
            visited = [after] if ends[t, i] else [*visited, after]
