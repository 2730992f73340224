"""Where does the time of a training step go? The plain code, the fast step in fp32 and in bf16, in one run.

    python benchmarks/profile_step.py [--repeats 60] [--record]

One batch of the tutorial's example: 256 events with 50 numbers and four categories of 100, 50, 200 and 1000 values; the
default encoder, one thread. A step is loss, gradients, clipping and AdamW. Steps of the three kinds take turns; their
medians are of processor time, the shares come from torch's profiler.
``--record`` adds the figures to ``benchmarks/results/profile_step.csv``.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import machine
import ours
import pandas as pd
import torch
from timing import in_turn
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.flop_counter import FlopCounterMode
from workload import BATCH, WIDTH

from ocsf_ssl_lib import Batch, OCSFDataset, SSLModel, fast_step
from ocsf_ssl_lib.fast import block
from ocsf_ssl_lib.training import adamw

TASKS = ("contrastive", "masked", "denoising")
KINDS = ("plain", "fast fp32", "fast bf16")
MASKS = "dropout masks"

# The profiler's names of what a step is made of; the first group that knows the name gets the time.
GROUPS = {
    "matrix products": ("mm", "addmm", "bmm"),
    "dropout": ("native_dropout", "native_dropout_backward", "bernoulli_", "bitwise_and_", MASKS),
    "loss": (
        *("_log_softmax", "_log_softmax_backward_data", "nll_loss_forward", "nll_loss_backward"),
        *("exp2_", "eq", "masked_fill_", "softplus", "softplus_backward"),  # of NT-Xent
    ),
    "optimiser": (
        *("_fused_adamw_", "linalg_vector_norm"),
        *("Optimizer.step#AdamW.step", "Optimizer.zero_grad#AdamW.zero_grad"),
    ),
    "norms": ("native_layer_norm", "native_layer_norm_backward"),
    "element-wise": (
        *("add", "add_", "sub", "mul", "mul_", "div", "div_", "neg", "neg_", "copy_", "fill_", "clamp_min", "relu_"),
        *("threshold_backward", "sum", "masked_fill", "where", "cat", "pow", "exp", "_foreach_mul_"),
    ),
}


def context_of(kind: str, model: SSLModel) -> AbstractContextManager[None]:
    return nullcontext() if kind == "plain" else fast_step(model, "bf16" if kind.endswith("bf16") else "fp32")


def stepper(task: str, batch: Batch, kind: str) -> Callable[[], None]:
    """A model of its own, and a function that makes one step with it."""
    model = ours.OurTraining(task, OCSFDataset.of(batch), "fp32").model
    model.prepare(OCSFDataset.of(batch))
    model.train()
    optimizer = adamw(model, 1e-3, 1e-4)
    noise = torch.Generator().manual_seed(1)

    def step() -> None:
        with context_of(kind, model):
            optimizer.zero_grad()
            loss = model.calculate_loss(batch, generator=noise)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()

    return step


def products(dtype: torch.dtype) -> Callable[[], object]:
    """The product that a step consists of: two views of a batch through one layer."""
    x, weight = torch.randn(2 * BATCH, WIDTH).to(dtype), torch.randn(WIDTH, WIDTH).to(dtype)
    return lambda: x @ weight.T


def shares(step: Callable[[], None], steps: int = 10) -> dict[str, float]:
    """Share of the time of a step in each group."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(steps):
            step()
    spent = dict.fromkeys((*GROUPS, "rest"), 0.0)
    for event in found.key_averages():
        name = event.key.removeprefix("aten::")
        group = next((group for group, names in GROUPS.items() if name in names), "rest")
        spent[group] += event.self_cpu_time_total
    total = sum(spent.values())
    return {group: time_of / total for group, time_of in spent.items()}


def flops(step: Callable[[], None]) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def name_the_masks() -> None:
    """Give the drawing of the fast step's masks a name: numpy does it, out of the profiler's sight."""
    draw = block.keep_masks

    def named(*arguments: Any) -> torch.Tensor:
        with record_function(MASKS):
            return draw(*arguments)

    block.keep_masks = named


def measure(repeats: int) -> pd.DataFrame:
    """One row for each task, kind of step and group."""
    batch = ours.dataset(BATCH).tensors
    peak_of = {"fp32": products(torch.float32), "bf16": products(torch.bfloat16)}
    rows: list[dict[str, Any]] = []
    for task in TASKS:
        steps: dict[str, Callable[[], Any]] = {kind: stepper(task, batch, kind) for kind in KINDS}
        times = in_turn(steps | peak_of, repeats, warm_up=3)
        seconds = {name: statistics.median(taken) for name, taken in times.items()}
        for kind in KINDS:
            precision = "bf16" if kind.endswith("bf16") else "fp32"
            peak = 2 * 2 * BATCH * WIDTH**2 / seconds[precision]  # floating-point operations per second
            common = {
                "task": task,
                "kind": kind,
                "milliseconds": seconds[kind] * 1e3,
                "rows_per_second": BATCH / seconds[kind],
                "ratio": seconds["plain"] / seconds[kind],
                "peak_gflops": peak / 1e9,
                "share_of_peak": flops(steps[kind]) / seconds[kind] / peak,
            }
            rows += [common | {"part": part, "share": share} for part, share in shares(steps[kind]).items()]
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--record", action="store_true", help="add the figures to results/profile_step.csv")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    name_the_masks()
    table = measure(arguments.repeats)
    print(f"{machine.headline()}; batch of {BATCH}, medians of {arguments.repeats} steps")
    for (task, kind), part in table.groupby(["task", "kind"], sort=False):
        first = part.iloc[0]
        print(
            f"\n{task}, {kind}: {first.milliseconds:.1f} ms, {first.rows_per_second:.0f} rows/s, "
            f"{first.ratio:.2f} x plain, {first.share_of_peak:.0%} of {first.peak_gflops:.0f} GFLOP/s"
        )
        print("  " + ", ".join(f"{row.part} {row.share:.0%}" for row in part.itertuples()))
    if arguments.record:
        table["repeats"] = arguments.repeats
        machine.record("profile_step", table.to_dict("records"))


if __name__ == "__main__":
    main()
