"""Stage 7a: how far is an event from training events, in the space of embeddings?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

__all__ = ["MAX_REFERENCE", "KNNScorer", "MahalanobisScorer", "reference_rows"]

MAX_REFERENCE = 20_000  # training events that a neighbour method compares with, drawn at random from more


def reference_rows(n: int, most: int, seed: int) -> np.ndarray:
    """Positions of the training events, of n, that a neighbour method keeps: all, or ``most`` drawn at random."""
    if n <= most:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, most, replace=False))


class MahalanobisScorer:
    """Minus the squared Mahalanobis distance to the mean of the training embeddings.

    Directions in which training events vary much count less. The covariance is shrunk towards a multiple of the
    identity (Ledoit & Wolf, 2004), so that it can be inverted also when events are few or dimensions unused.
    """

    looks_at: ClassVar[str] = "embeddings"

    def fit(self, embeddings: np.ndarray) -> MahalanobisScorer:
        """Learn mean and covariance from (N, d)."""
        estimate = LedoitWolf().fit(embeddings.astype(np.float64))
        self.location, self.precision = estimate.location_, estimate.get_precision()
        return self

    def score(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, d) -> (N,)."""
        difference = embeddings.astype(np.float64) - self.location
        return -np.einsum("nd,nd->n", difference @ self.precision, difference)

    def state(self) -> dict[str, np.ndarray]:
        """Mean (d,) and inverse covariance (d, d)."""
        return {"location": self.location, "precision": self.precision}

    def load_state(self, state: dict[str, np.ndarray]) -> MahalanobisScorer:
        """Take up mean and inverse covariance."""
        self.location, self.precision = state["location"], state["precision"]
        return self


class KNNScorer:
    """Minus the mean cosine distance to the nearest training events (Angiulli & Pizzuti, 2002).

    Args:
        n_neighbors: how many neighbours.
        max_reference: at most so many training events are kept to compare with, drawn at random.
        seed: of that draw.
    """

    looks_at: ClassVar[str] = "embeddings"

    def __init__(self, n_neighbors: int = 5, max_reference: int = MAX_REFERENCE, seed: int = 0) -> None:
        self.n_neighbors = n_neighbors
        self.max_reference = max_reference
        self.seed = seed

    def fit(self, embeddings: np.ndarray) -> KNNScorer:
        """Keep up to ``max_reference`` of (N, d)."""
        kept = reference_rows(len(embeddings), self.max_reference, self.seed)
        return self.load_state({"reference": normalize(embeddings[kept]).astype(np.float32)})

    def score(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, d) -> (N,)."""
        return self._nearest(embeddings, min(self.n_neighbors, len(self.reference))).mean(axis=1)

    def training_scores(self, embeddings: np.ndarray) -> np.ndarray:
        """Scores of the (N, d) it was fitted on, as if they were new: none is its own neighbour."""
        if len(self.reference) == 1:
            return self.score(embeddings)
        nearest = self._nearest(embeddings, min(self.n_neighbors + 1, len(self.reference)))
        kept = np.zeros(len(embeddings), bool)
        kept[reference_rows(len(embeddings), self.max_reference, self.seed)] = True
        return np.where(kept, nearest[:, 1:].mean(axis=1), nearest[:, :-1].mean(axis=1))

    def _nearest(self, embeddings: np.ndarray, k: int) -> np.ndarray:
        """(N, d) -> (N, k) minus the cosine distance to each neighbour, the nearest first."""
        distance, _ = self.index.kneighbors(normalize(embeddings).astype(np.float32), k)
        # Between unit vectors, the squared Euclidean distance is twice the cosine distance.
        return -(distance.astype(np.float64) ** 2) / 2

    def state(self) -> dict[str, np.ndarray]:
        """The reference embeddings (M, d)."""
        return {"reference": self.reference}

    def load_state(self, state: dict[str, np.ndarray]) -> KNNScorer:
        """Take up reference embeddings."""
        self.reference = state["reference"]
        self.index = NearestNeighbors(n_neighbors=min(self.n_neighbors, len(self.reference)), algorithm="brute")
        self.index.fit(self.reference)
        return self
