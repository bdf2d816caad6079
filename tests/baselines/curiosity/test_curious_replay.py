"""Off-policy curiosity: bonuses are fresh, fair to every end of an episode, and leave SB3 alone."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from family import some
from gymnasium import spaces
from probe_envs_agents import Corridor, Walk
from pydantic import ValidationError
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from tiny import each

from baselines import AGENTS, BONUSES, REPLAY, load_bonus, sb3
from baselines.api import NoProgress, Task
from baselines.curiosity.agent import agent_class, curious
from baselines.curiosity.bonus import Transitions
from baselines.curiosity.replay import Config, CuriousReplay, Novelty
from baselines.curiosity.rnd import RND
from harness.config.shipped import shipped
from harness.config.strict import load

ALGORITHMS = [name for name, entry in AGENTS.items() if entry.bonuses == REPLAY]
STEPWISE = [name for name in BONUSES if load_bonus(name).reach == "step"]
DQN_RND = agent_class("dqn", "rnd")
SMALL = {"learning_starts": 20, "buffer_size": 500, "batch_size": 16, "train_freq": 4}
NET = {"net_arch": [8]}
LINE = spaces.Box(-1, 100, (1,), np.float32)
SOON = {"warmup_steps": 20, "bonus_batch_size": 8}


class Novel(torch.nn.Module):
    """A bonus without randomness: what it saw is worth less each time; it keeps what it was told.

    Worth 1 for observations up to 10 and 100 beyond, divided by one more than its visits.
    """

    infos = ()

    def __init__(self, obs_dim=1):
        super().__init__()
        self.told: list[Transitions] = []
        self.visits: dict[float, int] = {}

    def reward(self, steps):
        places = steps.next_obs[..., 0].double()
        visits = [self.visits.get(float(place), 0) for place in places.flatten()]
        return torch.where(places > 10, 100.0, 1.0) / (1 + torch.tensor(visits).view(places.shape))

    def update(self, steps):
        self.told.append(steps)
        for place in steps.next_obs[..., 0].flatten().tolist():
            self.visits[place] = self.visits.get(place, 0) + 1


def env_of(algorithm: str):
    box = algorithm in ("sac", "tqc")
    return lambda: Walk(spaces.Box(-2.0, 2.0, (1,), np.float32) if box else spaces.Discrete(3))


def make(algorithm="dqn", env=None, vec=None, n_envs=2, seed=0, sb3_fields=None, **options):
    envs = vec or DummyVecEnv([env or env_of(algorithm)] * n_envs)
    return curious(algorithm)(
        "MlpPolicy",
        envs,
        bonus="rnd",
        curiosity=Config(**SOON | options),
        seed=seed,
        device="cpu",
        policy_kwargs=dict(NET),  # SB3 adds to it
        **SMALL | (sb3_fields or {}),
    )


def replay(bonus=None, n_envs=1, env=None, size=100, **options) -> CuriousReplay:
    """A buffer of one-dimensional observations, already attached."""
    buffer = CuriousReplay(size * n_envs, LINE, spaces.Discrete(2), "cpu", n_envs=n_envs)
    config = Config(
        **{"warmup_steps": 0, "bonus_batch_size": 4, "normalize_reward": False} | options
    )
    novelty = Novelty(bonus or Novel(), config, gamma=0.9, n_envs=n_envs, seed=0)
    buffer.attach(novelty, env)
    return buffer


def put(buffer: CuriousReplay, places, reward=0.0, done=False, truncated=False) -> None:
    """One step of each environment, which ends at these places."""
    places = np.array(places, np.float32).reshape(-1, 1)
    n, infos = len(places), [{"TimeLimit.truncated": truncated} for _ in places]
    action = np.zeros(n, int)
    buffer.add(places, places, action, np.full(n, reward), np.full(n, done), infos)


def rewards_of(buffer: CuriousReplay, rows, env=None) -> np.ndarray:
    return buffer._get_samples(np.array(rows), env).rewards.numpy()[:, 0]


# The buffer


def test_a_stored_step_is_paid_what_it_is_worth_when_it_is_sampled():
    buffer = replay()
    for _ in range(4):
        put(buffer, [1])
    assert rewards_of(buffer, [0, 3]).tolist() == pytest.approx([1 / 5] * 2)
    for _ in range(4):
        put(buffer, [1])
    assert rewards_of(buffer, [0, 7]).tolist() == pytest.approx([1 / 9] * 2)


def test_sampling_a_step_again_and_again_does_not_make_it_less_new():
    buffer = replay(RND(LINE, spaces.Discrete(2), RND.Config(), torch.Generator().manual_seed(0)))
    for place in (1, 2, 3, 4):
        put(buffer, [place])
    first = rewards_of(buffer, [0, 1, 2, 3])
    for _ in range(50):
        again = rewards_of(buffer, [0, 1, 2, 3])
    assert (first > 0).all()
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("n_envs", [1, 3])
def test_every_step_is_learned_once_in_time_order_even_around_the_end_of_the_buffer(n_envs):
    buffer = replay(n_envs=n_envs, size=10, bonus_batch_size=4 * n_envs)
    for time in range(24):
        put(buffer, [time + 100 * env for env in range(n_envs)])
    told = torch.cat([steps.next_obs[..., 0] for steps in buffer.novelty.bonus.told])
    expected = torch.arange(24.0)[:, None] + 100 * torch.arange(n_envs)
    assert torch.equal(told, expected)


@pytest.mark.parametrize("truncated", [False, True])
def test_a_bonus_is_told_how_an_episode_ended(truncated):
    buffer = replay(bonus_batch_size=2)
    put(buffer, [1])
    put(buffer, [2], done=True, truncated=truncated)
    (steps,) = buffer.novelty.bonus.told
    ends = torch.tensor([[False], [True]])
    assert torch.equal(steps.truncated if truncated else steps.terminated, ends)
    assert not (steps.terminated if truncated else steps.truncated).any()


@pytest.mark.parametrize(("int_coef", "ext_coef"), [(0.0, 1.0), (0.5, 1.0), (0.5, 2.0), (1.0, 0.0)])
def test_the_reward_is_the_weighted_sum_of_the_two(int_coef, ext_coef):
    buffer = replay()
    buffer.int_coef, buffer.ext_coef = int_coef, ext_coef
    for _ in range(4):
        put(buffer, [50], reward=3.0)
    assert rewards_of(buffer, [0])[0] == pytest.approx(int_coef * 100 / 5 + ext_coef * 3)


def test_nothing_is_paid_for_the_first_steps_and_the_deviation_begins_after_they_were_learned():
    bonus = RND(LINE, spaces.Discrete(2), RND.Config(), torch.Generator().manual_seed(0))
    options = {"warmup_steps": 12, "warmup_epochs": 20, "normalize_reward": True}
    buffer = replay(bonus, **options, bonus_learning_rate=1e-2)
    for time in range(11):
        put(buffer, [time % 4], reward=1.0)
    untrained = bonus.reward(buffer._latest(11)).std()
    assert rewards_of(buffer, [0, 5, 10]).tolist() == [1, 1, 1]
    assert buffer.novelty.moments.count == 0
    put(buffer, [3], reward=1.0)
    assert buffer.novelty.moments.count == 12
    assert buffer.novelty.moments.var.sqrt() < untrained / 2
    assert (rewards_of(buffer, [0, 5, 10]) > 1).all()


def test_the_bonus_is_divided_by_the_deviation_of_its_discounted_sums_over_time():
    buffer = replay(n_envs=2, bonus_batch_size=8, normalize_reward=True)
    raw = np.array([[1, 1], [1 / 1, 100], [1, 100], [1, 1]])
    for left, right in ((1, 5), (2, 50), (3, 60), (4, 6)):
        put(buffer, [left, right])
    sums, carry = [], np.zeros(2)
    for now in raw:
        carry = 0.9 * carry + now
        sums.append(carry)
    assert float(buffer.novelty.moments.var) == pytest.approx(np.var(sums))
    now_worth = buffer.novelty.bonus.reward(buffer._latest(4)) / np.std(sums)
    np.random.seed(0)
    sampled = buffer._get_samples(np.repeat(np.arange(4), 20))
    worth = dict(zip([1, 5, 2, 50, 3, 60, 4, 6], now_worth.flatten().tolist(), strict=True))
    places = sampled.next_observations[:, 0].tolist()
    expected = [worth[place] for place in places]
    assert set(places) == set(worth)
    np.testing.assert_allclose(sampled.rewards[:, 0], expected, rtol=1e-5)


def test_a_deviation_with_a_memory_forgets_and_its_floor_stays():
    units = {}
    for kind, floor in (("running", 0.5), ("moving", 0.0), ("moving", 0.5)):
        options = {"deviation": kind, "deviation_memory": 8, "deviation_floor": floor}
        buffer = replay(normalize_reward=True, **options)
        for step in range(200):
            put(buffer, [50])  # new at first, then worth less and less
            if step == 3:
                first = float(buffer.novelty.unit())
        units[kind, floor] = float(buffer.novelty.unit())
    assert units["moving", 0.0] < units["running", 0.5] / 2
    assert units["moving", 0.5] == pytest.approx(first / 2)


def test_the_bonus_sees_normalised_observations_and_is_added_to_normalised_rewards():
    envs = VecNormalize(DummyVecEnv([Corridor]))
    envs.obs_rms.mean, envs.obs_rms.var = np.array([2.0]), np.array([4.0])
    envs.ret_rms.var = np.array(25.0)
    buffer = replay(env=envs)
    for place in (2, 4, 6, 8):
        put(buffer, [place], reward=10.0)
    told = buffer.novelty.bonus.told[0].next_obs.flatten()
    sampled = buffer._get_samples(np.arange(4), envs)
    torch.testing.assert_close(told, torch.tensor([0.0, 1.0, 2.0, 3.0]), rtol=0, atol=1e-4)
    torch.testing.assert_close(sampled.next_observations[:, 0], told)
    assert buffer.next_observations[:4].flatten().tolist() == [2, 4, 6, 8]
    assert buffer.rewards[:4].flatten().tolist() == [10] * 4
    np.testing.assert_allclose(sampled.rewards[:, 0], [10 / 5 + 1 / 2] * 4, rtol=1e-5)


def test_memory_optimisation_is_refused():
    box = spaces.Box(-1, 1, (1,), np.float32)
    with pytest.raises(ValueError, match="optimize_memory_usage"):
        CuriousReplay(
            10,
            box,
            spaces.Discrete(2),
            optimize_memory_usage=True,
            handle_timeout_termination=False,
        )


# The learners


@pytest.mark.parametrize("algorithm", each(ALGORITHMS))
def test_without_a_bonus_it_is_the_plain_algorithm_bit_for_bit(algorithm):
    ours = make(algorithm, int_coef=0.0).learn(300)
    plain = sb3.agent_class(algorithm).algorithm(
        "MlpPolicy",
        DummyVecEnv([env_of(algorithm)] * 2),
        seed=0,
        device="cpu",
        policy_kwargs=dict(NET),
        **SMALL,
    )
    theirs = plain.learn(300).policy.state_dict()
    assert ours.novelty.warm and ours._n_updates > 10
    for name, value in ours.policy.state_dict().items():
        assert torch.equal(value, theirs[name]), name


@pytest.mark.parametrize("algorithm", each(ALGORITHMS))
def test_with_a_bonus_it_learns_something_else(algorithm):
    plain, ours = (make(algorithm, int_coef=c).learn(100).policy for c in (0.0, 1.0))
    weights = zip(plain.parameters(), ours.parameters(), strict=True)
    assert not all(torch.equal(one, other) for one, other in weights)


@pytest.mark.parametrize("truncates", [False, True])
def test_the_last_observation_earns_its_bonus_and_only_a_termination_ends_the_return(truncates):
    model = make(env=lambda: Corridor(5, truncates), n_envs=1, normalize_reward=False)
    model.novelty.bonus = Novel()
    model.novelty.optimizer = None
    model.learn(40)
    sampled = model.replay_buffer._get_samples(np.arange(40))
    last = sampled.next_observations[:, 0] == 99
    assert last.nonzero().flatten().tolist() == list(range(4, 40, 5))
    visits = model.novelty.bonus.visits[99.0]
    torch.testing.assert_close(sampled.rewards[last, 0] - 1, torch.full((8,), 100 / (1 + visits)))
    assert torch.equal(sampled.dones[:, 0].bool(), last & (not truncates))


@pytest.mark.parametrize("algorithm", each(ALGORITHMS, slow={"sac"}))
def test_a_saved_learner_gives_the_same_bonus(algorithm, tmp_path):
    cls = agent_class(algorithm, "rnd")
    config = cls.Config(**SMALL | SOON, policy_kwargs=NET)
    trained, loaded = (cls(Task(env_of(algorithm), 200, seed=s), config) for s in (0, 1))
    trained.learn(NoProgress())
    trained.save(tmp_path)
    loaded.load(tmp_path)
    by_sb3 = curious(algorithm).load(tmp_path / "model.zip", device="cpu")
    obs = torch.arange(12.0).reshape(1, 4, 3)
    ends = torch.zeros(1, 4, dtype=torch.bool)
    steps = Transitions(obs, torch.zeros(1, 4, 1), obs, ends, ends)
    price = trained.model.novelty.price(steps)
    assert (price > 0).all()
    for model in (loaded.model, by_sb3):
        assert torch.equal(model.novelty.price(steps), price)
    state = by_sb3.novelty.optimizer.state_dict()["state"]
    assert state[0]["step"] == trained.model.novelty.optimizer.state_dict()["state"][0]["step"]


def test_a_saved_replay_buffer_and_another_environment_go_on_with_the_learner_s_own(tmp_path):
    model = make().learn(104)
    model.save_replay_buffer(tmp_path / "buffer.pkl")
    again = make(seed=1)
    again.load_replay_buffer(tmp_path / "buffer.pkl")
    assert again.replay_buffer.novelty is None and again.replay_buffer.size() == 52
    again.learn(100)
    assert again.replay_buffer.novelty is again.novelty and again.novelty.warm


@pytest.mark.parametrize("algorithm", each(ALGORITHMS, slow={"sac"}))
def test_equal_seeds_learn_equal_weights_and_another_bonus_seed_pays_otherwise(algorithm):
    one, same, other = (make(algorithm, seed=seed).learn(200) for seed in (0, 0, 1))
    for module in ("policy", "novelty"):
        found, again = (getattr(model, module).state_dict() for model in (one, same))
        assert all(torch.equal(value, again[name]) for name, value in found.items())
    assert one.novelty.warm
    weights = (model.novelty.bonus.target[0].weight for model in (one, other))
    assert not torch.equal(*weights)


def test_it_learns_with_normalised_observations_and_rewards():
    vec = VecNormalize(DummyVecEnv([env_of("dqn")] * 2))
    model = make(vec=vec).learn(300)
    sampled = model.replay_buffer.sample(200, env=vec)
    model.replay_buffer.int_coef = 0.0
    np.random.seed(0)
    plain = model.replay_buffer._get_samples(np.arange(50), vec).rewards
    model.replay_buffer.int_coef = 1.0
    np.random.seed(0)
    assert (model.replay_buffer._get_samples(np.arange(50), vec).rewards > plain).all()
    assert sampled.rewards.isfinite().all()


def test_the_coefficient_falls_in_a_straight_line_to_its_share_at_the_end():
    model, seen = make(int_coef=2.0, int_coef_end=0.25), []
    sample = model.replay_buffer.sample

    def watched(*args, **kwargs):
        seen.append(model.replay_buffer.int_coef)
        return sample(*args, **kwargs)

    model.replay_buffer.sample = watched
    model.learn(400)  # an update every 8 steps, after the 24th
    np.testing.assert_allclose(seen, 2 - 1.5 * np.arange(24, 401, 8) / 400)


@pytest.mark.parametrize("algorithm", each(ALGORITHMS))
def test_n_step_returns_are_refused(algorithm):
    cls = agent_class(algorithm, "rnd")
    with pytest.raises(ValidationError, match="single steps, not n-step returns"):
        cls.Config(n_steps=3)
    with pytest.raises(ValueError, match="single steps, not n-step returns"):
        make(algorithm, sb3_fields={"n_steps": 3})


@pytest.mark.parametrize("algorithm", each(ALGORITHMS))
def test_the_config_is_the_algorithm_s_the_curiosity_s_and_the_bonus_s(algorithm):
    fields = set(agent_class(algorithm, "rnd").Config.model_fields)
    plain = set(sb3.agent_class(algorithm).Config.model_fields)
    assert fields == plain | set(Config.model_fields) | set(RND.Config.model_fields)


@pytest.mark.parametrize("bonus", [name for name in BONUSES if name not in STEPWISE])
def test_a_bonus_that_needs_a_whole_rollout_is_refused(bonus):
    with pytest.raises(ValueError, match=f"bonus {bonus} .* CuriousDQN takes one"):
        curious("dqn")("MlpPolicy", DummyVecEnv([Corridor]), bonus=bonus)


@pytest.mark.parametrize("name", STEPWISE)
@pytest.mark.parametrize("algorithm", some(["dqn", "sac"], but={"sac"}))
def test_a_bonus_prices_a_sample_as_it_would_price_each_step_alone(algorithm, name):
    cls = agent_class(algorithm, name)
    model = cls(
        Task(env_of(algorithm), 100), cls.Config(**SMALL | SOON, policy_kwargs=NET)
    ).model.learn(100)
    steps = model.replay_buffer._latest(20)
    steps = steps.each(lambda part: torch.cat([part, part]).flatten(0, 1)[None])
    together = model.novelty.price(steps)
    for i in range(20):
        alone = model.novelty.price(steps.each(lambda part, i=i: part[:, i : i + 1]))
        torch.testing.assert_close(alone, together[:, [i]], rtol=1e-3, atol=1e-6)


def test_a_bonus_is_told_the_actions_that_the_environment_took():
    taken = []

    class Seen(gym.Wrapper):
        def step(self, action):
            taken.append(float(action[0]))
            return super().step(action)

    model = make("sac", env=lambda: Seen(env_of("sac")()), n_envs=1).learn(100)
    told = model.replay_buffer._latest(100).actions
    assert np.abs(taken).max() > 1.1
    np.testing.assert_allclose(told.flatten(), taken, rtol=1e-5, atol=1e-6)


def test_the_ablation_gives_dqn_the_settings_that_dqn_with_a_bonus_ships_with():
    base = load(shipped("ablations") / "dqn_rnd.yaml").data["base"]["hparams"]
    ours = load(shipped("configs/agents") / "dqn_rnd.yaml").data["envs"]["DeepSea-*"]["hparams"]
    config = AGENTS["dqn"].load().Config
    assert config(**base) == config(**{k: v for k, v in ours.items() if k in config.model_fields})


def test_dqn_has_the_same_settings_in_both_ablations_that_have_it():
    ours = load(shipped("ablations") / "exploration_noise.yaml").data["arms"]["action_noise"]
    base = dict(load(shipped("ablations") / "dqn_rnd.yaml").data["base"]["hparams"])
    assert base.pop("exploration_final_eps") in ours["grid"]["exploration_final_eps"]
    assert ours["hparams"] == base
