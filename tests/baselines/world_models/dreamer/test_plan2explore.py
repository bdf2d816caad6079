"""Plan2Explore: what its ensemble learns, what it pays for, and who acts when."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_dreamer import (
    BUTTONS,
    GRADS,
    KINDS,
    SMALL,
    batch,
    draw,
    endless,
    flags,
    generator,
    shake,
)

from baselines.api import Task
from baselines.world_models.dreamer.plan2explore import (
    Config,
    Ensemble,
    ExploringModel,
    ExploringTrainer,
    Plan2Explore,
)
from baselines.world_models.dreamer.rssm import State, mixed

WIDTH, LATENT = 24, 12


def config(**changed):
    return Config(**(SMALL | {"members": 3} | changed))


def ensemble(**changed):
    return Ensemble(WIDTH, BUTTONS.width, config(**changed), generator())


def states(seed=0):
    return State(draw(6, 2, 12, seed=seed), mixed(draw(6, 2, 3, 4, seed=seed), 0.0).flatten(-2))


def trainer(kind=BUTTONS, **changed):
    settings = config(**changed)
    model = ExploringModel((3,), kind, settings, generator())
    shake(model)
    return ExploringTrainer(model, settings, generator(1))


def test_members_that_agree_pay_nothing_and_others_their_standard_deviation():
    alike, apart = ensemble(), ensemble()
    for member in alike.members:
        member.load_state_dict(alike.members[0].state_dict())
    features, actions = draw(5, WIDTH), BUTTONS.mode(draw(5, 3, seed=1))

    assert alike.disagreement(features, actions).abs().max() < 1e-6
    guesses = np.stack([
        member(torch.cat([features, actions], dim=-1)).detach().numpy() for member in apart.members
    ])  # fmt: skip
    found = apart.disagreement(features, actions).detach().numpy()
    np.testing.assert_allclose(found, guesses.std(axis=0).mean(axis=-1), rtol=1e-5)
    assert found.min() > 0


def test_a_guess_is_of_the_row_after_from_the_action_that_led_there_and_resets_do_not_count():
    judge, seen, rows = ensemble(), states(), batch(first=flags((2, 0), (4, 1)))
    inputs = torch.cat([seen.features()[:-1], rows.action[1:]], dim=-1)
    squared = torch.stack([member(inputs) for member in judge.members]) - seen.stoch[1:]
    each = squared.pow(2).sum(dim=-1).mean(dim=0)
    each[1, 0] = each[3, 1] = 0.0

    torch.testing.assert_close(judge.loss(seen, rows), each.sum() / 8)


def test_the_ensemble_teaches_the_states_nothing():
    seen = State(*(part.requires_grad_() for part in states()))

    ensemble().loss(seen, batch()).backward()

    assert seen.deter.grad is None and seen.stoch.grad is None


def test_what_was_learned_pays_less_than_what_was_not():
    judge, rows = ensemble(), batch(T=40)
    seen = State(draw(40, 2, 12), mixed(draw(40, 2, 3, 4), 0.0).flatten(-2))
    optimizer = torch.optim.Adam(judge.parameters(), 1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        judge.loss(seen, rows).backward()
        optimizer.step()

    known = judge.disagreement(seen.features()[:-1], rows.action[1:]).mean()
    new = judge.disagreement(3 * draw(40, WIDTH, seed=5), rows.action[:, 0]).mean()
    assert new > 2 * known


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("grad", GRADS)
def test_an_update_moves_the_explorer_and_its_ensemble_too(kind, grad):
    learner = trainer(kind, actor_grad=grad, tau=0.5)
    before = {name: value.clone() for name, value in learner.model.state_dict().items()}

    metrics = learner.update(batch(kind=kind))

    after = learner.model.state_dict()
    still = {name for name in after if torch.equal(after[name], before[name])}
    assert not {name for name in still if name.startswith(("explorer.", "ensemble."))}
    assert all(torch.isfinite(value) for value in metrics.values())
    assert metrics["dream/explorer_reward"] > 0


@pytest.mark.parametrize("grad", GRADS)
def test_the_explorer_changes_nothing_of_the_task(grad):
    """Model, task's actor and task's critic learn from one update what Dreamer's would."""

    def after(ent_coef):
        learner = trainer(actor_grad=grad)
        learner.model.explorer.config = config(actor_grad=grad, ent_coef=ent_coef)
        learner.update(batch())
        return learner.model.state_dict()

    one, other = after(0.0), after(10.0)
    moved = {name for name in one if not torch.equal(one[name], other[name])}
    assert moved
    assert all(name.startswith("explorer.") for name in moved)


def agent(steps=40, seed=0, **changed):
    return Plan2Explore(Task(endless, steps=steps, seed=seed, env_seed=1000), config(**changed))


@pytest.mark.parametrize(("reward_free", "last"), [(0.0, 0), (0.5, 20), (1.0, 40)])
def test_the_explorer_acts_for_its_share_of_the_budget_and_then_the_task(reward_free, last):
    learner = agent(reward_free=reward_free, learning_starts=0, unimix=0.0)
    for action, behaviour in enumerate([learner.model, learner.model.explorer]):
        behaviour.actor[-1].bias.data[action] = 50.0  # so it takes none but this
    obs, mind = np.zeros((1, 3), np.float32), learner._initial(1)

    taken = [learner._act(obs, mind, step).action.argmax().item() for step in range(1, 41)]

    assert taken == [int(step <= last) for step in range(1, 41)]


def test_what_is_evaluated_is_the_tasks_actor():
    learner = agent()
    shake(learner.model)
    obs = np.zeros((1, 3), np.float32)
    before = learner.predict(obs)[1].action
    shake(learner.model.explorer)

    assert torch.equal(learner.predict(obs)[1].action, before)


def test_the_model_tells_how_far_its_heads_disagree_and_of_a_guess_the_mean_over_its_draws():
    agent = Plan2Explore(Task(endless, 10), config())
    shake(agent.model)
    model, rows = agent.dynamics(), np.random.default_rng(0).normal(size=(4, 3))
    seen, actions = model.begin(rows.astype(np.float32)), np.array([0, 1, 2, 0])
    code = model.actions.encode(actions)
    apart = model.disagreement(seen, actions)
    guess, _ = model.step(seen, actions)
    draws = guess.state.features().view(4, -1, guess.state.features().shape[-1])

    with torch.no_grad():
        now = agent.model.ensemble.disagreement(seen.features(), code)
        later = torch.stack([
            agent.model.ensemble.disagreement(each, row.expand(len(each), -1)).mean()
            for each, row in zip(draws, code, strict=True)
        ])  # fmt: skip
    np.testing.assert_allclose(apart, now, rtol=1e-5)
    np.testing.assert_allclose(model.disagreement(guess, actions), later, rtol=1e-5)
    assert isinstance(model.tempered(0.5), type(model))
