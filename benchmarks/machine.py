"""Where a benchmark ran, and its figures on disk: the way of ``experiments/record.py``, in ``benchmarks/results``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "experiments"))  # both folders hold scripts, no package

from record import append, hardware, versions

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def headline() -> str:
    """Processor, cores, threads and versions: the first line that a benchmark prints."""
    return f"{hardware()}; {versions()}"


def record(name: str, rows: list[dict[str, object]]) -> None:
    """Add rows to ``benchmarks/results/<name>.csv``, each with date, hardware and versions."""
    append(name, rows, RESULTS)
