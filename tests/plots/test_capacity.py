"""The arithmetic of so many events a day."""

from __future__ import annotations

import pandas as pd
import pytest

from ocsf_ssl_lib.plots.capacity import daily_plan

RUN = {"engine": "process", "rows": 1000, "processor_seconds": 0.1, "peak_gb": 0.5}
SIZES = {"event_bytes": 80.0, "score_bytes": 25.0}


def plan(events: float, *others: dict[str, object], **options: float) -> pd.Series:
    measured = pd.DataFrame([RUN | SIZES, *(RUN | SIZES | other for other in others)])
    return daily_plan(events, measured=measured, **options)["value"]  # type: ignore[arg-type]


def test_quantities_follow_from_the_measured_rate() -> None:
    values = plan(864e6, peak=3, use=0.5, flagged=0.01, read_by_hand=100)
    assert values["events a second and core"] == pytest.approx(10_000)
    assert values["cores, planned"] == pytest.approx(10_000 / 10_000 * 3 / 0.5)
    assert values["core-hours a day"] == pytest.approx(24)
    assert values["memory of the workers"] == pytest.approx(6 * 0.5)
    assert values["events on disk"] == pytest.approx(864e6 * 80 / 1e9)
    assert values["scores on disk"] == pytest.approx(864e6 * 25 / 1e9)
    assert values["events flagged"] == pytest.approx(8.64e6)
    assert values["share that can be read"] * 864e6 == pytest.approx(100)


def test_everything_but_rates_grows_with_the_events() -> None:
    ratio = plan(2e9) / plan(1e9)
    rates = ["events a second and core", "seconds a row group"]
    assert ratio[rates].tolist() == pytest.approx([1, 1])
    assert ratio["share that can be read"] == pytest.approx(0.5)
    assert ratio.drop([*rates, "share that can be read"]).tolist() == pytest.approx([2.0] * 9)


def test_the_largest_and_latest_run_of_one_process_counts() -> None:
    larger = {"rows": 5000, "processor_seconds": 1.0}
    latest = {"rows": 5000, "processor_seconds": 2.0}
    on_ray = {"rows": 9000, "engine": "ray"}
    assert plan(1e9, larger, latest, on_ray)["events a second and core"] == pytest.approx(2500)
