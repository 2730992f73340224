"""The simulator's promises: size, order, labels, reproducibility, structure, refusals."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events.classes import BOOLEANS, INTEGERS, TEXTS
from ocsf_ssl_lib.events.simulate import SCENARIOS, Simulation, duplicate_rate, simulate_events
from ocsf_ssl_lib.events.write import write_jsonl


@pytest.fixture(scope="module")
def made() -> Simulation:
    return simulate_events(20_000, seed=5)


def test_frame_and_labels_agree_row_for_row(made: Simulation) -> None:
    assert len(made.frame) == len(made.labels) == 20_000
    assert made.frame["metadata.uid"].tolist() == made.labels["metadata.uid"].tolist()
    assert made.frame["metadata.uid"].is_unique
    assert made.frame["time"].is_monotonic_increasing
    assert made.frame["time"].dtype == np.int64
    assert set(made.frame.columns) == set(TEXTS + INTEGERS + BOOLEANS)


def test_time_stays_inside_the_period() -> None:
    made = simulate_events(3_000, seed=1, start="2025-06-01", days=3)
    begin = pd.Timestamp("2025-06-01", tz="UTC").timestamp() * 1000
    assert made.frame["time"].min() >= begin
    assert made.frame["time"].max() < begin + 3 * 86_400_000


def test_integers_with_missing_values_stay_integers(made: Simulation) -> None:
    assert str(made.frame["dst_endpoint.port"].dtype) == "Int64"
    assert made.frame["dst_endpoint.port"].isna().any()
    assert "443" in set(made.frame["dst_endpoint.port"].dropna().astype(str))
    assert str(made.frame["is_mfa"].dtype) == "boolean"
    assert not any(pd.api.types.is_float_dtype(dtype) for dtype in made.frame.dtypes)


def test_labels_say_what_is_wrong(made: Simulation) -> None:
    labels = made.labels
    assert labels["is_anomaly"].sum() == 200
    assert ((labels["anomaly_type"] == "normal") == ~labels["is_anomaly"]).all()
    assert ((labels["scenario"] == "") == ~labels["is_anomaly"]).all()
    contextual = labels["anomaly_type"].str.startswith("context_")
    assert ((labels["altered_fields"] != "") == contextual).all()
    altered = {name for fields in labels["altered_fields"] for name in fields.split(",") if name}
    assert altered <= set(made.frame.columns)
    assert (labels.loc[labels["is_anomaly"], "oddity"] == "").all()
    assert {"travel", "on call", "new laptop", "backup"} <= set(labels["oddity"])


def test_each_scenario_belongs_to_one_type(made: Simulation) -> None:
    wrong = made.labels[made.labels["is_anomaly"]]
    assert (wrong.groupby("scenario")["anomaly_type"].nunique() == 1).all()


@pytest.mark.parametrize("seed", [42, 7])
def test_every_type_has_enough_events_on_both_sides_of_a_split_by_time(seed: int) -> None:
    made = simulate_events(100_000, seed=seed)
    late = made.frame["time"] >= made.frame["time"].quantile(0.7)
    counts = made.labels.assign(late=late).query("is_anomaly").groupby("anomaly_type")["late"].agg(["size", "sum"])
    assert set(counts.index) == set(SCENARIOS)
    assert (counts["size"] >= 50).all()
    assert (counts["sum"] >= 20).all()
    # Early and late are different scenarios: nothing of the test set was seen in training.
    span = made.labels.assign(late=late).query("is_anomaly").groupby("scenario")["late"].nunique()
    assert (span > 1).mean() < 0.02


def test_same_seed_gives_the_same_bytes_in_another_process(tmp_path) -> None:
    code = (
        "import sys; from ocsf_ssl_lib.events.simulate import simulate_events;"
        "from ocsf_ssl_lib.events.write import write_jsonl;"
        "made = simulate_events(4000, seed=3); write_jsonl(made.frame, sys.argv[1]); made.labels.to_csv(sys.argv[2])"
    )
    digests = set()
    for k in range(2):
        events, labels = tmp_path / f"{k}.jsonl", tmp_path / f"{k}.csv"
        subprocess.run(
            [sys.executable, "-c", code, str(events), str(labels)],
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(k)},
        )
        digests.add(hashlib.sha256(events.read_bytes() + labels.read_bytes()).hexdigest())
    here = write_jsonl(simulate_events(4_000, seed=3).frame, tmp_path / "here.jsonl")
    assert len(digests) == 1
    assert here.read_bytes() == (tmp_path / "0.jsonl").read_bytes()


def test_another_seed_gives_other_events() -> None:
    one, two = (simulate_events(500, seed=seed).frame for seed in (1, 2))
    assert not one["time"].equals(two["time"])


@pytest.mark.parametrize("n", [1, 2, 10, 100, 1_000])
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.5])
@pytest.mark.parametrize("days", [1, 28])
def test_small_logs_have_the_size_and_rate_asked_for(n: int, rate: float, days: int) -> None:
    made = simulate_events(n, seed=11, anomaly_rate=rate, days=days)
    assert len(made.frame) == n
    assert made.labels["is_anomaly"].sum() == round(n * rate)
    assert len(made.summary()) >= 1


def test_few_anomalies_give_few_types_of_at_least_four_events() -> None:
    made = simulate_events(1_000, seed=4, anomaly_rate=0.012)
    counts = made.labels.query("is_anomaly")["anomaly_type"].value_counts()
    assert len(counts) == 3
    assert (counts >= 4).all()


def test_only_the_scenarios_asked_for_are_made() -> None:
    made = simulate_events(2_000, seed=2, scenarios=["beaconing", "context_volume"])
    assert set(made.labels["anomaly_type"]) == {"normal", "beaconing", "context_volume"}
    assert set(simulate_events(2_000, seed=2, scenarios=[]).labels["anomaly_type"]) == {"normal"}


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"n": 0}, "n=0"),
        ({"n": -5}, "n=-5"),
        ({"n": 2.5}, "n=2.5"),
        ({"n": True}, "n=True"),
        ({"n": 10, "seed": -1}, "seed=-1"),
        ({"n": 10, "anomaly_rate": 0.6}, "anomaly_rate=0.6"),
        ({"n": 10, "anomaly_rate": float("nan")}, "anomaly_rate=nan"),
        ({"n": 10, "anomaly_rate": "1%"}, "anomaly_rate='1%'"),
        ({"n": 10, "repetition": 1.0}, "repetition=1.0"),
        ({"n": 10, "users": 1}, "users=1"),
        ({"n": 10, "days": 0}, "days=0"),
        ({"n": 10, "start": "someday"}, "start='someday'"),
        ({"n": 10, "start": None}, "start=None"),
        ({"n": 10, "start": "1812-01-01"}, "start='1812-01-01'"),
        ({"n": 10, "scenarios": ["brute_forse"]}, "did you mean 'brute_force'?"),
        ({"n": 10, "scenarios": ["%%"]}, "known: brute_force"),
        ({"n": 10, "scenarios": "beaconing"}, "['beaconing']"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(arguments: dict, part: str) -> None:
    with pytest.raises(InputError) as caught:
        simulate_events(**arguments)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_hundred_thousand_events_take_less_than_ten_seconds() -> None:
    begin = time.process_time()
    simulate_events(100_000, seed=1)
    assert time.process_time() - begin < 10


def _share_explained(frame: pd.DataFrame, known: str, guessed: str) -> float:
    """Accuracy of the commonest value of ``guessed`` for each value of ``known``."""
    pairs = frame[[known, guessed]].dropna()
    return float(pairs.groupby(known)[guessed].agg(lambda v: v.value_counts().iloc[0]).sum() / len(pairs))


def test_columns_depend_on_one_another(made: Simulation) -> None:
    normal = made.frame[~made.labels["is_anomaly"]]
    flows = normal[normal["class_uid"] == 4001]
    assert _share_explained(flows, "dst_endpoint.svc_name", "dst_endpoint.port") == 1.0
    assert _share_explained(flows, "dst_endpoint.svc_name", "connection_info.protocol_name") == 1.0
    assert _share_explained(normal, "actor.user.name", "actor.user.org.ou_name") == 1.0
    assert _share_explained(normal, "actor.user.name", "src_endpoint.hostname") > 0.85
    assert _share_explained(normal, "actor.user.name", "src_endpoint.location.country") > 0.9
    assert _share_explained(normal, "process.name", "process.parent_process.name") > 0.6
    assert _share_explained(normal, "api.operation", "activity_id") == 1.0
    for _, service in flows[flows["status_id"] == 1].groupby("dst_endpoint.svc_name"):
        if len(service) > 100 and service["dst_endpoint.svc_name"].iloc[0] not in ("https", "quic", "http"):
            logs = np.log1p(service[["traffic.bytes_out", "duration"]].astype(float))
            assert logs.corr().iloc[0, 1] > 0.3


def test_activity_is_skewed_and_rests_at_night_and_on_weekends(made: Simulation) -> None:
    normal = made.frame[~made.labels["is_anomaly"]]
    counts = normal["actor.user.name"].value_counts()
    assert counts.iloc[:20].sum() > 0.25 * len(normal)
    people = normal[normal["actor.user.type_id"] != 4]
    stamps = pd.to_datetime(people["time"], unit="ms", utc=True)
    assert (stamps.dt.day_of_week >= 5).mean() < 0.1
    germans = stamps[(people["src_endpoint.location.country"] == "DE").fillna(False)]
    assert germans.dt.hour.between(7, 17).mean() > 0.85


def test_rare_is_not_malicious(made: Simulation) -> None:
    odd = made.labels["oddity"] != ""
    assert odd.sum() > 2 * made.labels["is_anomaly"].sum()
    travelling = made.frame[made.labels["oddity"] == "travel"]
    assert travelling["src_endpoint.location.country"].nunique() > 3


def test_duplicates_are_counted_without_time_and_uid() -> None:
    frame = pd.DataFrame({"time": [1, 2, 3], "metadata.uid": ["a", "b", "c"], "x": [1, 1, 2], "y": [None, None, "z"]})
    assert duplicate_rate(frame) == pytest.approx(1 / 3)
    without, plenty = (duplicate_rate(simulate_events(5_000, seed=1, repetition=r).frame) for r in (0.0, 0.3))
    assert without < 0.02
    assert 0.25 < plenty < 0.35


def test_summary_counts_events_and_scenarios(made: Simulation) -> None:
    table = made.summary().set_index("anomaly_type")
    assert table["events"].sum() == 20_000
    assert table.loc["normal", "scenarios"] == 0
    assert (table.drop(index="normal")["scenarios"] >= 4).all()
