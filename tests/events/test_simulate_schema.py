"""Every simulated event is an OCSF 1.8.0 event, by the official schema and by what that schema does not check."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from ocsf_ssl_lib.events.simulate import simulate_events
from ocsf_ssl_lib.events.write import to_ocsf_records

Validators = dict[tuple[int, tuple[str, ...]], jsonschema.Draft202012Validator]


def faults(event: dict[str, Any], schema: OcsfJsonSchemaEmbedded, validators: Validators) -> list[str]:
    """What is wrong with an event: the schema's complaints, and the uids, which it does not compare."""
    if not isinstance(event.get("metadata"), dict):
        return ["metadata is missing"]
    if event["metadata"].get("version") != "1.8.0":
        return ["metadata.version is not 1.8.0"]
    class_uid, profiles = event["class_uid"], tuple(event["metadata"].get("profiles", ()))
    if (class_uid, profiles) not in validators:
        name = schema.lookup_class_name_from_uid(class_uid=class_uid)
        rules = schema.get_class_schema(class_name=name, profiles=list(profiles))
        validators[class_uid, profiles] = jsonschema.Draft202012Validator(rules)
    found = [f"{e.json_path}: {e.message}" for e in validators[class_uid, profiles].iter_errors(event)]
    if event["type_uid"] != class_uid * 100 + event["activity_id"]:
        found.append(f"type_uid {event['type_uid']} does not fit class {class_uid} and activity {event['activity_id']}")
    if event["category_uid"] != class_uid // 1000:
        found.append(f"category_uid {event['category_uid']} does not fit class {class_uid}")
    return found


@pytest.fixture(scope="module")
def schema() -> OcsfJsonSchemaEmbedded:
    return OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))


@pytest.mark.parametrize("seed", [42, 8])
def test_events_of_every_class_and_type_are_valid(schema: OcsfJsonSchemaEmbedded, seed: int) -> None:
    validators: Validators = {}
    made = simulate_events(700, seed=seed, anomaly_rate=0.3)
    events = list(to_ocsf_records(made.frame))
    assert {e["class_uid"] for e in events} == {3002, 4001, 6003, 1007}
    assert made.labels["anomaly_type"].nunique() == 11
    complaints = [(e["class_uid"], f) for e in events for f in faults(e, schema, validators)]
    assert complaints == []


def test_the_check_notices_what_is_wrong(schema: OcsfJsonSchemaEmbedded) -> None:
    validators: Validators = {}
    event = next(to_ocsf_records(simulate_events(10, seed=1).frame))
    assert faults(event, schema, validators) == []
    assert faults({k: v for k, v in event.items() if k != "metadata"}, schema, validators)
    assert faults({**event, "type_uid": event["type_uid"] + 1}, schema, validators)
    assert faults({**event, "category_uid": 2}, schema, validators)
    assert faults({**event, "is_anomaly": True}, schema, validators)
    assert faults({**event, "status_id": 443.5}, schema, validators)
