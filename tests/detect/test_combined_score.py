"""Nine scores on one scale: nats of a tail probability, and their mean."""

from __future__ import annotations

import numpy as np
import pytest

from ocsf_ssl_lib.detect.combined_score import CombinedScorer, TailNats, TwoTailNats
from ocsf_ssl_lib.detect.evidence import Evidence
from ocsf_ssl_lib.features import FeatureArrays

RNG = np.random.default_rng(1)


def evidence(n: int, seed: int = 0) -> Evidence:
    rng = np.random.default_rng(seed)
    features = FeatureArrays(
        rng.normal(size=(n, 2)).astype(np.float32), rng.integers(3, 7, (n, 3)), np.zeros((n, 2), bool)
    )
    return Evidence(features, rng.normal(size=(n, 8)).astype(np.float32), rng.exponential(size=(n, 5)))


def test_nats_are_the_log_of_the_share_that_scores_as_low() -> None:
    scores = RNG.normal(size=10_000)
    nats = TailNats().fit(scores)
    assert nats(np.quantile(scores, [0.5, 0.2, 0.06])) == pytest.approx(-np.log([0.5, 0.2, 0.06]), rel=1e-2)
    assert nats(scores).mean() == pytest.approx(1, abs=0.02)  # as of an exponential variable


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_nats_do_not_depend_on_the_unit_of_the_score(scale: float) -> None:
    scores = RNG.normal(size=500)
    new = np.array([-9.0, -1.0, 3.0])
    np.testing.assert_allclose(
        TailNats().fit(scale * scores + 7)(scale * new + 7), TailNats().fit(scores)(new), rtol=1e-6
    )


def test_the_tail_of_an_exponential_goes_on_in_a_line() -> None:
    nats = TailNats().fit(-RNG.exponential(size=100_000))
    np.testing.assert_allclose(nats(-np.array([5.0, 10.0, 20.0])), [5, 10, 20], rtol=0.05)
    fine = nats(np.linspace(-20, 0, 2001))
    assert (np.diff(fine) <= 1e-9).all()  # never more unusual for a higher score, also where the tail begins


@pytest.mark.parametrize("scores", [np.zeros(50), np.repeat([0.0, 1.0], [3, 97]), np.array([1.0, 2.0])])
def test_scores_that_repeat_give_finite_nats(scores: np.ndarray) -> None:
    nats = TailNats().fit(scores)(np.array([-5.0, 0.0, 1.0, 9.0]))
    assert np.isfinite(nats).all()
    assert (nats >= 0).all()
    assert (np.diff(nats) <= 0).all()
    assert nats[0] > nats[-1]


def test_both_ends_of_a_two_tailed_score_are_unusual() -> None:
    scores = RNG.normal(size=50_000)
    nats = TwoTailNats().fit(scores)
    assert nats(np.array([-1.96, 1.96])) == pytest.approx(-np.log([0.05, 0.05]), rel=0.03)
    assert nats(np.array([0.0]))[0] == pytest.approx(0, abs=0.02)
    assert nats(scores).mean() == pytest.approx(1, abs=0.02)
    again = TwoTailNats().load_state(nats.state())
    np.testing.assert_array_equal(again(scores), nats(scores))


def test_what_the_model_judges_takes_its_scale_from_held_out_events() -> None:
    train, held = evidence(2000), evidence(60, seed=5)
    surprised = held._replace(cells=held.cells * 3)  # the model knows the training events
    alone, scaled = CombinedScorer().fit(train), CombinedScorer().fit(train, surprised)
    few = CombinedScorer().fit(train, surprised._replace(cells=surprised.cells[:49]))
    new = evidence(500, seed=6)
    new = new._replace(cells=new.cells * 3)
    for name, nats in alone.nats(new).items():
        if name in ("typicality", "surprise"):
            assert scaled.nats(new)[name].mean() < nats.mean() - 1
            assert scaled.nats(new)[name].mean() == pytest.approx(1, abs=0.3)
        else:
            np.testing.assert_array_equal(scaled.nats(new)[name], nats)
        np.testing.assert_array_equal(few.nats(new)[name], nats)


@pytest.mark.parametrize("name", ["typicality", "surprise", "density", "rarest"])
def test_an_event_more_ordinary_than_all_of_training_is_unusual_to_some_members(name: str) -> None:
    train = evidence(2000)
    scorer = CombinedScorer().fit(train)
    tail = scorer.tails[name]
    best = scorer.members[name].score(getattr(train, scorer.members[name].looks_at)).max()
    assert tail(np.array([best + 1.0]))[0] > 4


def test_a_training_event_has_about_one_nat_whatever_the_member() -> None:
    train = evidence(4000)
    scorer = CombinedScorer().fit(train)
    new = evidence(2000, seed=9)
    for name, nats in scorer.nats(new).items():
        assert nats.mean() == pytest.approx(1, abs=0.15), name
    assert scorer.score(new).mean() == pytest.approx(-1, abs=0.1)


def test_each_member_sees_what_is_unusual_for_it_alone() -> None:
    train = evidence(2000)
    scorer = CombinedScorer().fit(train)
    usual = evidence(1, seed=3)
    before = scorer.nats(usual)

    def rises(event: Evidence) -> set[str]:
        return {name for name, nats in scorer.nats(event).items() if nats[0] > before[name][0] + 2}

    assert rises(usual._replace(cells=usual.cells + 20)) == {"typicality", "surprise"}
    # nothing surprises: unusual as well
    assert rises(usual._replace(cells=np.zeros_like(usual.cells) - 9)) == {"typicality", "surprise"}
    far = usual.features._replace(numerical=np.full((1, 2), 8, np.float32))
    assert "marginal" in rises(usual._replace(features=far))
    clusters = train._replace(embeddings=np.abs(train.embeddings))
    other = CombinedScorer().fit(clusters)
    assert other.nats(usual._replace(embeddings=-np.ones((1, 8), np.float32)))["neighbours"][0] > 5
