"""``ocsf-ssl``: simulate, inspect, train, score, evaluate.

Results go to standard output or to the file named; progress, notes and errors go to standard error. Bad input ends
with one line and exit code 2.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import pandas as pd
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

# What needs torch or scikit-learn is imported by the commands that use it: help and errors come at once.
from ocsf_ssl_lib.columns import choose_columns, epoch_milliseconds
from ocsf_ssl_lib.errors import DataWarning, InputError, TrainingError, TrainingWarning
from ocsf_ssl_lib.events import Events, read_events, simulate_events, write_events
from ocsf_ssl_lib.events.tables import check_table_path, read_table, write_table
from ocsf_ssl_lib.period import Period

if TYPE_CHECKING:
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector
    from ocsf_ssl_lib.parquet_events import ParquetEvents

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Self-supervised anomaly detection on security events (OCSF).",
)
EXIT_BAD_INPUT = 2
OCSF_FIELDS = ("class_uid", "class_name", "category_uid", "type_uid", "activity_id", "metadata.version", "time")
KEY = "metadata.uid"  # what OCSF calls the id of an event

Paths = Annotated[
    list[str], typer.Argument(help="JSON, JSON Lines (.gz, .zst), Parquet, folders of them; - is standard input.")
]
AnyTable = Annotated[bool, typer.Option("--any-table", help="Also take a table that has no field of an OCSF event.")]
Since = Annotated[str | None, typer.Option(help="Only events from this time on (ISO 8601 or epoch milliseconds).")]
Until = Annotated[str | None, typer.Option(help="Only events before this time (ISO 8601 or epoch milliseconds).")]


@app.command()
def simulate(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where events go: .jsonl, .jsonl.gz or .parquet.")],
    labels: Annotated[Path | None, typer.Option(help="Where labels go: .csv, .jsonl or .parquet.")] = None,
    number: Annotated[int, typer.Option("--number", "-n", help="How many events.")] = 100_000,
    anomaly_rate: Annotated[float, typer.Option(help="Share of anomalies.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 42,
) -> None:
    """Make labelled OCSF events to try things on."""
    if labels is not None:
        check_table_path(labels)
    simulation = simulate_events(number, seed=seed, anomaly_rate=anomaly_rate)
    write_events(simulation.frame, output)
    if labels is not None:
        write_table(simulation.labels, labels)
    share = simulation.labels["is_anomaly"].mean()
    _note(f"{len(simulation.frame):,} events, {share:.2%} anomalies -> {output}" + (f", {labels}" if labels else ""))


@app.command()
def inspect(
    paths: Paths,
    rejected: Annotated[Path | None, typer.Option(help="Write every refused record to this table (.csv, ...).")] = None,
    any_table: AnyTable = False,
) -> None:
    """Say what is in files of events: classes, refused records, and what a model would make of each column."""
    events = _read_events(paths, any_table)
    out = _console()
    print(events.report())
    if rejected is not None:
        write_table(events.rejected, rejected)
        _note(f"{len(events.rejected)} refused records -> {rejected}")
    report = choose_columns(events.frame).report
    table = Table("column", "role", "reason", title=f"{len(report)} columns", title_justify="left")
    for row in report.itertuples(index=False):
        table.add_row(*(Text(str(cell)) for cell in row))
    out.print(table)


@app.command()
def train(
    paths: Paths,
    model: Annotated[Path, typer.Option("--model", "-m", help="Folder to write the model to.")],
    numerical: Annotated[
        str | None, typer.Option(help="Columns of quantities, comma-separated; default: chosen.")
    ] = None,
    categorical: Annotated[
        str | None, typer.Option(help="Columns of categories, comma-separated; default: chosen.")
    ] = None,
    objective: Annotated[
        str, typer.Option(help="What to learn: contrastive, masked, denoising, multitask, or untrained.")
    ] = "masked",
    score: Annotated[
        str | None, typer.Option(help="likelihood, mahalanobis or knn; default: what suits the objective.")
    ] = None,
    epochs: Annotated[int, typer.Option(min=0, help="At most so many passes over the events.")] = 20,
    batch_size: Annotated[int, typer.Option(min=2, help="Events per step.")] = 256,
    width: Annotated[int, typer.Option(min=1, help="Width of the encoder (d_model).")] = 256,
    blocks: Annotated[int, typer.Option(min=0, help="Residual blocks of the encoder.")] = 6,
    contamination: Annotated[float, typer.Option(help="Share of events to flag.")] = 0.01,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same model.")] = 42,
    device: Annotated[str, typer.Option(help="auto takes a GPU if there is one; cpu.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="fp32, bf16, or auto: bf16 where it is measured to be faster.")
    ] = "fp32",
    threads: Annotated[
        str | None, typer.Option(help="A number, or auto: as many as are measured to be fastest.")
    ] = None,
    checkpoints: Annotated[Path | None, typer.Option(help="Folder for checkpoints, one every five minutes.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the newest checkpoint, if there is one.")
    ] = False,
    stream: Annotated[
        bool, typer.Option("--stream", help="Read Parquet piece by piece: for more events than fit in memory.")
    ] = False,
    since: Since = None,
    until: Until = None,
    any_table: AnyTable = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a model that is there.")] = False,
) -> None:
    """Learn from events what is usual, and save it."""
    if model.exists() and not force:
        raise InputError(f"{model} exists; choose another folder, or replace it with --force")
    if threads is not None and threads != "auto" and not threads.isdigit():
        raise InputError(f"--threads must be a number or auto, however: {threads}")
    if resume and checkpoints is None:
        raise InputError("--resume needs --checkpoints: the folder with the checkpoints to go on from")
    events = (_open if stream else _read)(paths, since, until, any_table)
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector
    from ocsf_ssl_lib.encoder import EncoderConfig

    detector = OCSFAnomalyDetector(
        _split(numerical),
        _split(categorical),
        objective,
        score=score,  # type: ignore[arg-type]
        encoder_config=EncoderConfig(d_model=width, num_blocks=blocks),
        max_epochs=epochs,
        batch_size=batch_size,
        contamination=contamination,
        random_state=seed,
        device=device,
        precision=precision,  # type: ignore[arg-type]
        threads=int(threads) if threads and threads.isdigit() else threads,  # type: ignore[arg-type]
        checkpoints=checkpoints,
        resume=resume,
    ).fit(events)
    if _rank():  # one of several processes under torchrun: all have the same weights, the first alone writes
        return
    detector.save(model, overwrite=force)
    prep, history = detector.preprocessor_, detector.history_
    kept = f"{len(prep.numerical_names_)} numerical and {len(prep.categorical_names_)} categorical columns"
    _note(f"{len(events):,} events, {kept} ('ocsf-ssl inspect' says why)")
    if history is not None and len(history.frame):
        ran, seconds = len(history.frame), history.frame["seconds"].sum()
        for note in history.notes:
            _note(note)
        _note(f"{ran} epochs in {seconds:.0f} s on {history.device}, best epoch {history.best_epoch + 1}")
    _note(f"model -> {model}")


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
) -> None:
    """Rank events by how unusual they are. In files, a higher score is more normal; rank 1 is the most unusual."""
    if missing_columns not in ("error", "fill"):
        raise InputError(f"--missing-columns must be error or fill, however: {missing_columns}")
    if output not in (None, "-"):
        check_table_path(Path(str(output)))
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector

    detector = OCSFAnomalyDetector.load(model)
    detector.preprocessor_.on_missing_column = "missing" if missing_columns == "fill" else "error"
    frame = _read(paths, since, until, any_table=True)  # the model says which columns it needs
    result = _ranked(frame, detector)
    if output == "-":
        sys.stdout.write(result.to_json(orient="records", lines=True))
    elif output is not None:
        write_table(result, Path(output))
        _note(f"{len(result):,} scores, {int(result['is_anomaly'].sum()):,} below the threshold -> {output}")
    if top and output != "-":
        _console().print(_top_table(frame, result, detector, top))


@app.command()
def evaluate(
    scores: Annotated[Path, typer.Argument(help="What 'score -o' wrote.")],
    labels: Annotated[Path, typer.Argument(help=f"Table with the columns {KEY}, is_anomaly, anomaly_type.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the table (.csv, ...).")] = None,
) -> None:
    """Measure a ranking against labels: ROC-AUC and average precision per type of anomaly."""
    from ocsf_ssl_lib.evaluate import detection_report

    ranked, truth = read_table(scores), read_table(labels)
    for name, table, column in ((scores, ranked, KEY), (scores, ranked, "score")):
        if column not in table:
            raise InputError(f"{name} has no column {column!r}; it has {', '.join(map(str, table.columns))}")
    report = detection_report(ranked.set_index(KEY)["score"], truth)
    if output is not None:
        write_table(report, output)
    table = Table("anomalies", "events", "share", "ROC-AUC", "average precision", title_justify="left")
    for row in report.itertuples(index=False):
        few = " (few)" if row.few else ""
        cells = (row.anomaly_type + few, f"{row.positives}", f"{row.prevalence:.2%}", f"{row.roc_auc:.3f}")
        table.add_row(*map(Text, (*cells, f"{row.average_precision:.3f}")))
    _console().print(table)


def _read_events(paths: list[str], any_table: bool) -> Events:
    """Events of the files; a table of something else is refused unless it was asked for."""
    events = read_events(paths)
    if not any_table:
        _check_columns(paths, events.frame.columns)
    return events


def _check_columns(paths: list[str], columns: Collection[str]) -> None:
    if not any(name in columns for name in OCSF_FIELDS):
        raise InputError(
            f"{', '.join(paths)}: no field of an OCSF event ({', '.join(OCSF_FIELDS)}) among its "
            f"{len(columns)} columns; name another file, or take it as it is with --any-table"
        )


def _open(paths: list[str], since: str | None, until: str | None, any_table: bool) -> ParquetEvents:
    """Events of Parquet files in the period asked for, left where they are."""
    from ocsf_ssl_lib.parquet_events import ParquetEvents

    events = ParquetEvents(paths, **_period(since, until)._asdict())
    if not any_table:
        _check_columns(paths, events.columns)
    return events


def _read(paths: list[str], since: str | None, until: str | None, any_table: bool) -> pd.DataFrame:
    """Events of the files in the period asked for; says what was refused."""
    events = _read_events(paths, any_table)
    if len(events.rejected):
        _note(f"{len(events.rejected)} record(s) refused; 'ocsf-ssl inspect' lists them")
    frame, period = events.frame, _period(since, until)
    if not period:
        return frame
    times = period.times(frame)
    keep = period.holds(times)
    if not keep.any():
        raise period.holds_nothing(times.min(), times.max())
    return frame[keep].reset_index(drop=True)


def _period(since: str | None, until: str | None) -> Period:
    return Period(
        None if since is None else _milliseconds(since, "--since"),
        None if until is None else _milliseconds(until, "--until"),
    )


def _milliseconds(text: str, option: str) -> float:
    if text.isdigit() and len(text) >= 10:  # shorter digits are a year: 2026 is ISO 8601
        return float(text)
    try:
        return pd.to_datetime(text, utc=True, format="ISO8601").timestamp() * 1000
    except ValueError:
        raise InputError(f"{option}: {text!r} is neither ISO 8601 (2026-01-31T09:00) nor epoch milliseconds") from None


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


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for a table when piped to a file."""
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False, force_jupyter=False)


def _rank() -> int:
    """Which of several processes started by torchrun this is."""
    return int(os.environ.get("RANK", "0"))


def _note(text: str) -> None:
    if _rank() == 0:
        print(text, file=sys.stderr)


def _warn(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, DataWarning | TrainingWarning):
        _note(f"note: {message}")


def _fail(error: Exception) -> NoReturn:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    raise SystemExit(EXIT_BAD_INPUT)


def main(run: Callable[[], Any] = app) -> None:
    """Entry point of the command line."""
    warnings.showwarning = _warn
    try:
        run()
    except (InputError, TrainingError) as error:
        _fail(error)
    except BrokenPipeError:  # `ocsf-ssl score ... | head`: not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
