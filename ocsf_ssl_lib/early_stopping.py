"""When to stop, and which weights to keep."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Stops when the watched loss has not improved for ``patience`` epochs, and keeps the best weights.

    A loss that is not a finite number never counts as an improvement and never becomes the best one.

    Args:
        patience: epochs to wait.
        min_delta: smallest fall that counts as an improvement.

    Attributes:
        best_loss: the lowest loss so far; infinity before the first.
        best_epoch: when it was met, from 0 on; -1 before the first.
        best_weights: the ``state_dict`` of the model at that time, a copy; ``None`` before the first.

    Example:
        >>> stop = EarlyStopping(patience=2)
        >>> [stop(loss) for loss in (1.0, 0.5, float("nan"), 0.6)]
        [False, False, False, True]
        >>> stop.best_loss, stop.best_epoch
        (0.5, 1)
    """

    def __init__(self, patience: int = 10, min_delta: float = 1e-4) -> None:
        self.patience = patience
        self.min_delta = min_delta
        self.best_loss = math.inf
        self.best_epoch = -1
        self.counter = 0
        self.epoch = -1
        self.best_weights: dict[str, torch.Tensor] | None = None

    def __call__(self, loss: float, model: nn.Module | None = None) -> bool:
        """Take note of an epoch's loss; True when it is time to stop."""
        self.epoch += 1
        if math.isfinite(loss) and loss < self.best_loss - self.min_delta:
            self.best_loss, self.best_epoch, self.counter = loss, self.epoch, 0
            if model is not None:
                self.best_weights = copy.deepcopy(model.state_dict())
        else:
            self.counter += 1
        return self.counter >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Put the best weights back into ``model``."""
        if self.best_weights is not None:
            model.load_state_dict(self.best_weights)
