"""report.html of a search: what report.md says, with figures to ask and every trial to sort."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from harness.config.tree import get
from harness.report.number import fixed
from harness.report.plot import Plot
from harness.report.render.script import Script
from harness.report.web import shell, words
from harness.search import confirm, loop
from harness.search.evidence import Evidence
from harness.search.figures import DIGITS, FIGURES, row_id, state
from harness.search.surrogate import worth
from harness.spec import RunSpec
from harness.store.reader import Store

TRIALS = "Trials"
_VALUE = fixed(DIGITS)
_FRESH, _FURTHER = "fresh seeds", "further seeds"


def write(studies: Sequence[Evidence], store: Store, text: str, folder: Path) -> Path:
    """:param text: report.md: the page says the same, in the same words."""
    file, script = studies[0].plan.file, Script()
    _, *parts = shell.split(text)  # its name is the page's
    sections = []
    for title, body in parts:
        found = next((one for one in studies if one.plan.label == title), None)
        html = _text(body, studies) if found is None else _study(found, body, store, folder, script)
        sections.append((title, shell.section(title, html)))
    data = {"looks": script.looks, "arms": 0, "envs": [], "plots": script.plots}
    question = file.question or f"What is best for {', '.join(file.arms)}?"
    path = folder / shell.FILE
    page = shell.page(file.name, question, sections, data, "study.js")
    path.write_text(page, encoding="utf-8")
    return path


def _text(body: str, studies: Sequence[Evidence]) -> str:
    arms = {found.plan.label: found for found in studies}

    def behind(head: Sequence[str], row: Sequence[str]) -> str:
        """The trial whose number a cell holds."""
        found, column = arms.get(row[0]), head[len(row) - 1]
        if found is None or column not in ("winner", "default"):
            return ""
        number = found.best_number if column == "winner" else 0
        return f"#trial-{row_id(found, number)}"

    return words.render(words.with_links(words.parse(body), behind))


def _study(found: Evidence, body: str, store: Store, folder: Path, script: Script) -> str:
    """One arm: its figures, and its trials before them.

    :param script: gathers what its figures show.
    """
    parts = []
    for chapter in words.chapters(words.parse(body)):
        file = words.picture(chapter)
        if not file:
            html = words.render(words.with_links(chapter, lambda head, row: ""))
            parts.append(f'<div class="words">{html}</div>')
            continue
        name = Path(file).stem
        kind = next(kind for kind in FIGURES if name == kind or name.endswith(f"_{kind}"))
        plot = FIGURES[kind].plot(found)
        assert isinstance(plot, Plot)
        script.add(name, plot)
        parts.append(shell.figure(chapter, folder / file, drawn=True))
    return "".join([*parts, _trials(found, store, folder)])


# Trials ------------------------------------------------------------------------------------------


def _trials(found: Evidence, store: Store, folder: Path) -> str:
    again = _reruns(found)
    names = list(found.plan.space)
    stages = [name for name in (_FRESH, _FURTHER) if any(name in of for of in again.values())]
    head = ["trial", "state", "value", "seeds", *stages, *names, "runs"]
    cells = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    rows = "".join(_row(found, i, again, stages, store, folder) for i in range(len(found.trials)))
    about = (
        f"Values are normalised; the columns {' and '.join(stages)} hold those of the re-runs. "
        if stages
        else "Values are normalised. "
    )
    return (
        f"<h3>{TRIALS}</h3><p>{about}Runs open to a list of seeds, scores and folders.</p>"
        f'<div class="scroll trials"><table class="sortable"><thead><tr>{cells}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _reruns(found: Evidence) -> dict[int, dict[str, confirm.Rerun]]:
    """By trial and by what its seeds were for."""
    again: dict[int, dict[str, confirm.Rerun]] = {}
    after = found.confirmation
    for one in after.candidates if after else []:
        again.setdefault(one.trial.number, {})[_FRESH] = one
    for one in (after.winner, after.default) if after else ():
        again.setdefault(one.trial.number, {})[_FURTHER] = one
    return again


def _row(
    found: Evidence,
    number: int,
    again: dict[int, dict[str, confirm.Rerun]],
    stages: Sequence[str],
    store: Store,
    folder: Path,
) -> str:
    trial, mine = found.trials[number], again.get(number, {})
    base, chosen = found.plan.base[0].hparams, trial.user_attrs.get(loop.HPARAMS, {})
    roles = ["default"] * (number == 0) + ["winner"] * (number == found.best_number > 0)
    name = f"{number}" + "".join(f" <b>{role}</b>" for role in roles)
    scores = trial.user_attrs.get(loop.SCORES, [])
    values = [worth(trial), *(mine[s].value if s in mine else float("nan") for s in stages)]
    value, *others = ("-" if v != v else _VALUE(v) for v in values)
    settings = []
    for key in found.plan.space:
        there = key in chosen or number == 0
        settings.append(escape(_setting(chosen.get(key, get(base, key)))) if there else "-")
    lists = {"tuning seeds": (runs(found, number), scores)}
    lists |= {name: (one.specs, one.outcome.scores) for name, one in mine.items()}
    numbers = [value, str(len(scores)), *others]
    cells = [name, state(trial), *numbers, *settings, _listed(lists, store, folder)]
    right = range(2, 2 + len(numbers))
    text = "".join(
        f'<td style="text-align:right">{cell}</td>' if i in right else f"<td>{cell}</td>"
        for i, cell in enumerate(cells)
    )
    return f'<tr id="trial-{escape(row_id(found, number))}">{text}</tr>'


def _setting(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def runs(found: Evidence, number: int) -> list[RunSpec]:
    """A trial's runs, those of the last stage that it came to at the end.

    How far it came is told by the steps that it took: the stages up to there add up to them.
    """
    plan, trial = found.plan, found.trials[number]
    chosen, spent = trial.user_attrs.get(loop.HPARAMS), trial.user_attrs.get(loop.STEPS, 0)
    if chosen is None:  # it was never told
        return []
    specs: list[RunSpec] = []
    for stage in plan.stages(number):
        if sum(spec.steps for spec in specs) < spent:
            specs += plan.specs(chosen, stage.instances, stage.steps)
    return specs


def _listed(
    lists: Mapping[str, tuple[Sequence[RunSpec], Sequence[float]]], store: Store, folder: Path
) -> str:
    """Each run with its seed, its score and its folder."""
    count = sum(len(specs) for specs, _ in lists.values())
    if not count:
        return "-"
    several = len({spec.env for specs, _ in lists.values() for spec in specs}) > 1
    items = []
    for name, (specs, scores) in lists.items():
        first = len(specs) - len(scores)  # shorter runs before these have no part in the value
        for i, spec in enumerate(specs):
            where = Path(os.path.relpath(store.folder(spec), folder)).as_posix()
            score = _VALUE(scores[i - first]) if i >= first else f"{spec.steps:,} steps"
            env = f" on {escape(spec.env)}" if several else ""
            link = f'<a href="{escape(where)}/">{spec.key}</a>'
            items.append(f"<li>{name} {spec.seed}{env}: {score} {link}</li>")
    return f"<details><summary>{count} runs</summary><ul>{''.join(items)}</ul></details>"
