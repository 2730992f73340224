"""What does NT-Xent cost, forward and backward, in time and memory? The whole matrix against blocks of it.

    python benchmarks/nt_xent.py                          8192 pairs: time, memory, error of bfloat16
    python benchmarks/nt_xent.py --other ntx_ent_loss.py  beside another class NTXentLoss, lightly's say
    python benchmarks/nt_xent.py --scale                  65 536 pairs in blocks against 4096 whole: memory
    python benchmarks/nt_xent.py --blocks                 which block size is fastest
    python benchmarks/nt_xent.py --crossover              from which batch on blocks are faster than the whole matrix

One thread; process time, medians of interleaved runs; memory is the peak of a process of its own, less what it had
before the loss. ``--record`` adds the rows to ``benchmarks/results/nt_xent.csv``.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import machine
import torch
from timing import in_turn
from torch import Tensor

from ocsf_ssl_lib import nt_xent

TEMPERATURE = 0.1
Loss = Callable[[Tensor, Tensor], Tensor]
OURS: dict[str, dict[str, Any]] = {
    "whole": {},
    "blocks fp32": {"chunk_size": "auto"},
    "blocks bf16": {"chunk_size": "auto", "precision": "bf16"},
}


def ours(**options: Any) -> Loss:
    return lambda z1, z2: nt_xent(z1, z2, TEMPERATURE, **options)


def other_loss(file: Path) -> Loss:
    """``NTXentLoss`` of a file, without installing what it comes from: its package is stood in for.

    lightly's file asks for a memory bank, which is empty by default, and for the number of processes, which is one.
    """

    class EmptyMemoryBank(torch.nn.Module):
        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__()

        def forward(self, output: Tensor, **_: Any) -> tuple[Tensor, None]:
            return output, None

    one_process = types.SimpleNamespace(rank=lambda: 0, world_size=lambda: 1)
    for name, contents in {
        "lightly": {},
        "lightly.models": {},
        "lightly.models.modules": {},
        "lightly.models.modules.memory_bank": {"MemoryBankModule": EmptyMemoryBank},
        "lightly.utils": {"dist": one_process},
    }.items():
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name]).update(contents)
    spec = importlib.util.spec_from_file_location("other", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.NTXentLoss(temperature=TEMPERATURE)


def losses(other: Path | None) -> dict[str, Loss]:
    table = {name: ours(**options) for name, options in OURS.items()}
    return table if other is None else {other.stem: other_loss(other), **table}


def embeddings(pairs: int, width: int) -> tuple[Tensor, Tensor]:
    """Partners somewhat alike, as after some training."""
    generator = torch.Generator().manual_seed(0)
    z1 = torch.randn(pairs, width, generator=generator)
    z2 = torch.randn(pairs, width, generator=generator).add_(z1)
    return z1.requires_grad_(), z2.requires_grad_()


def seconds(table: dict[str, Loss], pairs: int, width: int, repeats: int) -> dict[str, float]:
    """Median process time of forward and backward, the candidates taking turns."""
    z1, z2 = embeddings(pairs, width)

    def run(loss: Loss) -> None:
        z1.grad = z2.grad = None
        loss(z1, z2).backward()

    times = in_turn({name: partial(run, loss) for name, loss in table.items()}, repeats, warm_up=0)
    return {name: statistics.median(taken) for name, taken in times.items()}


def peak() -> float:
    """Largest resident memory of this process so far, in MB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise OSError("no VmHWM in /proc/self/status")


def print_own_memory(name: str, args: argparse.Namespace) -> None:
    """In a process of its own: one forward and backward pass; prints MB and seconds."""
    loss = losses(args.other)[name]
    loss(*embeddings(8, args.width)).backward()  # what a first call loads is not the loss's
    z1, z2 = embeddings(args.pairs, args.width)
    Path("/proc/self/clear_refs").write_text("5")  # start the peak again from here
    before = peak()
    start = time.process_time()
    loss(z1, z2).backward()
    print(peak() - before, time.process_time() - start)


