"""Stage 7a: is an event in a thinner place than the events around it?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.neighbors import NearestNeighbors

from ocsf_ssl_lib.detect.embedding_scores import MAX_REFERENCE, reference_rows
from ocsf_ssl_lib.detect.one_hot import OneHot
from ocsf_ssl_lib.features import FeatureArrays

__all__ = ["DensityScorer"]

LEAST_REACH = 0.01  # of the mean distance to the k-th neighbour: repeated events would have infinite density


class DensityScorer:
    """Minus the local outlier factor (Breunig et al., 2000) on columns: numbers and one-hot categories.

    The density at an event is one over the mean distance to its neighbours; the factor compares it with the densities
    at these neighbours. What is far away for a crowd of short flows may be near for a few long ones.

    Distances have a small floor, which the paper has not: logs repeat their events, and the density among copies is
    infinite.

    Args:
        n_neighbors: how many neighbours.
        max_reference: at most so many training events are kept to compare with, drawn at random.
        seed: of that draw.
    """

    looks_at: ClassVar[str] = "features"

    def __init__(self, n_neighbors: int = 20, max_reference: int = MAX_REFERENCE, seed: int = 0) -> None:
        self.n_neighbors = n_neighbors
        self.max_reference = max_reference
        self.seed = seed

    def fit(self, features: FeatureArrays) -> DensityScorer:
        """Keep up to ``max_reference`` of N events, and the density at each."""
        self.one_hot = OneHot().fit(features)
        kept = reference_rows(len(features.numerical), self.max_reference, self.seed)
        self.reference = FeatureArrays(*(part[kept] for part in features))
        self._index()
        distance, near = self._neighbours(self.reference, itself=True)
        self.reach = distance[:, -1]
        self.floor = np.array([LEAST_REACH * self.reach.mean() or 1.0])
        self.density = self._density(distance, near)
        return self

    def score(self, features: FeatureArrays) -> np.ndarray:
        """N events -> (N,)."""
        return self._factor(*self._neighbours(features))

    def training_scores(self, features: FeatureArrays) -> np.ndarray:
        """Scores of the N events it was fitted on, as if they were new: none is its own neighbour."""
        scores = self.score(features)
        kept = reference_rows(len(features.numerical), self.max_reference, self.seed)
        scores[kept] = self._factor(*self._neighbours(self.reference, itself=True))
        return scores

    def _index(self) -> None:
        rows = self.one_hot.transform(self.reference)
        self.index = NearestNeighbors(algorithm="brute").fit(rows)

    def _neighbours(self, features: FeatureArrays, *, itself: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """N events -> distances and places (N, k) of their neighbours; ``itself``: the events are the reference."""
        n = len(self.reference.numerical)
        k = min(self.n_neighbors, max(1, n - 1))
        # sklearn leaves the event itself out where it asks about the rows it was fitted on
        rows = None if itself and n > 1 else self.one_hot.transform(features)
        distance, near = self.index.kneighbors(rows, k)
        return distance.astype(np.float64), near

    def _density(self, distance: np.ndarray, near: np.ndarray) -> np.ndarray:
        """One over the mean reachability distance: to a neighbour, no less than that one's own to its k-th."""
        return 1.0 / (np.maximum(distance, self.reach[near]).mean(axis=1) + self.floor)

    def _factor(self, distance: np.ndarray, near: np.ndarray) -> np.ndarray:
        return -self.density[near].mean(axis=1) / self._density(distance, near)

    def state(self) -> dict[str, np.ndarray]:
        """The encoding, the reference events (M, ...), their distances to the k-th neighbour and densities (M,)."""
        parts = {f"reference_{name}": part for name, part in self.reference._asdict().items()}
        return self.one_hot.state() | parts | {k: getattr(self, k) for k in ("reach", "floor", "density")}

    def load_state(self, state: dict[str, np.ndarray]) -> DensityScorer:
        """Take up what ``state`` gave."""
        self.one_hot = OneHot().load_state(state)
        self.reference = FeatureArrays(*(state[f"reference_{name}"] for name in FeatureArrays._fields))
        self.reach, self.floor, self.density = state["reach"], state["floor"], state["density"]
        self._index()
        return self
