"""CMA-ES, whose state Optuna keeps in the study as a pickle: read without executing anything."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any

from optuna.samplers import CmaEsSampler
from optuna.trial import FrozenTrial

from harness.config.strict import UserError

# All that the state is made of; NumPy 1 called its second package `core`.
PARTS = {("cmaes._cma", "CMA"), ("_codecs", "encode"), ("numpy", "dtype"), ("numpy", "ndarray")}
PARTS |= {
    (f"numpy.{core}.{module}", name)
    for core in ("core", "_core")
    for module, name in [
        ("multiarray", "scalar"), ("multiarray", "_reconstruct"), ("numeric", "_frombuffer"),
    ]
}  # fmt: skip


class CMAES(CmaEsSampler):
    """Optuna's, but a study, which whoever can write to its journal or database has a hand in, can
    name nothing in the state but `PARTS`.

    Optuna has no public way to read that state: what begins with an underscore here is its own, of
    version 5, and `tests/test_lock.py` holds the two readings against each other.
    """

    def _restore_optimizer(self, completed_trials: Sequence[FrozenTrial]) -> Any:
        """What the last trial that has one says of the optimiser; None: none has.

        :raises UserError: if it is not what the sampler wrote.
        """
        for trial in reversed(completed_trials):
            prefix = self._attr_key_optimizer
            kept = {key: v for key, v in trial.system_attrs.items() if key.startswith(prefix)}
            if kept:
                return _state(self._concat_optimizer_attrs(kept), trial.number)
        return None


def _state(text: str, trial: int) -> Any:
    try:
        return _Reader(io.BytesIO(bytes.fromhex(text))).load()
    except Exception as error:  # a pickle can be wrong in any way
        why = f"trial {trial} holds no state of CMA-ES: {error}"
        raise UserError.of("storage", why.splitlines()[0]) from None


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in PARTS:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not called")
        return super().find_class(module, name)
