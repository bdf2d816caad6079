"""The checklist is answered from the records, by its author where they are silent, and checked."""

from __future__ import annotations

import csv

import fake_store
import pytest
from fake_report import write_report

from harness.config.strict import UserError
from harness.report import Options, checklist, write
from harness.report.checklist import AuthorsAnswer, Entry
from harness.report.checklist.questions import QUESTIONS
from harness.report.evidence import Evidence
from harness.spec import ReportOptions, ResolvedSweep
from harness.store.reader import Store

ARMS, ENVS = ("ppo", "rnd"), ("DeepSea-20",)
FIELDS = ("wall_seconds", "cpu_seconds")


def finished(store: Store, seeds: int = 6, **result: object) -> ResolvedSweep:
    """A sweep of which every run left these facts beside the usual ones."""
    options = ReportOptions(scores=("final",))
    sweep = fake_store.sweep(ARMS, ENVS, seeds, report=options)
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run, result=result)
    return sweep


def entries(store: Store, sweep: ResolvedSweep, **answers: str) -> dict[str, Entry]:
    """The filled checklist, with what its author says."""
    said = {name: AuthorsAnswer(answer=a, because="We say so.") for name, a in answers.items()}
    found = checklist.fill(Evidence(sweep, store), said)
    return {entry.name: entry for entry in found}


def test_there_are_21_questions_and_the_16_of_neurips():
    sources = [question.source for question in QUESTIONS.values()]
    assert (sources.count("ml"), sources.count("neurips")) == (21, 16)


def test_what_only_an_author_knows_is_unanswered_and_never_yes(store):
    found = entries(store, finished(store))
    for name in ("claim", "limitations", "ethics", "training_code", "hyperparameters", "licences"):
        assert (found[name].answer, found[name].flaw) == ("UNANSWERED", "unanswered"), name
    assert {e.answer for e in found.values()} == {"Yes", "UNANSWERED"}


