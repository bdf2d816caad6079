"""The paper compiles whatever an arm is called, and says nothing that is not in the records."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import fake_store
import pytest
from fake_report import write_report
from typer.testing import CliRunner

from baselines import AGENTS, BONUSES
from harness.cli.main import app
from harness.report import citation
from harness.report.checklist import AuthorsAnswer
from harness.report.document import Table
from harness.report.evidence import Evidence
from harness.report.number import fixed
from harness.report.render import latex, style
from harness.report.render.paper import narrow
from harness.report.results.methods import paragraphs
from harness.spec import Claim, Evaluation, ReportOptions, ResolvedSweep
from harness.store.reader import Store

TWO_ENVS = ("DeepSea-20", "DeepSea-10")
NASTY = (
    "a_b&c%d$e#f", "{x}^~\\y", "[0]", "*", "50 % <b>", "a--b---c", "-1.5", "'one' \"two\" `too`",
    "größer, ça & là", "τ ≥ 0.5 → ∞", "強化学習", "naïve|pipe", "\\end{document}", "$\\no_math$",
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def nasty(store: Store, seeds: int = 6) -> ResolvedSweep:
    claims = (Claim(text="", better=NASTY[0], worse=NASTY[1], env="DeepSea-20"),)
    sweep = fake_store.sweep(NASTY, TWO_ENVS, seeds, claims=claims, question="Is 50 % > $x_1$?")
    fake_store.write_sweep(store, sweep)
    return sweep


# Tables ------------------------------------------------------------------------------------------


def read_markdown(path: Path) -> list[list[str]]:
    lines = path.read_text().splitlines()
    cells = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in (lines[0], *lines[2:])]
    return [[cell.replace("\\|", "|") for cell in row] for row in cells]


def read_latex(path: Path) -> list[list[str]]:
    body = re.search(r"\\toprule\n(.*)\\bottomrule", path.read_text(), flags=re.S)[1]
    lines = [line for line in body.splitlines() if line != "\\midrule"]
    assert all(line.endswith(r" \\") for line in lines)
    return [[plain(cell) for cell in line[:-3].split(" & ")] for line in lines]


def plain(cell: str) -> str:
    """What LaTeX shows for an escaped cell."""
    signs = {shown: sign for sign, shown in latex._SIGNS.items() if sign not in "–—−"}  # noqa: RUF001
    signs |= {"$-$": "-", "-{}": "-"}
    longest = sorted(signs, key=len, reverse=True)
    found = re.sub("|".join(map(re.escape, longest)), lambda m: signs[m[0]], cell)
    return found.removeprefix("{}")


def test_the_three_forms_of_every_table_hold_the_same_cells(store):
    names = tuple(name for name in NASTY if "強" not in name)  # LaTeX has its code points instead
    sweep = fake_store.sweep(names, TWO_ENVS, 6)
    fake_store.write_sweep(store, sweep)
    fake_store.write_failure(store, sweep.runs[0], "ValueError: NaN in the policy")
    fake_store.remove_result(store, sweep.runs[0])
    folder = write_report(store, sweep)
    found = sorted(path.stem for path in folder.glob("*.tex"))
    assert {"table_final", "table_auc", "runs", "hyperparameters", "environments"} <= set(found)
    for name in found:
        markdown, tex = read_markdown(folder / f"{name}.md"), read_latex(folder / f"{name}.tex")
        with (folder / f"{name}.csv").open(newline="") as file:
            rows = list(csv.reader(file))
        assert tex == markdown, name
        if rows[0][:3] == ["env", "arm", "score"]:  # one number to a cell
            rows = as_grid(rows, markdown)
        if rows[0][:3] == ["arm", "statistic", "score"]:
            rows = as_check(rows)
        if name.startswith("table_places"):  # the shares of all places stand behind it
            rows = [row[: len(markdown[0])] for row in rows]
        assert rows == markdown, name


def as_check(rows: list[list[str]]) -> list[list[str]]:
    """The list of rliable's estimates and ours as the table has them."""

    def both(point: str, low: str, high: str, shows: str) -> str:
        ends = f"{fixed(2)(float(low))}, {fixed(2)(float(high))}" if low else ""
        point = fixed(2)(float(point))
        if shows == "tied":
            return f"{point} (ties)"
        return point + {
            "": "", "range": f" {{{ends}}}", "interval": f" [{ends}]", "stamped": f" [{ends}]†",
        }[shows if ends else ""]  # fmt: skip

    found = [["arm", "statistic", "here", "rliable", "rliable covers"]]
    for arm, statistic, _, *ours, point, low, high, least, most in rows[1:]:
        shares = [f"{100 * float(share):.0f}" for share in (least, most)]
        covers = " to ".join(dict.fromkeys(shares)) + " %"
        found.append([arm, statistic, both(*ours), both(point, low, high, "interval"), covers])
    return found


