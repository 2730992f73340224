"""Events as one row of numbers each, for methods that measure distances and directions."""

from __future__ import annotations

import numpy as np

from ocsf_ssl_lib.features import FeatureArrays

__all__ = ["OneHot"]

MAX_CELLS = 1000  # of all columns together: a covariance is decomposed, at a cost that grows with the cube


class OneHot:
    """Numbers, missing indicators, and a cell for each frequent category.

    A column gets as many cells as it has values, but no more than its share of ``MAX_CELLS``; the most frequent values
    have one each. A row whose value has none is all zeros there.
    """

    def fit(self, features: FeatureArrays) -> OneHot:
        """Choose the values that get a cell, from N events."""
        columns = features.categorical.T
        most = max(2, MAX_CELLS // max(1, len(columns)))
        chosen = []
        for j, column in enumerate(columns):
            counts = np.bincount(column)
            ids = np.sort(np.argsort(-counts, kind="stable")[: min(most, int((counts > 0).sum()))])
            chosen += [(j, i) for i in ids]
        self.chosen = np.array(chosen, np.int64).reshape(-1, 2)
        return self

    def transform(self, features: FeatureArrays) -> np.ndarray:
        """N events -> (N, 2 D_num + cells) float32."""
        cells = (features.categorical[:, self.chosen[:, 0]] == self.chosen[:, 1]).astype(np.float32)
        return np.hstack([features.numerical, features.missing_mask.astype(np.float32), cells])

    def state(self) -> dict[str, np.ndarray]:
        """The column and the id of each cell: (cells, 2)."""
        return {"chosen": self.chosen}

    def load_state(self, state: dict[str, np.ndarray]) -> OneHot:
        """Take up what ``state`` gave."""
        self.chosen = state["chosen"]
        return self