def test_every_pointer_leads_to_a_file(store):
    sweep = finished(store)
    folder = write_report(store, sweep)
    with (folder / "checklist.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(QUESTIONS)
    for row in rows:
        pointers = row["where"].split()
        assert pointers or row["answer"] == "UNANSWERED", row["question"]
        for pointer in pointers:
            root = store.root if pointer.startswith(("runs/", "sweeps/")) else folder
            assert (root / pointer).is_file(), pointer


@pytest.mark.parametrize(
    ("question", "facts", "why"),
    [
        ("variation", {"seeds": 4}, "ppo on DeepSea-20 (4 seeds)"),
        ("significance", {"seeds": 5}, "2 estimates have no interval"),
        ("training_code", {"git": {"commit": "0123abc", "dirty": True}}, "uncommitted changes"),
        ("open_access", {"git": None}, "no commit is known"),
        ("reproducibility", {"git": None}, "no commit is known"),
        ("models", {"weights": None}, "12 of 12 finished runs have no saved weights"),
        ("dependencies", {"packages": {}}, "0 of 12 runs"),
        ("infrastructure", {"machine": {}}, "The machine of 12 of 12"),
    ],
)
def test_a_yes_that_the_records_deny_is_contradicted(store, question, facts, why):
    found = entries(store, finished(store, **facts), **{question: "yes"})[question]
    assert found.flaw == "contradicted"
    assert found.answer == "CONTRADICTED"
    assert why in found.why


@pytest.mark.parametrize("question", ["runs", "variation"])
def test_a_failed_run_contradicts_its_number_and_its_interval(store, question):
    sweep = finished(store)
    fake_store.remove_result(store, sweep.runs[0])
    fake_store.write_failure(store, sweep.runs[0], "ValueError: NaN in the policy")
    assert entries(store, sweep, **{question: "yes"})[question].flaw == "contradicted"


@pytest.mark.parametrize("question", ["runtime", "compute"])
def test_time_that_was_not_recorded_is_not_reported(store, question):
    sweep = finished(store)
    folder = store.folder(sweep.runs[0])
    fake_store.edit_result(folder, lambda facts: [facts.pop(field) for field in FIELDS])
    assert entries(store, sweep, **{question: "yes"})[question].flaw == "contradicted"


def test_compute_of_failed_starts_belongs_to_the_whole(store):
    sweep = finished(store, seeds=6)
    assert entries(store, sweep)["compute"].answer == "Yes"
    attempts = store.folder(sweep.runs[0]) / "attempts.jsonl"
    start, end = attempts.read_text().splitlines(keepends=True)
    attempts.write_text(start + start + end)  # an earlier one, without an end
    found = entries(store, sweep)["compute"]
    assert found.answer == "No"
    unknown = "Not recorded, and counted as 0: wall time of 1 and CPU time of 1 of 13 attempts."
    assert unknown in found.why


def test_settings_of_runs_that_differ_in_kind_are_incomplete(store):
    sweep = finished(store)
    bare = sweep.runs[0].model_copy(update={"hparams": {"learning_rate": 3e-4}})
    sweep = sweep.model_copy(update={"runs": (bare, *sweep.runs[1:])})
    fake_store.write_sweep(store, sweep)
    found = entries(store, sweep, hyperparameters="yes")["hyperparameters"]
    assert (found.flaw, "incomplete" in found.why) == ("contradicted", True)


def test_a_repetition_that_differs_denies_reproducibility(store):
    sweep = finished(store)
    facts = {"changed": {}, "first": {"step": 10, "what": "evaluation"}}
    fake_store.write_certificate(store, sweep.runs[0], "differs", **facts)
    found = entries(store, sweep, reproducibility="yes")["reproducibility"]
    assert found.flaw == "contradicted"
    fake_store.write_certificate(store, sweep.runs[0], "equal", **facts)
    found = entries(store, sweep)["reproducibility"]
    assert (found.answer, "1 runs were repeated bit for bit" in found.why) == ("Yes", True)


def test_an_author_may_claim_less_but_not_that_it_does_not_apply(store):
    sweep = finished(store)
    assert entries(store, sweep, variation="no")["variation"].answer == "No"
    assert entries(store, sweep, variation="na")["variation"].flaw == "contradicted"
    assert entries(store, sweep, proof="na")["proof"].answer == "Not applicable"
    few = finished(store, seeds=4)
    assert entries(store, few)["variation"].answer == "No"  # honest, and no flaw
    assert entries(store, few, variation="no")["variation"].flaw == ""


def test_the_page_names_what_the_records_deny(store):
    sweep = finished(store, seeds=4)
    said = {"variation": AuthorsAnswer(answer="yes", because="There are bars.", where="Figure 1")}
    folder = store.sweep_folder("fake") / "report"
    path, flaws = write(sweep, store, folder, Options(answers=said, figures=()))
    assert "> **Warning.** The records contradict its author on: variation." in path.read_text()
    text = (path.parent / "checklist.md").read_text()
    assert (
        "**CONTRADICTED.** The author says Yes: There are bars (Figure 1). The records: 2" in text
    )
    assert any(flaw.startswith("variation: CONTRADICTED.") for flaw in flaws)
    assert any(flaw.startswith("ethics: UNANSWERED.") for flaw in flaws)


def test_a_wrong_answer_is_told_with_its_line_and_the_way_out(tmp_path):
    path = tmp_path / "fake.checklist.yaml"
    path.write_text(
        "answers:\n"
        "  variaton: {answer: yes, because: There are bars.}\n"
        "  ethics: {answer: maybe, because: x}\n"
        "  impact: {answer: no, becuse: x}\n"
    )
    with pytest.raises(UserError) as raised:
        checklist.read(path)
    text = "\n".join(map(str, raised.value.problems))
    assert "fake.checklist.yaml:2: answers.variaton: no question 'variaton'. Did you mean" in text
    assert (
        "fake.checklist.yaml:3: answers.ethics.answer: input should be 'yes', 'no' or 'na'" in text
    )
    assert "fake.checklist.yaml:4: answers.impact.becuse: unknown key 'becuse'. Did you" in text
