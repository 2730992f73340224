"""What several tests share: a small table with structure, and a small detector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from ocsf_ssl_lib import EncoderConfig, OCSFAnomalyDetector

torch.set_num_threads(1)

USERS = ("ann", "bob", "cid", "dan")


def planted_events(n: int, seed: int = 0) -> pd.DataFrame:
    """Events in which the user decides the host, the service decides the port, and the port decides the volume."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, 4, n)
    web = rng.random(n) < 0.6
    return pd.DataFrame(
        {
            "metadata.uid": [f"event-{seed}-{i}" for i in range(n)],
            "time": 1_700_000_000_000 + np.arange(n) * 600_000,
            "user.name": np.array(USERS)[user],
            "device.hostname": np.char.add("laptop-", np.array(USERS)[user]),
            "dst_endpoint.port": np.where(web, 443, 22),
            "status_id": rng.choice([1, 2], n, p=[0.9, 0.1]),
            "traffic.bytes": np.exp(rng.normal(np.where(web, 9, 5), 0.3)),
        }
    )


@pytest.fixture
def make_events() -> Callable[..., pd.DataFrame]:
    return planted_events


@pytest.fixture(scope="session")
def events() -> pd.DataFrame:
    return planted_events(300)


NUMBERS = ["traffic.bytes"]
CATEGORIES = ["user.name", "device.hostname", "dst_endpoint.port", "status_id"]


def small_detector(**options: Any) -> OCSFAnomalyDetector:
    """A detector that trains in a moment; any option can be overridden."""
    defaults: dict[str, Any] = {
        "numerical_cols": NUMBERS,
        "categorical_cols": CATEGORIES,
        "objective": None if "model_config" in options else "contrastive",
        "encoder_config": EncoderConfig(d_model=16, num_blocks=1),
        "max_epochs": 2,
        "batch_size": 64,
        "random_state": 0,
        "progress": False,
    }
    return OCSFAnomalyDetector(**defaults | options)


@pytest.fixture
def make_detector() -> Callable[..., OCSFAnomalyDetector]:
    return small_detector


@pytest.fixture(scope="session")
def fitted(events: pd.DataFrame) -> OCSFAnomalyDetector:
    """Fitted once; tests that change a detector fit their own."""
    return small_detector().fit(events)
