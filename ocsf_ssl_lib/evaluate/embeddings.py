"""Stage 8d: how good are embeddings? Numbers that need no detector, and few that need labels.

All but ``effective_rank`` look at directions only: embeddings are scaled to unit length first, as the contrastive loss
and the detector's neighbours do.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, normalize

from ocsf_ssl_lib.errors import InputError

__all__ = [
    "alignment",
    "effective_rank",
    "linear_probe",
    "nearest_neighbours",
    "neighbour_purity",
    "uniformity",
]

MAX_PAIRED = 5_000  # events whose pairs are all looked at (12.5 million); more are sampled


def alignment(first: np.ndarray, second: np.ndarray, alpha: float = 2.0) -> float:
    """Mean distance between the two views of an event (Wang & Isola, 2020, section 4.1); 0 is best, 4 is opposite.

    Small alone means nothing: it is 0 when all events have the same embedding. Read it with ``uniformity``.

    Args:
        first: (N, d) embeddings of one view of each event.
        second: (N, d) of the other view.
        alpha: power of the Euclidean distance between unit vectors.

    Raises:
        InputError: the two differ in shape, or a value is not finite.

    Example:
        >>> alignment(np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[3.0, 0.0], [1.0, 0.0]]))
        1.0
    """
    first, second = _checked(first, "first"), _checked(second, "second")
    if first.shape != second.shape:
        raise InputError(f"the two views must have the same shape, however: {first.shape} and {second.shape}")
    distance = np.linalg.norm(normalize(first) - normalize(second), axis=1)
    return round(float((distance**alpha).mean()), 12)


def uniformity(embeddings: np.ndarray, t: float = 2.0, seed: int = 0) -> float:
    """Log of the mean Gaussian potential over pairs (Wang & Isola, 2020, section 4.1); lower is more even.

    0 when all embeddings point the same way. Evenly spread over a sphere in many dimensions it comes near ``-2 t``,
    since most pairs then are orthogonal. Repeated events keep it from getting there: a pair of them has distance 0.

    Args:
        embeddings: (N, d), at least two.
        t: sharpness of the potential ``exp(-t distance²)``.
        seed: of the draw of ``MAX_PAIRED`` events, if there are more.

    Raises:
        InputError: fewer than two events, or a value that is not finite.

    Example:
        >>> round(uniformity(np.array([[1.0, 0.0], [-1.0, 0.0]])), 3)  # one pair, at distance 2
        -8.0
    """
    embeddings = _checked(embeddings, "embeddings")
    if len(embeddings) < 2:
        raise InputError(f"uniformity is about pairs: it needs two events or more, however: {len(embeddings)}")
    if len(embeddings) > MAX_PAIRED:
        embeddings = np.random.default_rng(seed).choice(embeddings, MAX_PAIRED, replace=False)
    return float(np.log(np.exp(-t * pdist(normalize(embeddings), "sqeuclidean")).mean()))


def effective_rank(embeddings: np.ndarray) -> float:
    """How many dimensions are in use: e to the entropy of the singular values (Roy & Vetterli, 2007, definition 1).

    From 1 (all embeddings on one line through the origin) to d. Garrido et al. (2023) use it, as RankMe, to compare
    trainings without labels. The mean is not subtracted, as there: embeddings that are all equal have rank 1, where
    without their mean only rounding errors would be left to measure.

    Args:
        embeddings: (N, d).

    Raises:
        InputError: no event, a value that is not finite, or nothing but zeros.

    Example:
        >>> round(effective_rank(np.eye(4)), 6), round(effective_rank(np.ones((9, 4))), 6)
        (4.0, 1.0)
    """
    embeddings = _checked(embeddings, "embeddings")
    sizes = np.linalg.svd(embeddings, compute_uv=False)
    if not sizes.sum() > 0:
        raise InputError("the embeddings are all zero: they have no direction to count")
    share = sizes / sizes.sum()
    share = share[share > 0]  # 0 log 0 = 0
    return float(np.exp(-(share * np.log(share)).sum()))


def nearest_neighbours(embeddings: np.ndarray, k: int = 10) -> np.ndarray:
    """The k nearest other events of each event by cosine similarity, the nearest first.

    Args:
        embeddings: (N, d).
        k: how many, fewer than N.

    Returns:
        (N, k) int64 row numbers; an event is never its own neighbour, but its repetitions are.

    Raises:
        InputError: ``k`` is not from 1 to N - 1, or a value is not finite.
    """
    embeddings = _checked(embeddings, "embeddings")
    if not 1 <= k < len(embeddings):
        raise InputError(f"k must be from 1 to {len(embeddings) - 1} with {len(embeddings)} events, however: {k=}")
    index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(normalize(embeddings))
    return index.kneighbors(return_distance=False)


def neighbour_purity(embeddings: np.ndarray, labels: np.ndarray | pd.Series, k: int = 10) -> pd.DataFrame:
    """Share of an event's nearest neighbours that are of its class, for each class.

    Args:
        embeddings: (N, d).
        labels: (N,) class of each event, joined by position.
        k: how many neighbours.

    Returns:
        One row per class, its name as index, with ``events``, ``purity``, and ``chance``, the purity of a random
        embedding (the share of the class among all other events). A log repeats itself, and repetitions are neighbours
        in every embedding, trained or not. Compare on distinct events, and with an untrained encoder.

    Raises:
        InputError: labels that do not fit the events or are missing, or what ``nearest_neighbours`` refuses.

    Example:
        >>> z = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
        >>> neighbour_purity(z, np.array(["web", "web", "mail", "web"]), k=1).round(2).to_dict("index")
        {'mail': {'events': 1, 'purity': 0.0, 'chance': 0.0}, 'web': {'events': 3, 'purity': 0.67, 'chance': 0.67}}
    """
    codes, classes = _codes(labels, len(embeddings))
    same = codes[nearest_neighbours(embeddings, k)] == codes[:, None]
    events = np.bincount(codes)
    return pd.DataFrame(
        {
            "events": events,
            "purity": np.bincount(codes, weights=same.mean(axis=1)) / events,
            "chance": (events - 1) / (len(codes) - 1),
        },
        index=classes,
    )


def linear_probe(
    train: np.ndarray,
    train_labels: np.ndarray | pd.Series,
    test: np.ndarray,
    test_labels: np.ndarray | pd.Series,
) -> float:
    """Balanced accuracy of a logistic regression on frozen embeddings: is the class there to be read off by a line?

    For arrays. ``FineTuneModel`` with ``frozen=True`` is the same probe on events, and can be saved.

    Args:
        train: (N, d) embeddings to learn from; each dimension is standardised.
        train_labels: (N,) their classes.
        test: (M, d) embeddings of other events.
        test_labels: (M,) their classes.

    Returns:
        Mean over classes of the share found; a guess has 1 / number of classes.

    Raises:
        InputError: labels that do not fit, or fewer than two classes to learn.
    """
    train, test = _checked(train, "train"), _checked(test, "test")
    codes, classes = _codes(train_labels, len(train))
    _codes(test_labels, len(test))
    if len(classes) < 2:
        raise InputError(f"a probe needs at least two classes, however: {list(classes)}")
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    found = classes[probe.fit(train, codes).predict(test)]
    return float(balanced_accuracy_score(np.asarray(test_labels).astype(str), np.asarray(found).astype(str)))


def _codes(labels: np.ndarray | pd.Series, events: int) -> tuple[np.ndarray, pd.Index]:
    """Labels -> class numbers (N,) and the classes."""
    if np.ndim(labels) != 1 or len(labels) != events:
        raise InputError(f"{events} events need {events} labels, one each, however: shape {np.shape(labels)}")
    codes, classes = pd.factorize(np.asarray(labels), sort=True)
    if (codes < 0).any():
        raise InputError(f"label {int((codes < 0).argmax())} is missing; drop the events without a label")
    return codes, pd.Index(classes)


def _checked(embeddings: np.ndarray, name: str) -> np.ndarray:
    """(N, d) float64, finite."""
    values = np.asarray(embeddings, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise InputError(f"{name} must be a table of events by dimensions, however: shape {values.shape}")
    if not np.isfinite(values).all():
        raise InputError(f"{name}: row {int((~np.isfinite(values)).any(axis=1).argmax())} is not finite")
    return values
