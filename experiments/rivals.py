"""Detectors that others use, on the features that the encoder sees: what the combined score has to beat.

Beside those of ``ocsf_ssl_lib.detect.baselines``: ECOD and HBOS of PyOD (``pip install pyod``), and the reconstruction
error of principal components. Each sees numbers standardised and, a second time, as normal scores of their ranks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from ocsf_ssl_lib import OCSFPreprocessor
from ocsf_ssl_lib.detect.baselines import BASELINES, marginal_frequency, one_hot, row_count

__all__ = ["RIVALS", "rival_scores"]

EXPLAINED = 0.9  # share of the variance that the principal components keep
SCALINGS: tuple[Literal["standard", "quantile"], ...] = ("standard", "quantile")
Scored = tuple[str, np.ndarray, float]  # method, scores (higher = more normal), seconds to fit and score


def _pca(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    pca = PCA(n_components=EXPLAINED, svd_solver="covariance_eigh").fit(train)
    return -((test - pca.inverse_transform(pca.transform(test))) ** 2).sum(axis=1)


def _hbos(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from pyod.models.hbos import HBOS

    return -HBOS().fit(train).decision_function(test)


def _ecod(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    from pyod.models.ecod import ECOD

    return -ECOD().fit(train).decision_function(test)


RIVALS: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = BASELINES | {
    "PCA": _pca,
    "HBOS": _hbos,
    "ECOD": _ecod,
}


def rival_scores(
    train: pd.DataFrame,
    test: pd.DataFrame,
    numerical: Sequence[str],
    categorical: Sequence[str],
    seed: int,
    missing: Callable[[str], bool],
) -> Iterator[Scored]:
    """The rivals that are not in the results yet; without numbers there is one scaling."""
    for scaling in SCALINGS if numerical else SCALINGS[1:]:
        prep = OCSFPreprocessor(numerical, categorical, scaling=scaling).fit(train)
        a, b = prep.transform(train), prep.transform(test)
        dense = one_hot(a, prep.cardinalities_), one_hot(b, prep.cardinalities_)
        for method, rival in RIVALS.items():
            name = f"{method}, {scaling}"
            if missing(name):
                start = time.process_time()
                scores = rival(*dense, seed)
                yield name, np.nan_to_num(scores), time.process_time() - start
    for method, function in (("marginal frequency", marginal_frequency), ("row count", row_count)):
        if missing(method):
            start = time.process_time()
            scores = function(a, b)
            yield method, scores, time.process_time() - start
