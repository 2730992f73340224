"""Stage 7b: what a model makes of events -> one score per event. Higher means more normal, as in scikit-learn.

A scorer learns from training events what is usual, from their columns, from their embeddings or from how surprising
their cells are, and keeps what it learned as plain arrays, so that a saved model holds numbers and no code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from ocsf_ssl_lib.detect.combined_score import CombinedScorer
from ocsf_ssl_lib.detect.embedding_scores import KNNScorer, MahalanobisScorer
from ocsf_ssl_lib.detect.likelihood_scores import LikelihoodScorer, TypicalityScorer
from ocsf_ssl_lib.errors import InputError

__all__ = ["SCORERS", "ScoreName", "Scorer", "make_scorer"]

ScoreName = Literal["combined", "likelihood", "typicality", "mahalanobis", "knn"]


class Scorer(Protocol):
    """What the detector asks of a score."""

    looks_at: ClassVar[str]
    """The part of an ``Evidence`` that it looks at: ``features``, ``embeddings`` or ``cells``; or ``all`` of it."""

    def fit(self, evidence: Any, /) -> Scorer:
        """Learn from what N training events show."""
        ...

    def score(self, evidence: Any, /) -> np.ndarray:
        """What N events show -> (N,) scores, higher = more normal."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """What was learned, as arrays."""
        ...

    def load_state(self, state: dict[str, np.ndarray]) -> Scorer:
        """Take up what ``state`` gave."""
        ...


SCORERS: dict[ScoreName, Callable[..., Scorer]] = {
    "combined": CombinedScorer,
    "likelihood": LikelihoodScorer,
    "typicality": TypicalityScorer,
    "mahalanobis": MahalanobisScorer,
    "knn": KNNScorer,
}


def make_scorer(name: str, seed: int = 0) -> Scorer:
    """A fresh scorer by name; ``seed`` is for those that draw at random.

    Raises:
        InputError: no scorer has that name.
    """
    if name not in SCORERS:
        raise InputError(f"score must be one of {', '.join(map(repr, SCORERS))}, however: score={name!r}")
    kind = SCORERS[name]
    return kind(seed=seed) if name in ("combined", "knn") else kind()
