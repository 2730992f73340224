"""Stage 7c: why is this event unusual? Which fields surprised, what was expected, and what ordinary events look like.

The fields are ranked by a counterfactual: of those that surprise most for their column, the first is the one whose
repair takes most surprise out of the whole event (``repair``). Surprise alone names the fields that depend on the wrong
one as well. The counterfactual looks for the smallest repair: where several fields were exchanged together, it tends to
blame the one that they all contradict, the user whose address, host and country are another's. What each ranking
achieves is measured by ``experiments/explanations.py``.

Fields are what the masked model sees. Where the score is a combined one, the explanation also says which of its members
finds the event most unusual (``members``): an event with ordinary fields can still rank first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from ocsf_ssl_lib.detect.combined_score import CombinedScorer
from ocsf_ssl_lib.detect.evidence import evidence_of
from ocsf_ssl_lib.detect.explanation import (
    Expected,
    ExplainedCell,
    ExplainedEvent,
    Explanations,
    NearEvent,
    State,
    Value,
)
from ocsf_ssl_lib.detect.members import StrongestMember, strongest_members
from ocsf_ssl_lib.detect.neighbours import nearest
from ocsf_ssl_lib.detect.repair import Expectation, expectation, repaired_surprise
from ocsf_ssl_lib.detect.scores import LikelihoodScorer
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.features import Batch, FeatureArrays, OCSFDataset, OCSFPreprocessor
from ocsf_ssl_lib.pretext.heads import targets_of
from ocsf_ssl_lib.pretext.masked import TabularResNetWithMFP
from ocsf_ssl_lib.scaling import as_numbers
from ocsf_ssl_lib.vocabulary import MISSING_ID, NUM_RESERVED, UNKNOWN_ID, canonical_key

if TYPE_CHECKING:
    from ocsf_ssl_lib.detect.detector import OCSFAnomalyDetector

__all__ = ["SUSPECTS", "explain_events", "predictor_of"]

SUSPECTS = 5  # fields of an event whose repair is tried; with 10 the altered field was found no more often
USUAL_ROWS = 1000  # reference events that tell how surprising each column usually is
ORDINARY = 0.95  # share of the reference events that have less surprise than what is called ordinary


def explain_events(
    detector: OCSFAnomalyDetector,
    frame: pd.DataFrame,
    *,
    reference: FeatureArrays | None = None,
    fields: int | None = None,
    neighbours: int = 3,
    suspects: int = SUSPECTS,
) -> Explanations:
    """Explain N events.

    Args:
        detector: fitted, with an objective that predicts hidden cells from the others.
        frame: the events to explain; the work grows with the square of the number of columns for each of them.
        reference: training events, as the detector's preprocessor gives them; the detector's own when left out.
        fields: how many fields to name of each event; all that say anything when left out.
        neighbours: how many ordinary events to show beside each.
        suspects: of how many fields the repair is tried.

    Returns:
        One ``ExplainedEvent`` for each row of ``frame``.

    Raises:
        InputError: the objective predicts no hidden cells, or the reference is empty.
    """
    model = predictor_of(detector)
    if model is None:
        raise InputError(
            f"objective={detector.objective_!r} does not predict a field from the others, so nothing was expected; "
            "train with objective='masked'"
        )
    reference = detector.reference_ if reference is None else reference
    if not len(reference.categorical):
        raise InputError("reference holds no events to compare with; leave it out to take the detector's own")
    for name, value, least in (("fields", fields, 1), ("neighbours", neighbours, 0), ("suspects", suspects, 1)):
        if value is not None and value < least:
            raise InputError(f"{name} must be {least} or more, however: {value}")
    prep = detector.preprocessor_
    if not len(frame):
        return Explanations(())
    arrays = prep.transform(frame)
    batch = _batch(arrays, model)
    nats = model.cell_surprise(batch)
    alone = model.heads.surprise(model.heads.marginal_losses(batch, targets_of(batch)), batch)
    usual, ordinary = _usual(model, reference)
    units = (nats.cpu().numpy().astype(np.float64) - usual.location) / usual.scale
    known = np.where(np.isfinite(units), units, -np.inf)
    tried = np.argsort(-known, axis=1, kind="stable")[:, :suspects]
    expected = expectation(model, batch)
    after = repaired_surprise(model, batch, expected, torch.from_numpy(tried).to(nats.device)).nansum(2)
    said = _Said(prep, frame, arrays, expected, nats, alone, units)
    order = _order(known, tried, after.cpu().numpy())
    near = _near(prep, arrays, reference, neighbours, order[:, 0])
    strongest = _strongest(detector, arrays)
    events = []
    for i, total in enumerate(nats.nansum(1).tolist()):
        repaired = dict(zip(tried[i].tolist(), after[i].tolist(), strict=True))
        chosen = [int(j) for j in order[i] if np.isfinite(units[i, j])][:fields]
        cells = tuple(said.cell(i, j, repaired.get(j)) for j in chosen)
        events.append(ExplainedEvent(i, total, ordinary, cells, near[i], strongest[i]))
    return Explanations(tuple(events))


def predictor_of(detector: OCSFAnomalyDetector) -> TabularResNetWithMFP | None:
    """The model that predicts hidden cells, or the first such task of several, ready to be asked; ``None`` if none."""
    model: Any = detector.model_
    tasks = (model, *getattr(model, "tasks", ()))
    return next((task.eval() for task in tasks if isinstance(task, TabularResNetWithMFP)), None)


def _strongest(detector: OCSFAnomalyDetector, arrays: FeatureArrays) -> list[StrongestMember] | list[None]:
    """The strongest member of the combined score for each of N events; ``None`` where the score is another."""
    scorer = detector.scorer_
    if not isinstance(scorer, CombinedScorer):
        return [None] * len(arrays.categorical)
    return strongest_members(scorer, evidence_of(detector.model_, OCSFDataset(arrays), scorer.looks_at))


def _batch(arrays: FeatureArrays, model: TabularResNetWithMFP) -> Batch:
    device = model.heads.trivial.device
    return Batch(*(torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in arrays))


def _usual(model: TabularResNetWithMFP, reference: FeatureArrays) -> tuple[LikelihoodScorer, float]:
    """How surprising each column, and a whole event, is among reference events."""
    count = len(reference.categorical)
    rows = np.unique(np.linspace(0, count - 1, min(count, USUAL_ROWS)).astype(int))
    cells = model.cell_surprise(_batch(FeatureArrays(*(a[rows] for a in reference)), model)).cpu().numpy()
    return LikelihoodScorer().fit(cells), float(np.quantile(np.nansum(cells, axis=1), ORDINARY))


def _order(units: np.ndarray, suspects: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Columns (N, D), the one to blame first: suspects by what their repair leaves over, then the rest by units."""
    order = np.argsort(-units, axis=1, kind="stable")
    best = np.argsort(after, axis=1, kind="stable")
    order[:, : suspects.shape[1]] = np.take_along_axis(suspects, best, axis=1)
    return order


