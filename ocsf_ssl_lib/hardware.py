"""What this machine is good at: precision and threads, measured when ``"auto"`` asks for it."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import torch

from ocsf_ssl_lib.errors import InputError

__all__ = ["Choice", "Computing", "choose_precision", "choose_threads", "computing"]

T = TypeVar("T")

BATCH, WIDTH, LAYERS = 512, 256, 2  # of the step that is measured: two views of 256 events, the default width
BF16_GAIN = 1.5  # how many times faster bf16 has to be to be worth its rounding
THREAD_GAIN = 1.05  # how many times faster more threads have to be to be worth the cores


@dataclass(frozen=True)
class Choice(Generic[T]):
    """What was chosen, and a sentence that says what was measured."""

    value: T
    reason: str


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
    notes: list[str] = []
    if threads == "auto":
        counted = choose_threads()
        notes.append(counted.reason)
        threads = counted.value
    if precision == "auto":
        measured = choose_precision(device)
        notes.append(measured.reason)
        precision = measured.value
    with _thread_count_restored():
        threads = threads or torch.get_num_threads()
        torch.set_num_threads(threads)
        yield Computing(precision, threads, tuple(notes))


def choose_precision(device: torch.device | str) -> Choice[Literal["fp32", "bf16"]]:
    """Whether bf16 pays: on a processor measured, in less than half a second; a GPU is asked.

    Every processor can multiply in bf16, but without instructions for it that is slower than fp32, not faster.

    Args:
        device: where the training is to run.

    Example:
        >>> choose_precision("mps").reason
        'fp32: bf16 is not measured on mps'
    """
    kind = torch.device(device).type
    if kind == "cuda":
        # Emulation computes in fp32 and rounds: nothing gained.
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Choice("bf16", "bf16: this GPU multiplies in it")
        return Choice("fp32", "fp32: this GPU has no bf16")
    if kind != "cpu":
        return Choice("fp32", f"fp32: bf16 is not measured on {kind}")
    with _thread_count_restored():
        # One thread, and only the time that the processor worked for it: others may be busy here too.
        torch.set_num_threads(1)
        single, half = _median_seconds([_products(torch.float32), _products(torch.bfloat16)], time.process_time)
    gain = single / half
    measured = f"products of {BATCH} x {WIDTH} x {WIDTH} are {gain:.2f} times as fast in bf16 as in fp32"
    return Choice("bf16", f"bf16: {measured}") if gain >= BF16_GAIN else Choice("fp32", f"fp32: {measured}")


def choose_threads(limit: int | None = None) -> Choice[int]:
    """How many processor threads make a training step fastest; measured in less than half a second.

    The steps of a small model are short, and other programs want the cores too: more threads are not always faster.
    The thread count is left as it was.

    Args:
        limit: try no more than these; the cores this process may use when left out.

    Raises:
        InputError: a limit below 1.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit must be at least 1 thread, however: {limit}")
    most = limit if limit is not None else _cores()
    counts = sorted({*(2**k for k in range(most.bit_length())), most})  # 1, 2, 4, ... and all of them
    if most == 1:
        return Choice(1, "1 thread: there is one core")
    step = _products(torch.float32)

    def with_threads(count: int) -> Callable[[], object]:
        def run() -> None:
            torch.set_num_threads(count)
            step()

        return run

    with _thread_count_restored():
        times = _median_seconds([with_threads(count) for count in counts])
    best = next(n for n, seconds in zip(counts, times, strict=True) if seconds <= THREAD_GAIN * min(times))
    measured = ", ".join(f"{n}: {seconds * 1e3:.1f} ms" for n, seconds in zip(counts, times, strict=True))
    return Choice(best, f"{best} thread{'s' * (best > 1)}: a step like those of training takes with {measured}")


@contextmanager
def _thread_count_restored() -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _cores() -> int:
    """Cores this process may use; a container or ``taskset`` may allow fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _products(dtype: torch.dtype) -> Callable[[], object]:
    """The matrix products, activations and casts of a few layers, forward and backward."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, WIDTH, generator=generator)
    weight = torch.randn(WIDTH, WIDTH, generator=generator) / WIDTH**0.5

    def run() -> None:
        h = x
        for _ in range(LAYERS):
            left, right = h.to(dtype), weight.to(dtype)
            out = (left @ right.T).relu_()
            gradient = (out.T @ left).float()
            h = (out @ right).float() + gradient[0]

    return run


def _median_seconds(
    work: Sequence[Callable[[], object]],
    clock: Callable[[], float] = time.perf_counter,
    repeats: int = 15,
    budget: float = 0.3,
) -> list[float]:
    """Median seconds of each piece of work; no new round starts after ``budget`` seconds, but one there is.

    The pieces take turns, so that a busy machine slows all alike.
    """
    for run in work:  # the first run warms up
        run()
    times: list[list[float]] = [[] for _ in work]
    begin = time.perf_counter()
    while len(times[0]) < repeats and (not times[0] or time.perf_counter() - begin < budget):
        for taken, run in zip(times, work, strict=True):
            start = clock()
            run()
            taken.append(clock() - start)
    return [statistics.median(taken) for taken in times]
