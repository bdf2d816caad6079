"""Runs that end where they stand, as if somebody had killed them."""

from __future__ import annotations

import pytest

from harness.train.run import Job, run
from harness.train.watch import Watch


class Killed(KeyboardInterrupt):
    """Ends a run where it stands."""


def killed(spec, store, target, name, ending):
    """A run whose process ends where this replacement of a function raises `Killed`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, name, ending)
        with pytest.raises(Killed):
            run(spec, Job(store.root))


def killed_at(step, spec, store):
    at = Watch.at

    def watched(self, now):
        if now >= step:
            raise Killed
        at(self, now)

    killed(spec, store, Watch, "at", watched)
