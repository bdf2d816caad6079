"""What is watched is the very episode behind a number."""

from __future__ import annotations

import json
import zlib
from types import SimpleNamespace

import command
import fake_store
import gymnasium as gym
import numpy as np
import pytest
from tiny import each, tiny
from typer.testing import CliRunner

from harness.cli import activity
from harness.cli.main import app
from harness.config.strict import UserError
from harness.envs import Card
from harness.store import run_files
from harness.store.reader import Store
from harness.sweep.expand import expand
from harness.train import film as filming
from harness.train import reel
from harness.train.film import Film, Shot, filmed, final_seeds, typical
from harness.train.run import Job, attempt, run
from harness.train.trained import trained

SAMPLED = {"evaluation": tiny("random").evaluation.model_copy(update={"deterministic": False})}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("runs"))


def finished(store, spec):
    run(spec, Job(store.root))
    return store.folder(spec)


def watch(store, *words):
    found = CliRunner().invoke(
        app, ["watch", *map(str, words), "--results", str(store.root)], catch_exceptions=False
    )
    return found.exit_code, found.stdout, found.stderr


def film_of(folder):
    return run_files.film(folder, run_files.finished(folder)[0]["weights"])


# The episode --------------------------------------------------------------------------------------


FILMED = ["ppo", "random", "dqn_rnd", "recurrent_ppo"]


@pytest.mark.parametrize("agent", each(FILMED, slow={"dqn_rnd", "recurrent_ppo"}))
def test_every_episode_of_the_final_evaluation_is_filmed_bit_for_bit(agent, store):
    loaded = trained(folder := finished(store, tiny(agent)))

    films = [filmed(loaded, seed) for seed in final_seeds(loaded)]

    assert [film.total for film in films] == run_files.final_returns(folder)
    assert [film.steps for film in films] == run_files.final_lengths(folder)
    assert {film.ended for film in films} <= {"terminated", "truncated"}


def test_episodes_with_sampled_actions_are_filmed_bit_for_bit(store):
    loaded = trained(folder := finished(store, tiny("ppo", seed=1).model_copy(update=SAMPLED)))

    films = [filmed(loaded, seed) for seed in final_seeds(loaded)]

    assert [film.total for film in films] == run_files.final_returns(folder)


def test_steps_that_are_not_shown_are_not_drawn_but_the_last_is(store, monkeypatch):
    loaded, drawn = trained(finished(store, tiny("ppo"))), []
    keep = filming.picture
    monkeypatch.setattr(filming, "picture", lambda *of: drawn.append(1) or keep(*of))

    film = filmed(loaded, final_seeds(loaded)[0], every=7)

    shown = [*range(0, film.steps, 7), film.steps]
    assert [shot.step for shot in film.shots] == list(dict.fromkeys(shown))
    assert len(drawn) == len(film.shots)


def test_the_typical_episode_has_the_median_return():
    assert typical([5.0, 1.0, 3.0]) == 2
    assert typical([4.0, 1.0, 3.0, 2.0]) == 3  # of two in the middle the lower
    assert typical([7.0, 7.0]) == 0


def test_pictures_have_even_sides_and_room_for_the_title_of_a_small_frame():
    film = Film("mine", 1, shots=[Shot(0, "", 0.0, "", zlib.compress(bytes(48)), (4, 4, 3))])
    wide, narrow = (next(reel.pictures([reel.Reel(title, film)])) for title in ("w" * 35, "short"))

    assert wide.shape[1] > narrow.shape[1] >= reel.LEAST_WIDTH
    assert not {side % 2 for shape in (wide.shape, narrow.shape) for side in shape[:2]} - {0}


# The command --------------------------------------------------------------------------------------


def test_a_run_is_watched_by_its_key_and_its_film_kept_with_it(store, tmp_path):
    folder = finished(store, tiny("ppo"))
    returns = run_files.final_returns(folder)

    code, out, err = watch(store, folder.name, "--strip", tmp_path / "x.png")

    place = typical(returns)
    assert (code, err) == (0, "")
    assert f"episode {place} (reset seed" in out and f"return {returns[place]:.6g} in" in out
    assert (tmp_path / "x.png").exists()
    kept = film_of(folder)
    assert (kept.episode, kept.total) == (place, returns[place])
    assert kept.at[-1] == run_files.final_lengths(folder)[place]


