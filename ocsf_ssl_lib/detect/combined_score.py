"""Stage 7b: six scores that see different things, on one scale, added up."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ocsf_ssl_lib.detect.column_scores import CovarianceScorer, ForestScorer, LinearScorer, MarginalScorer
from ocsf_ssl_lib.detect.embedding_scores import KNNScorer
from ocsf_ssl_lib.detect.evidence import Evidence
from ocsf_ssl_lib.detect.likelihood_scores import TypicalityScorer

__all__ = ["CombinedScorer", "TailNats"]

TAIL = 0.05  # share of the training scores from which the tail is extrapolated
LEAST_TAIL = 5  # of them
LEAST_EXCESS = 0.05  # standard deviations of the training scores
STEP = 0.01  # standard deviations: training scores that are closer count as one
REFERENCE = 5000  # training embeddings to compare with: a fourth of what kNN alone keeps, for a fourth of the time


Member = TypicalityScorer | KNNScorer | MarginalScorer | LinearScorer | CovarianceScorer | ForestScorer


class TailNats:
    """A score of any scale -> nats: minus the log of the share of training events that score as low.

    Beyond the lowest 5 % the share is extrapolated by an exponential tail, the simplest of extreme value theory
    (Pickands, 1975): two events that are both more unusual than all of training are still ranked. A training event
    gets about 1 nat on average, whatever the score was. The curve has no steps: training events of equal score share
    a rank, and rounding in the last digits of a score changes no more than the last digits of the nats.
    """

    def fit(self, scores: np.ndarray) -> TailNats:
        """Learn from (N,) scores of training events, higher = more normal."""
        scores = np.sort(scores.astype(np.float64))
        n, spread = len(scores), scores.std() or 1.0
        border = scores[min(max(LEAST_TAIL, int(n * TAIL)), n - 1)]
        low, high = np.searchsorted(scores, border, "left"), np.searchsorted(scores, border, "right")
        # Where scores repeat, the lowest may all be equal: a tail is no thinner than a small part of the whole spread.
        excess = max((border - scores[:high]).mean(), LEAST_EXCESS * spread)
        cell = ((scores[high:] - border) / (STEP * spread)).astype(np.int64)
        starts = np.flatnonzero(np.diff(cell, prepend=0))
        ends = np.append(starts[1:], n - high)
        middles = (starts + ends) / 2
        means = np.add.reduceat(scores[high:], starts) / (ends - starts) if len(starts) else np.empty(0)
        self.values = np.append(border, means)
        self.shares = np.append((low + high) / 2, high + middles) / (n + 1)
        self.excess = np.array([excess])
        return self

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """(N,) scores -> (N,) nats, at least 0."""
        inside = -np.log(np.interp(scores, self.values, self.shares))
        return inside + np.maximum(0.0, self.values[0] - scores) / self.excess[0]

    def state(self) -> dict[str, np.ndarray]:
        """Scores and the share that scores as low, from the border of the tail on; mean excess beyond it."""
        return {"values": self.values, "shares": self.shares, "excess": self.excess}

    def load_state(self, state: dict[str, np.ndarray]) -> TailNats:
        """Take up what ``state`` gave."""
        self.__dict__.update(state)
        return self


class CombinedScorer:
    """Minus the mean nats of six scores: a random training event has about 1, whatever the table.

    ==============  =========================================================  =================================
    member          looks at                                                   sees what others miss
    ==============  =========================================================  =================================
    ``likelihood``  cells, each given the others (``TypicalityScorer``)        values that do not fit together
    ``neighbours``  embeddings (``KNNScorer``)                                 events far from every other event
    ``marginal``    columns, each on its own (``MarginalScorer``)              rare values
    ``linear``      columns, as a plane (``LinearScorer``)                     broken linear dependence
    ``covariance``  columns, weighted by direction (``CovarianceScorer``)      breaks of a rigid dependence
    ``forest``      columns, cut at random (``ForestScorer``)                  extremes in many columns at once
    ==============  =========================================================  =================================

    Adding logarithms of tail probabilities is Fisher's method (1932). The members depend on one another, so that the
    sum is no p-value; it is a ranking. No member has a weight: there are no labels to learn one from.

    Args:
        seed: of the forest and of the reference events.
    """

    looks_at: ClassVar[str] = "all"

    def __init__(self, seed: int = 0) -> None:
        self.members: dict[str, Member] = {
            "likelihood": TypicalityScorer(),
            "neighbours": KNNScorer(max_reference=REFERENCE, seed=seed),
            "marginal": MarginalScorer(),
            "linear": LinearScorer(),
            "covariance": CovarianceScorer(),
            "forest": ForestScorer(seed),
        }
        self.tails = {name: TailNats() for name in self.members}

    def fit(self, evidence: Evidence) -> CombinedScorer:
        """Learn from N training events."""
        for name, member in self.members.items():
            seen = getattr(evidence, member.looks_at)
            member.fit(seen)
            # A training event is its own nearest neighbour; as a new event it would not be.
            known = member.training_scores(seen) if isinstance(member, KNNScorer) else member.score(seen)
            self.tails[name].fit(known)
        return self

    def nats(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Member -> (N,) nats of N events."""
        return {
            name: self.tails[name](member.score(getattr(evidence, member.looks_at)))
            for name, member in self.members.items()
        }

    def score(self, evidence: Evidence) -> np.ndarray:
        """N events -> (N,)."""
        return -np.mean(list(self.nats(evidence).values()), axis=0)

    def state(self) -> dict[str, np.ndarray]:
        """That of all members, their names before a slash."""
        parts = {f"{name}/{k}": v for name, member in self.members.items() for k, v in member.state().items()}
        return parts | {f"{name}/tail/{k}": v for name, tail in self.tails.items() for k, v in tail.state().items()}

    def load_state(self, state: dict[str, np.ndarray]) -> CombinedScorer:
        """Take up what ``state`` gave."""
        for name, member in self.members.items():
            own = {k.removeprefix(f"{name}/"): v for k, v in state.items() if k.startswith(f"{name}/")}
            self.tails[name].load_state({k.removeprefix("tail/"): v for k, v in own.items() if k.startswith("tail/")})
            member.load_state({k: v for k, v in own.items() if not k.startswith("tail/")})
        return self
