"""However a report is put together and worded, its numbers are those that it had."""

from __future__ import annotations

import json

import pytest
import report_numbers

EXPECTED = json.loads(report_numbers.FILE.read_text())


@pytest.fixture(scope="module")
def found():
    return report_numbers.here()


@pytest.mark.parametrize("of", EXPECTED)
def test_every_section_and_every_file_has_the_numbers_that_it_had(found, of):
    now = {part: " ".join(numbers) for part, numbers in found[of].items()}

    assert list(now) == list(EXPECTED[of])
    assert [part for part in now if now[part] != EXPECTED[of][part]] == []
    assert now == EXPECTED[of]
