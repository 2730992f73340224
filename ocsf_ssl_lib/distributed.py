"""One training run in several processes: who computes what, and how the parts become one gradient."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.tracking import get_available_trackers
from accelerate.utils import broadcast, broadcast_object_list
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ocsf_ssl_lib.errors import InputError

__all__ = [
    "RANKS_APART",
    "from_first",
    "gather_with_gradient",
    "mean_over_ranks",
    "row_counts",
    "same_start",
    "start_accelerator",
    "world_size",
]

T = TypeVar("T")

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
    return from_first(seed)


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
        used = [float(p.grad is not None) for p in learned]
        sums = torch.tensor([total, weight, *used], dtype=torch.float64, device=accelerator.device)
        total, weight, *used = accelerator.reduce(sums, "sum").tolist()
        learned = [p for p, ranks in zip(learned, used, strict=True) if ranks]  # what none used stays without gradient
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


def from_first(value: T) -> T:
    """What the first process has, in every process: what is measured decides for all, or one waits for the others.

    Example:
        >>> from_first("as it was")
        'as it was'
    """
    return broadcast_object_list([value])[0] if world_size() > 1 else value


def world_size() -> int:
    """Number of processes that train together; 1 if none were set up."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def row_counts(tensor: Tensor) -> tuple[list[int], slice]:
    """How many rows each process holds, and where this one's stand among all; every process must call it."""
    if world_size() == 1:
        return [len(tensor)], slice(0, len(tensor))
    counts = tensor.new_zeros(dist.get_world_size(), dtype=torch.int64)
    counts[dist.get_rank()] = len(tensor)
    dist.all_reduce(counts)
    numbers: list[int] = counts.tolist()
    start = sum(numbers[: dist.get_rank()])
    return numbers, slice(start, start + len(tensor))


def gather_with_gradient(tensor: Tensor, counts: Sequence[int] | None = None) -> Tensor:
    """The rows of all processes, those of process 0 first; every process must call it, forward and backward.

    The gradient of a row is the sum of the gradients that all processes have for it, as if one process had computed
    the sum of their losses. ``torch.distributed.all_gather`` alone gives copies without a gradient.

    Args:
        tensor: (N, ...) rows of this process; N may differ between processes, the rest must not.
        counts: N of every process, from ``row_counts``; they are asked for when left out.

    Returns:
        (sum of N, ...); ``tensor`` itself if there is one process.

    Example:
        >>> import torch
        >>> rows = torch.ones(2, 3)
        >>> gather_with_gradient(rows) is rows
        True
    """
    if world_size() == 1:
        return tensor
    gathered: Tensor = _Gather.apply(tensor, counts or row_counts(tensor)[0])
    return gathered


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, counts: Sequence[int]) -> Tensor:
        rank = dist.get_rank()
        ctx.own = slice(sum(counts[:rank]), sum(counts[: rank + 1]))
        padded = tensor.new_zeros(max(counts), *tensor.shape[1:])  # all_gather takes tensors of one size
        padded[: len(tensor)] = tensor
        received = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(received, padded)
        return torch.cat([rows[:count] for rows, count in zip(received, counts, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        total = grad.clone(memory_format=torch.contiguous_format)  # reduced in place
        dist.all_reduce(total)
        return total[ctx.own], None
