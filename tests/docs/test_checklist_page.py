"""The page of the checklists says what the code that fills them does."""

from __future__ import annotations

import pytest
from extension import checklist

from harness.report.checklist.questions import QUESTIONS


def test_the_page_is_the_one_that_the_code_and_the_digest_make():
    assert checklist.PAGE.read_text(encoding="utf-8") == checklist.page(), "make digest writes it"


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_stands_on_the_page_with_how_it_is_answered(name):
    rule = " ".join((QUESTIONS[name].records.__doc__ or "").split())

    assert rule
    assert f"(`{name}`)\\\n{rule}" in checklist.page()
