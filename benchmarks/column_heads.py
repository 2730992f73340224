"""What do prediction heads of several columns cost? Four columns against one of their joint width, in one run.

    python benchmarks/column_heads.py [--repeats 200] [--record]

One thread, forward and backward, medians of interleaved runs. Beside it stands the obvious way: a list with one
``nn.Linear`` and one ``cross_entropy`` per column.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import machine
import torch
import torch.nn.functional as F
from timing import in_turn, speed_up
from torch import nn
from workload import BATCH, VALUES, WIDTH

from ocsf_ssl_lib import Batch, ColumnHeads
from ocsf_ssl_lib.vocabulary import NUM_RESERVED

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
    parser.add_argument("--record", action="store_true", help="add the figures to benchmarks/results")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine.headline())
    hidden = torch.randn(BATCH, WIDTH, generator=torch.Generator().manual_seed(2), requires_grad=True)
    steps = {
        f"one column of {sum(VALUES)} values": library((sum(VALUES),), hidden),
        f"four columns of {', '.join(map(str, VALUES))}": library(VALUES, hidden),
        "four layers in a list": one_layer_each(VALUES, hidden),
    }
    seconds = in_turn(steps, options.repeats)
    first, rows = next(iter(seconds.values())), []
    for name, taken in seconds.items():
        cost = {"milliseconds": 1e3 * statistics.median(taken), "ratio": 1 / speed_up(first, taken)}
        print(f"{name:32s} {cost['milliseconds']:7.2f} ms  ratio {cost['ratio']:.2f}")
        rows.append({"heads": name, **cost, "repeats": options.repeats})
    if options.record:
        machine.record("column_heads", rows)


if __name__ == "__main__":
    main()
