"""``ocsf-ssl score --stream`` and ``--engine ray``: more events than fit in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ocsf_ssl_lib.cli.app import console, note
from ocsf_ssl_lib.cli.inputs import open_parquet
from ocsf_ssl_lib.cli.score import _top_table
from ocsf_ssl_lib.errors import InputError

if TYPE_CHECKING:
    from ocsf_ssl_lib.detect import OCSFAnomalyDetector

__all__ = ["ENGINES", "check_engine", "score_in_bulk"]

ENGINES = ("process", "ray")


def score_in_bulk(
    detector: OCSFAnomalyDetector,
    paths: list[str],
    output: str | None,
    top: int,
    period: tuple[str | None, str | None],
    engine: str,
    workers: int | None,
) -> None:
    """Score Parquet files a few events at a time, write the scores, print the lowest.

    Raises:
        InputError: options or files that cannot be used.
    """
    if output == "-" or (output is not None and engine == "process" and not output.endswith(".parquet")):
        raise InputError(f"--output {output}: scores of a stream are Parquet; name a file that ends in .parquet")
    events = open_parquet(paths, *period, any_table=True)  # the model says which columns it needs
    if engine == "ray":
        from ocsf_ssl_lib.detect.ray_engine import score_on_ray

        if output is None:
            raise InputError("--engine ray needs --output: a file (.parquet), or a folder for a file per row group")
        scores = score_on_ray(detector, events, output, workers=workers, top=top)
    else:
        from ocsf_ssl_lib.detect.bulk import score_parquet

        scores = score_parquet(detector, events, output, top=top)
    note(f"{scores.events:,} scores, {scores.anomalies:,} below the threshold -> {output or 'not written'}")
    if top:
        from ocsf_ssl_lib.detect.grouping import one_by_one

        lowest = scores.lowest
        lines = one_by_one(lowest.events, lowest.scores["score"].to_numpy())
        table = _top_table(lowest.events, lines, detector, top, grouped=False)
        table.title = f"{len(lines)} of {scores.events:,} events"
        console().print(table)


def check_engine(engine: str, workers: int | None) -> None:
    """Refuse an engine that is not there before anything is loaded.

    Raises:
        InputError: an unknown engine, Ray is not installed, or workers for one process.
    """
    if engine not in ENGINES:
        raise InputError(f"--engine must be one of {', '.join(ENGINES)}, however: {engine}")
    if engine == "ray":
        from ocsf_ssl_lib.detect.ray_engine import import_ray

        import_ray()
    elif workers is not None:
        raise InputError(f"--workers {workers} needs --engine ray: the other engine is one process")
