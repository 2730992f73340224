"""Rows per second and peak memory of scoring Parquet, in one process and on Ray, and whether both agree.

    python benchmarks/score_rows.py [--rows 100000] [--folder DIR] [--workers 2] [--width 128] [--blocks 3] [--record]

Simulates the events into Parquet files if the folder does not hold them yet (``stream_rows.py``), trains a detector for
one epoch on a sample of them, and scores the first 10 000 rows, the first 100 000, ... and all of them, each time in a
new process: with ``score_parquet``, and with ``score_on_ray`` where Ray is installed (``pip install -e '.[ray]'``).
The seconds are those of the call: the model is loaded before, and Ray starts within. ``--record`` adds the figures to
``benchmarks/results/score_rows.csv``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import numpy as np
import pyarrow.parquet as pq
import torch
from process_tree import ProcessTree
from stream_rows import SEED, SMALLEST, paths_of, plan, sizes, write

from ocsf_ssl_lib import EncoderConfig, OCSFAnomalyDetector, ParquetEvents, score_on_ray, score_parquet
from ocsf_ssl_lib.detect.detector import ENCODER

TRAIN_ROWS = 20_000  # how well the detector ranks does not matter here, only what a score costs


def train(folder: Path, rows: int, model: Path, encoder: EncoderConfig) -> None:
    sample = ParquetEvents(paths_of(folder, rows)).sample(TRAIN_ROWS)
    options = {"max_epochs": 1, "random_state": SEED, "device": "cpu", "progress": False}
    OCSFAnomalyDetector(encoder_config=encoder, **options).fit(sample).save(model)


def score(folder: Path, rows: int, size: int, model: Path, output: Path, workers: int) -> dict[str, object]:
    """Score the first ``size`` of the folder's rows, in this process or with ``workers`` (0: none) on Ray."""
    torch.set_num_threads(1)
    detector = OCSFAnomalyDetector.load(model)
    paths = paths_of(folder, rows)[: len(plan(size))]
    events = ParquetEvents(paths)
    began = time.perf_counter()
    with ProcessTree() as tree:
        if workers:
            result = score_on_ray(detector, events, output, workers=workers, progress=False)
        else:
            result = score_parquet(detector, events, output, progress=False)
    seconds = time.perf_counter() - began
    encoder = detector.model_.config.encoder_config
    return {
        "engine": "ray" if workers else "process",
        "workers": workers or 1,
        "rows": result.events,
        "d_model": encoder.d_model,
        "num_blocks": encoder.num_blocks,
        "seconds": seconds,
        "processor_seconds": tree.processor_seconds,
        "peak_gb": tree.largest_bytes / 1e9,
        "all_gb": tree.most_bytes / 1e9,
        "event_bytes": sum(path.stat().st_size for path in paths) / result.events,
        "score_bytes": output.stat().st_size / result.events,
    }


def measure(arguments: list[object], size: int, output: Path, workers: int) -> dict[str, Any]:
    """``score`` in a process of its own."""
    own = ["--size", size, "--output", output, "--workers", workers]
    command = [sys.executable, __file__, *map(str, [*arguments, *own])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def largest_difference(one: Path, other: Path) -> float:
    """Between the scores of two files, a row group of one in memory at a time.

    Raises:
        ValueError: they are not of the same rows in the same order.
    """
    left, right = (pq.ParquetFile(path) for path in (one, other))
    largest, rows = 0.0, 0
    if left.metadata.num_rows != right.metadata.num_rows:
        raise ValueError(f"{left.metadata.num_rows} and {right.metadata.num_rows} scores")
    for a, b in zip(left.iter_batches(SMALLEST), right.iter_batches(SMALLEST), strict=True):
        if not a.drop_columns(["score", "is_anomaly"]).equals(b.drop_columns(["score", "is_anomaly"])):
            raise ValueError(f"other events from row {rows} on")
        largest = max(largest, float(np.abs(a["score"].to_numpy() - b["score"].to_numpy()).max()))
        rows += len(a)
    return largest


def table(arguments: list[object], rows: int, workers: int, scratch: Path) -> list[dict[str, Any]]:
    """A row per size and engine, with the largest difference to the scores of one process."""
    results = []
    for size in sizes(rows):
        for count in (0, workers) if workers else (0,):
            output = scratch / f"scores-{count}.parquet"
            result = measure(arguments, size, output, count)
            result["largest_difference"] = largest_difference(scratch / "scores-0.parquet", output)
            results.append(result)
            print(
                f"{size:>12,} rows  {result['engine']:<8} {result['workers']} worker(s)  {result['seconds']:>8.1f} s "
                f"(processor {result['processor_seconds']:.1f} s)  {size / result['seconds']:>7,.0f} rows/s  "
                f"{result['peak_gb']:.2f} GB (all processes {result['all_gb']:.2f} GB)  "
                f"difference {result['largest_difference']:.1e}",
                flush=True,
            )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="of the Parquet files; default: one that is deleted afterwards")
    parser.add_argument("--workers", type=int, default=2, help="on Ray; 0 leaves Ray out")
    parser.add_argument("--width", type=int, default=ENCODER.d_model)
    parser.add_argument("--blocks", type=int, default=ENCODER.num_blocks)
    parser.add_argument("--record", action="store_true")
    for name in ("--model", "--output"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help="score so many rows in this process, and print the figures")
    options = parser.parse_args()
    if options.rows < SMALLEST:
        parser.error(f"--rows must be at least {SMALLEST}")
    if options.size:
        where = (options.model, options.output, options.workers)
        print(json.dumps(score(options.folder, options.rows, options.size, *where)))
        return
    print(machine.headline())
    if options.workers and importlib.util.find_spec("ray") is None:
        print("Ray is not installed: one process only")
        options.workers = 0
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        folder = options.folder or scratch / "events"
        write(folder, options.rows)
        encoder = EncoderConfig(d_model=options.width, num_blocks=options.blocks)
        train(folder, options.rows, scratch / "model", encoder)
        arguments = ["--rows", options.rows, "--folder", folder, "--model", scratch / "model"]
        results = table(arguments, options.rows, options.workers, scratch)
    if options.record:
        machine.record("score_rows", results)


if __name__ == "__main__":
    main()
