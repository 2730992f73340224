"""Ranks over tables, and figures that show every table and member."""

from __future__ import annotations

import pandas as pd
import pytest

from ocsf_ssl_lib.plots.detection import mean_ranks, member_nats, members_left_out, table_differences


@pytest.fixture
def results() -> pd.DataFrame:
    figures = {
        ("easy", "Mahalanobis, quantile"): 0.9,
        ("easy", "kNN, quantile"): 0.8,
        ("easy", "combined"): 0.85,
        ("easy", "without: forest"): 0.80,
        ("easy", "without: linear"): 0.86,
        ("hard", "Mahalanobis, quantile"): 0.5,
        ("hard", "kNN, quantile"): 0.6,
        ("hard", "combined"): 0.7,
        ("hard", "without: forest"): 0.70,
        ("hard", "without: linear"): 0.55,
    }
    rows = [{"kind": "real", "table": t, "method": m, "roc_auc": v} for (t, m), v in figures.items()]
    return pd.DataFrame(rows).assign(seed=0, positives=60, average_precision=lambda d: d["roc_auc"])


def test_ours_ranks_among_the_rivals_and_not_among_its_own_parts(results: pd.DataFrame) -> None:
    ranks = mean_ranks(results)["roc_auc"]
    assert ranks.loc["combined", "rank"] == 1.5  # second, then first
    assert ranks.loc["without: linear", "rank"] == 2.0
    assert ranks.loc["combined", ["behind", "worst"]].tolist() == pytest.approx([0.025, 0.05])


def test_every_table_and_every_member_has_its_mark(results: pd.DataFrame) -> None:
    tables = table_differences(results).axes[0]
    assert [t.get_text() for t in tables.get_yticklabels()] == ["easy (60)", "hard (60)"]
    left_out = members_left_out(results).axes[0]
    assert [t.get_text() for t in left_out.get_yticklabels()] == ["forest", "linear"]
    dots = [line.get_xdata() for line in left_out.get_lines()[1::2]]  # after the line at 0: dots and mean in turn
    assert [sorted(d) for d in dots] == [pytest.approx([-0.05, 0]), pytest.approx([-0.15, 0.01])]


def test_the_map_of_members_ends_with_their_mean() -> None:
    ax = member_nats(pd.DataFrame({"marginal": [1.0, 3.0], "forest": [1.0, 5.0]}, index=["normal", "a_b"])).axes[0]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["marginal", "forest", "mean"]
    assert [t.get_text() for t in ax.texts] == ["1.0", "1.0", "1.0", "3.0", "5.0", "4.0"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["normal", "a b"]
