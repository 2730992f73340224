"""Each type of anomaly is what its name says, and a burst stays a burst."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib.events.context import shift_groups, shift_half
from ocsf_ssl_lib.events.scenarios import ATTACKS
from ocsf_ssl_lib.events.simulate import Simulation, simulate_events

HOUR = 3_600_000


@pytest.fixture(scope="module")
def made() -> Simulation:
    return simulate_events(40_000, seed=13, anomaly_rate=0.02)


def events_of(made: Simulation, kind: str) -> pd.DataFrame:
    rows = made.labels["anomaly_type"] == kind
    assert rows.sum() == 80
    return made.frame[rows].assign(
        scenario=made.labels.loc[rows, "scenario"], altered=made.labels.loc[rows, "altered_fields"]
    )


@pytest.mark.parametrize("kind", list(ATTACKS))
def test_attacks_are_bursts_spread_over_the_period(made: Simulation, kind: str) -> None:
    bursts = events_of(made, kind).groupby("scenario")["time"].agg(["min", "max", "size"])
    assert len(bursts) >= 5
    assert ((bursts["max"] - bursts["min"]) < 8 * HOUR).all()
    third = (made.frame["time"].max() - made.frame["time"].min()) / 3
    assert len(set(((bursts["min"] - made.frame["time"].min()) // third).astype(int))) == 3


def test_brute_force_is_refused_at_one_account_from_one_place(made: Simulation) -> None:
    events = events_of(made, "brute_force")
    assert (events["class_uid"] == 3002).all()
    assert (events["status_id"] == 2).mean() > 0.8
    per = events.groupby("scenario")
    assert (per["actor.user.name"].nunique() == 1).all()
    assert (per["src_endpoint.ip"].nunique() == 1).all()
    assert (per["dst_endpoint.hostname"].nunique() == 1).all()


def test_credential_stuffing_tries_many_accounts_from_one_address(made: Simulation) -> None:
    per = events_of(made, "credential_stuffing").groupby("scenario")
    assert (per["src_endpoint.ip"].nunique() == 1).all()
    assert per["user.name"].nunique().mean() > 0.7 * per.size().mean()


def test_exfiltration_sends_more_than_it_receives(made: Simulation) -> None:
    events = events_of(made, "exfiltration")
    flows = events[(events["class_uid"] == 4001) & (events["status_id"] == 1)]
    assert (flows["traffic.bytes_out"] > flows["traffic.bytes_in"]).all()
    # Yet backups and uploads send as much.
    normal = made.frame.loc[~made.labels["is_anomaly"], "traffic.bytes_out"].dropna()
    assert (normal > flows["traffic.bytes_out"].median()).sum() > 5 * len(flows)


def test_beacons_come_by_the_clock_and_alike(made: Simulation) -> None:
    for _, beacon in events_of(made, "beaconing").groupby("scenario"):
        gaps = np.diff(np.sort(beacon["time"]))
        assert gaps.std() < 0.15 * gaps.mean()
        assert beacon["dst_endpoint.ip"].nunique() == 1
        sizes = beacon.loc[beacon["status_id"] == 1, "traffic.bytes_out"].astype(float)
        assert sizes.std() < 0.1 * sizes.mean()


def test_lateral_movement_reaches_several_hosts_of_no_administrator(made: Simulation) -> None:
    events = events_of(made, "lateral_movement")
    assert (events["actor.user.type_id"] == 1).all()
    targets = events["dst_endpoint.hostname"].fillna(events["device.hostname"])
    assert targets.groupby(events["scenario"]).nunique().mean() > 4


def test_privilege_escalation_is_by_plain_users(made: Simulation) -> None:
    events = events_of(made, "privilege_escalation")
    assert (events["actor.user.type_id"] == 1).all()
    local = events[events["class_uid"] == 1007]
    assert (local["process.integrity_id"] >= 4).all()
    switches = events[events["class_uid"] == 3002]
    assert (switches["activity_id"] == 7).all()
    assert (switches["type_uid"] == 300207).all()


def test_impossible_travel_is_from_a_country_where_the_user_is_not(made: Simulation) -> None:
    normal = made.frame[~made.labels["is_anomaly"]]
    home = normal.groupby("actor.user.name")["src_endpoint.location.country"].agg(lambda v: v.value_counts().index[0])
    events = events_of(made, "impossible_travel")
    assert (events["src_endpoint.location.country"] != events["actor.user.name"].map(home)).mean() > 0.9


def test_context_user_is_out_of_place_or_out_of_hours(made: Simulation) -> None:
    events = events_of(made, "context_user")
    assert set(events["altered"].str.split(",").explode()) == {
        "time",
        "src_endpoint.ip",
        "src_endpoint.hostname",
        "src_endpoint.location.country",
        "device.hostname",
    }
    normal = made.frame[~made.labels["is_anomaly"]]
    pairs = set(zip(normal["actor.user.name"], normal["src_endpoint.ip"].fillna("-"), strict=True))
    moved = events[events["altered"].str.contains("src_endpoint.ip")]
    known = [p in pairs for p in zip(moved["actor.user.name"], moved["src_endpoint.ip"], strict=True)]
    assert np.mean(known) < 0.1


def test_context_service_breaks_the_tie_of_service_and_port(made: Simulation) -> None:
    normal = made.frame[~made.labels["is_anomaly"] & (made.frame["class_uid"] == 4001)]
    ties = set(zip(normal["dst_endpoint.svc_name"], normal["dst_endpoint.port"], strict=True))
    protocols = set(zip(normal["dst_endpoint.svc_name"], normal["connection_info.protocol_name"], strict=True))
    events = events_of(made, "context_service")
    port = [p not in ties for p in zip(events["dst_endpoint.svc_name"], events["dst_endpoint.port"], strict=True)]
    protocol = [
        p not in protocols
        for p in zip(events["dst_endpoint.svc_name"], events["connection_info.protocol_name"], strict=True)
    ]
    assert np.mean(np.array(port) | np.array(protocol)) > 0.95


def test_context_volume_breaks_the_tie_of_bytes_and_duration(made: Simulation) -> None:
    def surprise(frame: pd.DataFrame) -> pd.Series:
        rate = np.log1p(frame["traffic.bytes_out"].astype(float)) - 0.9 * np.log(frame["duration"].astype(float))
        return (rate - frame["dst_endpoint.svc_name"].map(middle)).abs()

    normal = made.frame[~made.labels["is_anomaly"] & (made.frame["class_uid"] == 4001) & (made.frame["status_id"] == 1)]
    rates = np.log1p(normal["traffic.bytes_out"].astype(float)) - 0.9 * np.log(normal["duration"].astype(float))
    middle = rates.groupby(normal["dst_endpoint.svc_name"]).median()
    events = events_of(made, "context_volume")
    outward = events[events["altered"] != "traffic.bytes_in"]
    assert surprise(outward).median() > 2 * surprise(normal).median()


def test_shifted_groups_never_receive_from_their_own() -> None:
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat([0, 1, 2, 3], [50, 30, 15, 5]))
    donor = shift_groups(rng, groups)
    assert sorted(donor) == list(range(100))
    assert (groups[donor] != groups).all()


def test_shifted_values_come_from_half_the_distribution_away() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=100)
    donor = shift_half(rng, values)
    assert sorted(donor) == list(range(100))
    ranks = values.argsort().argsort()
    assert (np.abs(ranks[donor] - ranks) == 50).all()