def memory(name: str, pairs: int, args: argparse.Namespace) -> tuple[float, float]:
    """Peak in MB beyond the embeddings, and seconds, of a fresh process."""
    command = [sys.executable, __file__, "--own-memory", name, "--pairs", str(pairs), "--width", str(args.width)]
    command += ["--other", str(args.other)] if args.other is not None else []
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    megabytes, taken = map(float, done.stdout.split())
    return megabytes, taken


def error_of_bf16(pairs: int, width: int) -> tuple[float, float]:
    """Relative error of the value, and of the gradient in the Euclidean norm, against float32 in blocks."""
    results = []
    for name in ("blocks fp32", "blocks bf16"):
        z1, z2 = embeddings(pairs, width)
        value = ours(**OURS[name])(z1, z2)
        results.append((value.item(), torch.autograd.grad(value, (z1, z2))))
    (exact, gradient), (rounded, coarse) = results
    difference = sum(float((a - b).square().sum()) for a, b in zip(gradient, coarse, strict=True)) ** 0.5
    return abs(rounded - exact) / exact, difference / sum(float(a.square().sum()) for a in gradient) ** 0.5


def row(
    name: str, pairs: int, args: argparse.Namespace, taken: float, repeats: int, megabytes: float
) -> dict[str, Any]:
    figures = {"seconds": round(taken, 3), "repeats": repeats, "peak_mb": round(megabytes)}
    return {"loss": name, "pairs": pairs, "width": args.width, **figures}


def compare(args: argparse.Namespace) -> list[dict[str, Any]]:
    taken = seconds(losses(args.other), args.pairs, args.width, args.repeats)
    first = next(iter(taken))
    rows = []
    for name, median in taken.items():
        megabytes, _ = memory(name, args.pairs, args)
        rows.append(row(name, args.pairs, args, median, args.repeats, megabytes))
        print(f"{name:13s} {median:7.2f} s  {taken[first] / median:5.2f} x  {megabytes:6.0f} MB", flush=True)
    value, gradient = error_of_bf16(args.pairs, args.width)
    print(f"bf16 against fp32, relative: value {value:.1e}, gradient {gradient:.1e}")
    return rows


def scale(args: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for name, pairs in (("whole", 4096), ("blocks fp32", 65_536), ("blocks bf16", 65_536)):
        megabytes, taken = memory(name, pairs, args)
        rows.append(row(name, pairs, args, taken, 1, megabytes))
        print(f"{name:13s} {pairs:6d} pairs {megabytes:6.0f} MB  {taken:7.1f} s, once", flush=True)
    return rows


def blocks(args: argparse.Namespace) -> None:
    for precision in ("fp32", "bf16"):
        table = {str(b): ours(chunk_size=b, precision=precision) for b in (128, 256, 384, 512, 768, 1024, 2048)}
        taken = seconds(table, args.pairs, args.width, args.repeats)
        print(precision, {size: f"{median:.2f} s" for size, median in taken.items()})


def crossover(args: argparse.Namespace) -> None:
    table = {name: ours(**OURS[name]) for name in ("whole", "blocks fp32")}
    for pairs in (64, 128, 256, 512, 1024, 2048):
        taken = seconds(table, pairs, args.width, max(args.repeats, 8192 // pairs))
        print(f"{pairs:5d} pairs", {name: f"{1e3 * median:.1f} ms" for name, median in taken.items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=8192)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--other", type=Path, help="file with a class NTXentLoss(temperature=...)")
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--blocks", action="store_true")
    parser.add_argument("--crossover", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--own-memory", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.own_memory is not None:
        print_own_memory(args.own_memory, args)
        return
    print(f"{machine.headline()}, d = {args.width}")
    rows: list[dict[str, Any]] = []
    if args.blocks:
        blocks(args)
    elif args.crossover:
        crossover(args)
    else:
        rows = scale(args) if args.scale else compare(args)
    if args.record and rows:
        machine.record("nt_xent", rows)


if __name__ == "__main__":
    main()
