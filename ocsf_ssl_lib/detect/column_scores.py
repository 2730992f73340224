"""Stage 7a: scores of the columns as they are. They learn nothing deep, and each sees what a deep model can miss."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from ocsf_ssl_lib.detect.embedding_scores import MahalanobisScorer
from ocsf_ssl_lib.detect.one_hot import OneHot
from ocsf_ssl_lib.features import FeatureArrays

__all__ = ["CovarianceScorer", "ForestScorer", "LinearScorer", "MarginalScorer", "RarestScorer"]

INTERVALS = 20  # of a number, equally filled: as many as the prediction heads know
LANDMARKS = 1001  # of a number's distribution: tails are told apart down to one in a thousand training values
EXPLAINED = 0.9  # share of the variance that the linear model keeps; what it leaves out is the score
TREES = 200
LEAVES = 256  # training events per tree, as scikit-learn has it


class MarginalScorer:
    """Minus the nats of every value on its own, whatever stands beside it: sees rare values, no rare combinations.

    A category counts by how often training had it. A number counts by how often training had its interval, and by the
    two-sided tail: the share of training values that lie as far out.
    """

    looks_at: ClassVar[str] = "features"

    def fit(self, features: FeatureArrays) -> MarginalScorer:
        """Learn the distribution of each column of N events."""
        n, d_num = features.numerical.shape
        self.landmarks = np.zeros((d_num, LANDMARKS), np.float32)
        self.intervals = np.zeros((d_num, INTERVALS), np.float32)
        self.missing = -np.log((features.missing_mask.sum(axis=0) + 1) / (n + 2))
        for k in range(d_num):
            values = features.numerical[~features.missing_mask[:, k], k]
            if len(values):
                self.landmarks[k] = np.quantile(values, np.linspace(0, 1, LANDMARKS))
            counts = np.bincount(self._interval(values, k), minlength=INTERVALS) + 1.0
            self.intervals[k] = -np.log(counts / (n + INTERVALS + 1))
        columns = features.categorical
        width = int(columns.max(initial=0)) + 2  # one more: whatever has a larger id was never seen
        counts = np.array([np.bincount(c, minlength=width) for c in columns.T]).reshape(-1, width) + 1.0
        self.categories = -np.log(counts / counts.sum(axis=1, keepdims=True))
        return self

    def _interval(self, values: np.ndarray, k: int) -> np.ndarray:
        """Which of the equally filled intervals a number falls into; ties at a border fall into the same one."""
        step = (LANDMARKS - 1) // INTERVALS
        return np.searchsorted(self.landmarks[k, step:-1:step], values, side="right")

    def cells(self, features: FeatureArrays) -> np.ndarray:
        """(N, D_num + D_cat) nats."""
        n, d_num = features.numerical.shape
        nats = np.empty((n, d_num + features.categorical.shape[1]))
        for k in range(d_num):
            values, marks = features.numerical[:, k], self.landmarks[k]
            below = np.searchsorted(marks, values, side="right")
            above = LANDMARKS - np.searchsorted(marks, values, side="left")
            tail = -np.log(np.minimum(1.0, 2 * (np.minimum(below, above) + 1) / (LANDMARKS + 2)))
            known = self.intervals[k, self._interval(values, k)] + tail
            nats[:, k] = np.where(features.missing_mask[:, k], self.missing[k], known)
        last = self.categories.shape[1] - 1
        for j, column in enumerate(features.categorical.T):
            nats[:, d_num + j] = self.categories[j, np.minimum(column, last)]
        return nats

    def score(self, features: FeatureArrays) -> np.ndarray:
        """N events -> (N,)."""
        return -self.cells(features).sum(axis=1)

    def state(self) -> dict[str, np.ndarray]:
        """Landmarks and nats."""
        return {k: getattr(self, k) for k in ("landmarks", "intervals", "missing", "categories")}

    def load_state(self, state: dict[str, np.ndarray]) -> MarginalScorer:
        """Take up what ``state`` gave."""
        self.__dict__.update(state)
        return self


class RarestScorer(MarginalScorer):
    """Minus the nats of the rarest value alone: one rare value, in an event whose other values are common."""

    def score(self, features: FeatureArrays) -> np.ndarray:
        """N events -> (N,)."""
        return -self.cells(features).max(axis=1, initial=0.0)


class LinearScorer:
    """Minus the squared error with which the main directions of the columns rebuild an event.

    Principal components of numbers and one-hot categories (Shyu et al., 2003): normal events lie near a plane, because
    columns depend on one another. What sticks out of the plane breaks such a dependence.
    """

    looks_at: ClassVar[str] = "features"

    def fit(self, features: FeatureArrays) -> LinearScorer:
        """Learn the directions that hold 90 % of the variance of N events."""
        self.one_hot = OneHot().fit(features)
        rows = self.one_hot.transform(features)
        if not rows.std(axis=0).any():
            self.mean, self.components = rows.mean(axis=0), np.zeros((0, rows.shape[1]), np.float32)
            return self
        solver = "covariance_eigh" if len(rows) > rows.shape[1] else "full"
        pca = PCA(n_components=EXPLAINED, svd_solver=solver) if min(rows.shape) > 1 else PCA(n_components=1)
        pca.fit(rows)
        self.mean, self.components = pca.mean_.astype(np.float32), pca.components_.astype(np.float32)
        return self

    def score(self, features: FeatureArrays) -> np.ndarray:
        """N events -> (N,)."""
        centred = self.one_hot.transform(features) - self.mean
        rebuilt = centred @ self.components.T @ self.components
        return -((centred - rebuilt).astype(np.float64) ** 2).sum(axis=1)

    def state(self) -> dict[str, np.ndarray]:
        """The encoding, mean (D,) and components (C, D)."""
        return self.one_hot.state() | {"mean": self.mean, "components": self.components}

    def load_state(self, state: dict[str, np.ndarray]) -> LinearScorer:
        """Take up what ``state`` gave."""
        self.one_hot = OneHot().load_state(state)
        self.mean, self.components = state["mean"], state["components"]
        return self


class CovarianceScorer:
    """Minus the squared Mahalanobis distance to the mean of the columns: numbers and one-hot categories.

    ``LinearScorer`` looks at how far an event sticks out of the plane; this one weighs every direction by how rigid it
    is among training events, the rigid ones most (``MahalanobisScorer``, on columns).
    """

    looks_at: ClassVar[str] = "features"

    def fit(self, features: FeatureArrays) -> CovarianceScorer:
        """Learn mean and covariance of the columns of N events."""
        self.one_hot = OneHot().fit(features)
        self.distance = MahalanobisScorer().fit(self.one_hot.transform(features))
        return self

    def score(self, features: FeatureArrays) -> np.ndarray:
        """N events -> (N,)."""
        return self.distance.score(self.one_hot.transform(features))

    def state(self) -> dict[str, np.ndarray]:
        """The encoding, mean (D,) and inverse covariance (D, D)."""
        return self.one_hot.state() | self.distance.state()

    def load_state(self, state: dict[str, np.ndarray]) -> CovarianceScorer:
        """Take up what ``state`` gave."""
        self.one_hot = OneHot().load_state(state)
        self.distance = MahalanobisScorer().load_state(state)
        return self


class ForestScorer:
    """Isolation forest (Liu et al., 2008): how few random cuts separate an event from the others?

    Grown by scikit-learn; kept as arrays, so that a saved model holds no code.

    Args:
        seed: of the random cuts.
    """

    looks_at: ClassVar[str] = "features"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, features: FeatureArrays) -> ForestScorer:
        """Grow the trees on samples of N events."""
        self.one_hot = OneHot().fit(features)
        rows = self.one_hot.transform(features)
        forest = IsolationForest(n_estimators=TREES, max_samples=min(LEAVES, len(rows)), random_state=self.seed)
        forest.fit(rows)
        nodes = max(tree.tree_.node_count for tree in forest.estimators_)
        shape = (TREES, nodes)
        self.feature, self.threshold = np.zeros(shape, np.int32), np.full(shape, np.inf, np.float32)
        self.children, self.length = np.zeros((TREES, nodes, 2), np.int32), np.zeros(shape, np.float32)
        for t, estimator in enumerate(forest.estimators_):
            tree, count = estimator.tree_, estimator.tree_.node_count
            inner = tree.children_left >= 0
            itself = np.arange(count)
            self.feature[t, :count] = np.where(inner, tree.feature, 0)
            self.threshold[t, :count] = np.where(inner, tree.threshold, np.inf)
            self.children[t, :count, 0] = np.where(inner, tree.children_left, itself)
            self.children[t, :count, 1] = np.where(inner, tree.children_right, itself)
            self.length[t, :count] = tree.compute_node_depths() - 1 + _mean_path(tree.n_node_samples)
        self.unit = np.array([_mean_path(np.array([min(LEAVES, len(rows))]))[0] or 1.0])
        return self

    def score(self, features: FeatureArrays) -> np.ndarray:
        """N events -> (N,), in -1..0: scikit-learn's ``score_samples``."""
        rows = self.one_hot.transform(features)
        total, each = np.zeros(len(rows)), np.arange(len(rows))
        for feature, threshold, children, length in zip(
            self.feature, self.threshold, self.children, self.length, strict=True
        ):
            node = np.zeros(len(rows), np.int64)
            while True:  # a leaf is its own child: all have arrived when none moves
                right = rows[each, feature[node]] > threshold[node]
                onward = children[node, right.astype(np.int64)]
                if np.array_equal(onward, node):
                    break
                node = onward
            total += length[node]
        return -(2.0 ** (-total / TREES / self.unit[0]))

    def state(self) -> dict[str, np.ndarray]:
        """The encoding and the trees."""
        names = ("feature", "threshold", "children", "length", "unit")
        return self.one_hot.state() | {k: getattr(self, k) for k in names}

    def load_state(self, state: dict[str, np.ndarray]) -> ForestScorer:
        """Take up what ``state`` gave."""
        self.one_hot = OneHot().load_state(state)
        self.__dict__.update({k: v for k, v in state.items() if k not in self.one_hot.state()})
        return self


def _mean_path(samples: np.ndarray) -> np.ndarray:
    """Mean length of a path in a random tree of so many events (Liu et al., 2008, equation 1)."""
    n = np.maximum(samples.astype(np.float64), 1.0)
    with np.errstate(divide="ignore"):
        path = 2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n
    return np.where(n > 2, path, n - 1)  # 0 for one event, 1 for two
