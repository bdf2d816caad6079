"""A search gives the same study whatever happens to it, and a winner that was really run."""

from __future__ import annotations

import random

import pytest
from fake_tune import FILE, attempt_in, facts, hill, plan, run, trials
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from harness.config.strict import UserError
from harness.search import loop, storage, study
from harness.search.plan import CONFIRMATION, TUNING
from harness.store import searches
from harness.store.reader import Store
from harness.store.writer import write_failure

CRASH = "ValueError: no\nTraceback: somewhere\nValueError: no"
NAN = "FloatingPointError: w is not finite after training\nTraceback"


class Killed(BaseException):
    """As a signal: nothing catches it."""


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A search that nothing disturbed: its folder, plan and evidence."""
    folder = tmp_path_factory.mktemp("undisturbed")
    of = plan(folder)
    return folder, of, run(of, folder)


@pytest.fixture(scope="module")
def undisturbed(searched):
    folder, of, _ = searched
    return outcome(of, folder)


def outcome(of, root):
    return facts(trials(of, root)), (study.folder(of, Store(root)) / study.BEST).read_text()


@pytest.mark.slow
def test_the_order_in_which_runs_end_does_not_matter(tmp_path, undisturbed):
    of, store = plan(tmp_path), Store(tmp_path)
    attempt = attempt_in(store)

    def shuffled(specs):
        attempt(random.Random(1).sample(specs, len(specs)))

    study.run(of, store, shuffled, lambda text: None)

    assert outcome(of, tmp_path) == undisturbed


def test_a_search_that_is_killed_while_training_resumes_as_if_nothing_had_been(
    tmp_path, undisturbed
):
    of, made = plan(tmp_path), []

    def die():
        made.append(1)
        if len(made) % 7 == 0:
            raise Killed

    for _ in range(100):
        try:
            run(of, tmp_path, after=die)
            break
        except Killed:
            pass

    assert len(made) > 14
    assert outcome(of, tmp_path) == undisturbed
    assert len({tuple(sorted(one[3].items())) for one in undisturbed[0]}) == 12  # no duplicates


@pytest.mark.slow  # every test run kills one while it trains
def test_a_search_that_is_killed_at_any_write_of_its_journal_resumes_as_if_nothing_had_been(
    tmp_path, monkeypatch
):
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    of, written, left, append = plan(one), [], set(), JournalFileBackend.append_logs
    run(of, other)

    def torn(self, logs):
        """Every second record is the last thing that the process does: whole, half or not at all
        written.
        """
        written.append(1)
        if len(written) % 2 or len(written) % 6 == 2:
            append(self, logs)
        elif len(written) % 6 == 4:
            with open(self._file_path, "ab") as file:
                file.write(b'{"op_code": 4, "worker_')
        if len(written) % 2 == 0:
            raise Killed

    monkeypatch.setattr(JournalFileBackend, "append_logs", torn)
    for _ in range(100):
        try:
            run(of, one)
            break
        except Killed:
            (standing,) = searches.standings(Store(one))
            left.add((standing.done + standing.failed) % 4)
    monkeypatch.undo()

    assert len(written) > 20
    assert left == {0, 1, 2, 3}, "it was stopped before, within and after its batches"
    assert outcome(of, one) == outcome(of, other)


def test_the_default_is_trial_0_and_every_trial_runs_the_same_seeds(searched):
    folder, of, evidence = searched
    found = evidence.trials

    assert found[0].params == {"kp": 10.0, "kd": 2.0}
    assert found[0].user_attrs[loop.HPARAMS] == {}
    seeds = [i.seed for i in of.instances()]
    assert sorted(seeds) == list(range(TUNING, TUNING + 6)) != seeds
    for trial in found:
        made = of.specs(trial.user_attrs[loop.HPARAMS], of.instances())
        done = [spec.seed for spec in made if Store(folder).finished(spec)]
        assert done == seeds[: len(trial.user_attrs[loop.SCORES])]


def test_a_trial_that_loses_seed_by_seed_is_stopped_early_and_cannot_win(tmp_path):
    of = plan(tmp_path, FILE.replace("{trials: 12}", "{trials: 20}"))
    found = run(of, tmp_path).confirmation
    told = trials(of, tmp_path)

    stopped = [trial for trial in told if not trial.user_attrs[loop.FULL]]
    best = max(told, key=lambda trial: trial.value)
    assert len(stopped) > 4
    assert all(4 <= len(trial.intermediate_values) < 6 for trial in stopped)
    assert best.user_attrs[loop.FULL]
    assert found.selected.trial.user_attrs[loop.FULL]
    assert sum(t.user_attrs[loop.STEPS] for t in told) < 20 * 6 * 1000


def test_a_seed_that_diverges_scores_as_the_random_policy_does_and_is_counted(tmp_path):
    of = plan(tmp_path, FILE.replace("{trials: 12}", "{trials: 4}"))
    run(of, tmp_path, lambda spec: NAN if spec.seed == TUNING + 2 else hill(spec))

    for trial in trials(of, tmp_path):
        place = [i.seed for i in of.instances()].index(TUNING + 2)
        assert trial.state is TrialState.COMPLETE
        assert trial.user_attrs[loop.DIVERGED] == 1
        assert trial.user_attrs[loop.SCORES][place] == 0


def test_a_trial_that_crashes_has_failed_with_its_traceback(tmp_path):
    of = plan(tmp_path)
    score = lambda spec: CRASH if spec.hparams["kp"] > 10 else hill(spec)  # noqa: E731
    found = run(of, tmp_path, score).confirmation

    crashed = [t for t in trials(of, tmp_path) if t.state is TrialState.FAIL]
    assert crashed and all(CRASH in trial.user_attrs[loop.ERROR] for trial in crashed)
    assert all(trial.params["kp"] > 10 for trial in crashed)
    assert found.selected.trial.state is TrialState.COMPLETE


def test_a_run_whose_worker_was_killed_is_tried_again(tmp_path, undisturbed):
    of, store, killed = plan(tmp_path), Store(tmp_path), set()
    attempt = attempt_in(store)

    def kill_once(specs):
        attempt([spec for spec in specs if spec.seed % 2 or spec.key in killed])
        for spec in specs:
            if not store.finished(spec):
                killed.add(spec.key)
                store.folder(spec).mkdir(parents=True, exist_ok=True)
                write_failure(store.folder(spec), "killed by signal 9 (SIGKILL)")

    study.run(of, store, kill_once, lambda text: None)

    assert killed
    assert outcome(of, tmp_path) == undisturbed


def test_the_winner_is_chosen_and_judged_on_seeds_that_the_search_has_not_seen(searched):
    found = searched[2].confirmation

    chosen = {spec.seed for one in found.candidates for spec in one.specs}
    judged = {spec.seed for one in (found.selected, found.default) for spec in one.specs}
    assert chosen == {CONFIRMATION, CONFIRMATION + 1, CONFIRMATION + 2}
    first = searched[1].first_test_seed
    assert judged == set(range(first, first + 6))
    best = max(found.candidates, key=lambda one: one.value)
    assert found.selected.trial == best.trial
    assert found.gap == found.selected.trial.value - found.selected.value


def test_a_budget_in_steps_is_never_exceeded(tmp_path):
    of = plan(tmp_path, FILE.replace("{trials: 12}", "{steps: 50_500}"))
    run(of, tmp_path)

    spent = loop.spent(trials(of, tmp_path))
    assert 50_500 - of.cost() < spent <= 50_500


def test_a_greater_budget_goes_on_with_the_same_study(tmp_path, undisturbed):
    first = plan(tmp_path, FILE.replace("{trials: 12}", "{trials: 6}"))
    run(first, tmp_path)
    of = plan(tmp_path)
    run(of, tmp_path)

    found = facts(trials(of, tmp_path))
    assert found[:4] == undisturbed[0][:4]  # the batch of two that followed makes the others differ
    assert len(found) == 12


def test_a_study_that_was_begun_with_other_settings_is_refused(searched, tmp_path):
    folder, _, _ = searched

    with pytest.raises(UserError, match=r"fake.yaml:12: seeds: .* \(seeds\)"):
        run(plan(tmp_path, FILE.replace("seeds: 6\n", "seeds: 7\n")), folder)


def test_two_processes_do_not_search_at_once(tmp_path):
    of = plan(tmp_path)

    with (
        storage.claimed(study.folder(of, Store(tmp_path)), of.name),
        pytest.raises(UserError, match="another process"),
    ):
        run(of, tmp_path)


def test_a_search_that_another_process_holds_is_told_in_one_line(tmp_path):
    with (
        storage.claimed(tmp_path, "pendulum"),
        pytest.raises(UserError, match=r"^pendulum: another process is at this search"),
        storage.claimed(tmp_path, "pendulum"),
    ):
        pass
    with storage.claimed(tmp_path, "pendulum"):
        pass  # let go of, it can be held again


@pytest.mark.parametrize("where", ["{}/study.log", "sqlite:///{}/study.db"])
def test_a_file_of_a_study_is_held_whatever_the_results_folders_are(tmp_path, where):
    of = plan(tmp_path, FILE + f"storage: {where.format(tmp_path)}\n")

    with (
        storage.claimed(tmp_path / "first", of.name, of.file.storage),
        pytest.raises(UserError, match=r"^fake.pid: another process is at this search.*server"),
    ):
        run(of, tmp_path / "second")


def test_a_study_with_trials_of_others_is_refused(tmp_path):
    short = FILE.replace("trials: 12", "trials: 1")
    of = plan(tmp_path, short + f"storage: {tmp_path}/study.log\n")
    run(of, tmp_path)
    mine = storage.open_study(of, storage.connect(of.file.storage))
    mine.add_trial(mine.get_trials()[0])

    with pytest.raises(UserError, match=r"fake.yaml:1: name: trial 1 of the study 'fake.pid'"):
        run(of, tmp_path)


def test_a_database_without_its_driver_is_told_with_what_installs_one():
    with pytest.raises(UserError, match=r"^storage: postgresql.*: no driver for it.*\[postgres\]"):
        storage.connect("postgresql+pg8000://host/db")