class _Said:
    """Everything known of the cells of N events, put in words one cell at a time."""

    def __init__(
        self,
        prep: OCSFPreprocessor,
        frame: pd.DataFrame,
        arrays: FeatureArrays,
        expected: Expectation,
        nats: torch.Tensor,
        alone: torch.Tensor,
        units: np.ndarray,
    ) -> None:
        self.prep, self.frame, self.arrays = prep, frame, arrays
        self.names = prep.numerical_names_ + prep.categorical_names_
        self.d_num = len(prep.numerical_names_)
        self.nats, self.alone, self.units = nats.cpu().numpy(), alone.cpu().numpy(), units
        self.ids, self.probability = expected.ids.cpu().numpy(), expected.probability.cpu().numpy()
        self.mass = expected.mass.cpu().numpy()
        self.ends = [_in_units(prep, end.cpu().numpy()) for end in (expected.low, expected.high)]

    def cell(self, row: int, column: int, repaired: float | None) -> ExplainedCell:
        name = self.names[column]
        value, state = self._number(row, column) if column < self.d_num else self._category(row, column)
        expected = self._interval(row, column) if column < self.d_num else self._values(row, column)
        return ExplainedCell(
            name,
            value,
            state,
            expected,
            nats=float(self.nats[row, column]),
            marginal_nats=float(self.alone[row, column]),
            units=float(self.units[row, column]),
            repaired_nats=repaired,
        )

    def _number(self, row: int, column: int) -> tuple[Value, State]:
        if self.arrays.missing_mask[row, column]:
            return None, "missing"
        name = self.names[column]
        value = float(as_numbers(self.frame[name].iloc[[row]], name, quiet=True)[0])
        return (value if math.isfinite(value) else str(value)), "seen"

    def _category(self, row: int, column: int) -> tuple[Value, State]:
        name, identifier = self.names[column], int(self.arrays.categorical[row, column - self.d_num])
        if identifier == MISSING_ID:
            return None, "missing"
        if identifier == UNKNOWN_ID and name in self.frame:
            return canonical_key(self.frame[name].iloc[row]), "new"
        return self.prep.vocabularies_[name].decode(identifier), "new" if identifier == UNKNOWN_ID else "seen"

    def _interval(self, row: int, column: int) -> tuple[Expected, ...]:
        low, high = (None if math.isinf(end[row, column]) else float(end[row, column]) for end in self.ends)
        mass = float(self.mass[row, column])
        return (Expected(low=low, high=high, probability=None if math.isnan(mass) else mass),)

    def _values(self, row: int, column: int) -> tuple[Expected, ...]:
        vocabulary, j = self.prep.vocabularies_[self.names[column]], column - self.d_num
        pairs = zip(self.ids[row, j].tolist(), self.probability[row, j].tolist(), strict=True)
        return tuple(Expected(vocabulary.decode(i), probability=p) for i, p in pairs if i >= NUM_RESERVED)


