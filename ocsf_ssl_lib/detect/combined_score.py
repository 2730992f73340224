"""Stage 7b: five scores that see different things, on one scale, added up."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from ocsf_ssl_lib.detect.column_scores import ForestScorer, LinearScorer, MarginalScorer
from ocsf_ssl_lib.detect.embedding_scores import KNNScorer
from ocsf_ssl_lib.detect.likelihood_scores import TypicalityScorer
from ocsf_ssl_lib.features import FeatureArrays

__all__ = ["CombinedScorer", "Evidence", "TailNats"]

TAIL = 0.05  # share of the training scores from which the tail is extrapolated
LEAST_TAIL = 5  # of them
LEAST_EXCESS = 0.05  # standard deviations of the training scores
REFERENCE = 5000  # training embeddings to compare with: a fourth of what kNN alone keeps, for a fourth of the time


Member = TypicalityScorer | KNNScorer | MarginalScorer | LinearScorer | ForestScorer


class Evidence(NamedTuple):
    """What scorers look at.

    Attributes:
        features: N events as the preprocessor gives them.
        embeddings: (N, d_model) float32.
        cells: (N, D) nats of each cell given the others, NaN where it says nothing.
    """

    features: FeatureArrays
    embeddings: np.ndarray
    cells: np.ndarray

    def rows(self, index: np.ndarray) -> Evidence:
        """Some of the events, by position: (K,) int."""
        features = FeatureArrays(*(part[index] for part in self.features))
        return Evidence(features, self.embeddings[index], self.cells[index])


class TailNats:
    """A score of any scale -> nats: minus the log of the share of training events that score as low.

    Beyond the lowest 5 % the share is extrapolated by an exponential tail, the simplest of extreme value theory
    (Pickands, 1975): two events that are both more unusual than all of training are still ranked. A training event
    gets 1 nat on average, whatever the score was.
    """

    def fit(self, scores: np.ndarray) -> TailNats:
        """Learn from (N,) scores of training events, higher = more normal."""
        self.scores = np.sort(scores.astype(np.float64))
        tail = min(max(LEAST_TAIL, int(len(scores) * TAIL)), len(scores) - 1)
        border = self.scores[tail]
        # Where scores repeat, the lowest may all be equal: a tail is no thinner than a small part of the whole spread.
        least = LEAST_EXCESS * self.scores.std() or 1.0
        excess = max((border - self.scores[:tail]).mean() if tail else 0.0, least)
        self.tail = np.array([border, excess, (tail + 0.5) / (len(scores) + 1)])
        return self

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """(N,) scores -> (N,) nats, at least 0."""
        border, excess, share = self.tail
        below = np.searchsorted(self.scores, scores, side="right")
        inside = -np.log((below + 0.5) / (len(self.scores) + 1))
        beyond = -np.log(share) + (border - scores) / excess
        return np.where(scores < border, beyond, inside)

    def state(self) -> dict[str, np.ndarray]:
        """Sorted training scores (N,), and the tail's border, mean excess and share."""
        return {"scores": self.scores, "tail": self.tail}

    def load_state(self, state: dict[str, np.ndarray]) -> TailNats:
        """Take up what ``state`` gave."""
        self.scores, self.tail = state["scores"], state["tail"]
        return self


class CombinedScorer:
    """Minus the mean nats of five scores: a random training event has about 1, whatever the table.

    ==============  =========================================================  =================================
    member          looks at                                                   sees what others miss
    ==============  =========================================================  =================================
    ``likelihood``  cells, each given the others (``TypicalityScorer``)        values that do not fit together
    ``neighbours``  embeddings (``KNNScorer``)                                 events far from every other event
    ``marginal``    columns, each on its own (``MarginalScorer``)              rare values
    ``linear``      columns, as a plane (``LinearScorer``)                     broken linear dependence
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
