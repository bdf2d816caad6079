"""The agent of V, M and C: rounds of data, stages that stand alone, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces
from pydantic import ValidationError
from small_world_model import Counter, Picture, make, trained

from baselines.api import NoProgress, Sizes
from baselines.world_models import vae
from baselines.world_models.world_model import STAGES, WorldModel


def test_each_round_adds_its_part_of_the_budget_and_trains_again():
    lengths, agent = [], make(data={"rounds": 3})
    fit = agent.fit_vae

    def spy(progress, step):
        lengths.append((step, sum(len(one) for one in agent.train + agent.held_out)))
        fit(progress, step)

    agent.fit_vae = spy
    agent.learn(NoProgress())

    assert lengths == [(40, 40), (80, 80), (120, 120)]


def test_later_rounds_are_collected_by_the_controller():
    first = make(data={"rounds": 2, "exploration": 0.0})
    first.learn(NoProgress())
    chosen = first.train[-1]
    # With nothing but zeros in C every action is the first one.
    idle = make(data={"rounds": 2, "exploration": 0.0}, controller={"generations": 0})
    idle.learn(NoProgress())

    assert len({int(a) for one in idle.train[:3] for a in one.actions}) == 3
    assert not idle.train[-1].actions.any()
    assert chosen.actions.any()


@pytest.mark.parametrize(("share", "train", "held_out"), [(0.01, 2, 1), (0.99, 1, 2)])
def test_some_episodes_are_learned_from_and_some_are_held_out(share, train, held_out):
    agent = trained(Counter, steps=12, data={"validation": share})
    assert (len(agent.train), len(agent.held_out)) == (train, held_out)


def test_what_is_held_out_is_never_learned_from():
    agent = trained()
    held_out = {one.observations[0, 1] for one in agent.held_out}

    assert len(agent.held_out) == 1
    assert not held_out & {one.observations[0, 1] for one in agent.train}
    assert sum(len(one) for one in agent.train + agent.held_out) == 120


@pytest.mark.parametrize("kind", ["identity", "mlp"])
def test_a_stage_run_alone_on_loaded_stages_does_what_it_did_before(kind, tmp_path):
    groups = {"vae": {"kind": kind, "latent_size": 2, "net_arch": [4], "epochs": 1}}
    agent = trained(**groups)
    agent.save(tmp_path)
    other = make(**groups)
    for stage in STAGES[:3]:
        other.load_stage(stage, tmp_path)
    other.fit_controller(NoProgress(), 0)

    for key, value in agent.weights().items():
        np.testing.assert_array_equal(value, other.weights()[key], err_msg=key)


PPO_IN_DREAMS = {
    "learner": "ppo",
    "steps": 40,
    "hparams": {"n_envs": 2, "n_steps": 8, "batch_size": 8},
}


@pytest.mark.parametrize(
    "groups",
    [
        {"vae": {"kind": "mlp", "latent_size": 2, "epochs": 1}},
        {"controller": PPO_IN_DREAMS},
        {"rnn": {"trained": "none"}},
    ],
)
def test_every_stage_logs_its_losses_on_both_sides_of_the_split(groups):
    names = []

    class Diary(NoProgress):
        def log(self, step, metrics):
            assert all(type(value) is float for value in metrics.values())
            names.extend(metrics)

    make(**groups).learn(Diary())

    for stage in ["rnn"] + ["vae"] * ("vae" in groups):
        assert {f"train/{stage}_loss", f"validation/{stage}_loss"} <= set(names)
    assert {"dream/train_return", "dream/validation_return"} <= set(names)
    assert names.count("dream/final_return") == 1  # at the end, not of any generation


def test_pixels_go_through_all_stages():
    group = {"channels": [4, 4, 4, 4], "latent_size": 3, "epochs": 2, "batch_size": 20}
    agent = trained(Picture, steps=40, vae=group | {"learning_rate": 1e-2})
    first, _ = Picture().reset()
    actions, _ = agent.predict(first[None])

    assert actions.shape == (1,)
    assert agent.eye.decode(vae.encode(agent.eye, first[None]).mean).shape == (1, 64, 64, 3)
    assert vae.encode(agent.eye, np.stack([first] * 300)).mean.shape == (300, 3)


@pytest.mark.parametrize("kind", ["identity", "mlp"])
def test_vectors_are_scaled_by_the_first_data_and_come_back(kind):
    rng = np.random.default_rng(0)
    eye = vae.make_eye(spaces.Box(-9, 9, (2,), np.float32), vae.Config(kind=kind, latent_size=2))
    seen = (rng.normal(size=(500, 2)) * [3, 0.1] + [5, 0]).astype(np.float32)
    eye.see(seen)
    eye.see(seen * 10)

    scaled = eye.scale.read(seen)
    np.testing.assert_allclose(scaled.mean(dim=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(dim=0), 1, atol=1e-2)
    np.testing.assert_allclose(eye.scale.write(scaled), seen, atol=1e-5)


def test_a_vae_learns_to_reconstruct():
    agent = make(vae={"kind": "mlp", "latent_size": 3, "kl_coef": 0.001, "epochs": 200,
                      "learning_rate": 1e-2, "batch_size": 50}, rnn={"epochs": 0},
                 controller={"generations": 0})  # fmt: skip
    agent.learn(NoProgress())
    seen = np.concatenate([one.observations for one in agent.train])
    error = agent.eye.decode(vae.encode(agent.eye, seen).mean) - seen

    assert (error.std(axis=0) / seen.std(axis=0)).max() < 0.3


@pytest.mark.parametrize(
    "groups",
    [
        {"rnn": {"trained": "none"}},
        {"rnn": {"trained": "heads"}},
    ],
)
def test_a_reservoir_keeps_its_random_recurrent_weights(groups):
    before, after = make(**groups).weights(), trained(**groups).weights()
    changed = {key for key in before if not np.array_equal(before[key], after[key])}

    assert not any(key.startswith("rnn.rnn") for key in changed)
    heads = any(key.startswith("rnn.mixture") for key in changed)
    assert heads == (groups["rnn"]["trained"] == "heads")


def test_a_controller_without_memory_does_not_look_at_it():
    agent = trained(controller={"inputs": "z"})
    batch = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    _, state = agent.predict(batch, None, np.ones(5, bool))
    again, _ = agent.predict(batch, state + 1, np.zeros(5, bool))

    assert agent.dream(2).single_observation_space.shape == (3,)
    np.testing.assert_array_equal(again, agent.predict(batch)[0])


def test_the_memory_of_a_lane_ends_with_its_episode():
    agent = trained()
    batch = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    _, state = agent.predict(batch, None, np.array([True, True]))
    _, carried = agent.predict(batch, state, np.array([False, True]))
    _, fresh = agent.predict(batch, None, np.array([True, True]))

    assert not torch.equal(carried[0], fresh[0])
    torch.testing.assert_close(carried[1], fresh[1])


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        ({"controller": {"hparams": {"gamma": 0.9}}}, "cma has its settings"),
        ({"controller": {"learner": "ppo", "hparams": {"gama": 0.9}}}, "gama"),
        ({"controller": {"learner": "ppo", "hparams": {"normalize": True}}}, "scaled already"),
        ({"controller": {"learner": "ppo", "real_share": 0.5}}, "learns in dreams"),
        ({"controller": {"real_share": 0.5}, "data": {"rounds": 2}}, "rounds: must be 1"),
        ({"controller": {"patience": 5}}, "with a real_share above 0"),
        ({"controller": {"shared_starts": True}}, "with a real_share above 0"),
        ({"dream": {"temperature": 0.0}}, "temperature"),
        ({"rnn": {"hidden_size": 2.5}}, "hidden_size"),
    ],
)
def test_what_does_not_go_together_is_refused(groups, match):
    with pytest.raises(ValidationError, match=match):
        WorldModel.Config(**groups)


def test_images_of_another_size_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match="resize"):
        vae.make_eye(spaces.Box(0, 255, (84, 84, 3), np.uint8), vae.Config())


def test_the_real_steps_that_are_kept_are_part_of_the_memory_that_is_needed():
    pixels = Sizes(obs=12_288, obs_bytes=12_288, actions=3, steps=10_000)

    half, whole = (WorldModel.Config().memory(pixels._replace(steps=n)) for n in (5_000, 10_000))

    assert sum(whole.values()) - sum(half.values()) >= 5_000 * pixels.obs_bytes
