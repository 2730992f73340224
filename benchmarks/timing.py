"""Time things in turn, so that a busy machine slows all of them alike; what counts is the ratio of medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def in_turn(
    runs: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
    warm_up: int = 1,
) -> dict[str, list[float]]:
    """Seconds of each run, ``rounds`` times, one after the other and again from the first.

    Args:
        runs: name -> what to time.
        rounds: how often each is timed.
        clock: processor time of this process (all its threads), which a neighbour hardly changes; give
            ``time.perf_counter`` where more than one thread is the point.
        warm_up: rounds before the first that counts.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(warm_up + rounds):
        for name, run in runs.items():
            start = clock()
            run()
            taken = clock() - start
            if number >= warm_up:
                seconds[name].append(taken)
    return seconds


def speed_up(slow: list[float], fast: list[float]) -> float:
    """How many times faster ``fast`` is: the ratio of the medians of the seconds."""
    return statistics.median(slow) / statistics.median(fast)
