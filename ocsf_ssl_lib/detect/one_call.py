"""The form in which the tutorial this package grew from trains a detector: one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ocsf_ssl_lib.detect.detector import OCSFAnomalyDetector
from ocsf_ssl_lib.encoder import EncoderConfig

__all__ = ["train_ocsf_anomaly_detector"]


def train_ocsf_anomaly_detector(
    ocsf_df: pd.DataFrame,
    numerical_cols: Sequence[str] | None = None,
    categorical_cols: Sequence[str] | None = None,
    d_model: int = 256,
    num_blocks: int = 6,
    num_epochs: int = 100,
    batch_size: int = 256,
    device: str = "auto",
    **options: Any,
) -> OCSFAnomalyDetector:
    """Preprocess, train, fit the score: the one-call form.

    Args:
        ocsf_df: training events.
        numerical_cols: columns of quantities; ``None`` chooses them.
        categorical_cols: columns of categories; ``None`` chooses them.
        d_model: width of the encoder.
        num_blocks: its residual blocks.
        num_epochs: at most so many epochs; early stopping may end training sooner.
        batch_size: events per step.
        device: ``auto`` takes a GPU if there is one.
        **options: any other argument of ``OCSFAnomalyDetector``.

    Returns:
        The fitted detector; ``.save(path)`` writes it.
    """
    detector = OCSFAnomalyDetector(
        numerical_cols,
        categorical_cols,
        encoder_config=EncoderConfig(d_model=d_model, num_blocks=num_blocks),
        max_epochs=num_epochs,
        batch_size=batch_size,
        device=device,
        **options,
    )
    return detector.fit(ocsf_df)
