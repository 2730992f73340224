"""``ocsf-ssl score``."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd
import typer
from rich.table import Table

from ocsf_ssl_lib.cli.app import app, console, note
from ocsf_ssl_lib.cli.decide import THRESHOLD_HELP, Decision, Rule, decide
from ocsf_ssl_lib.cli.inputs import KEY, Paths, Since, Until, read
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.escaping import plain_text, terminal_text
from ocsf_ssl_lib.events.tables import check_table_path, write_table
from ocsf_ssl_lib.files import check_folder
from ocsf_ssl_lib.redact import Redactor

if TYPE_CHECKING:
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector

FIELDS = 3  # named for an event of the report
VALUE_LENGTH = 40  # characters of a value in the list


class Reasons(NamedTuple):
    """Why the events of a report are unusual: a table of cells, and row -> which score ranked the event."""

    cells: pd.DataFrame | None = None
    remarks: Mapping[int, str] = MappingProxyType({})


@app.command()
def score(
    paths: Paths,
    model: Annotated[Path, typer.Option("--model", "-m", help="Folder that 'train' wrote.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Every event's score: .csv, .jsonl, .parquet, or - (JSON Lines)."),
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many of the most unusual lines to print.")] = 20,
    since: Since = None,
    until: Until = None,
    missing_columns: Annotated[str, typer.Option(help="error, or fill: an absent column counts as missing.")] = "error",
    stream: Annotated[
        bool, typer.Option("--stream", help="Read and write Parquet piece by piece: for more than fits in memory.")
    ] = False,
    engine: Annotated[str, typer.Option(help="process, or ray: streams on many processes or machines.")] = "process",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes of --engine ray; default: all processors.")
    ] = None,
    threshold: Annotated[str | None, typer.Option(help=THRESHOLD_HELP)] = None,
    group: Annotated[bool, typer.Option(help="Near-identical alerts within an hour are one line.")] = True,
    report: Annotated[Path | None, typer.Option(help="Write the alerts as one HTML file, with figures.")] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Show pseudonyms for names, addresses and hosts.")] = False,
) -> None:
    """Rank events by how unusual they are. In files, a higher score is more normal; rank 1 is the most unusual."""
    if missing_columns not in ("error", "fill"):
        raise InputError(f"--missing-columns must be error or fill, however: {missing_columns}")
    from ocsf_ssl_lib.cli.bulk import check_engine, score_in_bulk

    check_engine(engine, workers)
    stream = stream or engine == "ray"
    if output not in (None, "-") and not stream:
        check_table_path(Path(str(output)))
    if report is not None:
        _check_report_path(report)
    rule = Rule.parse(threshold)
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector

    detector = OCSFAnomalyDetector.load(model)
    detector.preprocessor_.on_missing_column = "missing" if missing_columns == "fill" else "error"
    decision = decide(rule, detector)
    if stream:
        if report is not None or redact:
            raise InputError("--report and --redact need all events at hand; leave out --stream and --engine ray")
        detector.offset_ = decision.threshold
        score_in_bulk(detector, paths, output, top, (since, until), engine, workers)
        return
    frame = read(paths, since, until, any_table=True)  # the model says which columns it needs
    result = _ranked(frame, detector, decision.threshold)
    groups = _lines(frame, result, detector, top, group)
    redactor = Redactor() if redact else None
    reasons = _reasons(frame, groups, detector, decision, redactor) if report is not None else Reasons()
    if redactor is not None:
        frame, result = redactor.frame(frame), redactor.frame(result)
    if output == "-":
        sys.stdout.write(result.to_json(orient="records", lines=True))
    elif output is not None:
        write_table(result, Path(output))
        note(f"{len(result):,} scores, {int(result['is_anomaly'].sum()):,} below the threshold -> {output}")
    if report is not None:
        _write_report(report, frame, result, groups, detector, decision, reasons, redact)
    if top and output != "-":
        console().print(_top_table(frame, groups, detector, top, group))


def _check_report_path(path: Path) -> None:
    if path.suffix not in (".html", ".htm"):
        raise InputError(f"--report: the name must end in .html, however: {path}")
    check_folder(path)


def _ranked(frame: pd.DataFrame, detector: OCSFAnomalyDetector, threshold: float) -> pd.DataFrame:
    """One row per event, the most unusual first, with the event's id or its row number."""
    values = detector.score_samples(frame)
    result = pd.DataFrame({"row": range(len(frame)), "score": values, "is_anomaly": values < threshold})
    if detector.calibration_ is not None:
        result["p_value"] = detector.calibration_.p_values(values)
    if KEY in frame:
        result.insert(0, KEY, frame[KEY].to_numpy())
    result = result.sort_values("score", kind="stable", ignore_index=True)
    result.insert(0, "rank", range(1, len(result) + 1))
    return result


