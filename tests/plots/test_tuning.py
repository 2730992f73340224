"""The figure of a tuning study shows every trial once, and the best one so far."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ocsf_ssl_lib.plots.style import smallest_text_px, to_svg
from ocsf_ssl_lib.plots.tuning import trials

TABLE = pd.DataFrame(
    {
        "number": [0, 1, 2, 3],
        "value": [0.8, 0.9, 0.6, 0.7],
        "state": ["COMPLETE", "PRUNED", "COMPLETE", "COMPLETE"],
        "params_rate": [1e-3, 1e-4, 1e-2, 3e-2],
        "params_batch": [256, 128, 128, 256],
    }
)


def lines(table: pd.DataFrame, panel: int) -> dict[str, np.ndarray]:
    return {str(line.get_label()): line.get_xydata() for line in trials(table, "rate", "batch").axes[panel].lines}


def test_a_pruned_trial_is_no_best_one() -> None:
    low = TABLE.assign(value=[0.8, 0.1, 0.6, 0.7])
    assert lines(low, 0)["best so far"].tolist() == [[0, 0.8], [2, 0.6], [3, 0.6]]
    assert lines(low, 0)["stopped early"].tolist() == [[1, 0.1]]


def test_trials_stand_at_their_option_in_the_group_of_the_other_one() -> None:
    shown = lines(TABLE, 1)
    assert shown["batch 128"].tolist() == [[1e-2, 0.6]]
    assert shown["batch 256"].tolist() == [[1e-3, 0.8], [3e-2, 0.7]]
    assert [[1e-4, 0.9]] in [points.tolist() for points in shown.values()]


def test_lower_legend_names_the_groups_alone() -> None:
    for table in (TABLE, TABLE[TABLE["state"] == "COMPLETE"]):
        legend = trials(table, "rate", "batch").axes[1].get_legend()
        assert [text.get_text() for text in legend.get_texts()] == ["batch 128", "batch 256"]


def test_text_is_legible_on_a_phone() -> None:
    fig = trials(TABLE, "rate", "batch")
    assert smallest_text_px(fig) >= 9
    assert "currentColor" in to_svg(fig)