def as_grid(rows: list[list[str]], grid: list[list[str]]) -> list[list[str]]:
    """The list of estimates as a grid, with the anchors that only the grid has."""
    envs, cells = grid[0][1:], {}
    for env, arm, _, point, low, high, shows, have, planned in rows[1:]:
        cells[arm, env] = {
            "interval": f"{point} [{low}, {high}]",
            "stamped": f"{point} [{low}, {high}]†",
            "missing": f"- ({have} of {planned} runs)",
        }[shows]
    arms = list(dict.fromkeys(row[1] for row in rows[1:]))
    made = [grid[0], *([arm, *(cells[arm, env] for env in envs)] for arm in arms)]
    return made + grid[len(made) :]


def test_a_wide_table_is_turned_on_its_side():
    wide = Table(("arm", *(f"environment {i}" for i in range(8))), (("ppo", *"12345678"),))
    turned = narrow(wide)
    assert turned.head == ("", "ppo")
    assert turned.rows[7] == ("environment 7", "8")
    assert narrow(turned) is turned


@pytest.mark.parametrize("text", NASTY)
def test_no_sign_of_a_name_is_a_command(text):
    escaped = latex.escape(text)
    rest = re.sub(r"\\[a-zA-Z]+\{\}|\\[&%$#_{}]|\$\\?[a-z-]+\$|\{\}", "", escaped)
    assert not set(rest) & set("\\&%$#_{}~^")
    assert all(ord(letter) < 0x100 for letter in escaped)


# The document ------------------------------------------------------------------------------------


def cites(text: str) -> set[str]:
    return {key for keys in re.findall(r"\\citep\{(.*?)\}", text) for key in keys.split(",")}


@pytest.mark.parametrize("venue", style.VENUES)
def test_all_that_the_paper_names_lies_beside_it(store, venue):
    figures = ("improvement", "curves") if venue == "plain" else ()
    sweep = fake_store.sweep(("ppo", "rnd"), TWO_ENVS, 6, claims=fake_store.CLAIMS[:2])
    fake_store.write_sweep(store, sweep)
    paper = write_report(store, sweep, figures, venue=venue) / "paper"
    main = (paper / "main.tex").read_text()
    figures = re.findall(r"\{(figures/[^}]*)\}", main)
    assert {path.name for path in (paper / "figures").iterdir()} == {Path(f).name for f in figures}
    inputs = re.findall(r"\\input\{(.*?)\}", main)
    assert {"methods"} < set(inputs)
    assert all((paper / f"{name}.tex").is_file() for name in inputs)
    text = main + (paper / "methods.tex").read_text() + (paper / "checklist.tex").read_text()
    keys = re.findall(r"^@\w+\{(.*),", (paper / "references.bib").read_text(), flags=re.M)
    assert set(keys) == cites(text)
    assert len(keys) == len(set(keys)) >= 5
    refs = re.findall(r"\\ref\{(.*?)\}", text)
    assert refs
    for ref in refs:
        assert rf"\label{{{ref}}}" in text


def test_a_paper_has_its_pdfs_whatever_formats_the_report_has(store):
    options = ReportOptions(scores=("final",))
    sweep = fake_store.sweep(("ppo", "rnd"), ("DeepSea-20",), 3, report=options)
    fake_store.write_sweep(store, sweep)
    folder = write_report(store, sweep, ["curves"], formats=("svg",))
    assert {p.suffix for p in folder.iterdir() if p.stem == "curves"} == {".svg"}
    assert "(curves.svg)" in (folder / "report.md").read_text()
    assert [p.name for p in (folder / "paper/figures").iterdir()] == ["curves.pdf"]
    write_report(store, sweep, ["curves"], formats=("png", "pdf"))
    assert not (folder / "curves.svg").exists()


