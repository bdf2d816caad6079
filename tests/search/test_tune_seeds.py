"""No search tests its winner on seeds that another one has shown: in no store, and in no year."""

from __future__ import annotations

import pytest
from fake_tune import FILE, plan, run
from ruamel.yaml import YAML

from harness.search import study
from harness.search.plan import CONFIRMATION, FIRST_TEST, NOISE, PATH, POOL, TUNING
from harness.store.reader import Store
from harness.sweep.resolve import FIRST_TUNING_SEED

CHANGES = {
    "another name": ("name: fake", "name: again"),
    "another value": ("seeds: 6\n", "seeds: 6\nvalue: mean - 1.0*se\n"),
    "other tuning seeds": ("seeds: 6\n", "seeds: 5\n"),
    "another space": ("high: 100.0", "high: 50.0"),
    "other steps": ("steps: 1000\n", "steps: 2000\n"),
    "another start": ("default: own", "default: shipped"),
    "another arm": ("  pid:\n", "  second:\n"),
}
SAME = {
    "a greater budget": ("{trials: 12}", "{trials: 24}"),
    "another question": ("Where is the top of the hill?", "And now?"),
    "more test seeds": ("test_seeds: 6", "test_seeds: 9"),
}
TEXT = FILE + "default: own\n"
SHORT = FILE.replace("trials: 12", "trials: 2")


def pool(folder, old="", new=""):
    assert old in TEXT
    of = plan(folder, TEXT.replace(old, new, 1))
    first = of.first_test_seed
    assert first % POOL == 0 and first >= FIRST_TEST
    return first


@pytest.mark.parametrize("change", CHANGES)
def test_another_search_has_other_test_seeds(tmp_path, change):
    assert pool(tmp_path, *CHANGES[change]) != pool(tmp_path)


@pytest.mark.parametrize("change", SAME)
def test_the_same_search_keeps_its_test_seeds(tmp_path, change):
    assert pool(tmp_path, *SAME[change]) == pool(tmp_path)


def test_no_test_seed_is_of_another_kind():
    kinds = (TUNING, CONFIRMATION, PATH, NOISE)
    assert min(kinds) == FIRST_TUNING_SEED
    ends = sorted(first + POOL for first in kinds)
    assert all(end <= first for end, first in zip(ends, sorted(kinds)[1:], strict=False))
    assert ends[-1] <= FIRST_TEST


def test_thousands_of_searches_in_any_stores_have_no_test_seed_in_common(tmp_path):
    of = plan(tmp_path)
    files = (of._replace(file=of.file.model_copy(update={"name": f"s{i}"})) for i in range(2_000))
    pools = [each.first_test_seed for each in files]
    assert len(set(pools)) == len(pools)


def test_a_later_search_in_one_store_tests_on_seeds_that_no_run_has(tmp_path):
    """It shares the tuning runs; what it is judged by is new, and best.yaml says what that was."""
    tested = []
    for name in ("first", "second"):
        of = plan(tmp_path, SHORT.replace("name: fake", f"name: {name}"))
        found = run(of, tmp_path).confirmation
        seeds = {spec.seed for spec in found.selected.specs}
        best = YAML(typ="safe").load(study.folder(of, Store(tmp_path)) / study.BEST)
        assert set(best["provenance"]["test_seeds"]) == seeds
        tested.append(seeds)
    assert not tested[0] & tested[1]


def test_a_resumed_search_is_tested_on_the_seeds_that_it_had(tmp_path):
    before = run(plan(tmp_path, SHORT), tmp_path).confirmation
    after = run(plan(tmp_path, SHORT.replace("trials: 2", "trials: 4")), tmp_path).confirmation
    assert [s.seed for s in before.default.specs] == [s.seed for s in after.default.specs]
