"""Which member of the combined score ranked an event, and what is said of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib import OCSFAnomalyDetector
from ocsf_ssl_lib.detect.combined_score import TWO_TAILS, CombinedScorer, TailNats, TwoTailNats
from ocsf_ssl_lib.detect.members import TOO_USUAL, UNUSUAL, strongest_members

USUAL = np.random.default_rng(0).normal(size=1000)


@pytest.fixture(scope="module")
def scorer() -> Any:
    """Two members, whose scores stand in place of the evidence."""
    tails = {"density": TwoTailNats().fit(USUAL), "linear": TailNats().fit(USUAL)}
    return SimpleNamespace(tails=tails, member_scores=lambda evidence: evidence)


@pytest.mark.parametrize(
    ("density", "linear", "name", "phrases"),
    [
        (-6.0, -1.0, "density", UNUSUAL),
        (6.0, -1.0, "density", TOO_USUAL),
        (0.0, -6.0, "linear", UNUSUAL),
        (-1.0, 6.0, "density", UNUSUAL),  # to the linear member, an event that fits well is ordinary
    ],
)
def test_the_strongest_member_says_at_which_end_of_its_scores_the_event_is(
    scorer: Any, density: float, linear: float, name: str, phrases: dict[str, str]
) -> None:
    evidence: Any = {"density": np.array([0.0, density]), "linear": np.array([0.0, linear])}
    found = strongest_members(scorer, evidence)[1]
    assert (found.name, found.says) == (name, phrases[name])
    assert found.nats == scorer.tails[name](evidence[name])[1]


def test_every_member_has_its_phrases_and_no_other() -> None:
    assert list(UNUSUAL) == list(CombinedScorer().members)
    assert set(TOO_USUAL) == TWO_TAILS
    assert len({*UNUSUAL.values(), *TOO_USUAL.values()}) == len(UNUSUAL) + len(TOO_USUAL)


def test_the_strongest_member_is_that_of_the_detector_s_own_nats(
    masked: OCSFAnomalyDetector, services: pd.DataFrame
) -> None:
    some = services.head(40)
    nats = masked.member_nats(some)
    strongest = [event.strongest for event in masked.explain(some, neighbours=0)]
    assert [member and member.name for member in strongest] == nats.idxmax(axis=1).tolist()
    np.testing.assert_allclose([member.nats for member in strongest if member], nats.max(axis=1), rtol=1e-6)
