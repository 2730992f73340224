"""Events with structure, small enough to train on within a test."""

from __future__ import annotations

import numpy as np

from ocsf_ssl_lib import FeatureArrays, OCSFDataset

CARDS = [8, 6]


def dataset(n: int, seed: int = 0) -> OCSFDataset:
    """Two numbers, the first of which follows the category, and the category twice."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(3, 6, n)
    numbers = np.column_stack([codes + rng.normal(0, 0.1, n), rng.normal(size=n)]).astype(np.float32)
    return OCSFDataset(FeatureArrays(numbers, np.column_stack([codes, codes]), np.zeros((n, 2), bool)))
