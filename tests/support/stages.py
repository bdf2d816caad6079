"""What the snippets of a page need before they run, and where commands are tested that take long.

A page that is not listed needs nothing: its snippets run in an empty folder, one after the other.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import fake_store
import fake_tune
import numpy as np
from command import typed
from foreign import of_every_program
from forging import forged
from snippets import ROOT

from harness.store.reader import Store

# What is done before a snippet. A text that it returns stands in for a word of the page, anything
# else is a name of the page's code.
Before = Callable[[Path], Mapping[str, Any] | None]
QUICK = ("--executor", "serial", "--no-crosscheck")


def _nothing(folder: Path) -> None:
    pass


class Stage(NamedTuple):
    """How the snippets of a page are tested."""

    build: Before = _nothing  # before the first
    before: Mapping[str, Before] = {}  # by the beginning of a command, or of the first line of code
    for_yaml: Before = _nothing
    codes: Mapping[str, int] = {}  # exit codes other than 0
    varies: tuple[str, ...] = ()  # what commands may print otherwise than the page: patterns
    tested_by: str = ""  # the test that runs its snippets in another way
    fast: bool = False  # for every test run


# Pages --------------------------------------------------------------------------------------------


def _rnd(folder: Path) -> None:
    """The finished sweep of which most pages speak, without training; and its file."""
    store = Store(folder / "results")
    of = fake_store.sweep(("ppo", "rnd"), ("DeepSea-20", "DeepSea-10"), 6, name="rnd")
    fake_store.write_sweep(store, of)
    shutil.copy(ROOT / "ablations" / "rnd.yaml", folder)


def _launched(folder: Path) -> dict[str, str]:
    """A study of the reader's own, too, that a GPU may train."""
    _rnd(folder)
    shutil.copy(ROOT / "ablations" / "dreamer.yaml", folder / "mine.yaml")
    return {"IMAGE:TAG": "europe-west4-docker.pkg.dev/my-project/harness/harness:1"}


def _fetched(folder: Path) -> None:
    """What comes home from the bucket."""
    of = fake_store.sweep(("ppo", "rnd"), ("DeepSea-10",), 6, name="smoke")
    fake_store.write_sweep(Store(folder / "fetched"), of)


def _watched(folder: Path) -> dict[str, str]:
    _rnd(folder)
    words = ("ppo", "CartPole-v1", "--steps", "512", "--set", "n_steps=64", "--set", "n_envs=2")
    typed("run", *words, cwd=folder)
    key = _key(folder, "ppo/CartPole-v1")
    return {"KEY": key, "05ae1906c507503e": key}


def _key(folder: Path, of: str) -> str:
    return next((folder / "results" / "runs" / of).iterdir()).name


def _imported(folder: Path) -> None:
    of_every_program(folder)
    typed("import", "scores.csv", "--as", "theirs", "--no-figures", cwd=folder)


SEARCH = """\
name: fake
question: Which weight of the entropy is best?
envs: [CartPole-v1]
steps: 50_000
arms:
  ppo: {agent: ppo, space: {ent_coef: {why: Any., low: 0.0, high: 0.1}}}
seeds: 5
budget: {trials: 2}
confirm: {top: 1, test_seeds: 6}
"""


def _searched(folder: Path) -> None:
    """A best.yaml, of a search without training."""
    of = fake_tune.plan(folder, SEARCH)
    fake_tune.run(of, folder / "results", lambda spec: 100 * spec.hparams["ent_coef"] + spec.seed)
    (best,) = (folder / "results").rglob("best.yaml")
    shutil.copy(best, folder)


def _shorter(folder: Path) -> None:
    """The study of `harness new`, with a fifth of its steps."""
    file = folder / "sweep.yaml"
    text = file.read_text()
    assert "steps: 3_000" in text
    file.write_text(text.replace("steps: 3_000", "steps: 600"))


def _scores(folder: Path) -> None:
    shutil.copy(ROOT / "tests" / "own" / "scores.csv", folder)


def _trained(folder: Path) -> dict[str, Any]:
    """What the reader of a finished sweep has at hand."""
    scores = np.random.default_rng(0).normal(size=(6, 1))
    return {
        "05ae1906c507503e": _key(folder, "ppo/corridor"),
        "observations": np.zeros((1, 1), np.float32),
        "scores": scores,
        "ours": scores,
        "theirs": scores - 1.0,
    }


REVIEWED = """\
name: rnd
question: Can a reviewer make it again?
envs: [CartPole-v1]
seeds: 6
steps: 40
evaluation: {every: 20, episodes: 2, final_episodes: 3}
arms: {random: {agent: random}, pid: {agent: pid}}
"""


def _reviewed(folder: Path) -> dict[str, str]:
    (folder / "rnd.yaml").write_text(REVIEWED)
    typed("sweep", "rnd.yaml", *QUICK, cwd=folder)
    return {"9ed9f5a1c2f6ab4b": _key(folder, "pid/CartPole-v1")}


def _smoke(folder: Path) -> None:
    typed("sweep", "smoke", *QUICK, cwd=folder)


