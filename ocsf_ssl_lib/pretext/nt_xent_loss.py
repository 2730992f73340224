"""NT-Xent: the normalised temperature-scaled cross-entropy of contrastive learning.

Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (SimCLR, ICML 2020, equation 1).
The plain form reads like the formula and holds the whole matrix of similarities; the streamed form gives the same
value and gradient in memory that grows with the batch and not with its square.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.pretext.streamed_lse import Precision, log_sum_exp_of_negatives

__all__ = ["nt_xent"]

_UNKNOWN_GROUP = -1  # of negatives whose group is not told: no event's group


def nt_xent(
    z1: Tensor,
    z2: Tensor,
    temperature: float = 0.1,
    chunk_size: int | Literal["auto"] | None = None,
    *,
    same: Tensor | None = None,
    negatives: Tensor | None = None,
    negatives_same: Tensor | None = None,
    precision: Precision | None = None,
) -> Tensor:
    """Normalised temperature-scaled cross-entropy (SimCLR, equation 1).

    Row i of ``z1`` and row i of ``z2`` are the two views of event i. Each of the 2N views must pick its partner
    out of the 2N - 1 others.

    Args:
        z1: (N, d) embeddings of the first views, any length; they are normalised here.
        z2: (N, d) embeddings of the second views.
        temperature: divides the cosine similarities; small values make the softmax sharp.
        chunk_size: rows and columns of a block of the matrix of similarities; blocks are computed one at a time, and
            again in the backward pass. Memory then grows with N instead of N ** 2; the result is the same.
            ``"auto"`` chooses by the device, ``None`` holds the whole matrix. In blocks, it cannot be differentiated
            twice.
        same: (N,) int64, equal numbers for events that are the same: their views are no negatives of each other.
            The partner stays the positive. A view without any negative adds 0 to the sum. See ``equal_rows``.
        negatives: (K, d) further candidates, which are negatives of all views and no anchors: those of other
            processes, say.
        negatives_same: (K,) int64, the events of ``negatives`` in the numbers of ``same``.
        precision: ``"bf16"`` rounds the factors of the matrix products to bfloat16; ``None`` does so inside
            ``torch.autocast`` to bfloat16. In blocks, what is summed is summed in float32, and
            ``benchmarks/nt_xent.py`` prints the error of value and gradient.

    Returns:
        Scalar, mean over the 2N views; ``log(2N - 1)`` when all embeddings are equal.

    Raises:
        InputError: shapes that differ, no negative, a temperature or chunk size that is not positive.

    Example:
        >>> import math, torch
        >>> z = torch.ones(4, 8)
        >>> round(nt_xent(z, z).item() - math.log(7), 6)
        0.0
        >>> nt_xent(z, z, same=torch.tensor([0, 0, 0, 1])).item() < math.log(7)
        True
    """
    _check(z1, z2, temperature, chunk_size, same, negatives, negatives_same)
    if same is None:
        same = torch.arange(len(z1), device=z1.device)
    if negatives is None:
        negatives = z1.new_empty(0, z1.shape[1])
    if negatives_same is None:
        negatives_same = same.new_full((len(negatives),), _UNKNOWN_GROUP)
    if chunk_size is None:
        return _whole(z1, z2, temperature, same, negatives, negatives_same, precision)
    if precision is None:
        device = z1.device.type
        half = torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) == torch.bfloat16
        precision = "bf16" if half else "fp32"
    block = None if chunk_size == "auto" else chunk_size
    with torch.autocast(z1.device.type, enabled=False):
        return _streamed(z1, z2, temperature, same, negatives, negatives_same, block, precision)


def _whole(
    z1: Tensor,
    z2: Tensor,
    temperature: float,
    same: Tensor,
    negatives: Tensor,
    negatives_same: Tensor,
    precision: Precision | None,
) -> Tensor:
    """The formula as it stands, on the whole matrix."""
    n = len(z1)
    z = F.normalize(torch.cat([z1, z2, negatives]), dim=1)  # (2N + K, d)
    groups = torch.cat([same, same, negatives_same])  # (2N + K,)
    partner = torch.arange(2 * n, device=z.device).roll(n)  # (2N,) i <-> i + N
    with _products_in(precision, z.device.type):
        similarity = z[: 2 * n] @ z.T / temperature  # (2N, 2N + K)
        itself_or_equal = groups[: 2 * n, None] == groups
        itself_or_equal.scatter_(1, partner[:, None], False)
        return F.cross_entropy(similarity.masked_fill(itself_or_equal, float("-inf")), partner)


def _streamed(
    z1: Tensor,
    z2: Tensor,
    temperature: float,
    same: Tensor,
    negatives: Tensor,
    negatives_same: Tensor,
    block: int | None,
    precision: Precision,
) -> Tensor:
    """The same, ``log(exp(p) + exp(n)) - p = softplus(n - p)`` with n the log-sum-exp of a view's negatives."""
    order, rest = same.argsort(), negatives_same.argsort()  # equal events side by side: few blocks need a mask
    dtype = torch.promote_types(z1.dtype, torch.float32)
    # Normalised before they are put in order: autograd then keeps z1 and z2 and no copy of them.
    n1, n2, others = (F.normalize(z.to(dtype), dim=1) for z in (z1, z2, negatives))
    positive = (n1 * n2).sum(1) / temperature  # (N,)
    z = torch.cat([torch.stack([n1[order], n2[order]], dim=1).flatten(0, 1), others[rest]])  # partners side by side
    groups = torch.cat([same[order].repeat_interleave(2), negatives_same[rest]])  # (2N + K,)
    negative = log_sum_exp_of_negatives(z, groups, 2 * len(z1), temperature, block, precision)  # (2N,)
    return F.softplus(negative - positive[order].repeat_interleave(2)).mean()


