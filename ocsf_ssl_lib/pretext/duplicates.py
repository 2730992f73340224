"""Which events of a batch are equal? Logs repeat themselves, and equal events are false negatives."""

from __future__ import annotations

import torch
from torch import Tensor

from ocsf_ssl_lib.features import Batch

__all__ = ["equal_rows", "row_keys"]

_MISSING = 0x7FFFFFFF  # the bits of a NaN, which no prepared number has


def row_keys(batch: Batch) -> Tensor:
    """A batch of N events -> (N, D_num + D_cat) int32, rows equal exactly if the events are.

    The numbers' bits stand for the numbers; a missing number equals a missing number, whatever is stored in its place.
    """
    # Adding 0 turns -0.0 into 0.0: equal numbers with unequal bits.
    bits = (batch.numerical.float() + 0.0).contiguous().view(torch.int32)
    return torch.cat([bits.masked_fill(batch.missing_mask, _MISSING), batch.categorical.int()], dim=1)


def equal_rows(keys: Tensor) -> Tensor:
    """(N, K) integers -> (N,) int64 numbers, equal exactly where the rows are; below N, in no order.

    Rows are sorted by a 64-bit hash and neighbours are compared in full. Should two unlike rows ever share a hash,
    ``torch.unique`` decides, which sorts whole rows and is far slower.

    Example:
        >>> import torch
        >>> ids = equal_rows(torch.tensor([[1, 2], [3, 4], [1, 2]]))
        >>> bool(ids[0] == ids[2]), bool(ids[0] == ids[1])
        (True, False)
    """
    if keys.shape[1] == 0:
        return torch.zeros(len(keys), dtype=torch.int64, device=keys.device)
    order, unlike_hash, unlike_row = _neighbours(keys, _hash(keys))
    if not torch.equal(unlike_hash, unlike_row):
        return torch.unique(keys, dim=0, return_inverse=True)[1]
    ids = torch.zeros(len(keys), dtype=torch.int64, device=keys.device)
    ids[order[1:]] = unlike_hash.cumsum(0)
    return ids


def _hash(keys: Tensor) -> Tensor:
    """Sum of the columns times random odd numbers, modulo 2 ** 64."""
    random = torch.Generator().manual_seed(0)
    odd = torch.randint(-(2**63), 2**63 - 1, (keys.shape[1],), generator=random) | 1
    return (keys * odd.to(keys.device)).sum(1)


def _neighbours(keys: Tensor, hashes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Order by hash; whether the hash, and whether the row, differs from the one before: (N,), (N - 1,), (N - 1,)."""
    hashes, order = hashes.sort()
    ordered = keys[order]
    return order, hashes[1:] != hashes[:-1], (ordered[1:] != ordered[:-1]).any(1)
