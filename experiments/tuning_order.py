"""Does it matter in which order options are tuned? A full grid of three options, five seeds of simulated events.

    python experiments/tuning_order.py            # runs what is not in the results yet
    python experiments/tuning_order.py --show     # prints what each order finds

Masked prediction, on the logs and with the encoder of ``training_ablation.py``. The grid has every combination of three
learning rates, batch sizes and widths. Tuning one option after the other, each by the validation loss with the others
held, visits seven of the 27 combinations: which seven depends on the order, and all orders can be read off the grid.
"""

from __future__ import annotations

import argparse
import time
from itertools import product

import pandas as pd
import torch
from record import RESULTS, append, done
from training_ablation import BATCH, ENCODER, EPOCHS, SEEDS, Log, evidence, reached

from ocsf_ssl_lib import OCSFDataset, TrainingConfig, train_self_supervised
from ocsf_ssl_lib.detect.likelihood_scores import LikelihoodScorer
from ocsf_ssl_lib.plots.tuning import orders

NAME = "tuning_order"
GRID: dict[str, tuple[float, ...]] = {
    "learning_rate": (1e-3, 3e-3, 1e-2),
    "batch_size": (64, 256, 1024),
    "d_model": (64, 128, 256),
}
START: dict[str, float] = {"learning_rate": 1e-3, "batch_size": BATCH, "d_model": ENCODER.d_model}  # the defaults


def run(seed: int, log: Log, learning_rate: float, batch_size: int, d_model: int) -> None:
    """Train and judge one combination on one log."""
    model = log.build("masked", seed, {"encoder_config": ENCODER.model_copy(update={"d_model": d_model})})
    options = {"learning_rate": learning_rate, "batch_size": batch_size, "max_epochs": EPOCHS}
    start = time.process_time()
    how = TrainingConfig(**options, device="cpu", seed=seed)
    train_self_supervised(model, log.train, log.validation, how, progress=False)
    seconds = time.process_time() - start
    scores = LikelihoodScorer().fit(evidence(model, OCSFDataset(log.past))).score(evidence(model, log.test))
    loss = reached(model, log.validation)["validation_loss"]
    row = {"seed": seed, "learning_rate": learning_rate, "batch_size": batch_size, "d_model": d_model}
    append(NAME, [row | {"validation_loss": loss, "seconds": seconds} | log.detected(scores)])
    print(f"seed {seed}  rate {learning_rate:g}, batch {batch_size}, width {d_model}: loss {loss:.3f}", flush=True)


def combinations() -> list[dict[str, float]]:
    """Every combination of the grid."""
    return [dict(zip(GRID, values, strict=True)) for values in product(*GRID.values())]


def show() -> None:
    """Print means over the seeds, and how often an order finds the best of the grid."""
    table = pd.read_csv(RESULTS / f"{NAME}.csv")
    complete = table.groupby("seed").filter(lambda grid: len(grid) == len(combinations()))
    found = orders(complete, START)
    best = found[found["order"] == "whole grid"].set_index("seed")["validation_loss"]
    found["finds the best"] = found["validation_loss"] <= found["seed"].map(best)
    figures = ["validation_loss", "average_precision", "roc_auc", "finds the best"]
    print(f"mean over {found['seed'].nunique()} seeds\n{found.groupby('order')[figures].mean().round(3).to_string()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true", help="print the tables and stop")
    if not parser.parse_args().show:
        torch.set_num_threads(1)
        for seed in SEEDS:
            missing = [s for s in combinations() if not done(NAME, seed=seed, **s)]
            log = Log(seed) if missing else None
            for setting in missing:
                assert log is not None
                run(seed, log, **setting)  # type: ignore[arg-type]
    show()
