"""PyTorch Tabular's denoising autoencoder on W1, by its own ``pretrain``; run by ``benchmarks/against_peers.py``.

Its encoder is an MLP; twelve layers of 256 match our six blocks of two. Categories of more than four values are
embedded, and the embeddings restored, so that it has no softmax over 1000 values to pay for. It wants at least a
validation share of the rows; validation is not timed.
"""

from __future__ import annotations

import argparse
import logging
import warnings

import pandas as pd
import step_clock
import torch
import workload
from pytorch_tabular import TabularModel
from pytorch_tabular.config import DataConfig, OptimizerConfig, TrainerConfig
from pytorch_tabular.models import CategoryEmbeddingModelConfig
from pytorch_tabular.ssl_models import DenoisingAutoEncoderConfig


def frame(rows: int) -> pd.DataFrame:
    """W1 as a table; the categories are text, as in a log."""
    numbers, categories = workload.table(rows)
    columns = {f"num_{j}": numbers[:, j] for j in range(numbers.shape[1])}
    return pd.DataFrame(columns | {f"cat_{j}": categories[:, j].astype(str) for j in range(categories.shape[1])})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=workload.ROWS)
    parser.add_argument("--epochs", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    for name in ("pytorch_tabular", "pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    data, clock = frame(options.rows), step_clock.StepClock()
    model = TabularModel(
        data_config=DataConfig(
            target=None,
            continuous_cols=[c for c in data if c.startswith("num_")],
            categorical_cols=[c for c in data if c.startswith("cat_")],
        ),
        model_config=DenoisingAutoEncoderConfig(
            encoder_config=CategoryEmbeddingModelConfig(
                task="backbone",
                layers="-".join([str(workload.WIDTH)] * 2 * workload.BLOCKS),
                dropout=workload.DROPOUT,
            ),
            noise_strategy="swap",
            default_noise_probability=0.2,  # ours; its own 0.8 takes as long
        ),
        optimizer_config=OptimizerConfig(),
        trainer_config=TrainerConfig(
            batch_size=workload.BATCH,
            max_epochs=options.epochs,
            accelerator="cpu",
            devices=1,
            early_stopping=None,
            checkpoints=None,
            load_best=False,
            progress_bar="none",
            trainer_kwargs={"enable_model_summary": False},
        ),
        verbose=False,
        suppress_lightning_logger=True,
    )
    model.pretrain(train=data, callbacks=[clock])
    step_clock.report("PyTorch Tabular, denoising", clock, workload.BATCH, "pytorch_tabular", "pytorch-lightning")


if __name__ == "__main__":
    main()
