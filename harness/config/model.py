"""The base of all that is read from files."""

from __future__ import annotations

from pydantic import BaseModel


class Strict(BaseModel, extra="forbid", frozen=True):
    """It has no keys but those that are declared, and nothing changes it."""
