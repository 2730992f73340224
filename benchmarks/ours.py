"""Our side of W1: data, models and training, always by the public call; and alone in a process, against a peer.

    python benchmarks/ours.py denoising [--rounds 5] [--precision fp32]

prints one line of JSON like the peers' scripts: ``name``, ``rows_per_second`` of each round, ``versions``.
"""

from __future__ import annotations

import argparse
import json
import time

import machine
import torch
import workload

from ocsf_ssl_lib import (
    ContrastiveConfig,
    DenoisingConfig,
    EncoderConfig,
    FeatureArrays,
    MaskedFeatureConfig,
    MLPConfig,
    OCSFDataset,
    SSLConfig,
    TrainingConfig,
    build_model,
    train_self_supervised,
)
from ocsf_ssl_lib.encoder import BaseEncoderConfig
from ocsf_ssl_lib.vocabulary import NUM_RESERVED

RESNET = EncoderConfig(d_model=workload.WIDTH, num_blocks=workload.BLOCKS, dropout=workload.DROPOUT)


def scarf(encoder: BaseEncoderConfig) -> ContrastiveConfig:
    """As near to SCARF as our contrastive task comes (Bahri et al., ICLR 2022, sections 3 and 4).

    Marginal swaps of 60 %, temperature 1, a head of two layers of 256. Numbers get noise here and another row's value
    there, which is one draw per number both ways; we change both views, and they one.
    """
    return ContrastiveConfig(encoder_config=encoder, projection_dim=workload.WIDTH, temperature=1.0, dropout_prob=0.6)


TASKS: dict[str, SSLConfig] = {
    "contrastive": ContrastiveConfig(encoder_config=RESNET),
    "masked": MaskedFeatureConfig(encoder_config=RESNET),
    "masked, mse": MaskedFeatureConfig(encoder_config=RESNET, numerical_loss="mse"),  # numbers as the source has them
    "denoising": DenoisingConfig(encoder_config=RESNET),
    "denoising, mse": DenoisingConfig(encoder_config=RESNET, numerical_loss="mse"),  # as PyTorch Tabular does it
    "scarf": scarf(RESNET),
    "scarf, 4 layers": scarf(MLPConfig(d_model=workload.WIDTH, num_layers=4, dropout=workload.DROPOUT)),
}


def dataset(rows: int = workload.ROWS) -> OCSFDataset:
    """W1 as our tensors: ids begin after the reserved ones, nothing is missing."""
    numbers, categories = workload.table(rows)
    return OCSFDataset(FeatureArrays(numbers, categories + NUM_RESERVED, numbers != numbers))


def training(precision: str, epochs: int = 1, threads: int | None = None) -> TrainingConfig:
    """The options of a run on W1."""
    return TrainingConfig.from_dict(
        {"max_epochs": epochs, "batch_size": workload.BATCH, "device": "cpu"}
        | {"precision": precision, "threads": threads}
    )


class OurTraining:
    """The model of one task; ``epoch`` trains it once over all rows with ``train_self_supervised``."""

    def __init__(self, task: str, data: OCSFDataset, precision: str, config: SSLConfig | None = None) -> None:
        self.model = build_model(
            config if config is not None else TASKS[task],
            workload.NUMBERS,
            [values + NUM_RESERVED for values in workload.VALUES],
        )
        self.data, self.config = data, training(precision)

    def epoch(self) -> float:
        """Loss of the epoch; all that the call does before and after its steps counts too."""
        return float(train_self_supervised(self.model, self.data, None, self.config).frame["train_loss"].iloc[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--rows", type=int, default=workload.ROWS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", default="fp32", choices=("fp32", "bf16", "auto"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    ours, speeds = OurTraining(options.task, dataset(options.rows), options.precision), []
    for _ in range(options.rounds + 1):
        start = time.process_time()
        ours.epoch()
        speeds.append(options.rows / (time.process_time() - start))
    print(json.dumps({"name": options.task, "rows_per_second": speeds[1:], "versions": machine.versions()}))


if __name__ == "__main__":
    main()
