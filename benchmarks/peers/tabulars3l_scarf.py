"""TabularS3L's SCARF on W1, by its own Lightning module; run by ``benchmarks/against_peers.py``.

As shipped, its loss builds a tensor of (2N, 2N, d) to get (2N, 2N) cosine similarities. ``--mended`` replaces that one
line by a matrix product; everything else stays, and the loss is checked to be the same. The encoder has ``--layers``
layers of 256 with batch norm: twelve match our six blocks of two, four are SCARF's own (Bahri et al., 2022, section 4).

Its corruption rate is 0 by default (one column of 54 changes); SCARF's 0.6 is asked for here. Categories enter as
numbers (``IdentityEmbeddingConfig``), the faster of its two ways: its tokens of 128 make an input of 7040 columns.
"""

from __future__ import annotations

import argparse
import logging
import warnings

import pandas as pd
import pytorch_lightning as pl
import step_clock
import torch
import torch.nn.functional as F
import workload
from torch import Tensor, nn
from ts3l.models.scarf import NTXentLoss
from ts3l.pl_modules import SCARFLightning
from ts3l.utils import TS3LDataModule
from ts3l.utils.backbone_utils import MLPBackboneConfig
from ts3l.utils.embedding_utils import IdentityEmbeddingConfig
from ts3l.utils.scarf_utils import SCARFConfig, SCARFDataset

COLUMNS = workload.NUMBERS + len(workload.VALUES)


class MendedLoss(nn.Module):
    """The shipped loss, its similarities by one product of normalised vectors."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(N, d) twice -> scalar."""
        z = F.normalize(torch.cat([first, second]), dim=1)
        similarity = z @ z.T  # (2N, 2N)
        partner = torch.arange(len(z)).roll(len(first))
        positive = similarity.gather(1, partner[:, None]).squeeze(1)
        others = torch.exp(similarity / self.temperature) * ~torch.eye(len(z), dtype=torch.bool)
        return -torch.log(torch.exp(positive / self.temperature) / others.sum(1)).mean()


def lightning_module(layers: int, mended: bool) -> SCARFLightning:
    """So many layers of 256, and SCARF's head of two."""
    config = SCARFConfig(
        task="classification",
        embedding_config=IdentityEmbeddingConfig(input_dim=COLUMNS),
        backbone_config=MLPBackboneConfig(
            input_dim=COLUMNS, hidden_dims=workload.WIDTH, n_hiddens=layers, dropout_rate=workload.DROPOUT
        ),
        output_dim=2,
        loss_fn="CrossEntropyLoss",
        pretraining_head_dim=workload.WIDTH,
        head_depth=2,
        tau=1.0,
        corruption_rate=0.6,
        optim_hparams={"lr": 1e-3, "weight_decay": 1e-4},
    )
    module = SCARFLightning(config)
    if mended:
        module.contrastive_loss = MendedLoss(config.tau)
        pair = torch.randn(2, 8, 16, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(module.contrastive_loss(*pair), NTXentLoss(config.tau)(*pair))
    return module


def dataset(rows: int, config: SCARFConfig) -> SCARFDataset:
    """W1 as its data set, which draws a corrupted copy of a row whenever the row is asked for."""
    numbers, categories = workload.table(rows)
    names = [[f"num_{j}" for j in range(numbers.shape[1])], [f"cat_{j}" for j in range(categories.shape[1])]]
    table = pd.concat([pd.DataFrame(categories, columns=names[1]), pd.DataFrame(numbers, columns=names[0])], axis=1)
    return SCARFDataset(table, config=config, continuous_cols=names[0], category_cols=names[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mended", action="store_true")
    parser.add_argument("--layers", type=int, default=2 * workload.BLOCKS)
    parser.add_argument("--rows", type=int, default=workload.ROWS)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--steps", type=int, help="stop after so many steps; as shipped one takes seconds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    module, clock = lightning_module(options.layers, options.mended), step_clock.StepClock()
    train = dataset(options.rows, module.hparams["config"])
    data = TS3LDataModule(train, train, workload.BATCH, train_sampler="random", n_jobs=0, drop_last=True)
    trainer = pl.Trainer(
        max_epochs=options.epochs,
        max_steps=options.steps or -1,
        limit_val_batches=1,  # the module frees what it keeps of a step when validation starts
        callbacks=[clock],
        **step_clock.QUIET,
    )
    trainer.fit(module, data)
    name = f"TabularS3L, SCARF, {options.layers} layers, " + ("loss mended" if options.mended else "as shipped")
    step_clock.report(name, clock, workload.BATCH, "ts3l", "pytorch-lightning")


if __name__ == "__main__":
    main()
