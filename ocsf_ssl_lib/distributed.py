"""What several processes must exchange so that they learn as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["gather_with_gradient", "row_counts", "world_size"]


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
