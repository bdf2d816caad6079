"""A report shows the median and the worst seed of each claim's arms, if they were filmed."""

from __future__ import annotations

import fake_store
import numpy as np
import pytest
from fake_report import CLAIM, ONE_ENV, TWO_ARMS, TWO_ENVS, constant, write_report

from harness.report.evidence import Evidence
from harness.report.evidence.role import roles
from harness.report.plot import Picture
from harness.report.render import html
from harness.report.results.figures import FIGURES
from harness.store.reader import Store


@pytest.fixture
def sweep():
    return fake_store.sweep(TWO_ARMS, ONE_ENV, 8, claims=(CLAIM,))


@pytest.fixture
def store(tmp_path, sweep):
    """In which a seed of a higher number has the higher score."""
    store = Store(tmp_path)
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs:
        fake_store.write_run(store, run, constant(lambda run: 0.1))
    return store


def shown(store, sweep):
    """The runs that are shown at work, as arm, seed and role."""
    return [(role.run.arm, role.run.seed, role.words) for role in Evidence(sweep, store).roles]


def film_all(store, sweep):
    for role in Evidence(sweep, store).roles:
        fake_store.write_film(store, role.run)


def drawn(store, sweep, env="DeepSea-20"):
    return FIGURES["films"].plot(Evidence(sweep, store), env)


# Whose --------------------------------------------------------------------------------------------


def test_the_median_and_the_worst_seed_of_the_arms_of_each_claim_are_shown(store, sweep):
    assert shown(store, sweep) == [
        ("rnd", 3, "median of 8 seeds"), ("rnd", 0, "worst of 8 seeds"),
        ("ppo", 3, "median of 8 seeds"), ("ppo", 0, "worst of 8 seeds"),
    ]  # fmt: skip


def test_a_claim_over_all_environments_shows_its_arms_on_each(sweep):
    over_all = CLAIM.model_copy(update={"env": None})
    of = fake_store.sweep((*TWO_ARMS, "third"), TWO_ENVS, 8, claims=(over_all,))

    found = {(role.run.arm, role.run.env) for role in roles(of, lambda run: float(run.seed))}

    assert found == {(arm, env) for arm in TWO_ARMS for env in TWO_ENVS}


def test_runs_that_are_not_finished_are_not_the_worst_but_it_is_said(sweep):
    found = roles(sweep, lambda run: None if run.seed == 0 else float(run.seed))

    assert [role.words for role in found][:2] == ["median of 7 finished", "worst of 7 finished"]
    assert {role.run.seed for role in found} == {1, 4}


def test_of_a_single_seed_there_is_one_role():
    of = fake_store.sweep(("ppo",), ONE_ENV, 1)

    assert [role.words for role in roles(of, lambda run: 1.0)] == ["the only seed"]


# What is drawn ------------------------------------------------------------------------------------


def test_a_strip_has_frames_from_the_first_to_the_last_and_their_steps(store, sweep):
    film_all(store, sweep)

    plot = drawn(store, sweep)

    first = plot.panels[:6]
    assert first[0].title == "rnd, seed 3, median of 8 seeds: return 0.25 in 40 steps"
    assert [p.x.label for p in first] == [f"step {k}: 4.1 cm" for k in (0, 8, 16, 24, 32, 40)]
    blues = [next(p.of(Picture)).pixels[12, 16, 2] for p in first]
    assert np.allclose(blues, [0, 48, 96, 144, 192, 240], atol=2)
    assert len(plot.panels) == 4 * 6


def test_frames_that_are_alike_are_stored_once_and_shown_at_each_of_their_steps(store, sweep):
    film_all(store, sweep)
    still = fake_store.webp(((9, 9, 9),) * fake_store.FILM_STEPS + ((200, 200, 200),))
    fake_store.write_film(store, Evidence(sweep, store).roles[0].run, still)

    first = drawn(store, sweep).panels[:6]

    shades = [next(p.of(Picture)).pixels[12, 16, 2] for p in first]
    assert np.allclose(shades, [9] * 5 + [200], atol=2)


def test_without_any_film_there_is_no_figure_and_no_word_of_it(store, sweep):
    assert drawn(store, sweep) == ""


def test_a_run_without_a_film_is_named(store, sweep):
    fake_store.write_film(store, Evidence(sweep, store).roles[0].run)

    assert drawn(store, sweep).panels[0].gaps == (
        "no film of rnd, seed 0", "no film of ppo, seed 3", "no film of ppo, seed 0",
    )  # fmt: skip


def cut(folder):
    (folder / "film.webp").write_bytes((folder / "film.webp").read_bytes()[:100])


def unlike(folder):
    path = folder / "film.json"
    path.write_text(path.read_text().replace("77", "78"))


def gone(folder):
    (folder / "film.webp").unlink()


@pytest.mark.parametrize("damage", [cut, unlike, gone])
def test_a_damaged_film_is_not_shown(damage, store, sweep):
    film_all(store, sweep)
    damage(store.folder(Evidence(sweep, store).roles[0].run))

    assert drawn(store, sweep).panels[0].gaps == ("no film of rnd, seed 3",)


def test_a_film_that_is_no_picture_is_not_shown(store, sweep):
    film_all(store, sweep)
    fake_store.write_film(store, Evidence(sweep, store).roles[0].run, b"<script>")

    assert drawn(store, sweep).panels[0].gaps == ("no film of rnd, seed 3",)


def test_a_film_of_other_weights_is_not_shown(store, sweep):
    film_all(store, sweep)
    run = Evidence(sweep, store).roles[0].run
    fake_store.edit_result(store.folder(run), lambda facts: facts.update(weights="others"))

    assert drawn(store, sweep).panels[0].gaps == ("no film of rnd, seed 3",)


# The page -----------------------------------------------------------------------------------------


def page(store, sweep, **options):
    return (write_report(store, sweep, ["films"], **options) / "report.html").read_text()


@pytest.mark.slow
def test_the_page_plays_the_films_if_it_is_asked_to(store, sweep):
    film_all(store, sweep)

    assert "image/webp" not in page(store, sweep)
    text = page(store, sweep, videos=True)
    assert text.count("data:image/webp;base64,") == 4
    assert "Play: ppo, seed 0, worst of 8 seeds: return 0.25 in 40 steps" in text


def test_the_films_of_a_page_are_bounded_and_what_is_left_out_is_counted(store, sweep, monkeypatch):
    film_all(store, sweep)
    film = store.film(Evidence(sweep, store).roles[0].run).frames
    monkeypatch.setattr(html, "MOST_VIDEO", 3 * len(film))

    text = page(store, sweep, videos=True)

    assert text.count("data:image/webp;base64,") == 3
    assert "1 of these films would make the page too large" in text
