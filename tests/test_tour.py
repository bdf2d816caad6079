"""docs/tour.ipynb runs as it stands."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOUR = Path(__file__).parents[1] / "docs" / "tour.ipynb"


def shown(notebook):
    """The kinds of what each cell shows: its value, as text or a table, and its figures.

    How often progress is told depends on the machine, and is left out.
    """
    outputs = [[dict(each) for each in cell.get("outputs", ())] for cell in notebook.cells]
    return [
        [sorted(each["data"]) for each in cell if "data" in each and told(each)] for cell in outputs
    ]


def told(output):
    return output["output_type"] == "execute_result" or "image/png" in output["data"]


@pytest.mark.slow
def test_the_tour_runs_and_shows_values_tables_and_figures_where_it_did(tmp_path):
    tour = nbformat.read(TOUR, as_version=4)
    before = shown(tour)

    NotebookClient(tour, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()

    assert ["image/png", "text/plain"] in [kinds for cell in before for kinds in cell]
    assert shown(tour) == before
    report = (tmp_path / "tour/results/sweeps/gae/report/report.md").read_text()
    assert "12 runs: 12 finished" in report
