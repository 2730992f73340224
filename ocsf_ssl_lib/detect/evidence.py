"""Stage 7a: what scorers look at: the columns of an event, its embedding, the surprise of its cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import Batch, FeatureArrays, OCSFDataset
from ocsf_ssl_lib.pretext import SSLModel

__all__ = ["Evidence", "cell_nats", "embeddings", "evidence_of", "feature_arrays"]

SLICE = 4096  # events per forward pass when nothing is learned


class Evidence(NamedTuple):
    """What scorers look at.

    Attributes:
        features: N events as the preprocessor gives them.
        embeddings: (N, d_model) float32.
        cells: (N, D) nats of each cell given the others, NaN where it says nothing.
    """

    features: FeatureArrays
    embeddings: np.ndarray
    cells: np.ndarray


def evidence_of(model: SSLModel, data: OCSFDataset, looks_at: str) -> Any:
    """What a scorer judges of N events: ``embeddings``, ``cells``, or ``all`` of an ``Evidence``."""
    if looks_at == "all":
        return Evidence(feature_arrays(data), embeddings(model, data), cell_nats(model, data))
    return cell_nats(model, data) if looks_at == "cells" else embeddings(model, data)


def feature_arrays(data: OCSFDataset) -> FeatureArrays:
    """N events as arrays, as the preprocessor gave them."""
    return FeatureArrays(*(t.cpu().numpy() for t in data.tensors))


def embeddings(model: SSLModel, data: OCSFDataset) -> np.ndarray:
    """N events -> (N, d_model) float32."""
    width: int = model.encoder.d_model  # type: ignore[assignment]
    return _in_slices(model, model.featurize, data, width)


def cell_nats(model: SSLModel, data: OCSFDataset) -> np.ndarray:
    """N events -> (N, D_num + D_cat) nats of each cell given the others.

    Raises:
        InputError: the task predicts no cells.
    """
    if not hasattr(model, "cell_surprise"):
        raise InputError(f"objective={model.config.name!r} predicts no cells, 'masked' and 'denoising' do")
    columns = data.tensors.numerical.shape[1] + data.tensors.categorical.shape[1]
    return _in_slices(model, model.cell_surprise, data, columns)  # type: ignore[arg-type]


@torch.no_grad()
def _in_slices(model: SSLModel, function: Callable[[Batch], torch.Tensor], data: OCSFDataset, width: int) -> np.ndarray:
    model.eval()
    device = next(model.parameters()).device
    # A loop over slices of its own: dataset.batches would merge a last row into the batch before it.
    slices = (data[start : start + SLICE] for start in range(0, len(data), SLICE))
    parts = [function(Batch(*(t.to(device) for t in b))).cpu().numpy() for b in slices]
    return np.concatenate(parts) if parts else np.empty((0, width), np.float32)
