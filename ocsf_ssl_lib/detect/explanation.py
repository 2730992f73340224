"""What is said about an unusual event: its strongest score, its fields, what was expected, ordinary events nearby.

Plain records, so that a table, JSON, a terminal and a figure show the same. Values are those of the log: whoever shows
them escapes them for the place where they are shown.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import pandas as pd

from ocsf_ssl_lib.detect.members import StrongestMember

__all__ = ["Expected", "ExplainedCell", "ExplainedEvent", "Explanations", "NearEvent", "number_text"]

Value = str | float | None
"""Of a cell: the text of a category, a number, or None where the event has none."""

State = Literal["seen", "new", "missing"]
"""Of a cell's value: known from training, new (or too rare to be known), or none at all."""

Redact = Callable[[str, str], str]
"""(column, text) -> what may be shown in its place."""


@dataclass(frozen=True)
class Expected:
    """One thing that was expected in a cell.

    Attributes:
        value: the category; None for a number.
        low: for a number the lower end of the interval, in the log's units; None if it has none.
        high: its upper end.
        probability: of the value or the interval, given the other fields; None if the model does not say.
    """

    value: str | None = None
    low: float | None = None
    high: float | None = None
    probability: float | None = None

    @property
    def text(self) -> str:
        """The value, or the interval in words."""
        if self.value is not None:
            return self.value
        low, high = (None if end is None else number_text(end) for end in (self.low, self.high))
        if low is None or high is None:
            return "any number" if low == high else f"at most {high}" if low is None else f"more than {low}"
        return f"about {low}" if low == high else f"{low} to {high}"


@dataclass(frozen=True)
class ExplainedCell:
    """One field of an event.

    Attributes:
        column: the feature; ``time@hour`` is derived from ``time``.
        value: what stands there; None if it is missing.
        state: ``seen`` in training, ``new`` (or too rare to be known), or ``missing``.
        expected: what was expected given the other fields, the most probable first; may be empty.
        nats: surprise given the other fields.
        marginal_nats: surprise of the value on its own, whatever the other fields are.
        units: ``nats`` above the column's mean, in standard deviations, both among reference events.
        repaired_nats: surprise of the whole event, in nats, if this field held what was expected. The fields for which
            it was tried come first, the least of these first; the others, with None, follow by ``units``.
    """

    column: str
    value: Value
    state: State
    expected: tuple[Expected, ...]
    nats: float
    marginal_nats: float
    units: float
    repaired_nats: float | None = None

    @property
    def text(self) -> str:
        """The value, with a remark if the model does not know it."""
        return f"{_text(self.value)} (new or rare)" if self.state == "new" else _text(self.value)


@dataclass(frozen=True)
class NearEvent:
    """An ordinary event that is near.

    Attributes:
        distance: in fields, the one to blame left out; see ``neighbours``.
        values: of all its fields; None where it has none.
        differs: the fields in which it differs, the one to blame among them.
    """

    distance: float
    values: dict[str, Value]
    differs: tuple[str, ...]

    def text(self, column: str) -> str:
        """The value of a field, to be read."""
        return _text(self.values[column])


@dataclass(frozen=True)
class ExplainedEvent:
    """One event.

    Attributes:
        row: its place in the table of events, from 0.
        nats: surprise of all its cells together.
        ordinary_nats: 95 of 100 reference events have less.
        cells: its fields, the one to blame first.
        neighbours: the nearest ordinary events.
        strongest: the member of the combined score that finds it most unusual; None if the score is another.
    """

    row: int
    nats: float
    ordinary_nats: float
    cells: tuple[ExplainedCell, ...]
    neighbours: tuple[NearEvent, ...]
    strongest: StrongestMember | None = None

    @property
    def has_ordinary_fields(self) -> bool:
        """Whether its fields, all together, surprise no more than those of 95 of 100 reference events."""
        return self.nats <= self.ordinary_nats

    @property
    def ranked_by(self) -> str:
        """Which member finds it most unusual, and whether its fields alone do; holds no value of the event."""
        if self.strongest is None:
            return ""
        text = self.strongest.sentence
        if self.has_ordinary_fields:
            text += f" Its fields together are ordinary ({self._surprise(self.nats)})."
        return text

    def taken_out(self, cell: ExplainedCell) -> float | None:
        """Nats that the repair of one of its fields takes out of the whole event; None if it was not tried."""
        return None if cell.repaired_nats is None else self.nats - cell.repaired_nats

    @property
    def sentence(self) -> str:
        """The repair that would put it right, and the strongest member, which leads where the fields are ordinary."""
        if self.strongest is None:
            return self._repair()
        if not self.has_ordinary_fields:
            return f"{self._repair()} {self.ranked_by}"
        first = self._repaired
        repaired = f" If {first.column} were {first.expected[0].text}: {first.repaired_nats:.0f} nats." if first else ""
        return self.ranked_by + repaired

    @property
    def _repaired(self) -> ExplainedCell | None:
        """The first field, if its repair takes surprise out of the event."""
        first = self.cells[0] if self.cells else None
        if first is None or first.repaired_nats is None or not first.expected or first.repaired_nats >= self.nats:
            return None
        return first

    def _repair(self) -> str:
        first = self._repaired
        if first is None or first.repaired_nats is None:
            return f"No single field explains its {self.nats:.0f} nats."
        puts_right = first.repaired_nats <= self.ordinary_nats < self.nats
        return (
            f"If {first.column} were {first.expected[0].text}, this would be "
            f"{'an ordinary' if puts_right else 'a less unusual'} event "
            f"({self._surprise(self.nats, first.repaired_nats)})."
        )

    def _surprise(self, *nats: float) -> str:
        steps = " → ".join(f"{n:.0f}" for n in nats)
        return f"surprise {steps} nats; 19 in 20 have less than {self.ordinary_nats:.0f}"


