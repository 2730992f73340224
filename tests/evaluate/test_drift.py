"""Drift: what moved, and what to do about it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib import InputError, score_drift


def scores(n: int = 5000, seed: int = 0) -> pd.Series:
    return pd.Series(np.random.default_rng(seed).normal(size=n))


def test_scores_that_did_not_drift_are_kept() -> None:
    verdicts = [score_drift(scores(seed=2 * i), scores(seed=2 * i + 1)).verdict for i in range(50)]
    assert verdicts.count("keep") >= 49


def test_moving_the_bulk_calls_for_training() -> None:
    drift = score_drift(scores(), scores(seed=1) - 0.7)
    assert drift.verdict == "retrain"
    assert drift.psi > 0.25
    assert "attack" in drift.advice


def test_a_moderate_move_calls_for_a_look() -> None:
    drift = score_drift(scores(), scores(seed=1) + 0.4)  # upwards: no more alarms
    assert 0.1 < drift.psi < 0.25
    assert drift.verdict == "look"


def test_more_of_the_unusual_alone_is_looked_at_before_it_is_learned() -> None:
    new = scores(seed=1)
    new[:150] = -9.0  # 3 % of the events, where 1 % are below the old threshold
    drift = score_drift(scores(), new)
    assert drift.psi < 0.1
    assert drift.alarm_ratio == pytest.approx(4, abs=0.7)
    assert drift.verdict == "look"
    assert drift.advice.startswith("Look at the alarms first")


def test_alarms_that_stay_away_are_looked_at() -> None:
    drift = score_drift(scores(), scores(seed=1).clip(lower=-2))
    assert drift.alarm_ratio == 0
    assert drift.verdict == "look"
    assert "silent" in drift.advice


def test_a_few_events_are_not_taken_for_a_trend() -> None:
    drift = score_drift(scores(120), scores(120, seed=1))
    assert drift.psi > 0.1
    assert drift.verdict == "keep"
    assert "few events" in drift.advice


def test_the_limit_of_chance_is_passed_about_once_in_a_thousand() -> None:
    passed = sum(
        d.psi > d.psi_by_chance for d in (score_drift(scores(300, i), scores(300, 9000 + i)) for i in range(500))
    )
    assert passed <= 5


def test_the_index_is_that_of_its_definition() -> None:
    old = pd.Series(np.arange(1000.0))
    new = pd.Series(np.concatenate([np.arange(500.0), np.arange(500.0)]))  # the upper half fell silent
    p, q = np.full(10, 100.5) / 1005, np.repeat([200.5, 0.5], 5) / 1005
    assert score_drift(old, new).psi == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert score_drift(old, new).ks == pytest.approx(0.5)


def test_scores_that_repeat_do_not_trouble_it() -> None:
    same = pd.Series(np.zeros(500))
    drift = score_drift(same, same)
    assert (drift.psi, drift.verdict) == (0, "keep")
    assert score_drift(same, same + 1).verdict == "retrain"


def test_quantiles_stand_side_by_side() -> None:
    table = score_drift(scores(), scores() + 2).quantiles
    assert (table["new"] - table["old"]).to_numpy() == pytest.approx(np.full(len(table), 2.0))


def test_too_few_or_broken_scores_are_refused() -> None:
    with pytest.raises(InputError, match="the new period has 99 scores"):
        score_drift(scores(), scores(99))
    with pytest.raises(InputError, match="not a finite number"):
        score_drift(scores().where(lambda s: s.index != 3), scores())
