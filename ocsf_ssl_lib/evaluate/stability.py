"""Stage 8e: would another training have given the same embeddings? Two embeddings of the same events, compared.

The dimensions of two trainings have nothing to do with each other, and neither do their scales. What can be compared is
what they say about pairs of events.
"""

from __future__ import annotations

import numpy as np

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.evaluate.embeddings import nearest_neighbours

__all__ = ["linear_cka", "neighbour_overlap"]


def neighbour_overlap(first: np.ndarray, second: np.ndarray, k: int = 10) -> float:
    """Mean share of an event's k nearest neighbours that both embeddings agree on; by chance ``k / (N - 1)``.

    Among repeated events it is an accident which of them are the nearest: drop repetitions first.

    Args:
        first: (N, d1) embeddings.
        second: (N, d2) other embeddings of the same events, in the same order.
        k: how many neighbours.

    Raises:
        InputError: different numbers of events, or what ``nearest_neighbours`` refuses.

    Example:
        >>> z = np.random.default_rng(0).normal(size=(50, 4))
        >>> neighbour_overlap(z, -3 * z)  # turned and stretched: the neighbours are the same
        1.0
    """
    _same_events(first, second)
    both = np.concatenate([nearest_neighbours(first, k), nearest_neighbours(second, k)], axis=1)
    both.sort(axis=1)
    return float((both[:, 1:] == both[:, :-1]).sum(axis=1).mean() / k)


def linear_cka(first: np.ndarray, second: np.ndarray) -> float:
    """Linear centred kernel alignment (Kornblith et al., 2019, section 3): 1 for equal geometry, 0 for unrelated.

    Rotations and one common scale do not count. It looks at the whole cloud, and a few dominant directions decide it;
    with few events in many dimensions even unrelated embeddings come out high.

    Args:
        first: (N, d1) embeddings.
        second: (N, d2) other embeddings of the same events, in the same order.

    Raises:
        InputError: different numbers of events, or embeddings that are all equal.

    Example:
        >>> z = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
        >>> turned = 5 * z @ np.array([[0.0, 1.0], [-1.0, 0.0]]) + 2
        >>> round(linear_cka(z, turned), 6), round(linear_cka(z[:, :1], z[:, 1:]), 6)
        (1.0, 0.0)
    """
    _same_events(first, second)
    a, b = (np.asarray(z, dtype=np.float64) for z in (first, second))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    if not scale > 0:
        raise InputError("the embeddings are all equal: there is no geometry to compare")
    return float(np.linalg.norm(a.T @ b) ** 2 / scale)


def _same_events(first: np.ndarray, second: np.ndarray) -> None:
    if len(first) != len(second):
        raise InputError(f"both must be of the same events, however: {len(first)} and {len(second)} rows")