def said(store: Store, sweep: ResolvedSweep) -> str:
    found = paragraphs(Evidence(sweep, store))
    text = "\n".join(latex.words(each.words) for each in found)
    return text.replace(r"\allowbreak{}", "").replace("'{}", "'")


def test_the_methods_paragraph_follows_the_records(store):
    sweep = fake_store.sweep(("ppo", "rnd"), TWO_ENVS, 6, claims=fake_store.CLAIMS[:1])
    fake_store.write_sweep(store, sweep)
    text = said(store, sweep)
    for words in (
        r"2 arms, \texttt{ppo} (ppo~\citep{schulman2017proximal}) and \texttt{rnd}",
        r"60,000 on DeepSea-20 and 20,000 on DeepSea-10; seeds are 0--5.",
        "All 24 training runs finished.",
        "after training on 100 episodes, acting greedily.",
        "The sweep makes 1 claim. By the records of this results folder, 1 of 1 were declared ",
        "Python 3.11.7 and stable-baselines3 2.9.2",
        "A processor, 2 cores",
    ):
        assert words in text
    assert "Holm" not in text  # one claim needs no correction

    other = sweep.model_copy(update={"claims": fake_store.CLAIMS[:2], "runs": sweep.runs[:-1]})
    sampled = Evaluation(every=7, episodes=3, final_episodes=50, deterministic=False)
    runs = [run.model_copy(update={"evaluation": sampled, "steps": 90}) for run in other.runs]
    other = other.model_copy(update={"runs": tuple(runs)})
    fake_store.write_sweep(store, other, finish=False)
    for run in other.runs[3:]:
        fake_store.write_run(store, run, result={"packages": {"torch": "2.14.0"}})
    text = said(store, other)
    for words in (
        "Budgets in environment steps are 90;",
        "Of 23 training runs, 20 finished and 3 missing.",
        "every 7 steps on 3 episodes, and after training on 50 episodes, acting by sampling",
        r"Holm's correction~\citep{holm1979simple} for all 2 claims",
        "torch 2.14.0",
    ):
        assert words in text
    assert "stable-baselines3" not in text


@pytest.mark.parametrize(
    ("seeds", "words"),
    [(2, "With 2 seeds, no interval"), (4, "ranges are given instead"), (6, "10,000 resamples")],
)
def test_the_methods_paragraph_claims_no_interval_that_there_is_not(store, seeds, words):
    sweep = fake_store.sweep(("ppo", "rnd"), TWO_ENVS, seeds)
    fake_store.write_sweep(store, sweep)
    assert words in said(store, sweep)


@pytest.mark.parametrize("name", [name for name, entry in AGENTS.items() if entry.learns])
def test_every_learner_has_a_work_to_cite(name):
    assert citation.keys(f"agent:{name}")


@pytest.mark.parametrize("name", BONUSES)
def test_a_learner_with_a_bonus_cites_both(name):
    learner, bonus = citation.keys("agent:recurrent_ppo"), citation.keys(f"bonus:{name}")
    assert learner and bonus
    assert set(citation.keys(f"agent:recurrent_ppo_{name}")) == {*learner, *bonus}


def test_each_work_is_cited_for_something_and_stands_there_once():
    keys = [work.key for work in citation.works()]
    assert len(keys) == len(set(keys)) > 20
    assert all(work.topics and "keywords" not in work.bibtex for work in citation.works())


# The command -------------------------------------------------------------------------------------


def run(store: Store, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*words, "--results", str(store.root)])
    return result.exit_code, result.output


