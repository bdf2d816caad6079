"""Every learner, with networks and rollouts as small as they can be."""

from __future__ import annotations

from tiny import ENTRIES, NESTED, env_of

from baselines.api import Task

STEPS = 130  # no multiple of any rollout below: the ceiling must cut
TINY = {
    "n_steps": 10,
    "n_epochs": 2,
    "batch_size": 10,
    "buffer_size": 200,
    "learning_starts": 20,
    "train_freq": 4,
    "n_delta": 2,
    "n_critic_updates": 2,
    "cg_max_steps": 3,
    "reset_every": 40,
    "warmup_steps": 20,
    "batch_length": 8,
    "deter": 8,
    "groups": 2,
    "classes": 4,
    "units": 8,
    "bins": 9,
    "imagination_horizon": 3,
}


def tiny(name, **more):
    """The agent's Config with its networks and rollouts made small."""
    config = ENTRIES[name].load().Config
    fields = config.model_fields
    chosen = {key: value for key, value in TINY.items() if key in fields} | NESTED.get(name, {})
    if "buffer_size" in fields:
        chosen.pop("n_steps", None)  # there it is the length of n-step returns
    if "policy_kwargs" in fields:
        chosen["policy_kwargs"] = {"net_arch": [8]}
    if name.startswith("recurrent_ppo"):
        chosen["policy_kwargs"]["lstm_hidden_size"] = 4
    if "n_envs" in fields and name != "ars":
        chosen["n_envs"] = 2
    return config(**chosen | more)


def make(name, seed=0, steps=STEPS, env=None, **more):
    task = Task(env or env_of(name), steps=steps, seed=seed, env_seed=1000)
    return ENTRIES[name].load()(task, tiny(name, **more))
