"""Rows per second of training: ours against the source tutorial's code, on W1 (``workload.py``), one thread.

    python benchmarks/training_step.py [--rounds 5] [--record]     contrastive and masked, fp32 and bf16
    python benchmarks/training_step.py --whole [--full] [--record] two threads, wall time; --full: all 50 epochs
    python benchmarks/training_step.py --rows 10000 100000 1000000 what a row costs as the table grows

Ours is the public call, ``train_self_supervised(model, data, None, TrainingConfig(...))``, with all that it does; the
other's set-up (model, loader, optimizer) is not timed. Epochs alternate, the ratio is that of the medians.
``--whole`` needs an idle machine: a second thread that has to wait for a core stops the first one at every operation.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import machine
import ours
import torch
import workload
from source_tutorial import SourceTraining
from timing import in_turn, speed_up

from ocsf_ssl_lib import SSLConfig, train_self_supervised

SOURCE = "source tutorial"
TASKS = ("contrastive", "masked")
PRECISIONS = ("fp32", "bf16")
Row = dict[str, object]


def source_training(task: str, rows: int, width: int = workload.WIDTH, blocks: int = workload.BLOCKS) -> SourceTraining:
    """The source's code on W1."""
    numbers, categories = workload.table(rows)
    return SourceTraining(
        task,
        numbers,
        categories,
        workload.VALUES,
        batch=workload.BATCH,
        width=width,
        blocks=blocks,
        dropout=workload.DROPOUT,
    )


def steps(rows: int, rounds: int, tasks: tuple[str, ...] = TASKS) -> list[Row]:
    """Epochs in turn: the source's, and ours in each precision."""
    found: list[Row] = []
    for task in tasks:
        torch.manual_seed(0)
        data = ours.dataset(rows)
        runs: dict[str, Callable[[], object]] = {SOURCE: source_training(task, rows).epoch}
        same = [task] if task == "contrastive" else [task, f"{task}, mse"]
        for kind in same:
            extra = kind.removeprefix(task)
            runs |= {f"ours{extra}, {p}": ours.OurTraining(kind, data, p).epoch for p in PRECISIONS}
        seconds = in_turn(runs, rounds)
        for name, taken in seconds.items():
            found.append(
                {
                    "task": task,
                    "code": name,
                    "rows_per_second": rows / statistics.median(taken),
                    "ratio": speed_up(seconds[SOURCE], taken),
                    "rounds": rounds,
                }
            )
    return found


def whole(rows: int, epochs: int, rounds: int, task: str = "contrastive") -> list[Row]:
    """A run of so many epochs each in turn, in wall time with two threads; our precision is what the machine likes."""
    data, config = ours.dataset(rows), ours.training("auto", epochs, threads=2)

    def source() -> None:
        training = source_training(task, rows)
        for _ in range(epochs):
            training.epoch()

    def library() -> None:
        train_self_supervised(ours.OurTraining(task, data, "auto").model, data, None, config)

    seconds = in_turn({SOURCE: source, "ours": library}, rounds, time.perf_counter, warm_up=0)
    return [
        {
            "task": task,
            "code": name,
            "epochs": epochs,
            "seconds": statistics.median(taken),
            "ratio": speed_up(seconds[SOURCE], taken),
            "rounds": rounds,
        }
        for name, taken in seconds.items()
    ]


def growth(sizes: list[int], task: str = "contrastive", config: SSLConfig | None = None) -> list[Row]:
    """Microseconds per row of an epoch, each size next to a run of the smallest, so that both see the same machine."""
    found: list[Row] = []
    for size in sizes:
        small, large = (ours.OurTraining(task, ours.dataset(n), "fp32", config) for n in (sizes[0], size))
        small.epoch()
        seconds = in_turn({"small": small.epoch, "large": large.epoch}, rounds=1, warm_up=0)
        cost, base = seconds["large"][0] / size, seconds["small"][0] / sizes[0]
        found.append({"task": task, "rows": size, "microseconds_per_row": 1e6 * cost, "ratio": cost / base})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--whole", action="store_true", help="wall time of whole runs with two threads")
    what.add_argument("--rows", type=int, nargs="+", help="cost per row at these sizes")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5, help="of a whole run")
    parser.add_argument("--full", action="store_true", help=f"whole runs of {workload.EPOCHS} epochs, one of each")
    parser.add_argument("--record", action="store_true", help="add the figures to benchmarks/results")
    options = parser.parse_args()
    torch.set_num_threads(2 if options.whole else 1)
    print(machine.headline())
    if options.whole:
        epochs, rounds = (workload.EPOCHS, 1) if options.full else (options.epochs, min(options.rounds, 2))
        name, rows = "whole_run", whole(workload.ROWS, epochs, rounds)
        for row in rows:
            print(f"{row['code']:16s} {row['epochs']} epochs {row['seconds']:7.1f} s  ratio {row['ratio']:.2f}")
    elif options.rows:
        name, rows = "cost_per_row", growth(options.rows)
        for row in rows:
            print(f"{row['rows']:>9,} rows {row['microseconds_per_row']:7.1f} us per row  ratio {row['ratio']:.2f}")
    else:
        name, rows = "training_step", steps(workload.ROWS, options.rounds)
        for row in rows:
            print(
                f"{row['task']:12s} {row['code']:16s} {row['rows_per_second']:>7,.0f} rows/s  ratio {row['ratio']:.2f}"
            )
    if options.record:
        machine.record(name, rows)


if __name__ == "__main__":
    main()
