"""What do prediction heads of several columns cost? Four columns against one of their joint width, in one run.

    python benchmarks/column_heads.py

One thread, forward and backward, medians of interleaved runs. Beside it stands the obvious way: a list with one
``nn.Linear`` and one ``cross_entropy`` per column.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from ocsf_ssl_lib import Batch, ColumnHeads
from ocsf_ssl_lib.vocabulary import NUM_RESERVED

VALUES = (100, 50, 200, 1000)  # of the four columns
WIDTH = 256
BATCH = 256
MASK_PROB = 0.15


def batch_of(values: tuple[int, ...]) -> Batch:
    generator = torch.Generator().manual_seed(0)
    columns = [torch.randint(0, v, (BATCH,), generator=generator) + NUM_RESERVED for v in values]
    nothing = torch.empty(BATCH, 0)
    return Batch(nothing, torch.stack(columns, dim=1), nothing.bool())


def library(values: tuple[int, ...], hidden: torch.Tensor) -> Callable[[], None]:
    heads = ColumnHeads(WIDTH, 0, [v + NUM_RESERVED for v in values])
    batch = batch_of(values)
    chosen = torch.rand(BATCH, len(values), generator=torch.Generator().manual_seed(1)) < MASK_PROB

    def step() -> None:
        heads.normalised(heads.cell_losses(hidden, batch, chosen), chosen).backward()

    return step


def one_layer_each(values: tuple[int, ...], hidden: torch.Tensor) -> Callable[[], None]:
    layers = nn.ModuleList(nn.Linear(WIDTH, v) for v in values)
    ids = batch_of(values).categorical - NUM_RESERVED
    chosen = torch.rand(BATCH, len(values), generator=torch.Generator().manual_seed(1)) < MASK_PROB

    def step() -> None:
        losses = [F.cross_entropy(layer(hidden)[m], t[m]) for layer, t, m in zip(layers, ids.T, chosen.T, strict=True)]
        torch.stack(losses).mean().backward()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    hidden = torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(2), requires_grad=True)
    steps = {
        f"one column of {sum(VALUES)} values": library((sum(VALUES),), hidden),
        f"four columns of {', '.join(map(str, VALUES))}": library(VALUES, hidden),
        "four layers in a list": one_layer_each(VALUES, hidden),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(repeats):
        for name, step in steps.items():
            start = time.process_time()
            step()
            times[name].append(time.process_time() - start)
    print(f"{platform.processor() or platform.machine()}, 1 thread, torch {torch.__version__}, {repeats} runs each")
    first = statistics.median(next(iter(times.values())))
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:32s} {median * 1e3:7.2f} ms  ratio {median / first:.2f}")


if __name__ == "__main__":
    main()
