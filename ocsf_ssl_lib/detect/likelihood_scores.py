"""Stage 7a: how surprising are the cells of an event, each given the others?"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

__all__ = ["LEAST_SPREAD", "LikelihoodScorer", "SurpriseScorer", "TypicalityScorer"]

LEAST_SPREAD = 0.1  # nats: a column that was predicted perfectly in training must not count infinitely


class LikelihoodScorer:
    """Minus the mean surprise of an event's cells, each column in units of its own spread on training events.

    A plain sum of nats would be a sum of the columns that are noise: a random port surprises every time. Subtracting a
    column's mean and dividing by its standard deviation leaves what is unusual *for that column*.
    """

    looks_at: ClassVar[str] = "cells"

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


class TypicalityScorer(LikelihoodScorer):
    """Minus the distance of an event's mean surprise from the median of training events: too little is unusual too.

    A port scan is a short, empty, regular flow: once one field is known, all others follow, and its surprise is lower
    than that of any ordinary event. Likelihood ranks it as the most normal of all. A sample of a distribution has a
    *typical* surprise, however, neither high nor low (Nalisnick et al., 2019, "Detecting Out-of-Distribution Inputs to
    Deep Generative Models Using Typicality").
    """

    def fit(self, cells: np.ndarray) -> TypicalityScorer:
        """Learn each column's mean and spread, and the median surprise, of (N, D) nats."""
        super().fit(cells)
        self.median = np.median(super().score(cells), keepdims=True)
        return self

    def score(self, cells: np.ndarray) -> np.ndarray:
        """(N, D) -> (N,)."""
        return -np.abs(super().score(cells) - self.median)

    def state(self) -> dict[str, np.ndarray]:
        """Mean and standard deviation (D,), median (1,)."""
        return super().state() | {"median": self.median}

    def load_state(self, state: dict[str, np.ndarray]) -> TypicalityScorer:
        """Take up what ``state`` gave."""
        super().load_state(state)
        self.median = state["median"]
        return self


class SurpriseScorer:
    """Minus the nats of the cell that surprises most: one field that does not fit, in an event that else does.

    A mean over forty columns hides one wrong cell among thirty-nine right ones.
    """

    looks_at: ClassVar[str] = "cells"

    def fit(self, cells: np.ndarray) -> SurpriseScorer:
        """Nothing is learned."""
        return self

    def score(self, cells: np.ndarray) -> np.ndarray:
        """(N, D) -> (N,); 0 for an event in which no cell says anything."""
        return -np.where(np.isfinite(cells), cells, 0.0).max(axis=1, initial=0.0).astype(np.float64)

    def state(self) -> dict[str, np.ndarray]:
        """Empty."""
        return {}

    def load_state(self, state: dict[str, np.ndarray]) -> SurpriseScorer:
        """Nothing to take up."""
        return self
