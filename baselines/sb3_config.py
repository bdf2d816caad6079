"""The hyper-parameters of a Stable-Baselines3 algorithm, read from its constructor.

Names and defaults are SB3's own, so nothing here can fall behind the installed version. Only what
the constructor's annotations do not say is added: ranges, schedules written as text, and values
that survive a round trip through JSON with one spelling each (`1` and `1.0` dump alike).
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    Strict,
    WithJsonSchema,
    create_model,
)
from stable_baselines3.common import noise
from stable_baselines3.common.vec_env import VecEnv

from baselines.api import Config
from baselines.bound import (
    LEAST,
    MOST,
    OFTEN,
    Above0,
    Amount,
    Count,
    Fraction,
    Positive,
    Real,
    Repeats,
    Share,
    Widths,
)
from baselines.sb3_family import STRICT, family_of

ACTIVATIONS = {
    "tanh": torch.nn.Tanh,
    "relu": torch.nn.ReLU,
    "elu": torch.nn.ELU,
    "leaky_relu": torch.nn.LeakyReLU,
}
NOISES: dict[str, type[noise.ActionNoise]] = {
    "normal": noise.NormalActionNoise,
    "ornstein-uhlenbeck": noise.OrnsteinUhlenbeckActionNoise,
}

# What the harness decides (seeds, devices, output), and hooks that take Python objects.
EXCLUDED = {
    "self", "policy", "env", "device", "seed", "verbose", "tensorboard_log", "_init_setup_model",
    "stats_window_size", "support_multi_env", "monitor_wrapper", "policy_kwargs",
    "replay_buffer_class", "replay_buffer_kwargs", "rollout_buffer_class", "rollout_buffer_kwargs",
    "optimize_memory_usage",
}  # fmt: skip

LINEAR = "lin_"
CALLABLE = typing.get_origin(Callable[[float], float])


def spell_schedule(value: float | str) -> float | str:
    """A number above zero, or `lin_1e-3`: from that number down to zero over the whole budget."""
    try:
        start = float(value.removeprefix(LINEAR)) if isinstance(value, str) else value
    except ValueError:
        start = -1.0
    if not LEAST <= start <= MOST or (isinstance(value, str) and not value.startswith(LINEAR)):
        raise ValueError(
            f"a number from {LEAST:g} to {MOST:g}, or lin_<number> to fall linearly from it to 0"
        )
    return f"{LINEAR}{start}" if isinstance(value, str) else start


def schedule(value: float | str) -> float | Callable[[float], float]:
    """What SB3 takes in its place: a number, or a function of the part of the budget left."""
    if not isinstance(value, str):
        return value
    start = float(value.removeprefix(LINEAR))
    return lambda remaining: remaining * start


def spell_ent_coef(value: float | str) -> float | str:
    """SB3's SAC: a number, `auto`, or `auto_0.1` to begin the search there."""
    if isinstance(value, str) and value != "auto":
        try:
            first = float(value.removeprefix("auto_"))
        except ValueError:
            first = -1.0
        if not LEAST <= first <= MOST:
            raise ValueError("a number, auto, or auto_<first value above 0>")
        return f"auto_{first}"
    return value


def some_steps(value: int) -> int:
    if value != -1 and not 1 <= value <= OFTEN:
        raise ValueError(
            f"from 1 to {OFTEN} gradient steps, or -1 for as many as there were steps since the "
            "last update"
        )
    return value


def sampled(value: int) -> int:
    if value != -1 and value < 1:
        raise ValueError("every so many steps, 1 or more; -1: once for each rollout")
    return value


class Normalize(BaseModel):
    """SB3's VecNormalize. Scores are raw, and evaluation uses the statistics as they stand."""

    model_config = STRICT

    obs: bool = Field(True, description="Normalise observations by running statistics.")
    reward: bool = Field(True, description="Scale rewards by the running SD of the return.")


class ActionNoise(BaseModel):
    """Exploration noise added to continuous actions, in units of the action scaled to [-1, 1]."""

    model_config = STRICT

    type: Literal[tuple(NOISES)] = "normal"
    std: float = Field(ge=0, le=MOST)


def policy_kwargs(chosen: BaseModel) -> dict[str, Any]:
    """Only what was chosen, so that the policy class keeps its own defaults."""
    given = {name: value for name, value in chosen if value is not None}
    if "activation_fn" in given:
        given["activation_fn"] = ACTIVATIONS[given["activation_fn"]]
    return given


def action_noise(chosen: ActionNoise, env: VecEnv) -> noise.ActionNoise:
    """The same standard deviation for every action, independent of one another."""
    shape = env.action_space.shape
    return NOISES[chosen.type](np.zeros(shape), np.full(shape, chosen.std))


# What SB3 takes in place of a value that JSON can hold, made for the training environments.
BUILDERS: dict[str, Callable[[Any, VecEnv], Any]] = {
    "action_noise": action_noise,
    "clip_range": lambda value, env: schedule(value),
    "clip_range_vf": lambda value, env: schedule(value),
    "delta_std": lambda value, env: schedule(value),
    "learning_rate": lambda value, env: schedule(value),
    "policy_kwargs": lambda value, env: policy_kwargs(value),
}


def _both(value: Any) -> Any:
    return {"obs": value, "reward": value} if isinstance(value, bool) else value


Schedule = Annotated[
    float | str,
    AfterValidator(spell_schedule),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^lin_"}]}),
]
# JSON and YAML have lists only, which a strict tuple would refuse.
Episodes = Annotated[tuple[Positive, Literal["step", "episode"]], Strict(False)]