@pytest.mark.parametrize(
    ("chosen", "seed"),
    [
        pytest.param("best", 5, marks=pytest.mark.slow),
        ("worst", 6),
        pytest.param(2, 7, marks=pytest.mark.slow),
    ],
)
def test_another_episode_is_watched_and_not_kept(chosen, seed, store, tmp_path):
    folder = finished(store, tiny("ppo", seed=seed))
    returns = run_files.final_returns(folder)

    _, out, _ = watch(store, folder, "--episode", chosen, "--video", tmp_path / "x.gif")

    place = {"best": np.argmax(returns), "worst": np.argmin(returns), 2: 2}[chosen]
    assert f"episode {place} (" in out and f"return {returns[place]:.6g} in" in out
    assert (film_of(folder) is None) == (place != typical(returns))


def test_a_seed_of_the_final_evaluation_is_that_episode_and_another_is_said_to_be_none(
    store, tmp_path
):
    folder = finished(store, tiny("ppo"))
    seed = final_seeds(trained(folder))[1]

    said = [
        watch(store, folder, "--seed", each, "--strip", tmp_path / "x.png")[1] for each in (seed, 5)
    ]

    assert f"episode 1 (reset seed {seed})" in said[0]
    assert "an episode of no evaluation (reset seed 5)" in said[1]


def test_the_newest_finished_run_of_an_agent_on_an_environment_is_watched(store, tmp_path):
    older, newer = (finished(store, tiny("random", seed=seed)) for seed in (0, 1))
    for folder, ended in ((older, "2026-01-01T00:00:00+00:00"), (newer, "2026-01-02")):
        fake_store.edit_result(folder, lambda facts, ended=ended: facts.update(ended=ended))

    code, out, _ = watch(store, "random", "CartPole-v1", "--strip", tmp_path / "x.png")

    assert code == 0 and out.startswith("random on CartPole-v1, seed 1")


MADE = """\
import gymnasium as gym
from baselines.target import offers

@offers(gym.Env)
def make(render_mode: str | None = None) -> gym.Env:
    return gym.make("CartPole-v1", render_mode=render_mode)
"""
MAKING = "summary: A pole.\nentry_point: making:make\nversion: 1\nactions: discrete\n"


def test_a_run_in_an_environment_that_a_function_makes_is_watched(tmp_path, no_study):
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/mine.yaml").write_text(MAKING + "max_episode_steps: 20\n")
    (tmp_path / "making.py").write_text(MADE)
    protocol = "{every: 100, episodes: 1, final_episodes: 2}"
    words = "--steps", "100", "--evaluation", protocol
    command.typed("run", "random", "mine", *words, cwd=tmp_path)

    words = "--study", ".", "--video", "x.gif"
    said = command.typed("watch", "random", "mine", *words, cwd=tmp_path)

    (result,) = tmp_path.glob("results/runs/random/mine/*/result.json")
    assert "making" in json.loads(result.read_text())["sources"]
    assert said.endswith("x.gif\n")


def test_what_takes_long_says_how_far_it_is(store, tmp_path, monkeypatch):
    folder = finished(store, tiny("random"))
    for name in ("SILENT", "EVERY"):
        monkeypatch.setattr(activity, name, 0.0)

    _, _, err = watch(store, folder, "--video", tmp_path / "x.gif")

    steps = sum(run_files.final_lengths(folder))
    assert f": steps of an evaluation of 3 episodes, 1 of {steps}" in err
    assert "x.gif, 2 of " in err.replace("\n", "")


