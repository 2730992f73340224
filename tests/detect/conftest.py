"""A detector that predicts hidden cells, of events in which one field can be seen to be wrong."""

from __future__ import annotations

import pandas as pd
import pytest
from services import service_events

from ocsf_ssl_lib import EncoderConfig, MaskedFeatureConfig, OCSFAnomalyDetector


@pytest.fixture(scope="session")
def services() -> pd.DataFrame:
    return service_events(600)


@pytest.fixture(scope="session")
def masked(services: pd.DataFrame) -> OCSFAnomalyDetector:
    """Fitted once; tests that change a detector fit their own."""
    return OCSFAnomalyDetector(
        ["bytes"],
        ["svc", "port", "host", "user"],
        encoder_config=EncoderConfig(d_model=32, num_blocks=1),
        model_config=MaskedFeatureConfig(mask_prob=0.3),
        learning_rate=1e-2,
        max_epochs=30,
        random_state=0,
        progress=False,
    ).fit(services)
