"""A claim is a prediction only where the records prove it, whatever its sweep is called."""

from __future__ import annotations

import shutil

import fake_store
import pytest
from fake_report import write_report

from harness.report.evidence import Evidence
from harness.report.evidence.warning import warnings
from harness.spec import Claim, ResolvedSweep
from harness.store import declaration
from harness.store.reader import Store
from harness.sweep import record

ARMS, ENV = ("ppo", "rnd"), "DeepSea-20"
CLAIM = Claim(text=f"rnd > ppo on {ENV} by final", better="rnd", worse="ppo", env=ENV)
# Runs of fake_store begin at the first and end 20 seconds later.
BEFORE, AMID, AFTER = "2025-12-31T00:00:00", "2026-01-01T00:00:10", "2026-02-03T04:05:06"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def start(store, monkeypatch):
    """`harness sweep` at a time, as far as the records go."""

    def begin(of: ResolvedSweep, at: str) -> None:
        monkeypatch.setattr(record, "now", lambda: f"{at}+00:00")
        record.keep(of, store)

    return begin


def study(name: str = "fake", arms: tuple[str, ...] = ARMS, **more) -> ResolvedSweep:
    facts = {"claims": (CLAIM,)} | more
    return fake_store.sweep(arms, (ENV,), 3, name=name, **facts)


def train(store: Store, of: ResolvedSweep) -> None:
    for run in of.runs:
        fake_store.write_run(store, run)


def renamed(of: ResolvedSweep, old: str, new: str) -> ResolvedSweep:
    """The same runs under another label."""
    runs = tuple(run.model_copy(update={"arm": new}) if run.arm == old else run for run in of.runs)
    claims = tuple(
        Claim(text=each.text.replace(old, new), better=new if each.better == old else each.better,
              worse=each.worse, env=each.env)
        for each in of.claims
    )  # fmt: skip
    arms = tuple(new if arm == old else arm for arm in of.arms)
    return of.model_copy(update={"runs": runs, "claims": claims, "arms": arms})


def redefined(of: ResolvedSweep, **hparams: float) -> ResolvedSweep:
    """Another rnd under its old name, as `--set` or an edited file makes it."""
    runs = tuple(
        run.model_copy(update={"hparams": run.hparams | hparams}) if run.arm == "rnd" else run
        for run in of.runs
    )
    return of.model_copy(update={"runs": runs})


def standing(store: Store, of: ResolvedSweep) -> declaration.Standing:
    return Evidence(of, store).standings[0]


@pytest.mark.parametrize(
    ("at", "begun", "finished", "doubt"),
    [
        (BEFORE, 0, 0, ""),
        (AMID, 6, 0, "First recorded on 2026-01-01, when 6 of its 6 runs had begun."),
        (AFTER, 6, 6, "First recorded on 2026-02-03, when 6 of its 6 runs had finished: nothing "
                      "shows that it was declared before they were seen."),
    ],
)  # fmt: skip
def test_a_claim_came_first_where_it_was_recorded_before_its_runs_began(
    store, start, at, begun, finished, doubt
):
    of = study()
    train(store, of)
    start(of, at)
    found = standing(store, of)
    assert (found.begun, found.finished, found.before_training) == (begun, finished, not begun)
    assert found.doubts == ([doubt] if doubt else [])


def test_a_claim_that_is_added_later_is_told_from_those_that_were_there(store, start):
    of = study()
    start(of, BEFORE)
    train(store, of)
    other = Claim(text="ppo > rnd by auc", better="ppo", worse="rnd", score="auc")
    more = of.model_copy(update={"claims": (CLAIM, other)})
    start(more, AFTER)
    first, second = Evidence(more, store).standings
    assert first.before_training
    assert (second.finished, second.runs) == (6, 6)
    assert any("The claims were changed on 2026-02-03, after 6 runs had finished" in text
               for text in warnings(Evidence(more, store)))  # fmt: skip


