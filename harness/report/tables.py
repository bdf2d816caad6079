"""The tables: made once as text, then written as Markdown, CSV and LaTeX, which so agree."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from harness import stats
from harness.report import latex
from harness.report.evidence import Evidence
from harness.report.number import bracket, fixed, raw, share
from harness.stats import Estimate, MissingRuns
from harness.store.reader import RunStatus

FEWER_SEEDS = (3, 5, 10)


@dataclass(frozen=True)
class Table:
    """Rows of text under a head."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        rule = tuple("---:" if right else "---" for right in self._right())
        lines = [self.head, rule, *self.rows]
        return "\n".join("| " + " | ".join(_pipes(cell) for cell in row) + " |" for row in lines)

    def _right(self) -> list[bool]:
        """Columns of numbers are set to the right."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.head)
        return [any(map(_numeric, c)) and all(_numeric(x) or not x for x in c) for c in columns]

    def csv(self) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.head, *self.rows])
        return text.getvalue()

    def latex(self, stacked: bool = False) -> str:
        """A booktabs tabular.

        :param stacked: long names above columns stand in two lines.
        """
        columns = "".join("lr"[right] for right in self._right())
        return "\n".join(
            [
                "% \\usepackage{booktabs}",
                f"\\begin{{tabular}}{{{columns}}}",
                *self._ruled(stacked),
                "\\bottomrule",
                "\\end{tabular}",
                "",
            ]
        )

    def longtable(self, title: str, widths: Sequence[float]) -> str:
        """The same over pages, with lines that break. Its title is a part of it, and stays with it.

        :param widths: of the columns, as parts of a line's width.
        """
        sides = [r"\raggedleft" if right else r"\raggedright" for right in self._right()]
        columns = "".join(
            f">{{{side}\\arraybackslash}}p{{\\dimexpr{width:g}\\linewidth-2\\tabcolsep}}"
            for side, width in zip(sides, widths, strict=True)
        )
        head, *rows = (
            latex.row([latex.breakable(x) for x in row]) for row in (self.head, *self.rows)
        )
        name = rf"\multicolumn{{{len(widths)}}}{{l}}{{\normalsize\bfseries {latex.escape(title)}}}"
        return "\n".join(
            [
                "% \\usepackage{booktabs,longtable,array}",
                f"\\begin{{longtable}}{{{columns}}}",
                name + r"\\[3pt]", "\\toprule", head, "\\midrule", "\\endfirsthead",
                "\\toprule", head, "\\midrule", "\\endhead", "\\bottomrule", "\\endfoot",
                *rows,
                "\\end{longtable}",
                "",
            ]
        )  # fmt: skip

    def _ruled(self, in_two: bool) -> list[str]:
        names = map(stacked, self.head) if in_two else self.head
        head = latex.row([_stack(name) for name in names])
        rows = [latex.row([latex.escape(cell) for cell in row]) for row in self.rows]
        return ["\\toprule", head, "\\midrule", *rows]


_LONG_HEAD = 12  # letters
_NEXT_LINE = r"\\{}"  # what stands in it is never taken for its argument


def stacked(name: str) -> str:
    """A long name in two lines, at the hyphen or space that is nearest to its middle."""
    cuts = [i + 1 for i, letter in enumerate(name[:-1]) if letter in "- "]
    if len(name) <= _LONG_HEAD or not cuts:
        return name
    at = min(cuts, key=lambda place: abs(place - len(name) / 2))
    return f"{name[:at].rstrip()}\n{name[at:]}"


def _stack(name: str) -> str:
    lines = [latex.escape(line) for line in name.split("\n")]
    return lines[0] if len(lines) == 1 else rf"\shortstack[r]{{{_NEXT_LINE.join(lines)}}}"


def _numeric(cell: str) -> bool:
    return cell[:1] in "-0123456789" and cell != ""


def _pipes(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def write(table: Table, folder: Path, name: str, for_csv: Table | None = None) -> None:
    """:param for_csv: the same numbers, one to a cell."""
    (folder / f"{name}.md").write_text(table.markdown() + "\n", encoding="utf-8")
    (folder / f"{name}.csv").write_text((for_csv or table).csv(), encoding="utf-8")
    (folder / f"{name}.tex").write_text(table.latex(), encoding="utf-8")


# Scores ------------------------------------------------------------------------------------------


def score_grid(evidence: Evidence, found: dict[tuple[str, str], Estimate]) -> Table:
    """Arms down, environments across, anchors last."""
    envs = evidence.sweep.envs
    formats = {env: evidence.format(env) for env in envs}

    def cell(arm: str, env: str) -> str:
        if (arm, env) not in found:
            return ""
        used = evidence.learned_from(arm, env)
        return bracket(found[arm, env], formats[env]) + (f" after {used} steps" if used else "")

    rows = [(arm, *(cell(arm, env) for env in envs)) for arm in evidence.sweep.arms]
    anchors = evidence.sweep.anchors
    for name in ("reference", "random") if anchors else ():
        scores = {env: getattr(anchors[env], name).score for env in envs if env in anchors}
        shown = (formats[env](scores[env]) if env in scores else "" for env in envs)
        rows.append((f"({name} on the card)", *shown))
    heads = (f"{env} (unequal budgets)" if env in evidence.unequal else env for env in envs)
    return Table(("arm", *heads), tuple(rows))


def generalisation(evidence: Evidence) -> Table | None:
    """Final scores on the variants that training saw and on those that it never saw."""
    rows = []
    for env in evidence.sweep.envs:
        number = evidence.format(env)
        for arm in evidence.arms_on(env):
            statuses = evidence.statuses_of(arm, env)
            results = [s.result for s in statuses if s.result and "test" in s.result]
            if not results:
                continue
            if len(results) < len(statuses):
                missing = stats.unavailable(f"{len(results)} of {len(statuses)} runs")
                rows.append((env, arm, *[bracket(missing, number)] * 3))
                continue
            seen, unseen = (
                np.array([[result[split]["mean"]] for result in results])
                for split in ("final", "test")
            )
            cells = [
                bracket(stats.estimate(values, stats.iqm, arm, env, name), number)
                for name, values in [("seen", seen), ("unseen", unseen), ("gap", seen - unseen)]
            ]
            rows.append((env, arm, *cells))
    head = ("environment", "arm", "seen in training", "never seen", "gap within a run")
    return Table(head, tuple(rows)) if rows else None


def measures(evidence: Evidence) -> Table | None:
    """What the environments' cards report beside the score, at the end of the final episodes."""
    rows = []
    for env in evidence.sweep.envs:
        for arm in evidence.arms_on(env):
            statuses = evidence.statuses_of(arm, env)
            told = [s.result["final"].get("measures", {}) for s in statuses if s.result]
            for name in dict.fromkeys(name for each in told for name in each):
                values = np.array([[each[name]] for each in told if name in each])
                if len(values) < len(statuses):
                    found = stats.unavailable(f"{len(values)} of {len(statuses)} runs")
                else:
                    found = stats.estimate(values, stats.iqm, arm, env, name)
                rows.append((env, name, arm, bracket(found, raw(None, np.abs(values).max()))))
    rows.sort(key=lambda row: (evidence.sweep.envs.index(row[0]), row[1]))
    return (
        Table(("environment", "at the end of an episode", "arm", "mean"), tuple(rows))
        if rows
        else None
    )


