"""Cost per row and peak memory of one epoch streamed from Parquet, as the rows grow from 10 000 on.

    python benchmarks/stream_rows.py [--rows 100000] [--folder DIR] [--record]

Simulates the events into Parquet files if the folder does not hold them yet: each file its own company and its own
week. Then trains on the first 10 000 rows, the first 100 000, ... and all of them, each size in a process of its own,
with one preprocessor, fitted on a sample of the whole folder, so that the model is the same at every size. The
smallest size is measured again beside every other, so that a machine that slows down slows both sides of the ratio.
``--record`` adds the figures to ``benchmarks/results/stream_rows.csv``.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import machine
import pandas as pd
import torch

from ocsf_ssl_lib import (
    Batch,
    EventStream,
    MaskedFeatureConfig,
    OCSFPreprocessor,
    ParquetEvents,
    TrainingConfig,
    build_model,
    simulate_events,
    train_self_supervised,
)

SMALLEST = 10_000
FILE_ROWS = 500_000
GROUP_ROWS = 65_536
FIRST_DAY, DAYS = pd.Timestamp("2025-01-06"), 7  # of a file; a Monday
SEED = 42
SAMPLE = 200_000  # events that the preprocessor learns from
REPEATED_ROWS = 100_000  # a size below this runs several epochs, and the median counts: one would take a moment only


def sizes(rows: int) -> list[int]:
    """10 000, 100 000, ... below ``rows``, and ``rows``."""
    powers = [SMALLEST * 10**k for k in range(8)]
    return [size for size in powers if size < rows] + [rows]


def plan(rows: int) -> list[int]:
    """Rows of each file, so that every size is a number of whole files."""
    files, done = [], 0
    for size in sizes(rows):
        while done < size:
            files.append(min(FILE_ROWS, size - done))
            done += files[-1]
    return files


def paths_of(folder: Path, rows: int) -> list[Path]:
    return [folder / f"events-{k:04d}-{count}.parquet" for k, count in enumerate(plan(rows))]


def write(folder: Path, rows: int) -> None:
    """Simulate the files that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, (path, count) in enumerate(zip(paths_of(folder, rows), plan(rows), strict=True)):
        if path.exists():
            continue
        began = time.perf_counter()
        day = FIRST_DAY + pd.Timedelta(days=k * DAYS)
        frame = simulate_events(count, seed=SEED + k, start=day.date().isoformat(), days=DAYS).frame
        aside = path.with_suffix(".tmp")
        frame.to_parquet(aside, index=False, row_group_size=GROUP_ROWS)
        aside.replace(path)
        took = time.perf_counter() - began
        print(f"{path.name}: {count:,} events, {path.stat().st_size / 1e6:.0f} MB, {took:.1f} s", flush=True)


class TimedStream(EventStream):
    """A stream that notes the processor time of each epoch, that of the thread which reads ahead included."""

    seconds: ClassVar[list[float]] = []

    def batches(self, *args: Any, **options: Any) -> Iterator[Batch]:
        began = time.process_time()
        yield from super().batches(*args, **options)
        self.seconds.append(time.process_time() - began)


def train(folder: Path, rows: int, size: int) -> dict[str, object]:
    """One epoch on the first ``size`` of the folder's rows, or the median of several; in this process."""
    torch.set_num_threads(1)
    paths = paths_of(folder, rows)
    preprocessor = OCSFPreprocessor().fit(ParquetEvents(paths).sample(SAMPLE))
    model = build_model(MaskedFeatureConfig(), len(preprocessor.numerical_names_), preprocessor.cardinalities_)
    stream = TimedStream(ParquetEvents(paths[: len(plan(size))]), preprocessor)
    epochs = max(1, REPEATED_ROWS // size)
    config = TrainingConfig(max_epochs=epochs, device="cpu", precision="auto")
    history = train_self_supervised(model, stream, None, config, progress=False)
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return {
        "rows": len(stream),
        "epochs": epochs,
        "precision": history.precision,
        "seconds": float(history.frame["seconds"].median()),
        "processor_seconds": statistics.median(stream.seconds),
        "peak_gb": int(peak.group(1)) * 1024 / 1e9 if peak else float("nan"),
        "train_loss": float(history.frame["train_loss"].iloc[-1]),
    }


def measure(folder: Path, rows: int, size: int) -> dict[str, Any]:
    """``train`` in a process of its own."""
    command = [sys.executable, __file__, "--rows", str(rows), "--folder", str(folder), "--size", str(size)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def table(folder: Path, rows: int) -> list[dict[str, Any]]:
    """A row per size, with its cost per row as a multiple of that of the smallest size."""
    results = []
    for size in sizes(rows):
        small = measure(folder, rows, SMALLEST)
        result = measure(folder, rows, size) if size > SMALLEST else small
        for clock in ("seconds", "processor_seconds"):
            result[f"{clock}_ratio"] = (result[clock] / size) / (small[clock] / SMALLEST)
        results.append(result)
        print(
            f"{size:>12,} rows  {size / result['seconds']:>7,.0f} rows/s  {result['seconds']:>9.1f} s "
            f"(processor {result['processor_seconds']:.1f} s)  {result['peak_gb']:.2f} GB  "
            f"cost per row {result['seconds_ratio']:.2f} (processor {result['processor_seconds_ratio']:.2f})",
            flush=True,
        )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="of the Parquet files; default: one that is deleted afterwards")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--size", type=int, help="train on so many rows, in this process, and print the figures")
    options = parser.parse_args()
    if options.rows < SMALLEST:
        parser.error(f"--rows must be at least {SMALLEST}")
    if options.size:
        print(json.dumps(train(options.folder, options.rows, options.size)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        write(folder, options.rows)
        results = table(folder, options.rows)
    if options.record:
        machine.record("stream_rows", results)


if __name__ == "__main__":
    main()
