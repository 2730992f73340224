"""Which rows of an epoch make up which batch, for one process or for each of several.

The rows of an epoch stand in one order that all processes know. This file only counts; ``OCSFDataset`` and
``EventStream`` look up the rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from ocsf_ssl_lib.errors import InputError

__all__ = ["BatchPlan", "checked_rank"]

FEWEST = 2  # rows of a batch: a contrastive loss needs a second one


@dataclass(frozen=True)
class BatchPlan:
    """How an epoch of ``rows`` rows is cut into batches.

    Every ``batch_size * world`` consecutive rows are one step of all processes, and each takes its own contiguous
    part, so that no row comes twice and all have the same number of batches of the same sizes. The last step divides
    what is left evenly: fewer than ``world`` rows, other ones in each shuffled epoch, are left out; none with one
    process. A last batch of a single row joins the one before it.

    Args:
        rows: of the epoch, for all processes together.
        batch_size: rows per step and process.
        rank: which process this is.
        world: how many there are.

    Raises:
        InputError: so few rows that a process would be left with fewer than two.

    Example:
        >>> plan = BatchPlan(rows=23, batch_size=4, rank=1, world=2)
        >>> [plan.rows_of(k) for k in range(plan.count)]
        [slice(4, 8, None), slice(12, 16, None), slice(19, 22, None)]
    """

    rows: int
    batch_size: int
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.world > 1 and self.rows < FEWEST * self.world:
            raise InputError(f"{self.rows} event(s) for {self.world} processes; each needs at least {FEWEST}")

    @property
    def count(self) -> int:
        """Number of batches."""
        full, left = self._divided()
        return full + (left >= FEWEST or (full == 0 and left > 0))

    def rows_of(self, batch: int) -> slice:
        """The rows of batch 0, 1, ... in the order of the epoch."""
        full, left = self._divided()
        size = self.batch_size
        if batch == self.count - 1:
            size = left if self.count > full else size + left
        first = batch * self.batch_size * self.world + self.rank * size
        return slice(first, first + size)

    def _divided(self) -> tuple[int, int]:
        """Steps of full size, and rows that are left over for each process."""
        full, rest = divmod(self.rows, self.batch_size * self.world)
        return full, rest // self.world


def checked_rank(rank: int, world: int) -> tuple[int, int]:
    """Both, if they fit.

    Raises:
        InputError: ``rank`` is not in 0..world-1.
    """
    if not 0 <= rank < world:
        raise InputError(f"rank must be in 0..world-1, however: rank={rank}, world={world}")
    return rank, world
