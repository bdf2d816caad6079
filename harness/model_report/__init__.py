"""Is the dream true? What a trained model foretells, held against episodes that nobody trained on.

Measured once for each run and kept in the run's folder, from where reports of sweeps read it.
"""

from harness.model_report.write import has_model, report

__all__ = ["has_model", "report"]
