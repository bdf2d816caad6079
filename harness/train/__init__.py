"""From the spec of a run to its files: training, evaluation, executors, and Sacred's log."""
