"""The questions of the two checklists, each with what the records say to it.

Asked in our words and in the order of their sources:
- The Machine Learning Reproducibility Checklist, version 2.0 (J. Pineau, 7 April 2020); see Pineau
  et al., "Improving reproducibility in machine learning research", JMLR 22(164), 2021.
- The NeurIPS Paper Checklist of the 2025 style files.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.report.checklist import records
from harness.report.checklist.records import Answer, author

SOURCES = {
    "ml": "The machine learning reproducibility checklist, version 2.0 (Pineau, 2020)",
    "neurips": "The paper checklist of NeurIPS (2025)",
}


@dataclass(frozen=True)
class Question:
    """One item of a checklist."""

    source: str  # a key of SOURCES
    block: str
    ask: str
    records: Answer  # what the records say


def _ml(block: str, ask: str, by: Answer) -> Question:
    return Question("ml", block, ask, by)


def _neurips(ask: str, by: Answer) -> Question:
    return Question("neurips", "", ask, by)


MODELS, THEORY, DATA = "Models and algorithms", "Theoretical claims", "Datasets, environments"
CODE, RESULTS = "Shared code", "Reported results"
NONE = "Nothing in the records; not applicable to a purely empirical study."
HUMAN = "The records hold no data about people: all of it was made by agents in environments."

QUESTIONS: dict[str, Question] = {
    "setting": _ml(
        MODELS, "Are the mathematical setting, the algorithms and the models described clearly?",
        records.setting,
    ),
    "assumptions": _ml(
        MODELS, "Are all assumptions explained clearly?",
        author("Those of the statistics stand in 'How it was made'.", "report.md"),
    ),
    "complexity": _ml(
        MODELS, "Is the complexity of each algorithm analysed: time, space, samples?",
        records.complexity,
    ),
    "claim": _ml(THEORY, "Is each theoretical claim stated clearly?", author(NONE)),
    "proof": _ml(THEORY, "Is each theoretical claim proved completely?", author(NONE)),
    "statistics": _ml(
        DATA, "Are the relevant statistics given, such as the number of examples?",
        records.statistics,
    ),
    "splits": _ml(
        DATA, "Are the splits into training, validation and test given?", records.splits
    ),
    "excluded": _ml(
        DATA, "Are all data that were left out, and all preprocessing, explained?", records.excluded
    ),
    "environment_link": _ml(
        DATA, "Is there a link to the data set or the simulation environment?",
        records.environment_link,
    ),
    "data_collection": _ml(
        DATA, "Of new data: is the whole process of their collection described?", author(HUMAN)
    ),
    "dependencies": _ml(CODE, "Are the dependencies specified?", records.dependencies),
    "training_code": _ml(CODE, "Is the training code shared?", records.code),
    "evaluation_code": _ml(CODE, "Is the evaluation code shared?", records.code),
    "models": _ml(CODE, "Are the trained models shared?", records.models),
    "readme": _ml(
        CODE, "Is there a README with the table of results, and the command that makes it?",
        records.readme,
    ),
    "hyperparameters": _ml(
        RESULTS, "Are the ranges of hyper-parameters, how the best were chosen, and all that were "
        "used given?", records.hyperparameters,
    ),
    "runs": _ml(
        RESULTS, "Is the exact number of training and evaluation runs given?", records.runs
    ),
    "measure": _ml(
        RESULTS, "Is the measure or statistic of the results defined clearly?", records.measure
    ),
    "variation": _ml(
        RESULTS, "Are results given with their central tendency and their variation, such as error "
        "bars?", records.variation,
    ),
    "runtime": _ml(
        RESULTS, "Is the average runtime of each result, or its energy, given?", records.runtime
    ),
    "infrastructure": _ml(
        RESULTS, "Is the computing infrastructure described?", records.infrastructure
    ),
    "claims": _neurips("Do abstract and introduction claim what the paper shows?", records.claims),
    "limitations": _neurips(
        "Are the limitations of the work discussed?",
        author("The report's warnings are where to begin.", "report.md"),
    ),
    "theory": _neurips(
        "Does each theoretical result have all its assumptions and a complete proof?", author(NONE)
    ),
    "reproducibility": _neurips(
        "Is all disclosed that is needed to reproduce the main results?", records.reproducibility
    ),
    "open_access": _neurips(
        "Are data and code openly accessible, with instructions that reproduce the main results?",
        records.code,
    ),
    "settings": _neurips(
        "Are all details of training and test given: splits, hyper-parameters and their choice?",
        records.hyperparameters,
    ),
    "significance": _neurips(
        "Do the results have error bars that are defined correctly: which variability, which "
        "method, which assumptions?", records.significance,
    ),
    "compute": _neurips(
        "Is the compute of each experiment and of all given, with that of failed and preliminary "
        "ones?", records.compute,
    ),
    "ethics": _neurips("Does the work conform to the NeurIPS code of ethics?", author()),
    "impact": _neurips("Are broader impacts discussed, good and bad?", author()),
    "safeguards": _neurips(
        "Are there safeguards for releasing data or models that can be misused?", author()
    ),
    "licences": _neurips(
        "Are the makers of used assets credited, and licences and terms named?", records.licences
    ),
    "assets": _neurips(
        "Are new assets documented, and is the documentation given with them?", author()
    ),
    "crowdsourcing": _neurips(
        "Of work with people: are instructions, screenshots and compensation given?", author(HUMAN)
    ),
    "review_board": _neurips(
        "Of work with people: are risks described, and was a review board asked?", author(HUMAN)
    ),
    "language_models": _neurips(
        "Is the use of language models declared, where it is part of the core methods?", author()
    ),
}  # fmt: skip