@pytest.mark.parametrize("change", ["name", "label", "more seeds"])
def test_what_was_declared_before_stays_so_under_other_names_and_with_more_seeds(
    store, start, change
):
    of = study()
    start(of, BEFORE)
    train(store, of)
    again = {
        "name": study(name="copy"),
        "label": renamed(study(name="copy"), "rnd", "curious"),
        "more seeds": of.model_copy(
            update={"runs": fake_store.sweep(ARMS, (ENV,), 4).runs}
        ),
    }[change]  # fmt: skip
    start(again, AFTER)
    assert standing(store, again).before_training


def test_a_copied_sweep_that_claims_the_opposite_is_stamped(store, start):
    """The name is new, and no report was written: the runs had been seen all the same."""
    of = study(claims=())
    start(of, BEFORE)
    train(store, of)
    opposite = Claim(text="x > y by final", better="ppo", worse="rnd", env=ENV)
    copy = study(name="copy", claims=(opposite,))
    start(copy, AFTER)
    assert standing(store, copy).finished == 6


def test_runs_made_outside_any_sweep_count_as_seen(store, start):
    of = study()
    fake_store.write_run(store, of.runs[0])
    start(of, AFTER)
    assert (standing(store, of).finished, standing(store, of).runs) == (1, 6)


def test_without_the_sweeps_folder_nothing_is_proven(store, start):
    of = study()
    start(of, BEFORE)
    train(store, of)
    shutil.rmtree(store.sweep_folder("fake"))
    assert standing(store, of).doubts == ["No record shows when it was declared."]
    start(of, AFTER)
    assert standing(store, of).finished == 6


def test_an_arm_redefined_under_its_old_name_is_stamped(store, start):
    of = study()
    start(of, BEFORE)
    train(store, of)
    again = redefined(of, learning_rate=1.0)
    start(again, AFTER)
    found = standing(store, again)
    assert found.finished == 3  # those of ppo
    assert "Its words were first used of other runs: by the sweep fake on 2025-12-31" in " ".join(
        found.doubts
    )
    assert any(
        "Redefined under the old name on 2026-02-03, after 6 runs had finished: rnd." in text
        for text in warnings(Evidence(again, store))
    )


def test_an_arm_corrected_before_anything_ran_is_not_stamped(store, start):
    of = study()
    start(of, "2025-12-30T00:00:00")
    again = redefined(of, learning_rate=1.0)
    start(again, BEFORE)
    train(store, again)
    evidence = Evidence(again, store)
    assert evidence.standings[0].doubts == []
    assert not any("Redefined" in text for text in warnings(evidence))


def test_the_words_of_another_sweep_whose_runs_were_there_are_named(store, start):
    of = study(name="first")
    start(of, "2025-12-30T00:00:00")
    again = redefined(study(name="second"), learning_rate=1.0)
    start(again, AFTER)
    assert standing(store, again).elsewhere == ""
    train(store, of)
    assert "by the sweep first on 2025-12-30" in standing(store, again).elsewhere


def test_a_copy_that_keeps_the_claim_that_came_out_says_how_many_there_were(store, start):
    other = Claim(text="ppo > rnd by auc", better="ppo", worse="rnd", score="auc")
    start(study(claims=(CLAIM, other)), "2025-12-30T00:00:00")
    copy = study(name="copy")
    start(copy, BEFORE)
    train(store, copy)
    assert standing(store, copy).doubts == []
    late = study(name="late")
    start(late, AFTER)
    (doubt,) = standing(store, late).doubts
    assert "First declared as one of 2 claims, of which 1 are not made here" in doubt


def test_every_page_says_of_a_claim_what_the_records_prove(store, start):
    of = study()
    train(store, of)
    start(of, AFTER)
    folder = write_report(store, of)
    text = (folder / "report.md").read_text()
    assert "**First recorded on 2026-02-03, when 6 of its 6 runs had finished" in text
    for name in ("checklist.md", "paper/methods.tex"):
        told = " ".join((folder / name).read_text().split())
        assert "0 of 1 were declared before the first of their runs began" in told
        assert "declared before training" not in told