def fewer_seeds(evidence: Evidence) -> Table | None:
    """How often studies with fewer seeds would have misled, against the baseline."""
    rows = []
    for env, arm, score in product(
        evidence.sweep.envs, evidence.sweep.arms, evidence.sweep.report.scores
    ):
        shared = {arm, evidence.baseline} <= set(evidence.arms_on(env))
        for k in FEWER_SEEDS if shared and arm != evidence.baseline else ():
            what = (env, f"{arm} - {evidence.baseline}", score)
            try:
                found = evidence.fewer_seeds(score, arm, env, k)
            except MissingRuns as missing:
                rows.append((*what, "", f"- ({missing})", str(k), "", "", ""))
                continue
            if found is not None:
                off = share(found.off) if evidence.sweep.anchors.get(env) else "-"
                cells = (str(k), share(found.opposite), share(found.equal), off)
                difference = evidence.format(env)(found.difference)
                rows.append((*what, str(found.n), difference, *cells))
    head = ("environment", "arms", "score", "all seeds", "difference")
    asked = ("fewer seeds", "opposite", "no difference", "off by a tenth")
    return Table((*head, *asked), tuple(rows)) if rows else None


def metric(evidence: Evidence, name: str) -> Table:
    """Arms down, environments across: a number that training told, late in training."""
    told = evidence.metrics[name]
    number = raw(None, max(map(abs, told.values()), default=0.0))

    def cell(arm: str, env: str) -> str:
        runs = evidence.specs(arm, env)
        found = [told[arm, env, run.seed] for run in runs if (arm, env, run.seed) in told]
        if not found:  # not every agent tells it
            return ""
        if len(found) < len(runs):
            return bracket(stats.unavailable(f"{len(found)} of {len(runs)} runs"), number)
        values = np.array(found)[:, None]  # (runs, 1)
        return bracket(stats.estimate(values, stats.iqm, arm, env, name), number)

    envs = evidence.sweep.envs
    rows = tuple((arm, *(cell(arm, env) for env in envs)) for arm in evidence.sweep.arms)
    return Table(("arm", *envs), rows)


