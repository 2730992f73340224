"""What the tests of several processes run, alone or under ``torchrun``: python tests/ranks.py TASK OUT [FOLDER]."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from ocsf_ssl_lib import (
    Batch,
    EncoderConfig,
    FeatureArrays,
    MaskedFeatureConfig,
    OCSFDataset,
    TabularAugmentation,
    TrainingConfig,
    available_ssl_models,
    build_model,
    train_self_supervised,
)
from ocsf_ssl_lib.pretext import denoising
from ocsf_ssl_lib.pretext.heads import targets_of

CARDS = [9, 6]
EVENTS = 256


def dataset(n: int = EVENTS, seed: int = 0) -> OCSFDataset:
    rng = np.random.default_rng(seed)
    codes = rng.integers(3, 9, n)
    numbers = np.column_stack([codes + rng.normal(0, 0.1, n), rng.normal(size=n)]).astype(np.float32)
    categories = np.column_stack([codes, rng.integers(2, 6, n)])
    return OCSFDataset(FeatureArrays(numbers, categories, rng.random((n, 2)) < 0.1))


class FixedViews(TabularAugmentation):
    """Views that depend on the event alone, and so are the same whichever process makes them."""

    def __call__(self, numerical: Tensor, categorical: Tensor, *_: object, **__: object) -> tuple:  # type: ignore[type-arg]
        second = 3 + (categorical - 3 + (numerical[:, 1:] > 1).long()).clamp(min=0) % 3
        return (numerical + 0.1, categorical), (numerical * 0.9, torch.where(categorical > 2, second, categorical))


def fixed_mask(batch: Batch, *_: object) -> Tensor:
    """A mask that depends on the event alone; more cells of some events than of others."""
    return targets_of(batch) & (torch.cat([batch.numerical, batch.numerical], dim=1) > 0.3)


def fixed_corruption(batch: Batch, *_: object) -> tuple[Batch, Tensor]:
    """Noise that depends on the event alone."""
    spoilt = batch._replace(numerical=torch.where(batch.missing_mask, batch.numerical, batch.numerical * 0.5))
    return spoilt, torch.cat([spoilt.numerical != batch.numerical, torch.zeros_like(batch.missing_mask)], dim=1)


def gradient(task: str) -> dict[str, Tensor]:
    """One step on all events; the loss and the gradient it left."""
    encoder = EncoderConfig(d_model=16, num_blocks=1, dropout=0.0)
    model = build_model(available_ssl_models()[task][1](encoder_config=encoder), 2, CARDS)
    model.augmenter, model.draw_mask = FixedViews(), fixed_mask  # type: ignore[assignment]
    denoising.corrupt = fixed_corruption  # type: ignore[assignment]
    world = int(os.environ.get("WORLD_SIZE", "1"))
    # Without clipping, which would hide a gradient of the wrong length.
    config = TrainingConfig(max_epochs=1, batch_size=EVENTS // world, device="cpu", gradient_clip=1e9)
    history = train_self_supervised(model, dataset(), None, config)
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return found | {"loss": torch.tensor(history.frame["train_loss"].tolist())}


def weights(task: str, folder: Path) -> dict[str, Tensor]:
    """A whole run with checkpoints, resumed if there are any."""
    encoder = EncoderConfig(d_model=16, num_blocks=1)
    model = build_model(available_ssl_models()[task][1](encoder_config=encoder), 2, CARDS)
    config = TrainingConfig(max_epochs=3, batch_size=16, device="cpu", checkpoint_steps=2)
    train_self_supervised(model, dataset(), dataset(60, 1), config, checkpoints=folder, resume=True)
    return dict(model.state_dict())


def disagreement(rank: int) -> dict[str, Tensor]:
    """Processes whose measurements differ: each has other events to validate on, and another number of threads."""
    torch.set_num_threads(1 + rank)
    encoder = EncoderConfig(d_model=8, num_blocks=1)
    model = build_model(MaskedFeatureConfig(encoder_config=encoder), 2, CARDS)
    config = TrainingConfig(max_epochs=2, batch_size=64, device="cpu")
    history = train_self_supervised(model, dataset(), dataset(60, 1 + rank), config)
    return {"loss": torch.tensor(history.frame["validation_loss"]), "threads": torch.tensor(history.threads)}


def spoilt() -> dict[str, Tensor]:
    """A run with a NaN in one event, which one process meets."""
    data = dataset()
    data.tensors.numerical[5, 1], data.tensors.missing_mask[5, 1] = torch.nan, False
    data.names = ("bytes", "duration", "user", "host")
    model = build_model(MaskedFeatureConfig(encoder_config=EncoderConfig(d_model=8, num_blocks=1)), 2, CARDS)
    train_self_supervised(model, data, None, TrainingConfig(max_epochs=1, batch_size=16, device="cpu"))
    return {}


if __name__ == "__main__":
    task, out = sys.argv[1], sys.argv[2]
    rank = os.environ.get("RANK", "0")
    if task == "disagreement":
        result = disagreement(int(rank))
    elif task == "spoilt":
        result = spoilt()
    else:  # {rank} in the folder's name: a disk of its own for each process
        result = gradient(task) if len(sys.argv) == 3 else weights(task, Path(sys.argv[3].format(rank=rank)))
    save_file({k: v.detach().clone().contiguous() for k, v in result.items()}, f"{out}.{rank}")
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
