"""What both Lightning peers share: a clock of training steps, a quiet trainer, and the line of JSON."""

from __future__ import annotations

import importlib.metadata
import json
import time
from typing import Any

import pytorch_lightning as pl

WARM_UP = 3  # steps before the first that counts

# Nothing of the trainer that a user could switch off costs the peer time.
QUIET: dict[str, Any] = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_model_summary": False,
    "enable_progress_bar": False,
    "num_sanity_val_steps": 0,
    "accelerator": "cpu",
    "devices": 1,
}


class StepClock(pl.Callback):
    """Processor seconds of each training step.

    Attributes:
        steps: of the step alone: forward, backward, optimizer.
        periods: from the end of a step to the end of the next, so with the loader's and the trainer's share.
    """

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.periods: list[float] = []
        self._start = self._end = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        self._start = time.process_time()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.process_time()
        self.steps.append(now - self._start)
        if batch_idx:  # between epochs there is validation
            self.periods.append(now - self._end)
        self._end = now


def report(name: str, clock: StepClock, batch: int, *packages: str) -> None:
    """Print the line that ``against_peers.py`` reads; every step counts as a full batch, to the peer's advantage."""
    print(
        json.dumps(
            {
                "name": name,
                "rows_per_second": [batch / seconds for seconds in clock.steps[WARM_UP:]],
                "rows_per_second_with_loading": [batch / seconds for seconds in clock.periods[WARM_UP:]],
                "versions": ", ".join(f"{p} {importlib.metadata.version(p)}" for p in (*packages, "torch")),
            }
        )
    )