def score_list(evidence: Evidence, score: str, found: dict[tuple[str, str], Estimate]) -> Table:
    """One estimate to a row, for machines."""
    rows = []
    for (arm, env), estimate in found.items():
        number = evidence.format(env)
        have, planned = evidence.raw[score].count(arm, [env])
        ends = stats.has_ends(estimate.shows)
        rows.append(
            (
                env,
                arm,
                score,
                "" if estimate.shows == "missing" else number(estimate.point),
                number(estimate.low) if ends else "",
                number(estimate.high) if ends else "",
                estimate.shows,
                str(have),
                str(planned),
            )
        )
    return Table(
        ("env", "arm", "score", "iqm", "low", "high", "shows", "runs", "planned"), tuple(rows)
    )


def run_scores(evidence: Evidence) -> Table:
    """Every run with its scores in full, so that any other statistic can be made from them."""
    rows = []
    for status in evidence.statuses:
        spec = status.spec
        curve = evidence.curves.get((spec.arm, spec.env, spec.seed))
        each = (repr(f(curve)) if curve else "" for f in stats.SCORES.values())
        used = str((status.result or {}).get("steps_trained", ""))
        what = (spec.env, spec.arm, str(spec.seed), str(spec.steps), used)
        rows.append((*what, status.state, *each, spec.key))
    head = ("env", "arm", "seed", "steps", "steps_trained", "state", *stats.SCORES, "key")
    return Table(head, tuple(rows))


# Runs --------------------------------------------------------------------------------------------


def runs(evidence: Evidence) -> Table:
    """What became of the runs of each arm, and what they cost."""
    rows = []
    for arm in evidence.sweep.arms:
        mine = [status for status in evidence.statuses if status.spec.arm == arm]
        rows.append((arm, *(column(mine) for column in RUN_COLUMNS.values())))
    return Table(("arm", *RUN_COLUMNS), tuple(rows))


def cpu_seconds(evidence: Evidence) -> Table:
    """The mean over runs, evaluation included. Arms down, environments across."""
    cost, envs = RUN_COLUMNS["CPU s / run"], evidence.sweep.envs

    def cell(arm: str, env: str) -> str:
        mine = [s for s in evidence.statuses if (s.spec.arm, s.spec.env) == (arm, env)]
        return cost(mine) if mine else ""

    rows = [(arm, *(cell(arm, env) for env in envs)) for arm in evidence.sweep.arms]
    return Table(("arm", *envs), tuple(rows))


def _count(state: str) -> Callable[[list[RunStatus]], str]:
    return lambda found: str(sum(status.state == state for status in found))


def _cost(
    field: str, summary: Callable[[list[float]], float], decimals: int
) -> Callable[[list[RunStatus]], str]:
    def column(found: list[RunStatus]) -> str:
        values = [float(s.result[field]) for s in found if s.result and field in s.result]
        return fixed(decimals)(summary(values)) if values else "-"

    return column


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


RUN_COLUMNS: dict[str, Callable[[list[RunStatus]], str]] = {
    "planned": lambda found: str(len(found)),
    "launched": lambda found: str(sum(status.attempts > 0 for status in found)),
    "finished": _count("finished"),
    "failed": _count("failed"),
    "interrupted": _count("interrupted"),
    "running": _count("running"),
    "damaged": _count("damaged"),
    "symptoms": lambda found: str(sum(bool(status.symptoms) for status in found)),
    "attempts": lambda found: str(sum(status.attempts for status in found)),
    "wall s / run": _cost("wall_seconds", _mean, 1),
    "CPU s / run": _cost("cpu_seconds", _mean, 1),
    "evaluation s / run": _cost("evaluation_seconds", _mean, 1),
    "peak MB": _cost("peak_memory_mb", max, 0),
}
