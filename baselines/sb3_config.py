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
    ConfigDict,
    Field,
    Strict,
    WithJsonSchema,
    create_model,
)
from stable_baselines3.common import noise
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from baselines.api import Config

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

STRICT = ConfigDict(
    extra="forbid", frozen=True, strict=True, validate_default=True, allow_inf_nan=False
)

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
    if not 0 < start < float("inf") or (isinstance(value, str) and not value.startswith(LINEAR)):
        raise ValueError("a number above 0, or lin_<number> to fall linearly from it to 0")
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
            return f"auto_{float(value.removeprefix('auto_'))}"
        except ValueError:
            raise ValueError("a number, auto, or auto_<first value>") from None
    return value


class Normalize(BaseModel):
    """SB3's VecNormalize. Scores are raw, and evaluation uses the statistics as they stand."""

    model_config = STRICT

    obs: bool = True
    reward: bool = True


class ActionNoise(BaseModel):
    """Exploration noise added to continuous actions, in units of the action scaled to [-1, 1]."""

    model_config = STRICT

    type: Literal[tuple(NOISES)] = "normal"
    std: float = Field(ge=0)


def policy_kwargs(chosen: BaseModel) -> dict[str, Any]:
    """Only what was chosen, so that the policy class keeps its own defaults."""
    given = {name: value for name, value in chosen if value is not None}
    if "activation_fn" in given:
        given["activation_fn"] = ACTIVATIONS[given["activation_fn"]]
    return given


def action_noise(chosen: ActionNoise, env: VecEnv) -> noise.ActionNoise:
    """The same deviation for every action, independent of one another."""
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
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0)]
Widths = list[Positive]
# JSON and YAML have lists only, which a strict tuple would refuse.
Episodes = Annotated[tuple[Positive, Literal["step", "episode"]], Strict(False)]

# Types narrower than the constructor's annotation. A name that is not here keeps its annotation.
TYPES: dict[str, Any] = {
    "action_noise": ActionNoise | None,
    "batch_size": Positive,
    "buffer_size": Positive,
    "ent_coef": Amount,
    "exploration_final_eps": Fraction,
    "exploration_fraction": Fraction,
    "exploration_initial_eps": Fraction,
    "gae_lambda": Fraction,
    "gamma": Fraction,
    "gradient_steps": Annotated[int, Field(ge=-1)],
    "learning_starts": Count,
    "n_critic_updates": Positive,
    "n_delta": Positive,
    "n_epochs": Positive,
    "n_eval_episodes": Positive,
    "n_steps": Positive,
    "policy_delay": Positive,
    "sub_sampling_factor": Positive,
    "target_update_interval": Positive,
    "tau": Fraction,
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
    "log_std_init": float,
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
        "n_envs": (Positive, 1),
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
        __base__=_OnPolicyConfig if issubclass(algorithm, OnPolicyAlgorithm) else _StrictConfig,
        __doc__=f"The hyper-parameters of {algorithm.__module__}.{algorithm.__qualname__}.",
        **fields,
    )


class _StrictConfig(Config):
    model_config = STRICT


class _OnPolicyConfig(_StrictConfig):
    n_envs: Positive
    n_steps: Positive

    def least_steps(self) -> int:
        return self.n_envs * self.n_steps


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
    if CALLABLE in map(typing.get_origin, arms):
        return Schedule | None if optional else Schedule
    if name == "ent_coef" and str in arms:
        return Annotated[Amount | str, AfterValidator(spell_ent_coef)]
    if name == "target_entropy":
        return float | Literal["auto"]
    kind = TYPES.get(name, annotation)
    return kind | None if optional and name in TYPES else kind


def _arms(annotation: Any) -> tuple[Any, ...]:
    union = typing.get_origin(annotation) in (typing.Union, types.UnionType)
    return typing.get_args(annotation) if union else (annotation,)