@dataclass(frozen=True)
class Explanations:
    """Why each of some events is unusual.

    Attributes:
        events: in the order in which they were given.
    """

    events: tuple[ExplainedEvent, ...]

    def __len__(self) -> int:
        return len(self.events)

    def __iter__(self) -> Iterator[ExplainedEvent]:
        return iter(self.events)

    def __getitem__(self, index: int) -> ExplainedEvent:
        return self.events[index]

    @property
    def table(self) -> pd.DataFrame:
        """One line per field named.

        ``row``: of the event, from 0; ``rank``: of the field in it, from 1. ``column``, ``value``, ``state``, ``nats``,
        ``marginal_nats``, ``units`` and ``repaired_nats`` are those of ``ExplainedCell``; ``expected`` and
        ``probability`` those of the first thing expected. ``taken_out`` says what the ranks are made of: the nats that
        the repair of this field takes out of the surprise of the whole event (its ``nats`` minus ``repaired_nats``),
        the most first; NaN where it was not tried.
        """
        lines = []
        for event in self.events:
            for rank, cell in enumerate(event.cells, start=1):
                best = cell.expected[0] if cell.expected else None
                line = {"row": event.row, "rank": rank, "column": cell.column, "value": cell.value, "state": cell.state}
                line |= {"expected": best and best.text, "probability": best and best.probability}
                line |= {"taken_out": event.taken_out(cell)}
                names = ("nats", "marginal_nats", "units", "repaired_nats")
                lines.append(line | {name: getattr(cell, name) for name in names})
        return pd.DataFrame(lines, columns=TABLE_COLUMNS)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The events as plain dicts and lists, each with its ``sentence``."""
        return [asdict(event) | {"sentence": event.sentence} for event in self.events]

    def to_json(self, indent: int | None = None) -> str:
        """``to_dicts`` as JSON; numbers are finite."""
        return json.dumps(self.to_dicts(), indent=indent, allow_nan=False, ensure_ascii=False)

    def map_values(self, function: Redact) -> Explanations:
        """The same with every value of a category, found or expected, passed through ``function(column, text)``."""

        def text(column: str, value: Value) -> Value:
            return function(column, value) if isinstance(value, str) else value

        def cell(c: ExplainedCell) -> ExplainedCell:
            known = tuple(e if e.value is None else replace(e, value=function(c.column, e.value)) for e in c.expected)
            return replace(c, value=text(c.column, c.value), expected=known)

        def near(n: NearEvent) -> NearEvent:
            return replace(n, values={name: text(name, value) for name, value in n.values.items()})

        return Explanations(
            tuple(
                replace(e, cells=tuple(map(cell, e.cells)), neighbours=tuple(map(near, e.neighbours)))
                for e in self.events
            )
        )


TABLE_COLUMNS = ["row", "rank", "column", "value", "state", "expected", "probability", "taken_out"]
TABLE_COLUMNS += ["nats", "marginal_nats", "units", "repaired_nats"]


def _text(value: Value) -> str:
    if value is None:
        return "(missing)"
    return value if isinstance(value, str) else number_text(value)


def number_text(value: float) -> str:
    """A number to be read: three digits, or all that stand before the point.

    >>> number_text(1234567.8), number_text(0.123456), number_text(-0.0)
    ('1,234,568', '0.123', '0')
    """
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value + 0.0:.3g}"