@pytest.mark.parametrize(
    "ending", ["mp4", *(pytest.param(e, marks=pytest.mark.slow) for e in ("gif", "webp"))]
)
def test_runs_stand_side_by_side_in_one_video(ending, store, tmp_path):
    folders = [finished(store, tiny(agent)) for agent in ("ppo", "random")]
    path = tmp_path / f"x.{ending}"
    if ending == "mp4":
        pytest.importorskip("imageio_ffmpeg", reason="needs the extra 'video'")

    code, _, err = watch(store, *folders, "--video", path)

    assert (code, err) == (0, "")
    assert path.stat().st_size > 10_000


def test_an_episode_that_is_not_the_recorded_one_is_shown_with_a_warning_and_not_kept(
    store, tmp_path
):
    folder = finished(store, tiny("random", seed=3))
    returns = run_files.final_returns(folder)
    now = returns[typical(returns)]
    evals = folder / "evals.jsonl"
    evals.write_text(evals.read_text().replace(str(now), f"{now}5"))
    fake_store.seal(folder)

    code, _, err = watch(store, folder, "--strip", tmp_path / "x.png")

    assert code == 0
    assert f"(return {now}5 then, {now} now)" in err
    assert film_of(folder) is None


# What cannot be watched ---------------------------------------------------------------------------


def unfinished(store):
    folder = finished(store, tiny("random", seed=4))
    (folder / "result.json").unlink()
    return folder


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["0" * 16], "no run '0000000000000000' in"),
        (["nowhere"], "'nowhere' is no run in"),
        (["a2c", "CartPole-v1"], "`harness run a2c CartPole-v1` makes one"),
        (["own:Agent", "CartPole-v1"], "`harness run own:Agent CartPole-v1` makes one"),
        (["pidd", "CartPole-v1"], "unknown agent 'pidd'. Did you mean 'pid'?"),
        (["pid", "CartPol-v1"], "unknown environment 'CartPol-v1'. Did you mean 'CartPole-v1'?"),
        (["..", ".."], "no finished run of .. on .."),
        ([unfinished], "not finished"),
        (["pid", "CartPole-v1", "--window"], "there is no display here"),
        (["pid", "CartPole-v1", "--video", "x.avi"], "no video ends in '.avi'"),
        (["pid", "CartPole-v1", "--strip", "x"], "no film strip ends in ''"),
        (["pid", "CartPole-v1", "--episode", "3"], "the episodes 0 to 2, and no 3"),
        (["pid", "CartPole-v1", "--episode", "bst"], "Did you mean 'best'?"),
        (["pid", "CartPole-v1", "--episode", "0", "--seed", "1"], "leave one out"),
    ],
)
def test_what_cannot_be_watched_is_one_line_that_names_the_way_out(words, says, store, monkeypatch):
    finished(store, tiny("pid"))
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)

    code, _, err = watch(store, *(word(store) if callable(word) else word for word in words))

    assert code == 2
    assert says in err and len(err.splitlines()) == 1


def test_a_video_that_needs_ffmpeg_says_what_to_install(store, monkeypatch):
    monkeypatch.setattr("harness.train.video.find_spec", lambda name: None)
    finished(store, tiny("pid"))

    code, _, err = watch(store, "pid", "CartPole-v1", "--video", "x.mp4")

    assert code == 2 and "rl-ablation-harness[video]" in err


def test_a_video_that_the_disk_does_not_take_is_one_line(store, monkeypatch):
    monkeypatch.setattr("harness.train.video.find_spec", lambda name: name)
    finished(store, tiny("pid"))
    taken = store.root / "x.mp4"
    taken.mkdir()

    code, _, err = watch(store, "pid", "CartPole-v1", "--video", str(taken))

    assert code == 2
    assert f"{taken}: is a directory" in err and len(err.splitlines()) == 1


def test_a_reset_seed_that_no_generator_takes_is_refused(store):
    code, _, err = watch(store, "pid", "CartPole-v1", "--seed", str(10**30))

    assert code == 2 and "--seed" in err


