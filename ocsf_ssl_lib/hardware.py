"""What this machine is good at: precision and threads, measured when ``"auto"`` asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch

__all__ = ["Computing", "computing"]


@dataclass(frozen=True)
class Computing:
    """How a run computes.

    Attributes:
        precision: of the matrix products, ``fp32`` or ``bf16``.
        threads: processor threads.
        notes: what was measured to choose them.
    """

    precision: Literal["fp32", "bf16"]
    threads: int
    notes: tuple[str, ...] = ()


@contextmanager
def computing(
    precision: Literal["fp32", "bf16", "auto"], threads: int | Literal["auto"] | None, device: torch.device
) -> Iterator[Computing]:
    """Settle precision and threads; the thread count is put back afterwards.

    Args:
        precision: ``auto`` measures whether bf16 is faster.
        threads: ``auto`` measures how many are fastest; ``None`` leaves them as they are.
        device: where the run is.
    """
    before, notes = torch.get_num_threads(), []
    if threads == "auto":
        found = choose_threads()
        notes.append(found.reason)
        threads = found.value
    torch.set_num_threads(threads or before)
    try:
        if precision == "auto":
            choice = choose_precision(device)
            notes.append(choice.reason)
            precision = choice.value
        yield Computing(precision, threads or before, tuple(notes))
    finally:
        torch.set_num_threads(before)
