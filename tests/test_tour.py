"""docs/tour.ipynb runs as it stands."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOUR = Path(__file__).parents[1] / "docs" / "tour.ipynb"


def outputs(notebook):
    """What each cell shows as text, if it does."""
    return [
        [output.get("data", {}).get("text/plain") for output in cell.get("outputs", ())]
        for cell in notebook.cells
    ]


@pytest.mark.slow
def test_the_tour_runs_and_its_figures_and_tables_are_those_that_it_shows(tmp_path):
    tour = nbformat.read(TOUR, as_version=4)
    shown = outputs(tour)

    NotebookClient(tour, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()

    assert [len(cell) for cell in outputs(tour)] == [len(cell) for cell in shown]
    report = (tmp_path / "tour/results/sweeps/gae/report/report.md").read_text()
    assert "12 runs: 12 finished" in report