class Blind(gym.Env):
    """Shows `picture`, whatever is asked of it."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(1)

    def __init__(self, picture):
        self.picture = picture

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def render(self):
        return self.picture()


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (lambda: None, "`render` returns nothing"),
        (lambda: "a line of text", "`render` returns <U14"),
        (lambda: np.zeros((4, 4, 3)), "`render` returns float64 of the shape (4, 4, 3)"),
        (lambda: 1 / 0, "`render` fails: ZeroDivisionError: division by zero: let the"),
        (gym.Env().render, "`render` fails: NotImplementedError: let the constructor"),
    ],
)
def test_an_environment_without_a_picture_says_what_it_must_take(picture, says):
    card = SimpleNamespace(name="mine", measures={})
    camera = filming.Camera(Blind(picture), card, {1: Film("mine", 1)})

    with pytest.raises(UserError, match="mine: it cannot be drawn") as refused:
        camera.reset(seed=1)

    assert says in str(refused.value) and "take render_mode" in str(refused.value)


def test_an_environment_whose_render_needs_no_mode_is_filmed(monkeypatch):
    picture = np.full((4, 4, 3), 7, np.uint8)
    monkeypatch.setattr("harness.envs.build.maker", lambda card: lambda: Blind(lambda: picture))
    card = Card(summary="", entry_point="my:Blind", max_episode_steps=5, actions="discrete")
    made = Film("mine", 1)

    filming.Camera(filming.to_draw(card), card, {1: made}).reset(seed=1)

    assert made.shots[0].pixels.tolist() == picture.tolist()


# After a sweep ------------------------------------------------------------------------------------

SWEEP = """\
name: filmed
question: Is one as good as the other?
envs: [{env}]
seeds: 6
steps: 100
evaluation: {{every: 100, episodes: 1, final_episodes: 3}}
arms:
  one: {{agent: random}}
  other: {{agent: random, wrappers: [{{name: sticky_actions, probability: 0.5}}]}}
claims: [one > other on {env} by final]
report: {{films: {films}}}
"""


def typed(*words):
    found = CliRunner().invoke(app, [*map(str, words)], catch_exceptions=False)
    return found.exit_code, found.stdout, found.stderr


def test_a_sweep_that_asks_for_films_has_those_that_its_report_shows(tmp_path):
    path, results = tmp_path / "x.yaml", tmp_path / "results"
    path.write_text(SWEEP.format(env="DeepSea-10", films="true"))
    options = ["--results", results, "--executor", "serial", "--no-crosscheck"]

    code, out, err = typed("sweep", path, *options, "--no-figures")

    assert (code, err) == (0, "")
    assert "filming 4 runs" in out
    sweep = Store(results).sweep("filmed")
    assert sum(Store(results).film(run) is not None for run in sweep.runs) == 4
    assert "filming" not in typed("sweep", path, *options, "--no-figures")[1]


def test_films_change_no_key(tmp_path):
    keys = []
    for films in ("true", "false"):
        path = tmp_path / "x.yaml"
        path.write_text(SWEEP.format(env="DeepSea-10", films=films))
        keys.append([spec.key for spec in expand(path).sweep.made])

    assert keys[0] == keys[1]


def test_a_sweep_whose_films_cannot_be_made_is_refused_before_anything_trains(
    tmp_path, monkeypatch
):
    path = tmp_path / "x.yaml"
    path.write_text(SWEEP.format(env="DeepSea-10", films="true"))
    monkeypatch.setattr("harness.envs.deep_sea.DeepSea.render", lambda self: None)

    code, _, err = typed("check", path, "--results", tmp_path / "results")

    assert code == 2
    assert (
        "x.yaml:11: report.films: DeepSea-10: it cannot be drawn, `render` returns nothing" in err
    )


def test_a_run_that_cannot_be_filmed_is_finished_all_the_same(store, monkeypatch, capsys):
    spec = tiny("random", seed=8, env="DeepSea-10")
    monkeypatch.setattr("harness.envs.deep_sea.DeepSea.render", lambda self: None)

    attempt(spec, Job(store.root, film=True))

    assert store.finished(spec) and store.film(spec) is None
    assert "seed 8 is not filmed: DeepSea-10: it cannot be drawn" in capsys.readouterr().err
