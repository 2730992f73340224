"""Detectors that learn nothing deep: what every result of this book is measured against.

All of them see the very features the encoder sees: scaled numbers, missing indicators, one-hot categories. kNN and
LOF compare with as many training rows as kNN on embeddings does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from ocsf_ssl_lib.detect.embedding_scores import MAX_REFERENCE, MahalanobisScorer
from ocsf_ssl_lib.features import FeatureArrays
from ocsf_ssl_lib.vocabulary import UNKNOWN_ID

__all__ = ["BASELINES", "marginal_frequency", "one_hot", "row_count"]

N_NEIGHBORS = 20  # scikit-learn's default for LOF, used for kNN too


def one_hot(arrays: FeatureArrays, cardinalities: Sequence[int]) -> np.ndarray:
    """Features for distance-based methods: (N, D) float32; a category's cells are 0 or 1.

    Unknown and missing have a cell of their own; the mask id, which no event has, does not.
    """
    parts = [arrays.numerical, arrays.missing_mask.astype(np.float32)]
    for column, cardinality in enumerate(cardinalities):
        cells = np.zeros((len(arrays.categorical), cardinality - UNKNOWN_ID), np.float32)
        np.put_along_axis(cells, arrays.categorical[:, [column]] - UNKNOWN_ID, 1.0, axis=1)
        parts.append(cells)
    return np.concatenate(parts, axis=1)


def _isolation_forest(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    return IsolationForest(n_estimators=200, random_state=seed).fit(train).score_samples(test)


def _knn(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    reference = _subsample(train, seed)
    neighbours = NearestNeighbors(n_neighbors=min(N_NEIGHBORS, len(reference)), algorithm="brute").fit(reference)
    return -neighbours.kneighbors(test)[0].mean(axis=1)


def _lof(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    reference = _subsample(train, seed)
    k = min(N_NEIGHBORS, len(reference) - 1)
    return LocalOutlierFactor(n_neighbors=k, novelty=True, algorithm="brute").fit(reference).score_samples(test)


def _mahalanobis(train: np.ndarray, test: np.ndarray, seed: int) -> np.ndarray:
    return MahalanobisScorer().fit(train).score(test)


def _subsample(train: np.ndarray, seed: int) -> np.ndarray:
    if len(train) <= MAX_REFERENCE:
        return train
    return train[np.random.default_rng(seed).choice(len(train), MAX_REFERENCE, replace=False)]


BASELINES: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "isolation forest": _isolation_forest,
    "kNN": _knn,
    "LOF": _lof,
    "Mahalanobis": _mahalanobis,
}
"""Name -> function of one-hot features (train, test, seed) -> scores of the test rows, higher = more normal."""


def marginal_frequency(train: FeatureArrays, test: FeatureArrays, bins: int = 20) -> np.ndarray:
    """Sum over columns of the log frequency of the value: sees rare values, is blind to rare combinations.

    Numbers are cut into ``bins`` equally filled intervals of the training rows.
    """
    total = np.zeros(len(test.categorical))
    for a, b in _as_codes(train, test, bins):
        counts = np.bincount(a, minlength=max(a.max(), b.max()) + 1) + 1.0  # one more each: no log of zero
        total += np.log(counts[b] / counts.sum())
    return total


def row_count(train: FeatureArrays, test: FeatureArrays, bins: int = 20) -> np.ndarray:
    """Log of how often the very same (binned) row stands in training: learns nothing, and is hard to beat at times."""
    pairs = _as_codes(train, test, bins)
    a, b = (np.ascontiguousarray(np.column_stack([p[i] for p in pairs])) for i in (0, 1))
    both = np.concatenate([a, b])
    _, group = np.unique(both, axis=0, return_inverse=True)
    group = group.ravel()
    return np.log1p(np.bincount(group[: len(a)], minlength=group.max() + 1)[group[len(a) :]].astype(float))


def _as_codes(train: FeatureArrays, test: FeatureArrays, bins: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each column as small integers, of the training and of the test rows; a missing number is the code 0."""
    codes = [(train.categorical[:, j], test.categorical[:, j]) for j in range(train.categorical.shape[1])]
    for j in range(train.numerical.shape[1]):
        edges = np.unique(np.quantile(train.numerical[:, j], np.linspace(0, 1, bins + 1)[1:-1]))
        first, second = (
            np.where(x.missing_mask[:, j], 0, 1 + np.searchsorted(edges, x.numerical[:, j], side="right"))
            for x in (train, test)
        )
        codes.append((first, second))
    return codes
