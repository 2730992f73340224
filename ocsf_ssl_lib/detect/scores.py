"""Stage 7a: what a model makes of events -> one score per event. Higher means more normal, as in scikit-learn.

A scorer learns from training events what is usual, from their embeddings or from how surprising their cells are, and
keeps what it learned as plain arrays, so that a saved model holds numbers and no code.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from ocsf_ssl_lib.errors import InputError

__all__ = ["MAX_REFERENCE", "SCORERS", "KNNScorer", "LikelihoodScorer", "MahalanobisScorer", "Scorer"]

MAX_REFERENCE = 20_000  # training events that a neighbour method compares with, drawn at random from more

LEAST_SPREAD = 0.1  # nats: a column that was predicted perfectly in training must not count infinitely


class Scorer(Protocol):
    """What the detector asks of a score."""

    def fit(self, evidence: np.ndarray) -> Scorer:
        """Learn from (N, d) embeddings, or (N, D) cells, of training events."""
        ...

    def score(self, evidence: np.ndarray) -> np.ndarray:
        """(N, d) embeddings, or (N, D) cells -> (N,) scores, higher = more normal."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """What was learned, as arrays."""
        ...

    def load_state(self, state: dict[str, np.ndarray]) -> Scorer:
        """Take up what ``state`` gave."""
        ...


class LikelihoodScorer:
    """Minus the mean surprise of an event's cells, each column in units of its own spread on training events.

    A plain sum of nats would be a sum of the columns that are noise: a random port surprises every time. Subtracting a
    column's mean and dividing by its standard deviation leaves what is unusual *for that column*.
    """

    def fit(self, cells: np.ndarray) -> LikelihoodScorer:
        """Learn mean and standard deviation of each column of (N, D) nats, NaN where a cell says nothing."""
        known = np.isfinite(cells)
        count = np.maximum(known.sum(axis=0), 1)
        values = np.where(known, cells, 0.0).astype(np.float64)
        self.location = values.sum(axis=0) / count
        spread = np.sqrt((np.where(known, values - self.location, 0.0) ** 2).sum(axis=0) / count)
        self.scale = np.maximum(spread, LEAST_SPREAD)
        return self

    def score(self, cells: np.ndarray) -> np.ndarray:
        """(N, D) -> (N,); 0, as normal as the average, for an event in which no cell says anything."""
        known = np.isfinite(cells)
        units = np.where(known, (cells.astype(np.float64) - self.location) / self.scale, 0.0)
        return -units.sum(axis=1) / np.maximum(known.sum(axis=1), 1)

    def state(self) -> dict[str, np.ndarray]:
        """Mean and standard deviation (D,)."""
        return {"location": self.location, "scale": self.scale}

    def load_state(self, state: dict[str, np.ndarray]) -> LikelihoodScorer:
        """Take up means and standard deviations."""
        self.location, self.scale = state["location"], state["scale"]
        return self


class MahalanobisScorer:
    """Minus the squared Mahalanobis distance to the mean of the training embeddings.

    Directions in which training events vary much count less. The covariance is shrunk towards a multiple of the
    identity (Ledoit & Wolf, 2004), so that it can be inverted also when events are few or dimensions unused.
    """

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

    def __init__(self, n_neighbors: int = 5, max_reference: int = MAX_REFERENCE, seed: int = 0) -> None:
        self.n_neighbors = n_neighbors
        self.max_reference = max_reference
        self.seed = seed

    def fit(self, embeddings: np.ndarray) -> KNNScorer:
        """Keep up to ``max_reference`` of (N, d)."""
        if len(embeddings) > self.max_reference:
            chosen = np.random.default_rng(self.seed).choice(len(embeddings), self.max_reference, replace=False)
            embeddings = embeddings[np.sort(chosen)]
        return self.load_state({"reference": normalize(embeddings).astype(np.float32)})

    def score(self, embeddings: np.ndarray) -> np.ndarray:
        """(N, d) -> (N,)."""
        distance, _ = self.index.kneighbors(normalize(embeddings).astype(np.float32))
        # Between unit vectors, the squared Euclidean distance is twice the cosine distance.
        return -(distance.astype(np.float64) ** 2).mean(axis=1) / 2

    def state(self) -> dict[str, np.ndarray]:
        """The reference embeddings (M, d)."""
        return {"reference": self.reference}

    def load_state(self, state: dict[str, np.ndarray]) -> KNNScorer:
        """Take up reference embeddings."""
        self.reference = state["reference"]
        self.index = NearestNeighbors(n_neighbors=min(self.n_neighbors, len(self.reference)), algorithm="brute")
        self.index.fit(self.reference)
        return self


SCORERS: dict[str, type[MahalanobisScorer] | type[KNNScorer] | type[LikelihoodScorer]] = {
    "mahalanobis": MahalanobisScorer,
    "knn": KNNScorer,
    "likelihood": LikelihoodScorer,
}


def make_scorer(name: str) -> Scorer:
    """A fresh scorer by name.

    Raises:
        InputError: no scorer has that name.
    """
    if name not in SCORERS:
        raise InputError(f"score must be one of {', '.join(map(repr, SCORERS))}, however: score={name!r}")
    return SCORERS[name]()
