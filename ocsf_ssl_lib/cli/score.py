"""``ocsf-ssl score``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
import typer
from rich.table import Table
from rich.text import Text

from ocsf_ssl_lib.cli.app import app, console, note
from ocsf_ssl_lib.cli.inputs import KEY, Paths, Since, Until, read
from ocsf_ssl_lib.columns import epoch_milliseconds
from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events.tables import check_table_path, write_table

if TYPE_CHECKING:
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector


@app.command()
def score(
    paths: Paths,
    model: Annotated[Path, typer.Option("--model", "-m", help="Folder that 'train' wrote.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Every event's score: .csv, .jsonl, .parquet, or - (JSON Lines)."),
    ] = None,
    top: Annotated[int, typer.Option(min=0, help="How many of the most unusual events to print.")] = 20,
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
) -> None:
    """Rank events by how unusual they are. In files, a higher score is more normal; rank 1 is the most unusual."""
    if missing_columns not in ("error", "fill"):
        raise InputError(f"--missing-columns must be error or fill, however: {missing_columns}")
    from ocsf_ssl_lib.cli.bulk import check_engine, score_in_bulk

    check_engine(engine, workers)
    stream = stream or engine == "ray"
    if output not in (None, "-") and not stream:
        check_table_path(Path(str(output)))
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector

    detector = OCSFAnomalyDetector.load(model)
    detector.preprocessor_.on_missing_column = "missing" if missing_columns == "fill" else "error"
    if stream:
        score_in_bulk(detector, paths, output, top, (since, until), engine, workers)
        return
    frame = read(paths, since, until, any_table=True)  # the model says which columns it needs
    result = _ranked(frame, detector)
    if output == "-":
        sys.stdout.write(result.to_json(orient="records", lines=True))
    elif output is not None:
        write_table(result, Path(output))
        note(f"{len(result):,} scores, {int(result['is_anomaly'].sum()):,} below the threshold -> {output}")
    if top and output != "-":
        console().print(_top_table(frame, result, detector, top))


def _ranked(frame: pd.DataFrame, detector: OCSFAnomalyDetector) -> pd.DataFrame:
    """One row per event, the most unusual first, with the event's id or its row number."""
    values = detector.score_samples(frame)
    result = pd.DataFrame({"row": range(len(frame)), "score": values, "is_anomaly": values < detector.offset_})
    if KEY in frame:
        result.insert(0, KEY, frame[KEY].to_numpy())
    result = result.sort_values("score", kind="stable", ignore_index=True)
    result.insert(0, "rank", range(1, len(result) + 1))
    return result


def _top_table(frame: pd.DataFrame, result: pd.DataFrame, detector: OCSFAnomalyDetector, top: int) -> Table:
    prep = detector.preprocessor_
    names = dict.fromkeys(c.split("@")[0] for c in prep.categorical_names_ + prep.numerical_names_)
    table = Table("rank", "score", "time (UTC)", "event", title=f"{min(top, len(result))} of {len(result):,} events")
    times = epoch_milliseconds(frame["time"]) if "time" in frame else None
    for entry in result.head(top).itertuples(index=False):
        event = frame.iloc[entry.row]
        when = (
            ""
            if times is None or pd.isna(times.iloc[entry.row])
            else f"{pd.to_datetime(times.iloc[entry.row], unit='ms'):%Y-%m-%d %H:%M:%S}"
        )
        shown = [f"{n}={_short(event[n])}" for n in names if n != "time" and n in event and not _absent(event[n])]
        # Text, not str: a field value written by an attacker must not be read as markup.
        table.add_row(Text(str(entry.rank)), Text(f"{entry.score:.1f}"), Text(when), Text("  ".join(shown)))
    return table


def _absent(value: Any) -> bool:
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _short(value: Any, length: int = 40) -> str:
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= length else text[: length - 1] + "…"
