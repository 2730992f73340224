"""``ocsf-ssl explain``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import pandas as pd
import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from ocsf_ssl_lib.cli.app import app, console, note
from ocsf_ssl_lib.cli.inputs import KEY, Paths, Since, Until, read
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.escaping import terminal_text
from ocsf_ssl_lib.files import check_folder, written_aside
from ocsf_ssl_lib.redact import Redactor

if TYPE_CHECKING:
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector
    from ocsf_ssl_lib.detect.explanation import ExplainedEvent, Explanations

TOP = 5  # events explained when none is named
CELL = 40  # characters of a value in the table


@app.command()
def explain(
    paths: Paths,
    model: Annotated[Path, typer.Option("--model", "-m", help="Folder that 'train' wrote.")],
    top: Annotated[
        int | None, typer.Option(min=1, help=f"So many of the most unusual events; {TOP} if nothing is said.")
    ] = None,
    row: Annotated[int | None, typer.Option(min=0, help="This event alone: its row, as 'score' gives it.")] = None,
    uid: Annotated[str | None, typer.Option("--id", help=f"This event alone: its {KEY}.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Everything, as JSON, to this .json file, or - .")
    ] = None,
    fields: Annotated[int, typer.Option(min=1, help="How many fields of each event to print.")] = 5,
    redact: Annotated[bool, typer.Option("--redact", help="Show pseudonyms for names, addresses and hosts.")] = False,
    since: Since = None,
    until: Until = None,
    missing_columns: Annotated[str, typer.Option(help="error, or fill: an absent column counts as missing.")] = "error",
) -> None:
    """Say why events are unusual: the strongest score, fields that surprise, what was expected, ordinary events."""
    if missing_columns not in ("error", "fill"):
        raise InputError(f"--missing-columns must be error or fill, however: {missing_columns}")
    named = [name for name, value in (("--top", top), ("--row", row), ("--id", uid)) if value is not None]
    if len(named) > 1:
        raise InputError(f"{' and '.join(named)} name different events; give one of them")
    if output not in (None, "-"):
        _check_output(Path(str(output)))
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector

    detector = OCSFAnomalyDetector.load(model)
    detector.preprocessor_.on_missing_column = "missing" if missing_columns == "fill" else "error"
    frame = read(paths, since, until, any_table=True)  # the model says which columns it needs
    rows, heads = _choose(frame, detector, top, row, uid)
    found = detector.explain(frame.iloc[rows])
    if redact:
        redactor = Redactor()
        found = found.map_values(lambda column, text: redactor.value(text, column))
    if output is not None:
        text = _json(found, heads)
        if output == "-":
            sys.stdout.write(text)
            return
        with written_aside(Path(output)) as aside:
            aside.write_text(text, encoding="utf-8")
        note(f"{len(found)} event(s) explained -> {output}")
    for event, head in zip(found, heads, strict=True):
        console().print(_page(event, head, fields))


def _choose(
    frame: pd.DataFrame, detector: OCSFAnomalyDetector, top: int | None, row: int | None, uid: str | None
) -> tuple[list[int], list[dict[str, Any]]]:
    """Rows of the events to explain, and what identifies each of them."""
    if row is None and uid is None:
        scores = detector.score_samples(frame)
        rows = np.argsort(scores, kind="stable")[: top or TOP].tolist()
        heads: list[dict[str, Any]] = [{"rank": rank} for rank in range(1, len(rows) + 1)]
        values = scores[rows]
    else:
        rows = [_row_of(frame, uid) if uid is not None else _in_table(frame, int(row or 0))]
        heads, values = [{}], detector.score_samples(frame.iloc[rows])
    for place, head, value in zip(rows, heads, values, strict=True):
        head |= {"row": place, "score": float(value)}
        if KEY in frame:
            head[KEY] = str(frame[KEY].iloc[place])
    return rows, heads


def _in_table(frame: pd.DataFrame, row: int) -> int:
    if row >= len(frame):
        raise InputError(f"--row {row}: there are {len(frame)} events, counted from 0")
    return row


def _row_of(frame: pd.DataFrame, uid: str) -> int:
    if KEY not in frame:
        raise InputError(f"--id needs the column {KEY}, which the events do not have; name the event by --row")
    rows = np.flatnonzero(frame[KEY].astype(str) == uid)
    if len(rows) != 1:
        many = "no event has" if not len(rows) else f"{len(rows)} events have"
        raise InputError(f"{many} the {KEY} {uid!r}; 'ocsf-ssl score -o' lists the ids and rows")
    return int(rows[0])


def _json(found: Explanations, heads: list[dict[str, Any]]) -> str:
    records = [record | head for record, head in zip(found.to_dicts(), heads, strict=True)]
    return json.dumps(records, indent=1, allow_nan=False) + "\n"


def _check_output(path: Path) -> None:
    if path.suffix != ".json":
        raise InputError(f"{path}: the name must end in .json")
    check_folder(path)


def _page(event: ExplainedEvent, head: dict[str, Any], fields: int) -> Group:
    """One event: its fields as a table, why it is unusual, the nearest ordinary event."""
    title = "  ".join(f"{name} {value:.2f}" if name == "score" else f"{name} {value}" for name, value in head.items())
    table = Table("field", "found", "expected", title=terminal_text(title, 160), title_justify="left")
    for name in ("probability", "nats", "alone", "repair takes out"):
        table.add_column(name, justify="right")
    for cell in event.cells[:fields]:
        best = cell.expected[0] if cell.expected else None
        chance = "" if best is None or best.probability is None else f"{best.probability:.0%}"
        taken_out = event.taken_out(cell)
        repair = "" if taken_out is None else f"{taken_out:.1f}"
        figures = (chance, f"{cell.nats:.1f}", f"{cell.marginal_nats:.1f}", repair)
        texts = (cell.column, cell.text, best.text if best else "")
        table.add_row(*(terminal_text(text, CELL) for text in texts), *map(Text, figures))
    lines = [terminal_text(event.sentence, 600)]
    for near in event.neighbours[:1]:
        values = "  ".join(f"{name}={near.text(name)}" for name in near.differs)
        lines.append(terminal_text(f"The nearest ordinary event has {values or 'the same values'}.", 600))
    return Group(table, *lines, Text(""))
