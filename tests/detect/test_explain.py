"""Explanations: the field that was altered comes first, and what is said of it is true."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from services import HOSTS, PORTS, VOLUMES, service_events

from ocsf_ssl_lib import (
    Explanations,
    FeatureArrays,
    InputError,
    MultiTaskConfig,
    OCSFAnomalyDetector,
    explain_events,
)
from ocsf_ssl_lib.detect.explain import _order


@pytest.fixture(scope="module")
def reference(masked: OCSFAnomalyDetector, services: pd.DataFrame) -> FeatureArrays:
    return masked.preprocessor_.transform(services.head(400))


def altered(column: str, value: object, service: str = "web") -> pd.DataFrame:
    """One ordinary event of a service, of the most usual volume, but for one field."""
    events = service_events(200, seed=1)
    event = events[events["svc"] == service].head(1).reset_index(drop=True)
    return event.assign(bytes=VOLUMES[service]).assign(**{column: pd.Series([value], dtype=object)})


# ---- the field to blame ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"), [("svc", "mail"), ("port", "22"), ("host", "relay"), ("bytes", VOLUMES["names"])]
)
def test_the_altered_field_comes_first(
    masked: OCSFAnomalyDetector, reference: FeatureArrays, column: str, value: object
) -> None:
    event = explain_events(masked, altered(column, value), reference=reference)[0]
    assert event.cells[0].column == column
    assert event.cells[0].repaired_nats is not None
    assert event.cells[0].repaired_nats < event.ordinary_nats < event.nats
    assert event.sentence.startswith(f"If {column} were ")
    assert "an ordinary event" in event.sentence


def test_repair_decides_among_the_suspects_and_surprise_among_the_rest() -> None:
    units = np.array([[1.0, 9.0, 8.0, 0.0, 2.0]])
    order = _order(units, suspects=np.array([[1, 2]]), after=np.array([[20.0, 5.0]]))
    assert order.tolist() == [[2, 1, 4, 0, 3]]


def test_an_ordinary_event_has_no_culprit(masked: OCSFAnomalyDetector, reference: FeatureArrays) -> None:
    ordinary = service_events(40, seed=2)
    strange = altered("port", "22")
    nats = [event.nats for event in explain_events(masked, ordinary, reference=reference)]
    assert np.median(nats) < explain_events(masked, strange, reference=reference)[0].nats / 2
    assert all("an ordinary event" not in e.sentence for e in explain_events(masked, ordinary, reference=reference)
               if e.nats <= e.ordinary_nats)  # fmt: skip


def test_fields_come_in_the_order_of_what_their_repair_takes_out(
    masked: OCSFAnomalyDetector, reference: FeatureArrays
) -> None:
    table = explain_events(masked, altered("port", "22"), reference=reference).table
    assert table["taken_out"].notna().sum() == len(table)  # five fields, and as many suspects
    assert table["taken_out"].is_monotonic_decreasing


def test_an_event_that_only_the_columns_find_is_explained_by_the_member_that_ranked_it(
    masked: OCSFAnomalyDetector, reference: FeatureArrays, services: pd.DataFrame
) -> None:
    # The model knows numbers by interval: beyond the last border, the largest service may send any number of bytes.
    strange = altered("bytes", 4 * VOLUMES["mail"], service="mail")
    assert masked.score_samples(strange)[0] < masked.score_samples(services).min()
    event = explain_events(masked, strange, reference=reference)[0]
    assert event.has_ordinary_fields
    assert event.strongest is not None
    assert event.strongest.name == "linear"
    assert event.strongest.nats == pytest.approx(masked.member_nats(strange)["linear"].item())
    assert event.sentence.startswith("Most unusual by linear (")
    assert "Its fields together are ordinary" in event.sentence


def test_another_score_has_no_strongest_member(services: pd.DataFrame) -> None:
    detector = OCSFAnomalyDetector(
        ["bytes"], ["svc"], score="likelihood", max_epochs=0, random_state=0, progress=False
    ).fit(services.head(50))
    assert [event.strongest for event in explain_events(detector, services.head(2))] == [None, None]


# ---- what is said of a field -----------------------------------------------------------------------------------


def test_the_value_that_belonged_there_is_expected(masked: OCSFAnomalyDetector, reference: FeatureArrays) -> None:
    cell = explain_events(masked, altered("port", "22"), reference=reference)[0].cells[0]
    assert (cell.value, cell.state) == ("22", "seen")
    assert cell.expected[0].value == PORTS["web"]
    assert cell.expected[0].probability == pytest.approx(1, abs=0.1)
    probabilities = [e.probability for e in cell.expected]
    assert probabilities == sorted(probabilities, key=lambda p: -(p or 0))
    assert len(cell.expected) == 3


def test_a_number_is_expected_in_an_interval_in_its_own_units(
    masked: OCSFAnomalyDetector, reference: FeatureArrays
) -> None:
    cell = explain_events(masked, altered("bytes", 200.0), reference=reference)[0].cells[0]
    assert cell.value == 200.0
    best = cell.expected[0]
    assert best.low is not None
    assert best.high is not None
    assert VOLUMES["web"] / 2 < best.low < best.high < VOLUMES["web"] * 2
    assert best.probability is not None
    assert best.probability >= 0.5


def test_nats_are_those_of_the_detector_and_the_marginal_ones_of_the_frequency(
    masked: OCSFAnomalyDetector, reference: FeatureArrays, services: pd.DataFrame
) -> None:
    event = altered("port", "22")
    table = explain_events(masked, event, reference=reference).table.set_index("column")
    for column, nats in masked.cell_surprise(event).iloc[0].items():
        assert table.loc[column, "nats"] == pytest.approx(nats, abs=1e-4)
    share = (services["port"] == "22").mean()
    assert table.loc["port", "marginal_nats"] == pytest.approx(-np.log(share), abs=0.1)


def test_new_and_missing_values_are_said_in_words(masked: OCSFAnomalyDetector, reference: FeatureArrays) -> None:
    new = explain_events(masked, altered("port", "6666"), reference=reference)[0]
    assert (new.cells[0].column, new.cells[0].value, new.cells[0].state) == ("port", "6666", "new")
    assert new.cells[0].text == "6666 (new or rare)"
    for column in ("port", "bytes"):
        gone = explain_events(masked, altered(column, None), reference=reference)[0]
        cell = next(c for c in gone.cells if c.column == column)
        assert (cell.value, cell.state, cell.text) == (None, "missing", "(missing)")


# ---- neighbours ------------------------------------------------------------------------------------------------


def test_the_nearest_ordinary_event_differs_in_the_altered_field(
    masked: OCSFAnomalyDetector, reference: FeatureArrays
) -> None:
    near = explain_events(masked, altered("port", "22"), reference=reference)[0].neighbours
    assert len(near) == 3
    assert near[0].differs == ("port",)
    assert near[0].distance < 1  # the field to blame does not count
    assert near[0].values["port"] == PORTS["web"]
    assert near[0].values["host"] == HOSTS["web"]
    volume = near[0].values["bytes"]
    assert isinstance(volume, float)
    assert VOLUMES["web"] / 3 < volume < VOLUMES["web"] * 3


# ---- what is asked for -----------------------------------------------------------------------------------------


def test_as_many_fields_and_neighbours_as_asked_for(masked: OCSFAnomalyDetector, reference: FeatureArrays) -> None:
    found = explain_events(masked, service_events(4, seed=3), reference=reference, fields=2, neighbours=1)
    assert [event.row for event in found] == [0, 1, 2, 3]
    assert {len(event.cells) for event in found} == {2}
    assert {len(event.neighbours) for event in found} == {1}


def test_an_explanation_does_not_depend_on_the_other_events(
    masked: OCSFAnomalyDetector, reference: FeatureArrays
) -> None:
    strange = altered("port", "22")
    among = pd.concat([service_events(5, seed=4), strange], ignore_index=True)
    alone = explain_events(masked, strange, reference=reference).table
    last = explain_events(masked, among, reference=reference).table.query("row == 5").reset_index(drop=True)
    pd.testing.assert_frame_equal(last.drop(columns="row"), alone.drop(columns="row"), rtol=1e-4, atol=1e-5)


def test_no_events_no_explanations(masked: OCSFAnomalyDetector, reference: FeatureArrays) -> None:
    found = explain_events(masked, service_events(0), reference=reference)
    assert found == Explanations(())
    assert "column" in found.table


def test_a_task_among_several_that_predicts_cells_is_asked(services: pd.DataFrame) -> None:
    detector = OCSFAnomalyDetector(
        ["bytes"], ["svc", "port"], model_config=MultiTaskConfig(), max_epochs=0, random_state=0, progress=False
    ).fit(services.head(50))
    known = detector.preprocessor_.transform(services.head(50))
    assert len(explain_events(detector, services.head(2), reference=known)) == 2


def test_an_objective_that_expects_nothing_is_refused(services: pd.DataFrame) -> None:
    detector = OCSFAnomalyDetector(
        ["bytes"], ["svc"], objective="contrastive", max_epochs=0, random_state=0, progress=False
    ).fit(services.head(50))
    known = detector.preprocessor_.transform(services.head(50))
    with pytest.raises(InputError, match=r"'contrastive' does not predict .* objective='masked'"):
        explain_events(detector, services.head(2), reference=known)


@pytest.mark.parametrize("option", [{"fields": 0}, {"neighbours": -1}, {"suspects": 0}])
def test_a_number_that_cannot_be_is_named(
    masked: OCSFAnomalyDetector, reference: FeatureArrays, option: dict[str, int]
) -> None:
    with pytest.raises(InputError, match=f"{next(iter(option))} must be"):
        explain_events(masked, service_events(1), reference=reference, **option)


def test_an_empty_reference_is_refused(masked: OCSFAnomalyDetector, reference: FeatureArrays) -> None:
    nothing = FeatureArrays(*(array[:0] for array in reference))
    with pytest.raises(InputError, match="reference holds no events"):
        explain_events(masked, service_events(1), reference=nothing)


def test_the_detector_s_own_events_are_the_reference(masked: OCSFAnomalyDetector) -> None:
    strange = altered("port", "22")
    assert explain_events(masked, strange) == explain_events(masked, strange, reference=masked.reference_)
