"""TOML on a page is what a package writes into its pyproject.toml."""

from __future__ import annotations

import tomllib

import pytest
from snippets import blocks, pages, place

from harness.config.declared import GROUPS

BLOCKS = [block for page in pages() for block in blocks(page) if block.language == "toml"]


@pytest.mark.parametrize("block", BLOCKS, ids=place)
def test_entry_points_are_of_groups_that_are_looked_for(block):
    groups = tomllib.loads(block.text)["project"]["entry-points"]

    assert groups.keys() <= {f"harness.{group}" for group in GROUPS}
    assert all(isinstance(target, str) for names in groups.values() for target in names.values())
