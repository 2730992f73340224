"""Stage 5: train an ``SSLModel`` on events without labels.

One loop for every pretext task. Hugging Face Accelerate finds the device; batches are slices of whole tensors.
"""

from __future__ import annotations

import copy
import math
import os
import sys
import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from ocsf_ssl_lib.config import FrozenConfig
from ocsf_ssl_lib.errors import InputError, TrainingError
from ocsf_ssl_lib.features import OCSFDataset
from ocsf_ssl_lib.pretext.base import SSLModel

__all__ = ["EarlyStopping", "History", "TrainingConfig", "evaluate_loss", "train_self_supervised"]

VALIDATION_SEED = 20_002  # the noise of the validation views: the same in every epoch, so that its loss can be compared


class TrainingConfig(FrozenConfig):
    """Options of the training loop."""

    max_epochs: int = Field(default=50, ge=0, description="passes over the training events; 0 trains nothing")
    batch_size: int = Field(default=256, ge=2, description="events per step")
    learning_rate: float | None = Field(default=None, gt=0, description="peak learning rate; None = the model's own")
    min_learning_rate: float = Field(default=1e-5, ge=0, description="where the cosine ends")
    warmup_fraction: float = Field(default=0.05, ge=0, lt=1, description="share of the steps that climb to the peak")
    weight_decay: float = Field(
        default=1e-4, ge=0, description="AdamW's decay; not applied to norms, biases and embeddings"
    )
    gradient_clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    patience: int = Field(
        default=10, ge=1, description="epochs without improvement of the validation loss before stopping"
    )
    min_delta: float = Field(default=1e-4, ge=0, description="smallest fall of the validation loss that counts")
    seed: int | None = Field(default=None, ge=0, description="seed of order, noise and dropout; None = the model's own")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="'auto' takes a GPU if there is one; 'cpu' stays on the processor"
    )


class EarlyStopping:
    """Stops when the watched loss has not improved for ``patience`` epochs, and keeps the best weights.

    A loss that is not a finite number never counts as an improvement and never becomes the best one.

    Args:
        patience: epochs to wait.
        min_delta: smallest fall that counts as an improvement.

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
        self._weights: dict[str, torch.Tensor] | None = None

    def __call__(self, loss: float, model: nn.Module | None = None) -> bool:
        """Take note of an epoch's loss; True when it is time to stop."""
        self.epoch += 1
        if math.isfinite(loss) and loss < self.best_loss - self.min_delta:
            self.best_loss, self.best_epoch, self.counter = loss, self.epoch, 0
            if model is not None:
                self._weights = copy.deepcopy(model.state_dict())
        else:
            self.counter += 1
        return self.counter >= self.patience

    def restore(self, model: nn.Module) -> None:
        """Put the best weights back into ``model``."""
        if self._weights is not None:
            model.load_state_dict(self._weights)


@dataclass(frozen=True)
class History:
    """What happened in training.

    Attributes:
        frame: one row per epoch: ``epoch``, ``train_loss``, ``validation_loss``, ``learning_rate``, ``seconds`` and
            the metrics of the task on the validation events.
        best_epoch: the epoch whose weights the model has now; -1 if nothing was trained.
        stopped_early: True if patience ran out.
        device: where it ran.
    """

    frame: pd.DataFrame
    best_epoch: int
    stopped_early: bool
    device: str

    def plot(self) -> Any:
        """Loss curves as a matplotlib Figure."""
        from ocsf_ssl_lib.plots.training import plot_history

        return plot_history(self)


def train_self_supervised(
    model: SSLModel,
    train: OCSFDataset,
    validation: OCSFDataset | None = None,
    config: TrainingConfig | None = None,
    *,
    progress: bool | None = None,
) -> History:
    """Train ``model`` in place and leave it with its best weights, in evaluation mode.

    Args:
        model: the pretext task.
        train: events to learn from.
        validation: events that decide when to stop; without them every epoch runs and the last weights stay.
        config: see ``TrainingConfig``.
        progress: show a progress bar on standard error; ``None`` shows it in a terminal only.

    Returns:
        The history.

    Raises:
        InputError: fewer than two events.
        TrainingError: a loss or gradient is not a finite number; names the step, the columns at fault and the remedy.
    """
    config = config if config is not None else TrainingConfig()
    for name, dataset in (("train", train), ("validation", validation)):
        if dataset is not None and len(dataset) < 2:
            raise InputError(f"{name} holds {len(dataset)} event(s); at least 2 are needed")
    seed = config.seed if config.seed is not None else model.config.seed
    accelerator = _accelerator(config.device)
    # A user's own random state is left as it was: dropout draws from a forked one.
    with torch.random.fork_rng(devices=[accelerator.device] if accelerator.device.type == "cuda" else []):
        torch.manual_seed(seed)
        return _train(model, train, validation, config, seed, accelerator, _show(progress))


