"""What holds for the tests of reports."""

from __future__ import annotations

import pytest

from harness.store.reader import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)