def _lines(
    frame: pd.DataFrame, result: pd.DataFrame, detector: OCSFAnomalyDetector, top: int, group: bool
) -> pd.DataFrame:
    """What the list and the report show, a line each: all alerts, and at least the ``top`` most unusual events."""
    from ocsf_ssl_lib.detect.grouping import group_alerts, one_by_one

    listed = result.head(max(int(result["is_anomaly"].sum()), top))
    rows, scores = listed["row"].to_numpy(), listed["score"].to_numpy()
    events = frame.iloc[rows]
    lines = group_alerts(events, scores, detector.preprocessor_) if group else one_by_one(events, scores)
    return lines.assign(row=rows[lines["row"].to_numpy()])


def _reasons(
    frame: pd.DataFrame,
    lines: pd.DataFrame,
    detector: OCSFAnomalyDetector,
    decision: Decision,
    redactor: Redactor | None,
) -> Reasons:
    """Why the events that the report shows are unusual; nothing if the model expects nothing."""
    from ocsf_ssl_lib.detect.explain import predictor_of
    from ocsf_ssl_lib.detect.report import TOP

    rows = lines.loc[lines["score"] < decision.threshold, "row"].head(TOP).to_numpy()
    if not len(rows) or predictor_of(detector) is None:
        return Reasons()
    found = detector.explain(frame.iloc[rows], fields=FIELDS, neighbours=0)
    table = found.table
    table["row"] = rows[table["row"].to_numpy()]
    cells = table if redactor is None else redactor.explanations(table)
    return Reasons(cells, {int(rows[event.row]): event.ranked_by for event in found})


def _write_report(
    path: Path,
    frame: pd.DataFrame,
    result: pd.DataFrame,
    lines: pd.DataFrame,
    detector: OCSFAnomalyDetector,
    decision: Decision,
    reasons: Reasons,
    redacted: bool,
) -> None:
    from ocsf_ssl_lib.detect.report import render_report, write_report

    by_row = result.sort_values("row")
    html = render_report(
        frame,
        by_row["score"].to_numpy(),
        decision.threshold,
        lines[lines["score"] < decision.threshold],
        fields=_fields(detector),
        p_values=by_row["p_value"].to_numpy() if "p_value" in by_row else None,
        explanations=reasons.cells,
        remarks=reasons.remarks,
        about={"Threshold": decision.reason},
        redacted=redacted,
    )
    write_report(html, path)
    note(f"report of {int(result['is_anomaly'].sum()):,} alerts -> {path}")


def _top_table(
    frame: pd.DataFrame, lines: pd.DataFrame, detector: OCSFAnomalyDetector, top: int, grouped: bool
) -> Table:
    from ocsf_ssl_lib.detect.report import event_fields, span_text

    shown = lines.head(top)
    title = f"{len(shown)} lines, {shown['count'].sum():,}" if grouped else f"{len(shown)}"
    table = Table("rank", "score", "events", "time (UTC)", "event", title=f"{title} of {len(frame):,} events")
    fields = [name for name in _fields(detector) if name != "time"]
    for number, line in enumerate(shown.itertuples(index=False), start=1):
        values = event_fields(frame.iloc[line.row], fields)
        event = "  ".join(f"{name}={_quoted(value)}" for name, value in values.items())
        cells = (number, f"{line.score:.1f}", f"{line.count:,}", span_text(line.first, line.last), event)
        table.add_row(*map(terminal_text, cells))
    return table


def _quoted(value: object) -> str:
    """A value in the list; in quotes if it could otherwise pass for another field: ``ann  status=ok``."""
    text = plain_text(value, VALUE_LENGTH)
    return '"{}"'.format(text.replace('"', r"\"")) if re.search(r'[\s="]', text) else text


def _fields(detector: OCSFAnomalyDetector) -> list[str]:
    """The columns that the model sees; a column for what is derived from it."""
    names = detector.preprocessor_.categorical_names_ + detector.preprocessor_.numerical_names_
    return list(dict.fromkeys(name.split("@")[0] for name in names))
