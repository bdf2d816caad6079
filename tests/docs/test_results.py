"""The index of results says what the digests say."""

from __future__ import annotations

import pytest
from extension import results

from harness.report.results.claims import HEADLINES, OWN_HEADLINES

LINES = [*HEADLINES.items(), *OWN_HEADLINES.items()]


def test_the_index_is_the_one_that_the_digests_make():
    assert results.PAGE.read_text(encoding="utf-8") == results.page(), "make digest writes it"


def test_every_question_that_ships_stands_in_the_index_once():
    text = results.page()
    asked = [
        each for folder in ("ablations", "configs/search") for each in results.questions(folder)
    ]

    assert asked
    for name, _ in asked:
        assert text.count(f"({name}/report.md)") + text.count(f" `{name}`") == 1


def test_every_digest_is_of_a_question_that_ships():
    shipped = {name for folder in ("ablations", "configs/search")
               for name, _ in results.questions(folder)}  # fmt: skip
    digests = {folder.parent.name for folder in results.PAGE.parent.glob("*/report.md")}

    assert digests and digests <= shipped


@pytest.mark.parametrize(("outcome", "headline"), LINES)
def test_the_answer_to_a_claim_is_recognised(outcome, headline):
    line = headline.format(better="a", worse="b", where="on CartPole-v1", score="final score")

    found = results.CLAIM.match(f"- {line}: IQM 1.00 against 0.00, 10 seeds.")

    assert found["verdict"].lower() == outcome
    assert found["claim"].startswith("a ") and found["claim"].endswith("b on CartPole-v1")
    assert found["score"] == "final score"


def test_a_digest_tells_claims_seeds_runs_and_hours(tmp_path):
    (tmp_path / "report.md").write_text(
        "# x\n\n**Question.** Why?\n\n## Answer\n\n"
        "- **Undecided: a against b on E** (final score): IQM 1 against 0, 2 seeds.\n"
        "- **Supported: c beats b on E** (AUC): IQM 1 against 0. **Their budgets differ.**\n"
    )
    (tmp_path / "scores.csv").write_text(
        "env,arm,seed,state\nE,a,0,finished\nE,a,1,finished\nE,b,0,finished\nE,b,1,failed\n"
    )
    compute = tmp_path / "table_compute.csv"
    compute.write_text('arm,CPU s\na,"1,800"\nb,1800\n(all arms),"3,600"\n')

    digest = results.Digest.read(tmp_path)

    assert (digest.question, digest.seeds, digest.runs, digest.hours) == ("Why?", 2, 3, 1.0)
    assert digest.answer.split("<br>") == [
        "**undecided**: a against b on E (final score)",
        "**supported** with a reservation: c beats b on E (AUC)",
    ]
    compute.write_text("arm,CPU h\na,2.5\n")
    assert results.Digest.read(tmp_path).hours == 2.5