def _altered(folder: Path) -> None:
    """An archive in which one return was raised, with all that could tell on it; half of one."""
    archive, run = folder / "smoke.zip", "/runs/ppo/CartPole-v1/253ad6eb"
    forged(archive, folder / "altered.zip", run, -1, 100.0)
    (folder / "cut.zip").write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])


STAGES = {
    "CONTRIBUTING.md": Stage(
        tested_by=(
            "tests/test_readme.py::test_the_figure_that_contributing_adds_has_a_point_for_each_run"
        ),
        fast=True,
    ),
    "docs/checklist.md": Stage(_rnd, codes={"harness report rnd --strict": 1}, fast=True),
    "docs/cluster.md": Stage(_launched, fast=True),
    "docs/first-300-dollars.md": Stage(_launched, {"harness merge fetched": _fetched}, fast=True),
    "docs/import.md": Stage(of_every_program, for_yaml=_imported, fast=True),
    "docs/living.md": Stage(_watched),
    "docs/meaning.md": Stage(
        tested_by="tests/docs/test_meaning.py::test_every_example_prints_the_comment_below_it"
    ),
    "docs/own.md": Stage(
        before={
            "harness sweep sweep.yaml": _shorter,
            "harness import scores.csv": _scores,
            "import harness as h": _trained,
        }
    ),
    "docs/quick.md": Stage(
        tested_by=(
            "tests/docs/test_quick.py::test_every_command_prints_the_lines_below_it_in_their_order"
        ),
    ),
    "docs/review.md": Stage(
        _reviewed,
        {"harness bundle smoke": _smoke, "harness replicate altered": _altered},
        codes={
            "harness replicate altered.zip --run 253ad6eb4bac2ea4 --certificate altered.json": 1,
            "harness replicate cut.zip": 2,
        },
        # Processors round differently.
        varies=(r"[\d.]+ then, [\d.]+ now",),
    ),
    "docs/statistics.md": Stage(_rnd, fast=True),
    "docs/tuning.md": Stage(for_yaml=_searched, fast=True),
}


def stage(page: str) -> Stage:
    return STAGES.get(page, Stage())


# Where what takes long is tested ------------------------------------------------------------------

PROFILED = "tests/docs/test_pages.py::test_a_profile_is_printed_as_the_page_shows_it"
PARSED = "tests/docs/test_commands.py::test_a_command_in_a_block_is_one_that_its_program_takes"
REHEARSED = "tests/docs/test_pages.py::test_a_shipped_file_that_a_page_trains_can_be_trained"
# By the beginning of a command.
LONG = {
    r"make ": PARSED,
    r"python -m benchmarks\.": PARSED,
    r"harness (sweep|tune) (ablations|configs/search)/": REHEARSED,
    r"harness doctor": "tests/doctor/test_doctor.py::test_this_machine_can_train",
    r"harness sweep rnd.yaml --shard": (
        "tests/test_shards.py::test_shards_and_a_merge_make_the_report_of_the_sweep"
    ),
    r"harness merge gs://": (
        "tests/test_shards.py::test_shards_and_a_merge_make_the_report_of_the_sweep"
    ),
    r'harness (sweep|tune) [\w.-]+ --executor (ray|"{ray)': (
        "tests/train/test_ray.py::test_runs_of_a_ray_of_this_machine_are_those_of_one_process"
    ),
    r"harness sweep .*{slurm:": (
        "tests/train/test_slurm.py::test_runs_are_made_in_jobs_of_this_machine"
    ),
    r"harness tune search.yaml": (
        "tests/search/test_tune_postgres.py::"
        "test_commands_with_results_folders_of_their_own_share_a_search"
    ),
    r"harness \w+ .*--engine lockstep": (
        "tests/train/test_engine.py::test_a_run_alone_has_the_bits_that_it_has_among_others"
    ),
    r"harness calibrate ": (
        "tests/cli/test_cli.py::test_calibrate_measures_coverage_and_writes_its_table"
    ),
    r"harness calibrate-env LunarLander": (
        "tests/cli/test_calibrate_env.py::"
        "test_a_written_card_holds_the_measured_score_and_gymnasiums_threshold"
    ),
    r"harness run sbx:": "tests/test_wheel.py::test_what_the_table_calls_possible_is_one_command",
    r"harness (run world_model|model-report)": (
        "tests/report/test_model_report.py::"
        "test_of_a_sweep_what_has_a_model_is_measured_and_reported"
    ),
    r"harness watch \w+ --window": PARSED,  # it needs a display
    r"harness profile": PROFILED,
    r"until harness sweep": (
        "tests/train/test_budget.py::"
        "test_a_sweep_whose_time_is_over_says_what_is_left_and_the_same_command_goes_on"
    ),
}

# Blocks of text: page, how they begin, and the test that compares them with what is printed.
QUOTED = {
    ("README.md", "gae.yaml:11: "): (
        "tests/test_readme.py::test_the_error_that_is_shown_is_the_error_that_comes"
    ),
}

# Output of an earlier version, which no command prints again: the sentence that says so there.
PAST = {
    ("docs/trust.md", "arm  "): "with the table that it had then",
}
