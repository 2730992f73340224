"""How far would a figure move if the events had been others of the same kind? Bootstrap intervals of rankings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.evaluate.ranking import METRICS, figures

__all__ = ["Bootstrap", "bootstrap_figures"]

MAX_COUNTS = 4_000_000  # counts held at once (32 MB): resamples are made in pieces of as many as fit


@dataclass(frozen=True)
class Bootstrap:
    """Percentile bootstrap (Efron & Tibshirani, 1993, chapter 13), anomalies and normal events drawn separately.

    Drawing within each class keeps the prevalence, on which average precision depends. An interval covers the choice of
    the *events* only: it says nothing about another training of the detector (repeat it with other seeds), and it takes
    events as independent, so that a burst of near-identical ones makes it too narrow. A ranking without a fault has the
    interval [1, 1], however few its events.

    Attributes:
        resamples: how many resamples.
        confidence: share of them that the interval holds.
        seed: same seed, same interval.
    """

    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if not (isinstance(self.resamples, int) and self.resamples > 0):
            raise InputError(f"resamples must be a positive integer, however: resamples={self.resamples!r}")
        if not 0 < self.confidence < 1:
            raise InputError(f"confidence must be between 0 and 1, however: confidence={self.confidence!r}")

    def limits(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Figures of the resamples (R, ...) -> lower and upper end of the interval (...)."""
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(values, [tail, 1 - tail], axis=0)
        return low, high


def bootstrap_figures(
    steps: np.ndarray,
    truth: np.ndarray,
    groups: Mapping[str, np.ndarray],
    *,
    k: int,
    budget: int,
    bootstrap: Bootstrap,
) -> dict[str, np.ndarray]:
    """Figures of resampled events, for one ranking or for several of the same events.

    ``scipy.stats.bootstrap`` gives the same intervals; it would rank all events anew for each resample and figure.

    Args:
        steps: (D, N) for each of D rankings the step of each event, from ``steps_of``.
        truth: (N,) bool, True = anomaly.
        groups: name -> which anomalies are its positives (N,). Each is measured against all normal events.
        k: see ``figures``.
        budget: see ``figures``.
        bootstrap: number of resamples, and seed.

    Returns:
        name -> (R, D, 4) figures of ``METRICS``; in each resample all rankings are of the same events.
    """
    rng = np.random.default_rng(bootstrap.seed)
    n_steps = int(steps.max()) + 1
    result = {name: np.empty((bootstrap.resamples, len(steps), len(METRICS))) for name in groups}
    piece = max(1, MAX_COUNTS // (n_steps * len(steps)))
    for start in range(0, bootstrap.resamples, piece):
        rows = slice(start, min(start + piece, bootstrap.resamples))
        size = rows.stop - start
        negatives = _resample(steps[:, ~truth], n_steps, size, rng)
        for name, positive in groups.items():
            positives = _resample(steps[:, positive], n_steps, size, rng)
            for d in range(len(steps)):
                result[name][rows, d] = figures(positives[:, d], negatives[:, d], k, budget)
    return result


def _resample(steps: np.ndarray, n_steps: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Steps (D, n) of events -> counts (resamples, D, n_steps) after drawing n of them with replacement."""
    d, n = steps.shape
    counts = np.empty((resamples, d, n_steps), np.int64)
    for row in counts:
        drawn = rng.integers(n, size=n)
        for ranking in range(d):
            row[ranking] = np.bincount(steps[ranking, drawn], minlength=n_steps)
    return counts
