"""What a training run leaves behind beside the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

__all__ = ["History"]


@dataclass(frozen=True)
class History:
    """What happened in training.

    Attributes:
        frame: one row per epoch: ``epoch``, ``train_loss``, ``validation_loss``, ``learning_rate``, ``seconds`` and
            the metrics of the task on the validation events.
        best_epoch: the epoch whose weights the model has now; -1 if nothing was trained.
        stopped_early: True if patience ran out.
        device: where it ran.
        precision: of the matrix products, ``fp32`` or ``bf16``.
        threads: processor threads that were used.
        notes: what ``precision="auto"`` and ``threads="auto"`` measured and chose, where a run was resumed.
    """

    frame: pd.DataFrame
    best_epoch: int
    stopped_early: bool
    device: str
    precision: str = "fp32"
    threads: int = 1
    notes: tuple[str, ...] = ()

    def plot(self) -> Any:
        """Loss curves as a matplotlib Figure."""
        from ocsf_ssl_lib.plots.training import plot_history

        return plot_history(self)
