"""Nested data: mappings, lists and plain values, as YAML and JSON hold them."""

from __future__ import annotations

import json
from typing import Any


def canonical(value: Any) -> str:
    """JSON with one spelling for each value: sorted keys, no spaces, no NaN.

    :raises ValueError: for a number that JSON cannot hold.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