def _in_units(prep: OCSFPreprocessor, scaled: np.ndarray) -> np.ndarray:
    """(N, D_num) scaled numbers in the units of the log; an infinity, which says "no end", stays one."""
    if not scaled.shape[1]:
        return scaled.astype(np.float64)
    values = np.where(np.isinf(scaled), scaled, prep.scaler_.inverse_transform(scaled))
    return np.vectorize(_six_digits, otypes=[float])(values)  # there and back costs float32's last digits


def _six_digits(value: float) -> float:
    return float(f"{value:.6g}")


def _near(
    prep: OCSFPreprocessor, arrays: FeatureArrays, reference: FeatureArrays, count: int, blamed: np.ndarray
) -> list[tuple[NearEvent, ...]]:
    """The reference events that are nearest in all fields but the one to blame, decoded."""
    if not count:
        return [()] * len(arrays.categorical)
    names = prep.numerical_names_ + prep.categorical_names_
    found = nearest(arrays, reference, count, blamed)
    numbers = _in_units(prep, reference.numerical[found.rows.ravel()])
    result = []
    for i, rows in enumerate(found.rows):
        events = []
        for k, row in enumerate(rows):
            values: dict[str, Value] = {}
            for j, name in enumerate(prep.numerical_names_):
                empty = reference.missing_mask[row, j]
                values[name] = None if empty else float(numbers[i * found.rows.shape[1] + k, j])
            for j, name in enumerate(prep.categorical_names_):
                identifier = int(reference.categorical[row, j])
                empty = identifier == MISSING_ID
                values[name] = None if empty else prep.vocabularies_[name].decode(identifier)
            differs = tuple(name for name, other in zip(names, found.differs[i, k], strict=True) if other)
            events.append(NearEvent(float(found.distance[i, k]), values, differs))
        result.append(tuple(events))
    return result
