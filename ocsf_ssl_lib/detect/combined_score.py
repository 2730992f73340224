"""Stage 7b: nine scores that see different things, on one scale, added up."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ocsf_ssl_lib.detect.column_scores import (
    CovarianceScorer,
    ForestScorer,
    LinearScorer,
    MarginalScorer,
    RarestScorer,
)
from ocsf_ssl_lib.detect.density_score import DensityScorer
from ocsf_ssl_lib.detect.embedding_scores import KNNScorer
from ocsf_ssl_lib.detect.evidence import Evidence
from ocsf_ssl_lib.detect.likelihood_scores import SurpriseScorer, TypicalityScorer

__all__ = ["CombinedScorer", "TailNats", "TwoTailNats"]

TAIL = 0.05  # share of the training scores from which the tail is extrapolated
LEAST_TAIL = 5  # of them
LEAST_EXCESS = 0.05  # standard deviations of the training scores
STEP = 0.01  # standard deviations: training scores that are closer count as one
REFERENCE = 5000  # training events to compare with: a fourth of what kNN alone keeps, for a fourth of the time
LEARNED = {"typicality", "surprise"}  # members that a model judges, which knows the events it was trained on
LEAST_HELD = 50  # held-out events that are enough for the tails of these
TWO_TAILS = {"typicality", "surprise", "rarest", "density"}  # members for which unusually ordinary is unusual, too

Neighbours = KNNScorer | DensityScorer
Columns = MarginalScorer | LinearScorer | CovarianceScorer | ForestScorer
Member = TypicalityScorer | SurpriseScorer | Neighbours | Columns


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

    def at_upper_end(self, scores: np.ndarray) -> np.ndarray:
        """(N,) scores -> (N,) False: the lower end alone counts."""
        return np.zeros(len(scores), dtype=bool)

    def state(self) -> dict[str, np.ndarray]:
        """Scores and the share that scores as low, from the border of the tail on; mean excess beyond it."""
        return {"values": self.values, "shares": self.shares, "excess": self.excess}

    def load_state(self, state: dict[str, np.ndarray]) -> TailNats:
        """Take up what ``state`` gave."""
        self.__dict__.update(state)
        return self


class TwoTailNats:
    """``TailNats`` of the nearer end: twice the smaller of the two tail probabilities.

    A port scan is made of short, empty, regular flows. No cell of such an event surprises, no value is rare, and a
    thousand others are near: scores that only count what is too high rank it as the most normal of all.
    """

    def fit(self, scores: np.ndarray) -> TwoTailNats:
        """Learn from (N,) scores of training events."""
        self.low, self.high = TailNats().fit(scores), TailNats().fit(-scores)
        return self

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """(N,) scores -> (N,) nats, at least 0."""
        return np.maximum(0.0, np.maximum(self.low(scores), self.high(-scores)) - np.log(2))

    def at_upper_end(self, scores: np.ndarray) -> np.ndarray:
        """(N,) scores -> (N,) whether the nearer end is the upper one, where events are unusually ordinary."""
        nearer: np.ndarray = self.high(-scores) > self.low(scores)
        return nearer

    def state(self) -> dict[str, np.ndarray]:
        """That of both ends."""
        return {f"{name}_{k}": v for name in ("low", "high") for k, v in getattr(self, name).state().items()}

    def load_state(self, state: dict[str, np.ndarray]) -> TwoTailNats:
        """Take up what ``state`` gave."""
        for name in ("low", "high"):
            own = {k.removeprefix(f"{name}_"): v for k, v in state.items() if k.startswith(f"{name}_")}
            setattr(self, name, TailNats().load_state(own))
        return self


class CombinedScorer:
    """Minus the mean nats of nine scores: a random training event has about 1, whatever the table.

    ==============  =========================================================  =================================
    member          looks at                                                   sees what others miss
    ==============  =========================================================  =================================
    ``typicality``  cells, each given the others (``TypicalityScorer``)        values that do not fit together
    ``surprise``    the cell that fits least (``SurpriseScorer``)              one wrong value among many right
    ``neighbours``  embeddings (``KNNScorer``)                                 events far from every other event
    ``density``     columns, around an event (``DensityScorer``)               thin places beside crowded ones
    ``marginal``    columns, each on its own (``MarginalScorer``)              rare values
    ``rarest``      the column with the rarest value (``RarestScorer``)        one rare value among common ones
    ``linear``      columns, as a plane (``LinearScorer``)                     broken linear dependence
    ``covariance``  columns, weighted by direction (``CovarianceScorer``)      breaks of a rigid dependence
    ``forest``      columns, cut at random (``ForestScorer``)                  extremes in many columns at once
    ==============  =========================================================  =================================

    ``typicality``, ``surprise``, ``density`` and ``rarest`` count both tails (``TwoTailNats``), the others the lower.
    Adding logarithms of tail probabilities is Fisher's method (1932). The members depend on one another, so that the
    sum is no p-value; it is a ranking. No member has a weight: there are no labels to learn one from.

    Args:
        seed: of the forest and of the reference events.
    """

    looks_at: ClassVar[str] = "all"

    def __init__(self, seed: int = 0) -> None:
        self.members: dict[str, Member] = {
            "typicality": TypicalityScorer(),
            "surprise": SurpriseScorer(),
            "neighbours": KNNScorer(max_reference=REFERENCE, seed=seed),
            "density": DensityScorer(max_reference=REFERENCE, seed=seed),
            "marginal": MarginalScorer(),
            "rarest": RarestScorer(),
            "linear": LinearScorer(),
            "covariance": CovarianceScorer(),
            "forest": ForestScorer(seed),
        }
        self.tails = {name: TwoTailNats() if name in TWO_TAILS else TailNats() for name in self.members}

    def fit(self, evidence: Evidence, held: Evidence | None = None) -> CombinedScorer:
        """Learn from N training events.

        Args:
            evidence: of the training events.
            held: of events that were not trained on. A model is less surprised by what it was trained on, so that
                members that it judges take their scale from these, if there are 50 or more.
        """
        enough = held is not None and len(held.cells) >= LEAST_HELD
        for name, member in self.members.items():
            seen = getattr(evidence, member.looks_at)
            member.fit(seen)
            if name in LEARNED and enough:
                known = member.score(getattr(held, member.looks_at))
            elif isinstance(member, Neighbours):
                # A training event is its own nearest neighbour; as a new event it would not be.
                known = member.training_scores(seen)
            else:
                known = member.score(seen)
            self.tails[name].fit(known)
        return self

    def nats(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Member -> (N,) nats of N events."""
        return {name: self.tails[name](scores) for name, scores in self.member_scores(evidence).items()}

    def member_scores(self, evidence: Evidence) -> dict[str, np.ndarray]:
        """Member -> (N,) scores of N events, each on a scale of its own."""
        return {name: member.score(getattr(evidence, member.looks_at)) for name, member in self.members.items()}

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
