"""Views of an event: small changes after which it is still the same kind of event.

Additive noise for numbers, swapped values for categories. Protected columns never change.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.vocabulary import NUM_RESERVED

__all__ = ["TabularAugmentation", "realised_swap_rate"]


class TabularAugmentation:
    """Makes random views of a batch of rows.

    Args:
        noise_level: standard deviation of the Gaussian noise *added* to the scaled numbers. It is not a percentage:
            0.1 means a tenth of a column's standard deviation, for small and large values alike.
        dropout_prob: probability that a categorical cell is redrawn. The draw may hit the value that is there,
            so fewer cells change; ``realised_swap_rate`` tells how many.
        swap: where the new value comes from. ``marginal`` takes the value of another row of the batch, so that common
            values come often (SCARF, Bahri et al., ICLR 2022, section 3); ``uniform`` takes any value of the column.
        protected: indices of the categorical columns that must never change (status, severity, activity, ...).

    Only values are drawn and only values are replaced: a missing or unknown cell stays what it is.

    Raises:
        InputError: a negative noise level, a probability outside 0..1, an unknown kind of swap.
    """

    def __init__(
        self,
        noise_level: float = 0.1,
        dropout_prob: float = 0.2,
        swap: Literal["marginal", "uniform"] = "marginal",
        protected: Sequence[int] = (),
    ) -> None:
        if not noise_level >= 0:
            raise InputError(f"noise_level must not be negative, however: {noise_level=}")
        if not 0 <= dropout_prob <= 1:
            raise InputError(f"dropout_prob must be in 0..1, however: {dropout_prob=}")
        if swap not in ("marginal", "uniform"):
            raise InputError(f"swap must be 'marginal' or 'uniform', however: {swap=}")
        self.noise_level = noise_level
        self.dropout_prob = dropout_prob
        self.swap = swap
        self.protected = tuple(protected)

    def augment_numerical(self, numerical: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, D_num) -> (B, D_num) with Gaussian noise added."""
        noise = torch.randn(numerical.shape, generator=generator, device=numerical.device, dtype=numerical.dtype)
        return numerical + self.noise_level * noise

    def augment_categorical(
        self, categorical: Tensor, cardinalities: Sequence[int], generator: torch.Generator | None = None
    ) -> Tensor:
        """(B, D_cat) ids -> (B, D_cat) ids with some cells redrawn.

        Args:
            categorical: ids, the reserved ones below ``NUM_RESERVED``.
            cardinalities: ids per column, the reserved ones included.
            generator: source of the random draws, on the device of ``categorical``.
        """
        shape, device = categorical.shape, categorical.device
        if shape[1] == 0 or self.dropout_prob == 0:
            return categorical
        chosen = torch.rand(shape, generator=generator, device=device) < self.dropout_prob  # (B, D_cat)
        if self.protected:
            chosen[:, list(self.protected)] = False
        draw = torch.rand(shape, generator=generator, device=device)
        if self.swap == "marginal":
            donor = (draw * shape[0]).long().clamp_(max=shape[0] - 1)  # row the value comes from
            values = categorical.gather(0, donor)
        else:
            number = torch.tensor([c - NUM_RESERVED for c in cardinalities], device=device)
            values = NUM_RESERVED + torch.minimum((draw * number).long(), (number - 1).clamp(min=0))
            chosen &= number > 0
        # Unknown and missing are states of the log, not values: neither drawn nor overwritten.
        chosen &= (values >= NUM_RESERVED) & (categorical >= NUM_RESERVED)
        return torch.where(chosen, values, categorical)

    def view(
        self,
        numerical: Tensor,
        categorical: Tensor,
        cardinalities: Sequence[int],
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One view of the batch."""
        return (
            self.augment_numerical(numerical, generator),
            self.augment_categorical(categorical, cardinalities, generator),
        )

    def __call__(
        self,
        numerical: Tensor,
        categorical: Tensor,
        cardinalities: Sequence[int],
        generator: torch.Generator | None = None,
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Two independent views, each ``(numerical, categorical)``."""
        first = self.view(numerical, categorical, cardinalities, generator)
        return first, self.view(numerical, categorical, cardinalities, generator)


def realised_swap_rate(original: Tensor, view: Tensor) -> Tensor:
    """Share of the cells with a value that really changed, per column: (B, D_cat) twice -> (D_cat,); NaN for none."""
    eligible = original >= NUM_RESERVED
    return ((original != view) & eligible).sum(0) / eligible.sum(0)