# Types narrower than the constructor's annotation. A name that is not here keeps its annotation.
TYPES: dict[str, Any] = {
    "action_noise": ActionNoise | None,
    "alive_bonus_offset": Real,
    "batch_size": Positive,
    "buffer_size": Positive,
    "cg_damping": Amount,
    "cg_max_steps": Repeats,
    "clip_range": Schedule,
    "clip_range_vf": Schedule,
    "delta_std": Schedule,
    "ent_coef": Amount,
    "exploration_final_eps": Fraction,
    "exploration_fraction": Share,
    "exploration_initial_eps": Fraction,
    "gae_lambda": Fraction,
    "gamma": Fraction,
    "gradient_steps": Annotated[int, AfterValidator(some_steps)],
    "learning_rate": Schedule,
    "learning_starts": Count,
    "line_search_max_iter": Repeats,
    "line_search_shrinking_factor": Annotated[float, Field(gt=0, lt=1)],
    "max_grad_norm": Above0,
    "n_critic_updates": Repeats,
    "n_delta": Positive,
    "n_epochs": Repeats,
    "n_eval_episodes": Positive,
    "n_steps": Positive,
    "n_top": Positive,
    "policy_delay": Annotated[
        Positive, Field(description="Updates of the critic for one of the actor.")
    ],
    "rms_prop_eps": Above0,
    "sde_sample_freq": Annotated[int, AfterValidator(sampled)],
    "sub_sampling_factor": Positive,
    "target_entropy": Real | Literal["auto"],
    "target_kl": Above0,
    "target_noise_clip": Amount,
    "target_policy_noise": Amount,
    "target_update_interval": Positive,
    "tau": Share,
    "top_quantiles_to_drop_per_net": Count,
    "train_freq": Positive | Episodes,
    "vf_coef": Amount,
}

# The policy arguments that JSON can say. None leaves the choice to the policy class.
POLICY_TYPES: dict[str, Any] = {
    "activation_fn": Literal[tuple(ACTIVATIONS)],
    "batch_norm": bool,
    "batch_norm_momentum": Fraction,
    "clip_mean": Amount,
    "enable_critic_lstm": bool,
    "full_std": bool,
    "log_std_init": Annotated[float, Field(ge=-20, le=20)],  # of a logarithm
    "lstm_hidden_size": Positive,
    "n_critics": Positive,
    "n_lstm_layers": Positive,
    "n_quantiles": Positive,
    "ortho_init": bool,
    "renorm_warmup_steps": Count,
    "share_features_extractor": bool,
    "shared_lstm": bool,
    "squash_output": bool,
    "use_expln": bool,
    "with_bias": bool,
}


def config_of(algorithm: type, changed: Mapping[str, tuple[Any, Any]]) -> type[Config]:
    """The Config of an SB3 algorithm class.

    :param changed: fields that are not the constructor's own: name -> type, default.
    """
    policies = tuple(algorithm.policy_aliases)
    fields: dict[str, Any] = {
        "n_envs": (Annotated[Positive, Field(description="Parallel environments.")], 1),
        "normalize": (Annotated[Normalize, BeforeValidator(_both)], False),
        "policy": (Literal["auto", *policies], "auto"),
        "policy_kwargs": (policy_model(algorithm), {}),
    }
    for name, parameter in parameters(algorithm).items():
        if name not in EXCLUDED:
            fields[name] = (_type(name, parameter), parameter.default)
    fields |= changed
    return create_model(
        f"{algorithm.__name__}Config",
        __base__=family_of(algorithm, fields),
        __doc__=f"The hyper-parameters of {algorithm.__module__}.{algorithm.__qualname__}.",
        **fields,
    )


def policy_model(algorithm: type) -> type[BaseModel]:
    """The `policy_kwargs` that an algorithm's policy takes."""
    policy = next(iter(algorithm.policy_aliases.values()))
    known = parameters(policy)
    fields: dict[str, Any] = {
        name: (kind | None, None) for name, kind in POLICY_TYPES.items() if name in known
    }
    if "net_arch" in known:
        split = dict in map(typing.get_origin, _arms(known["net_arch"].annotation))
        kind = Widths | dict[Literal["pi", "vf", "qf"], Widths] if split else Widths
        fields["net_arch"] = (kind | None, None)
    return create_model(f"{algorithm.__name__}Policy", __config__=STRICT, **fields)


def parameters(cls: type) -> dict[str, inspect.Parameter]:
    """The constructor's parameters, those that `**kwargs` hands on to a base class included."""
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base):
            continue
        own = inspect.signature(vars(base)["__init__"], eval_str=True).parameters
        for name, parameter in own.items():
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
                found.setdefault(name, parameter)
        if all(parameter.kind != parameter.VAR_KEYWORD for parameter in own.values()):
            break
    return found


def _type(name: str, parameter: inspect.Parameter) -> Any:
    annotation = parameter.annotation
    arms = _arms(annotation)
    optional = type(None) in arms
    if name == "ent_coef" and str in arms:
        return Annotated[Amount | str, AfterValidator(spell_ent_coef)]
    kind = TYPES.get(name, annotation)
    if CALLABLE in map(typing.get_origin, arms):
        kind = TYPES.get(name, Schedule)
    return kind | None if optional and kind is not annotation else kind


def _arms(annotation: Any) -> tuple[Any, ...]:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else (annotation,)
