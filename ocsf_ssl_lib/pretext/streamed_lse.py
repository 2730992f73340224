"""Log-sum-exp over all other embeddings, in blocks: memory linear in their number, forward and backward.

The matrix of similarities is never held. It is symmetric, so that one block serves its rows and, transposed, its
columns: half the products in the forward pass, half the recomputed ones in the backward pass. The blocks are computed
again for the gradient, as in FlashAttention (Dao et al., NeurIPS 2022, section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["Precision", "log_sum_exp_of_negatives"]

Precision: TypeAlias = Literal["fp32", "bf16"]

# On a CPU a block and its two factors should stay in the caches (512 * 512 floats are 1 MiB; `benchmarks/nt_xent.py
# --blocks` measures it); a GPU wants few, large products.
BLOCK_CPU, BLOCK_GPU = 512, 4096

# With |similarity| / temperature below this many powers of two, sums of plain powers neither overflow (2 ** 127) nor
# vanish (2 ** -126), and one power of two serves a row and a column. That is a temperature of 0.024 and more.
_SAFE_EXPONENT = 60.0


def log_sum_exp_of_negatives(
    z: Tensor,
    groups: Tensor,
    anchors: int,
    temperature: float,
    block: int | None = None,
    precision: Precision = "fp32",
) -> Tensor:
    """``log(sum over j of exp(z[i] @ z[j] / temperature))`` over the rows j of other groups, for the first rows i.

    Args:
        z: (M, d) embeddings of length one (or zero), float32 or float64. Anchors come first.
        groups: (M,) int64; rows of one group are left out of each other's sums. Sorted within the anchors and within
            the rest, so that few blocks need a mask.
        anchors: for how many rows the sum is wanted.
        temperature: positive; any value is safe.
        block: rows and columns of a block; ``None`` chooses by the device.
        precision: ``"bf16"`` rounds the factors of each product to bfloat16; sums, powers and the gradient's
            accumulator keep the dtype of ``z``.

    Returns:
        (anchors,) logarithms; minus infinity for a row without a row of another group. It cannot be differentiated
        twice.

    Example:
        >>> import torch
        >>> z = torch.eye(3)
        >>> log_sum_exp_of_negatives(z, torch.arange(3), 3, 1.0).exp()  # two others, exp(0) each
        tensor([2., 2., 2.])
    """
    if block is None:
        block = BLOCK_CPU if z.device.type == "cpu" else BLOCK_GPU
    result: Tensor = _StreamedLSE.apply(z, groups, anchors, temperature, block, precision)
    return result


class _StreamedLSE(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, z: Tensor, groups: Tensor, anchors: int, temperature: float, block: int, precision: Precision
    ) -> Tensor:
        ctx.options = (anchors, temperature, block)
        ctx.precision = precision
        factor = _rounded(z, precision)
        ctx.plain_powers = 1 / (temperature * math.log(2)) <= _SAFE_EXPONENT
        if ctx.plain_powers:
            total = z.new_zeros(len(z))
            for rows, cols, s in _blocks(z, factor, groups, *ctx.options, unit=math.log(2)):
                s.exp2_()  # torch's exp2_ is faster than its exp_
                total[rows] += s.sum(1)
                if cols != rows:
                    total[cols] += s.sum(0)
            kept = [s] if anchors == len(z) <= block else []  # a single block is worth its memory
            ctx.save_for_backward(z, groups, total, *kept)
            return total[:anchors].log()
        lse = z.new_full((len(z),), -math.inf)
        for rows, cols, s in _blocks(z, factor, groups, *ctx.options, unit=1.0):
            lse[rows] = lse[rows].logaddexp(s.logsumexp(1))
            if cols != rows:
                lse[cols] = lse[cols].logaddexp(s.logsumexp(0))
        ctx.save_for_backward(z, groups, lse)
        return lse[:anchors].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        z, groups, total_or_lse, *kept = ctx.saved_tensors
        anchors, temperature, _ = ctx.options
        alone = total_or_lse == (0 if ctx.plain_powers else -math.inf)  # rows without a row of another group
        weight = torch.zeros_like(total_or_lse)  # none for the rows that are no anchors
        weight[:anchors] = upstream / temperature
        weight.masked_fill_(alone, 0.0)
        if ctx.plain_powers:
            weight /= total_or_lse.masked_fill(alone, 1.0)
        else:
            lse = total_or_lse.masked_fill(alone, math.inf)  # exp(-inf - inf) = 0
        factor = _rounded(z, ctx.precision)
        if kept:
            g = kept[0] * (weight[:, None] + weight)
            return (g.to(factor.dtype) @ factor).to(z.dtype), None, None, None, None, None
        grad = torch.zeros_like(z)
        for rows, cols, s in _blocks(z, factor, groups, *ctx.options, unit=math.log(2) if ctx.plain_powers else 1.0):
            # dL/ds_ij = weight_i softmax_ij + weight_j softmax_ji: as row i sees column j, and column j sees row i.
            if ctx.plain_powers:
                g = s.exp2_().mul_(weight[rows, None] + weight[cols])
            else:
                g = (s - lse[rows, None]).exp_().mul_(weight[rows, None])
                g += s.sub_(lse[cols]).exp_().mul_(weight[cols])
            g = g.to(factor.dtype)
            _add_product(grad[rows], g, factor[cols])
            if cols != rows:
                _add_product(grad[cols], g.T, factor[rows])
        return grad, None, None, None, None, None


def _blocks(
    z: Tensor, factor: Tensor, groups: Tensor, anchors: int, temperature: float, block: int, *, unit: float
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Rows, columns and similarities / temperature / unit of the blocks on and above the diagonal.

    ``factor`` is ``z`` in the dtype of the products. Similarities within a group are minus
    infinity. The tensor is overwritten by the next one.
    """
    edges = [*range(0, anchors, block), *range(anchors, len(z), block), len(z)]
    spans = [slice(a, b) for a, b in pairwise(edges)]
    first, last = groups[edges[:-1]].tolist(), groups[[e - 1 for e in edges[1:]]].tolist()
    buffer = z.new_empty(min(block, len(z)) ** 2)
    for i, rows in enumerate(spans):
        if rows.start >= anchors:
            return
        left = (z[rows] / (temperature * unit)).to(factor.dtype)
        for j in range(i, len(spans)):
            cols = spans[j]
            shape = (rows.stop - rows.start, cols.stop - cols.start)
            s = buffer[: shape[0] * shape[1]].view(shape)
            if factor.dtype == s.dtype:
                torch.mm(left, factor[cols].T, out=s)
            else:
                s.copy_(left @ factor[cols].T)
            if first[i] <= last[j] and first[j] <= last[i]:  # the spans may share a group
                s.masked_fill_(groups[rows, None] == groups[cols], -math.inf)
            yield rows, cols, s


def _rounded(z: Tensor, precision: Precision) -> Tensor:
    return z.bfloat16() if precision == "bf16" else z


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """``total += left @ right``; what is summed over blocks is summed in the dtype of ``total``."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right