def _products_in(precision: Precision | None, device: str) -> torch.autocast | nullcontext[None]:
    """The surroundings decide if nothing was asked for."""
    if precision is None:
        return nullcontext()
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")


def _check(
    z1: Tensor,
    z2: Tensor,
    temperature: float,
    chunk_size: int | str | None,
    same: Tensor | None,
    negatives: Tensor | None,
    negatives_same: Tensor | None,
) -> None:
    if z1.shape != z2.shape or z1.ndim != 2:
        raise InputError(
            f"nt_xent takes two tensors of one shape (N, d), however: {tuple(z1.shape)}, {tuple(z2.shape)}"
        )
    if len(z1) == 0 or len(z1) + (0 if negatives is None else len(negatives)) < 2:
        raise InputError("nt_xent needs at least 2 events: with one there is nothing to push away")
    if not temperature > 0:
        raise InputError(f"temperature must be positive, however: {temperature=}")
    if isinstance(chunk_size, str) and chunk_size != "auto":
        raise InputError(f"chunk_size must be a number, 'auto' or None, however: {chunk_size=}")
    if isinstance(chunk_size, int) and chunk_size < 1:
        raise InputError(f"chunk_size must be positive, or None for the whole matrix at once, however: {chunk_size=}")
    if negatives is not None and (negatives.ndim != 2 or negatives.shape[1] != z1.shape[1]):
        raise InputError(f"negatives must have the shape (K, {z1.shape[1]}), however: {tuple(negatives.shape)}")
    if negatives is not None and (same is None) != (negatives_same is None):
        raise InputError("give both same and negatives_same, or neither: equal rows need numbers on both sides")
    for name, ids, rows in (("same", same, z1), ("negatives_same", negatives_same, negatives)):
        if ids is not None and (rows is None or ids.shape != rows.shape[:1]):
            expected = 0 if rows is None else len(rows)
            raise InputError(f"{name} must hold one number for each of {expected} rows, however: {tuple(ids.shape)}")
