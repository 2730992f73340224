"""Cheap dropout masks: raw random bits, compared byte by byte.

``nn.Dropout`` draws its numbers one unit at a time. Here one draw of 64 bits serves eight units, and the mask is made
of bits as well: all ones where a unit is kept, all zeros where it is dropped. Applying it is one bitwise "and".
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["apply_keep_mask", "keep_masks", "keep_rate"]

LEVELS = 256  # a byte is compared, so a probability is rounded to a multiple of 1 / 256: 0.1 becomes 26 / 256


def keep_rate(probability: float) -> float:
    """The exact share of units that ``keep_masks`` keeps, by which what is kept has to be divided.

    Example:
        >>> keep_rate(0.1)  # not 0.9, but 230 / 256
        0.8984375
    """
    return 1 - _dropped_levels(probability) / LEVELS


def keep_masks(count: int, shape: torch.Size, probability: float) -> Tensor:
    """Random masks, all ones (-1) with probability ``keep_rate(probability)``, else all zeros.

    Nothing lives on between two calls: the masks follow from one seed, drawn from torch's global CPU generator.

    Args:
        count: number of masks.
        shape: of one mask.
        probability: of dropping a unit; at least 0, below 1.

    Returns:
        (count, *shape) int8.
    """
    size = count * shape.numel()
    seed = int(torch.randint(torch.iinfo(torch.int64).max, (1,)))
    # SFC64 is the fastest of numpy's bit generators, and faster than torch's own random bits.
    draws = np.random.SFC64(seed).random_raw(-(-size // 8)).view(np.uint8)[:size]
    kept = (draws >= _dropped_levels(probability)).view(np.int8)  # 0 or 1
    return torch.from_numpy(kept).neg_().view(count, *shape)


def apply_keep_mask(values: Tensor, mask: Tensor) -> Tensor:
    """Zero the dropped units of a float32 or bfloat16 tensor in place, without rescaling; int8 mask of its shape."""
    integer = torch.int32 if values.dtype == torch.float32 else torch.int16
    values.view(integer).bitwise_and_(mask.to(integer))  # widening repeats the sign: all ones stay all ones
    return values


def _dropped_levels(probability: float) -> int:
    """How many of the values of a byte drop a unit; a probability above 0 never becomes 0, one below 1 never 1."""
    return min(max(round(probability * LEVELS), int(probability > 0)), LEVELS - 1)