def _train(
    model: SSLModel,
    train: OCSFDataset,
    validation: OCSFDataset | None,
    config: TrainingConfig,
    seed: int,
    accelerator: Accelerator,
    progress: bool,
) -> History:
    model.prepare(train)
    steps = config.max_epochs * train.num_batches(config.batch_size)
    optimizer = _optimizer(model, config.learning_rate or model.config.learning_rate, config.weight_decay)
    schedule = _warmup_cosine(optimizer, steps, config)
    model, optimizer, schedule = accelerator.prepare(model, optimizer, schedule)
    device = accelerator.device
    train, validation = train.to(device), validation.to(device) if validation is not None else None
    order = torch.Generator().manual_seed(seed)  # of the rows
    noise = torch.Generator(device).manual_seed(seed + 1)  # of the views
    stopping = EarlyStopping(config.patience, config.min_delta)
    rows: list[dict[str, float]] = []
    stopped = False
    with _bar(progress) as bar:
        task = bar.add_task("training", total=steps, loss=math.nan)
        for epoch in range(config.max_epochs):
            start = time.perf_counter()
            losses: list[float] = []
            weights: list[int] = []
            model.train()
            model.start_epoch(epoch)
            for batch in train.batches(config.batch_size, generator=order):
                loss = model.calculate_loss(batch, generator=noise)
                value = float(loss.detach())
                if not math.isfinite(value):
                    raise TrainingError(_diagnosis("loss", value, epoch, len(losses), batch.numerical))
                optimizer.zero_grad()
                accelerator.backward(loss)
                norm = float(accelerator.clip_grad_norm_(model.parameters(), config.gradient_clip))
                if not math.isfinite(norm):  # before the step: the weights are still good
                    raise TrainingError(_diagnosis("gradient", norm, epoch, len(losses), batch.numerical))
                optimizer.step()
                schedule.step()
                losses.append(value)
                weights.append(len(batch.categorical))
                bar.update(task, advance=1, loss=value)
            row = {
                "epoch": float(epoch),
                "train_loss": float(np.average(losses, weights=weights)),
                "validation_loss": math.nan,
                "learning_rate": float(schedule.get_last_lr()[0]),
                "seconds": time.perf_counter() - start,
            }
            if validation is not None:
                row |= evaluate_loss(model, validation, config.batch_size)
                stopped = stopping(row["validation_loss"], model)
            rows.append(row)
            if stopped:
                break
    if validation is not None:
        stopping.restore(model)
    model.eval()
    best = stopping.best_epoch if validation is not None else len(rows) - 1
    frame = pd.DataFrame(rows).astype({"epoch": int}) if rows else pd.DataFrame()
    return History(frame, best, stopped, str(device))


@torch.no_grad()
def evaluate_loss(model: SSLModel, dataset: OCSFDataset, batch_size: int) -> dict[str, float]:
    """Loss and metrics on held-out events, on the same views every time."""
    model.eval()
    generator = torch.Generator(dataset.tensors.categorical.device).manual_seed(VALIDATION_SEED)
    rows, weights = [], []
    for batch in dataset.batches(batch_size):
        loss = float(model.calculate_loss(batch, generator=generator))
        rows.append({"validation_loss": loss, **model.calculate_metrics(batch, generator=generator)})
        weights.append(len(batch.categorical))
    return {key: float(np.average([r[key] for r in rows], weights=weights)) for key in rows[0]}


def _accelerator(device: str) -> Accelerator:
    """An accelerator for the device asked for.

    Raises:
        InputError: that device is not there.
    """
    if "LOCAL_RANK" not in os.environ:  # one process: a second run may use another device than the first
        AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=device == "cpu")
    if device not in ("auto", accelerator.device.type):
        raise InputError(f"device={device!r} is not available here; use device='auto' or 'cpu'")
    return accelerator


def _optimizer(model: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW; decay pulls on the weights of linear layers only, not on biases, norms and lookup tables."""
    linear = {id(m.weight) for m in model.modules() if isinstance(m, nn.Linear)}
    parameters = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in parameters if id(p) in linear]
    kept = [p for p in parameters if id(p) not in linear]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def _warmup_cosine(optimizer: torch.optim.Optimizer, steps: int, config: TrainingConfig) -> LambdaLR:
    """Linear climb, then half a cosine down to ``min_learning_rate``; stepped after every batch."""
    warmup = max(1, round(steps * config.warmup_fraction))
    floor = min(1.0, config.min_learning_rate / optimizer.param_groups[0]["lr"])

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = min(1.0, (step - warmup) / max(1, steps - warmup))
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))

    return LambdaLR(optimizer, factor)


def _diagnosis(what: str, value: float, epoch: int, step: int, numerical: torch.Tensor) -> str:
    """One line on a loss or a gradient that is not finite."""
    bad = (~torch.isfinite(numerical)).any(0).nonzero().flatten().tolist()
    where = f"the {what} is {value} in epoch {epoch}, step {step}"
    if bad:
        return f"{where}: numerical column(s) {bad} hold NaN or infinity; pass data through OCSFPreprocessor"
    return f"{where} with finite input: lower the learning rate or raise the temperature"


def _show(progress: bool | None) -> bool:
    return sys.stderr.isatty() if progress is None else progress


def _bar(show: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
    )
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), disable=not show, transient=True)
