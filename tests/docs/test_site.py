"""The site is built without a warning, and every page of it fits a telephone and a screen."""

from __future__ import annotations

import os

import pytest
from browser import browser, program
from snippets import ROOT
from sphinx.cmd.build import main

PAGES = ("index", "quick", "results/index", "results/rnd/report", "reference/commands")
BROKEN = "[...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src)"
TOO_WIDE = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    words = ["-q", "-W", "--keep-going", "-b", "html", "-d", str(folder / "trees")]
    assert main([*words, str(ROOT / "docs"), str(folder / "html")]) == 0
    return folder / "html"


@pytest.mark.slow
@pytest.mark.skipif(not program() and "CI" not in os.environ, reason="no browser")
def test_no_page_is_too_wide_lacks_a_picture_or_complains(site, tmp_path):
    pages = sorted(site.rglob("*.html"))
    assert {str(page.relative_to(site).with_suffix("")) for page in pages} >= {*PAGES}
    wrong = []
    with browser(tmp_path) as tab:
        for page in pages:
            for width, dark in ((1280, False), (400, True)):
                tab.open(page, width=width, dark=dark)
                found = [tab.ask(TOO_WIDE) > 0 and "too wide", tab.ask(BROKEN), *tab.said]
                wrong += [(page.name, width, each) for each in found if each]
                tab.said.clear()

    assert wrong == []
