"""Processor time and memory of this process and of all that it starts, Ray's workers included."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import psutil

EVERY = 0.5  # seconds between two looks; what happens in between is not seen, but for the peak of each process


class ProcessTree:
    """Watches the processes below this one while the block runs.

    Attributes:
        processor_seconds: of all of them, user and system, within the block.
        largest_bytes: the most that one of them ever had in memory (resident).
        most_bytes: the most that all of them together had, shared pages counted once.
    """

    def __init__(self) -> None:
        self.largest_bytes = self.most_bytes = 0
        self._seconds: dict[tuple[int, float], float] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> ProcessTree:
        self._before = _seconds(psutil.Process())
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._end.set()
        self._thread.join()

    @property
    def processor_seconds(self) -> float:
        return sum(self._seconds.values()) - self._before

    def _watch(self) -> None:
        while not self._end.wait(EVERY):
            self._look()
        self._look()

    def _look(self) -> None:
        own = psutil.Process()
        together = 0
        for process in [own, *own.children(recursive=True)]:
            try:
                # A number may be given to another process later, together with the start it may not.
                self._seconds[process.pid, process.create_time()] = _seconds(process)
                together += process.memory_full_info().pss
                self.largest_bytes = max(self.largest_bytes, _peak(process.pid))
            except (psutil.Error, OSError):  # it has ended in the meantime
                continue
        self.most_bytes = max(self.most_bytes, together)


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _peak(pid: int) -> int:
    found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found.group(1)) * 1024 if found else 0
