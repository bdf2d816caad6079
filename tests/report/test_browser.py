"""report.html as a browser shows it: nothing complains, nothing is asked of the network."""

from __future__ import annotations

import io
import os
from urllib.parse import unquote, urlparse

import fake_store
import fake_tune
import numpy as np
import pytest
from browser import browser, program
from PIL import Image

from harness.store.reader import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        program() is None and not os.environ.get("CI"),
        reason="no Chromium to look at report.html with: sudo apt-get install chromium",
    ),
]
ARMS, ENVS = ("ppo", "rnd", "no_obs_norm"), ("DeepSea-20", "DeepSea-10")
CLAIMS = fake_store.CLAIMS[:2]
LOGGED = {"train/value_loss": [1000.0, 30.0, 1.0, 2.5], "rollout/ep_rew_mean": [0.0, 0.5, 0.75]}
FIGURE = "document.querySelector('#figure-{}')"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("page"))
    sweep = fake_store.sweep(ARMS, ENVS, 8, claims=CLAIMS)
    fake_store.write_sweep(store, sweep, finish=False)
    for run in sweep.runs[:-1]:
        fake_store.write_run(store, run, metrics=LOGGED)
        speed = 10 ** -(ARMS.index(run.arm) + 2)  # CPU seconds of a step
        fake_store.write_clock(store, run, lambda step, speed=speed: step * speed)
    fake_store.write_failure(store, sweep.runs[-1], "ValueError: <b>NaN</b> in the policy")
    return fake_store.write_page(store, sweep)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The page of a search that has every figure."""
    folder = tmp_path_factory.mktemp("study")
    space = "      learning_rate: {why: Steps., low: 1.0e-4, high: 1.0e-2, log: true}\n"
    space += "      batch_size: {why: Noise., low: 32, high: 256, powers_of: 2}\n"
    space += "      ent_coef: {why: Entropy., choices: [0.0, 0.01]}\n"
    head, _, rest = fake_tune.FILE.partition("  pid:\n")
    rest = rest[rest.index("seeds: 6") :].replace("top: 2", "path_seeds: 3, top: 2")
    only = "    only: [learning_rate, batch_size, ent_coef]\n"
    head = head.replace("1000", "4096")  # PPO makes no update before
    text = f"{head}  ppo:\n    agent: ppo\n{only}    space:\n{space}{rest}"

    def score(spec):
        return 400 - 100 * abs(np.log10(spec.hparams["learning_rate"] / 1e-3)) + spec.seed % 7

    return fake_tune.write_page(fake_tune.plan(folder, text), folder, score)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    assert program(), "CI looks at report.html: sudo apt-get install chromium"
    with browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def tab(shared):
    shared.said.clear()
    shared.asked.clear()
    yield shared
    assert shared.said == []  # console and exceptions


@pytest.mark.parametrize("of", ["path", "study"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_is_whole_at_any_width_and_asks_nothing_of_the_network(
    tab, of, width, dark, request
):
    path = request.getfixturevalue(of)
    tab.open(path, width, dark)
    assert {urlparse(url).scheme for url in tab.asked} <= {"file", "data"}
    assert [url for url in tab.asked if url.startswith("file")] == [path.as_uri()]
    assert tab.ask("document.documentElement.scrollWidth") == width  # nothing sticks out
    plots = "[...document.querySelectorAll('.plot')]"
    assert tab.ask(f"{plots}.every(plot => plot.querySelector('svg .mark, svg .line'))")
    pixels = np.asarray(Image.open(io.BytesIO(tab.picture())).convert("L"), dtype=float)
    assert pixels.shape[1] == width and pixels.shape[0] > 3000
    assert (np.median(pixels) < 60) == dark
    assert pixels.std() > 10


@pytest.mark.parametrize("of", ["path", "study"])
def test_no_label_of_a_figure_leaves_its_panel(tab, of, request):
    path = request.getfixturevalue(of)
    for width in (400, 1280):
        tab.open(path, width)
        out = tab.ask("""[...document.querySelectorAll('.panel svg')].flatMap(svg => {
          const box = svg.getBoundingClientRect();
          return [...svg.querySelectorAll('text')].filter(text => {
            const r = text.getBoundingClientRect();
            return r.left < box.left - 8 || r.right > box.right + 10 || r.bottom > box.bottom + 2;
          }).map(text => text.textContent);
        })""")
        assert out == []


def test_cpu_time_is_drawn_over_powers_of_ten_and_says_who_has_ended(tab, path):
    tab.open(path)
    figure = FIGURE.format("equal_cpu")
    assert tab.ask(f"{figure}.closest('section').id") == "at-equal-cpu-time"
    panel = f"{figure}.querySelector('svg')"
    labels = f"[...{panel}.querySelectorAll('text')]"
    places = tab.ask(f"{labels}.filter(t => ['30', '100', '300'].includes(t.textContent))"
                     ".map(t => [Number(t.textContent), t.x.baseVal[0].value])")  # fmt: skip
    (a, left), (b, middle), (c, right) = sorted(map(tuple, places))
    assert (right - middle) / (middle - left) == pytest.approx(np.log(c / b) / np.log(b / a))
    assert tab.ask(f"{panel}.querySelectorAll('.hollow').length") == len(ARMS)
    tab.ask(f"{panel}.focus()")
    tab.key("ArrowLeft")  # the last of all
    tip = tab.ask("document.getElementById('tip').textContent")
    assert "CPU seconds" in tip and tip.count("(ended)") == len(ARMS)


def test_a_click_sorts_a_table_by_its_numbers_and_back(tab, path):
    tab.open(path)
    column = """(() => { const table = document.querySelectorAll('#scores-by-environment table')[0];
      {}
      return [...table.tBodies[0].rows].map(row => row.cells[2].textContent.split(' ')[0]); }})()"""
    click = "table.tHead.rows[0].cells[2].querySelector('button').click();"
    column = column.replace("{{", "{").replace("}}", "}")
    for times, order in ((1, 1), (2, -1)):
        tab.open(path)
        found = tab.ask(column.replace("{}", click * times))
        numbers = [float(text) for text in found[:-3]]  # then the arm with a gap, and the anchors
        assert numbers == sorted(numbers, key=lambda n: order * n)
        assert found[-3] == "-"
    assert tab.ask(
        "document.querySelector('#scores-by-environment th:nth-child(3)').ariaSort"
    ) == "descending"  # fmt: skip


def test_an_arm_and_a_score_are_taken_out_and_put_back(tab, path):
    tab.open(path)
    lines = FIGURE.format("curves") + ".querySelectorAll('.panel .line').length"
    buttons = "[...document.querySelectorAll('.tools button')]"
    press = buttons + ".find(button => button.textContent === '{}').click()"
    before = tab.ask(lines)
    tab.ask(press.format("rnd"))
    assert tab.ask(lines) == before - len(ENVS)
    tab.ask(press.format("rnd"))
    assert tab.ask(lines) == before
    tab.ask(press.format("auc"))
    assert tab.ask(FIGURE.format("seeds_final") + ".hidden")
    assert not tab.ask(FIGURE.format("seeds_auc") + ".hidden")
    tab.ask("(s => { s.value = 'DeepSea-10'; s.dispatchEvent(new Event('change')); })"
            "(document.querySelector('.tools select'))")  # fmt: skip
    titles = FIGURE.format("curves") + ".querySelectorAll('h4')"
    assert tab.ask(f"[...{titles}].map(h => h.textContent)") == ["DeepSea-10"]


def test_the_keyboard_reads_a_figure_and_opens_a_run(tab, path):
    tab.open(path)
    tab.ask(FIGURE.format("curves") + ".querySelector('svg').focus()")
    tab.key("ArrowRight")
    assert "environment steps" in tab.ask("document.getElementById('tip').textContent")
    tab.ask(FIGURE.format("seeds_final") + ".querySelector('svg').focus()")
    tab.key("ArrowRight")
    tip = tab.ask("document.getElementById('tip').textContent")
    assert ", seed" in tip
    tab.key("Enter")
    assert tab.ask("location.hash").startswith("#run-")
    # The page hears of its new address a moment later.
    tab.ask("new Promise(done => { const look = () => document.querySelector('.detail') ? done() "
            ": setTimeout(look, 20); look(); })")  # fmt: skip
    opened = tab.ask("document.querySelector('.detail').textContent")
    assert tip.split(", seed")[0] in opened
    assert tab.ask("document.querySelectorAll('[tabindex]:not([tabindex=\"0\"])').length") == 0


def test_the_details_of_a_run_hold_its_command_and_links_that_resolve(tab, path):
    store = Store(path.parents[3])
    sweep = store.sweep("fake")
    for run in (sweep.runs[0], sweep.runs[-1]):  # one finished, one failed
        tab.open(path, hash_=f"#run-{run.key}")
        detail = "document.querySelector('.detail')"
        text = tab.ask(f"{detail}.textContent")
        assert f"--seed {run.seed}" in text and f"harness run {run.agent} {run.env}" in text
        assert ("ValueError: <b>NaN</b>" in text) == (run == sweep.runs[-1])
        links = tab.ask(f"[...{detail}.querySelectorAll('a')].map(a => a.href)")
        assert len(links) >= 3
        for link in links:
            target = unquote(urlparse(link).path)
            assert os.path.exists(target), target
            assert str(store.folder(run).resolve()) in os.path.realpath(target)


@pytest.mark.parametrize("width", [400, 1280])
def test_a_run_that_is_opened_shows_what_its_training_logged(tab, path, width):
    run = Store(path.parents[3]).sweep("fake").runs[0]
    tab.open(path, width, hash_=f"#run-{run.key}")
    panels = "[...document.querySelectorAll('.detail .scalars .panel')]"
    names = tab.ask(f"{panels}.map(panel => panel.querySelector('h4').textContent)")
    points = tab.ask(f"{panels}.map(panel => panel.querySelectorAll('.mark').length)")

    shown = dict(zip(names, points, strict=True))
    assert {name: shown[name] for name in LOGGED} == {n: len(v) for n, v in LOGGED.items()}
    assert tab.ask("document.documentElement.scrollWidth") == width


def test_a_number_leads_to_the_runs_behind_it(tab, path):
    tab.open(path)
    cell = "document.querySelector('#scores-by-environment tr:nth-child(2) a.runs')"
    tab.ask(f"{cell}.click()")
    tab.ask("new Promise(done => setTimeout(done, 100))")
    rows = tab.ask("[...document.querySelectorAll('.explorer tbody tr')].map(r => "
                   "[r.cells[1].textContent, r.cells[2].textContent])")  # fmt: skip
    assert rows == [["rnd", "DeepSea-20"]] * 8


def test_numbers_read_as_python_writes_them(tab, path):
    tab.open(path)
    values = [0.125, 0.375, -0.001, 0.985, 2.675, 212.25, 1.005, -0.5, 1e6]
    for decimals in (0, 1, 2):
        found = tab.ask(f"{values}.map(v => fixed(v, {decimals}))")
        assert found == [f"{round(v, decimals) + 0.0:.{decimals}f}" for v in values]


def test_a_point_of_a_search_leads_to_its_trial_and_the_trial_to_its_runs(tab, study):
    tab.open(study)
    assert tab.ask("document.querySelectorAll('figure .plot svg').length") > 8
    tab.ask(FIGURE.format("parallel") + ".querySelector('svg').focus()")
    told = []
    for _ in range(2):  # a line has many points, and is one thing
        tab.key("ArrowRight")
        told.append(tab.ask("document.getElementById('tip').textContent"))
    assert told[0] != told[1] and all(text.startswith("Trial ") for text in told)
    tab.key("Enter")
    tab.ask("new Promise(done => setTimeout(done, 100))")
    row = "document.querySelector('tr:target')"
    assert tab.ask("location.hash") == "#" + tab.ask(f"{row}.id")
    value = tab.ask(f"{row}.cells[2].textContent")
    assert value in told[1]
    tab.ask(f"{row}.querySelector('summary').click()")
    for link in tab.ask(f"[...{row}.querySelectorAll('a')].map(a => a.href)"):
        assert os.path.isdir(unquote(urlparse(link).path)), link


def test_the_trials_of_a_search_sort_by_their_values(tab, study):
    tab.open(study)
    values = tab.ask("""(() => { const table = document.querySelector('.trials table');
      table.tHead.rows[0].cells[2].querySelector('button').click();
      return [...table.tBodies[0].rows].map(row => row.cells[2].textContent); })()""")
    numbers = [float(text) for text in values]
    assert numbers == sorted(numbers) and len(numbers) == 12
