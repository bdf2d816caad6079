"""Episodes to hold a model against: three policies, on seeds that no training saw."""

from __future__ import annotations

from dataclasses import replace

from baselines.api import Agent
from baselines.classic.null import Null
from baselines.world_models.episode import Episode
from harness import agents
from harness.seeding import episode_seeds
from harness.train.recorder import recorded
from harness.train.trained import Trained

EPISODES, IMAGE_EPISODES = 20, 10  # of each policy


def held_out(run: Trained) -> dict[str, list[Episode]]:
    """The same episodes for all arms at one seed, but for those of the trained policy.

    The environment is the one that was trained in, with its reward: it is what the model is of.
    """
    spec, nobody = run.spec, replace(run.task, steps=0)
    null: Agent = Null(nobody, Null.Config(action=run.card.null_action))
    players = {"null": null, "random": agents.make("random", nobody, {}), "trained": run.agent}
    env = run.task.make_env()
    images = len(env.observation_space.shape or ()) == 3
    env.close()
    seeds = episode_seeds("model", spec.env, spec.seed, IMAGE_EPISODES if images else EPISODES)
    return {
        name: recorded(run.task.make_env, player, seeds, spec.evaluation.deterministic)[1]
        for name, player in players.items()
    }
