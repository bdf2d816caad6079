"""What the groups of hyper-parameters share."""

from __future__ import annotations

from pydantic import ConfigDict

from baselines import api


class Group(api.Config):
    """The hyper-parameters of one part: no conversions, so that each value has one spelling."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, validate_default=True)