def test_a_checklist_with_flaws_fails_a_strict_report_after_it_is_written(store):
    sweep = fake_store.sweep(("ppo", "rnd"), ("DeepSea-20",), 3, source=str(store.root / "s.yaml"))
    fake_store.write_sweep(store, sweep)
    file = store.root / "s.checklist.yaml"
    file.write_text("answers: {variation: {answer: yes, because: There are bars.}}\n")
    assert run(store, "report", "fake")[0] == 0
    shutil.rmtree(store.sweep_folder("fake") / "report")
    code, out = run(store, "report", "fake", "--strict")
    assert code == 1
    assert (store.sweep_folder("fake") / "report/report.md").exists()
    assert "variation: CONTRADICTED. The author says Yes" in out
    assert "ethics: UNANSWERED" in out


def test_a_checklist_without_flaws_passes_a_strict_report(store):
    sweep = fake_store.sweep(("ppo", "rnd"), ("DeepSea-20",), 3, source=str(store.root / "s.yaml"))
    fake_store.write_sweep(store, sweep)
    # 3 seeds have no interval: the records' honest "no" is no flaw.
    open_questions = [e for e in checklist_of(store, sweep) if e.flaw]
    lines = [f"  {e.name}: {{answer: no, because: Not yet.}}" for e in open_questions]
    (store.root / "s.checklist.yaml").write_text("\n".join(["answers:", *lines]) + "\n")
    code, out = run(store, "report", "fake", "--strict")
    assert (code, "CONTRADICTED" in out) == (0, False)


def checklist_of(store: Store, sweep: ResolvedSweep):
    from harness.report import checklist

    nothing: dict[str, AuthorsAnswer] = {}
    return checklist.fill(Evidence(sweep, store), nothing)


def test_a_wrong_checklist_is_told_before_anything_trains(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(
        "{name: s, question: '?', envs: [CartPole-v1], seeds: 1, steps: 10,"
        " arms: {random: {agent: random}}}"
    )
    (tmp_path / "s.checklist.yaml").write_text("answers: {ethic: {answer: no, because: x}}")
    result = CliRunner().invoke(app, ["sweep", str(file), "--results", str(tmp_path / "results")])
    assert result.exit_code == 2
    assert "s.checklist.yaml:1: answers.ethic: no question 'ethic'. Did you mean" in result.output
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [("--style", "nurips", "Did you mean 'neurips'?"), ("--format", "pdf,gif", "no format 'gif'")],
)
def test_a_wrong_option_is_one_line(store, option, value, hint):
    fake_store.write_sweep(store, fake_store.sweep(seeds=1), finish=False)
    code, out = run(store, "report", "fake", option, value)
    assert (code, hint in out) == (2, True)


@pytest.mark.slow
def test_a_report_in_pdf_alone_still_shows_its_figures(store):
    fake_store.write_sweep(store, fake_store.sweep(("ppo",), ("DeepSea-20",), 1))
    code, _ = run(store, "report", "fake", "--format", "pdf", "--figures")
    text = (store.sweep_folder("fake") / "report" / "report.md").read_text()
    assert (code, text.count("![") > 0, ".svg)" in text) == (0, True, False)


# TeX ---------------------------------------------------------------------------------------------

needs_tex = pytest.mark.skipif(
    shutil.which("latexmk") is None or shutil.which("pdflatex") is None,
    reason="no TeX here: Debian has it as latexmk, texlive-latex-recommended, lmodern, cm-super",
)


def compiled(paper: Path) -> bytes:
    command = ["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=paper, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-3000:]
    log = (paper / "main.log").read_text(errors="replace")
    assert not re.findall(r"Citation .* undefined|Reference .* undefined|multiply defined", log)
    too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \((.*?)pt", log)]
    assert max(too_wide, default=0.0) < 20, "something leaves the text"
    return (paper / "main.pdf").read_bytes()


@pytest.mark.slow
@needs_tex
@pytest.mark.parametrize("venue", style.VENUES)
def test_the_paper_compiles_with_nasty_names(store, tmp_path, venue):
    sweep = nasty(store)
    first = write_report(store, sweep, ["aggregates", "profiles", "curves"], venue=venue) / "paper"
    copy = tmp_path / "elsewhere"
    shutil.copytree(first, copy)
    pdf = compiled(first)
    assert b"/Type3" not in pdf
    assert pdf == compiled(copy)  # no date, no path
