"""The nearest ordinary events: what an unusual event would look like if it were one of the crowd.

Distance is counted in fields, in the manner of Gower (1971): a category that differs is 1, whatever the two values are;
a number is the difference of its two ranks among training values, 0 to 1. An analyst can check such a distance by
reading the two events, which an angle between embeddings does not allow, and every neighbour comes with the list of the
fields that differ. Without the field to blame, which speaks for events of the wrong kind, the nearest event holds what
belonged in that field about as often as the nearest by embedding does (``experiments/explanations.py --show``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import FeatureArrays

__all__ = ["RANK_APART", "Neighbours", "nearest"]

RANK_APART = 0.1  # numbers that are a tenth of all training values apart count as different
ROWS = 64  # events compared with the reference at a time: bounds the memory


class Neighbours(NamedTuple):
    """The nearest reference events of N events.

    Attributes:
        rows: (N, K) rows of the reference, the nearest first.
        distance: (N, K) fields apart, the ignored one left out.
        differs: (N, K, D_num + D_cat) bool, the fields that differ, the ignored one among them; numbers first.
    """

    rows: np.ndarray
    distance: np.ndarray
    differs: np.ndarray


def nearest(
    events: FeatureArrays, reference: FeatureArrays, count: int, ignore: np.ndarray | None = None
) -> Neighbours:
    """Find the ``count`` nearest of M reference events; of equal ones the first is taken, once.

    Args:
        events: N events.
        reference: M events.
        count: K; fewer if there are fewer different reference events.
        ignore: (N,) the column of each event that does not count, numbers first; -1 for none.

    Raises:
        InputError: there is no reference event.

    Example:
        >>> nothing, full = np.empty((2, 0)), np.zeros((2, 0), bool)
        >>> reference = FeatureArrays(nothing, np.array([[3, 3], [4, 5]]), full)
        >>> nearest(FeatureArrays(nothing[:1], np.array([[4, 3]]), full[:1]), reference, 1).differs[0, 0]
        array([ True, False])
    """
    if not len(reference.categorical):
        raise InputError("no reference event to compare with; give some training events")
    # Logs repeat themselves: three neighbours that are one and the same event would say as much as one.
    table = np.column_stack([reference.numerical, reference.missing_mask, reference.categorical])
    kept = np.sort(np.unique(table, axis=0, return_index=True)[1])
    apart = FeatureArrays(*(array[kept] for array in reference))
    count = min(count, len(kept))
    starts = range(0, max(1, len(events.categorical)), ROWS)
    ignore = np.full(len(events.categorical), -1) if ignore is None else ignore
    parts = [
        _nearest(FeatureArrays(*(a[i : i + ROWS] for a in events)), apart, count, ignore[i : i + ROWS, None])
        for i in starts
    ]
    rows, distance, differs = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Neighbours(kept[rows], distance, differs)


def _nearest(events: FeatureArrays, reference: FeatureArrays, count: int, ignore: np.ndarray) -> Neighbours:
    d_num = events.numerical.shape[1]
    n, m = len(events.categorical), len(reference.categorical)
    distance = np.zeros((n, m), np.float32)
    for j in range(events.categorical.shape[1]):
        distance += (events.categorical[:, [j]] != reference.categorical[:, j]) & (ignore != d_num + j)
    for j in range(d_num):
        distance += _ranks_apart(events, reference, j) * (ignore != j)
    rows = np.argsort(distance, axis=1, kind="stable")[:, :count]
    differs = [np.take_along_axis(_ranks_apart(events, reference, j), rows, axis=1) > RANK_APART for j in range(d_num)]
    differs += [
        events.categorical[:, [j]] != reference.categorical[rows, j] for j in range(events.categorical.shape[1])
    ]
    return Neighbours(rows, np.take_along_axis(distance, rows, axis=1), np.stack(differs, axis=2))


def _ranks_apart(events: FeatureArrays, reference: FeatureArrays, column: int) -> np.ndarray:
    """(n, m) difference of ranks in one number; 1 where one of the two has none, 0 where both have none."""
    apart = np.abs(ndtr(events.numerical[:, [column]]) - ndtr(reference.numerical[:, column]))
    one, other = events.missing_mask[:, [column]], reference.missing_mask[:, column]
    return np.where(one | other, one != other, apart).astype(np.float32)
