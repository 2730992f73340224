from __future__ import annotations

import hashlib

import pandas as pd
import pytest

from ocsf_ssl_lib.redact import Redactor, identifying_kind


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        ("actor.user.name", "user"),
        ("user.uid", "user"),
        ("actor.user.email_addr", "email"),
        ("src_endpoint.ip", "ip"),
        ("remote_address", "ip"),
        ("device.hostname", "host"),
        ("device.name", "host"),
        ("session.uid", "session"),
        ("sessionId", "session"),
        ("account_id", "user"),
        ("userName", "user"),
        ("http_request.url.path", "path"),
        ("process.cmd_line", "path"),
        ("finding.uid", "id"),
        ("metadata.uid", None),
        ("class_uid", None),
        ("actor.user.type_id", None),
        ("status_id", None),
        ("dst_endpoint.port", None),
        ("dst_endpoint.svc_name", None),
        ("src_endpoint.location.country", None),
        ("http_request.user_agent", None),
        ("is_remote", None),
        ("traffic.bytes", None),
    ],
)
def test_a_column_is_identifying_by_its_name(column: str, kind: str | None) -> None:
    assert identifying_kind(column) == kind


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "metadata.uid": ["e1", "e2", "e3"],
            "actor.user.name": ["ann", "bob", "ann"],
            "user.name": ["bob", None, "eve"],
            "user.uid": pd.array([1001, None, 1001], "Int64"),
            "user.type_id": [1, 1, 2],
            "src_endpoint.ip": ["10.0.0.1", "2001:db8::1", "10.0.0.1"],
            "status_detail": ["locked ann@corp.example from 10.0.0.1", "ok", None],
            "http_request.user_agent": ["Chrome/120.0.0.0", "curl", "curl"],
            "is_remote": [True, False, True],
            "user.groups": [["admins", "ops"], None, ["ops"]],
            "time": [1, 2, 3],
        }
    )


def test_equal_values_stay_equal_across_columns_and_unequal_ones_unequal() -> None:
    hidden = Redactor().frame(frame())
    actor, user = hidden["actor.user.name"], hidden["user.name"]
    assert actor[0] == actor[2] != actor[1] == user[0]
    assert pd.isna(user[1])
    assert hidden["user.uid"][0] == hidden["user.uid"][2] != 1001
    assert pd.isna(hidden["user.uid"][1])


def test_no_identifying_value_is_left_anywhere_and_the_rest_is_untouched() -> None:
    events = frame()
    hidden = Redactor().frame(events)
    text = hidden.to_csv()
    for name in ("ann", "bob", "eve", "1001", "10.0.0.1", "2001:db8", "corp.example", "admins", "ops"):
        assert name not in text
    for column in ("metadata.uid", "user.type_id", "http_request.user_agent", "is_remote", "time"):
        assert hidden[column].tolist() == events[column].tolist()
    assert hidden["status_detail"][0].startswith("locked email-")
    assert hidden["status_detail"][0].endswith(hidden["src_endpoint.ip"][0])
    assert events["actor.user.name"][0] == "ann"


def test_another_run_gives_other_pseudonyms_and_a_plain_hash_finds_nobody() -> None:
    first, second = (Redactor().value("ann", "user.name") for _ in range(2))
    assert first != second
    assert hashlib.sha256(b"ann").hexdigest()[:10] not in first
    assert Redactor(b"k").value("ann", "user.name") == Redactor(b"k").value("ann", "user.name")


def test_ten_thousand_names_have_as_many_pseudonyms() -> None:
    names = pd.DataFrame({"user.name": [f"user{i}" for i in range(10_000)]})
    assert Redactor(b"k").frame(names)["user.name"].nunique() == 10_000


def test_a_number_is_hidden_where_it_identifies_only() -> None:
    hidden = Redactor().frame(pd.DataFrame({"user.uid": [0, 1], "user.logins": [3, 4]}))
    assert hidden["user.uid"].str.startswith("user-").all()
    assert hidden["user.logins"].tolist() == [3, 4]


def test_explanations_are_hidden_by_the_column_they_are_of() -> None:
    table = pd.DataFrame(
        {
            "row": [0, 0],
            "column": ["user.name", "dst_endpoint.port"],
            "value": ["ann", 443],
            "expected": ["bob", "22"],
            "nats": [3.0, 1.0],
        }
    )
    redactor = Redactor()
    hidden = redactor.explanations(table)
    assert hidden["value"].tolist() == [redactor.value("ann", "user.name"), 443]
    assert hidden["expected"].tolist() == [redactor.value("bob", "user.name"), "22"]
    assert hidden["nats"].tolist() == [3.0, 1.0]


def test_a_lone_surrogate_or_an_odd_index_is_no_obstacle() -> None:
    hidden = Redactor().frame(pd.DataFrame({"user.name": ["\ud800", "x"]}, index=[7, 7], dtype=object))
    assert hidden.index.tolist() == [7, 7]
    assert hidden["user.name"].str.startswith("user-").all()
