"""One training run in several processes: who computes what, and how the parts become one gradient."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.tracking import get_available_trackers
from accelerate.utils import broadcast
from torch import nn

from ocsf_ssl_lib.errors import InputError

__all__ = ["RANKS_APART", "mean_over_ranks", "same_start", "start_accelerator"]

RANKS_APART = 1_000_003  # between the seeds of two ranks: their noise differs, and no seed of a user's comes between


def start_accelerator(
    device: str, trackers: Sequence[Any] = (), tracker_folder: str | Path | None = None
) -> Accelerator:
    """An accelerator for the device asked for; under ``torchrun``, one of several.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        trackers: names (``tensorboard``, ``mlflow``, ``wandb``, ...) or trackers of Accelerate.
        tracker_folder: where a tracker that writes files puts them.

    Raises:
        InputError: that device or tracker is not there.
    """
    known = {str(name.value) for name in get_available_trackers()}
    for tracker in trackers:
        if isinstance(tracker, str) and tracker not in known:
            raise InputError(f"tracker {tracker!r} is not installed; there are {sorted(known)}; pip install {tracker}")
    if "LOCAL_RANK" not in os.environ:  # one process: a second run may use another device than the first
        AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=device == "cpu", log_with=list(trackers) or None, project_dir=tracker_folder)
    if device not in ("auto", accelerator.device.type):
        raise InputError(f"device={device!r} is not available here; use device='auto' or 'cpu'")
    return accelerator


@torch.no_grad()
def same_start(model: nn.Module, seed: int, accelerator: Accelerator) -> int:
    """Give every rank the weights of the first, and its seed: what is drawn for all must be drawn alike."""
    if accelerator.num_processes > 1:
        for tensor in [*model.parameters(), *model.buffers()]:
            broadcast(tensor)
        seed = int(broadcast(torch.tensor([seed], device=accelerator.device)).item())
    return seed


@torch.no_grad()
def mean_over_ranks(model: nn.Module, total: float, weight: float, accelerator: Accelerator) -> tuple[float, float]:
    """Turn gradients of weighted sums, one on each rank, into the gradient of the mean over all ranks.

    Args:
        model: its gradients are summed over the ranks, divided by the weights of all ranks, and written back.
        total: this rank's weighted sum of losses.
        weight: this rank's sum of weights.
        accelerator: knows the ranks.

    Returns:
        The mean loss over all ranks, and the weight of all.
    """
    learned = [p for p in model.parameters() if p.requires_grad]
    if accelerator.num_processes > 1:
        sums = torch.tensor([total, weight], dtype=torch.float64, device=accelerator.device)
        total, weight = accelerator.reduce(sums, "sum").tolist()
        # A head that one rank had no use for takes part with nothing.
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in learned]
        flat = accelerator.reduce(torch.cat([part.flatten() for part in parts]), "sum")
        for parameter, part in zip(learned, flat.split([p.numel() for p in learned]), strict=True):
            parameter.grad = part.view_as(parameter).clone()
    divisor = max(weight, torch.finfo(torch.float32).tiny)  # nothing was hidden in the whole batch: a gradient of 0
    for parameter in learned:
        if parameter.grad is not None:
            parameter.grad /= divisor
    return total / divisor, weight
