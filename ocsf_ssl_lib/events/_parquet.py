"""Parquet to chunks of columns: nested structs, as Security Lake and Spark write them, and partition folders."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events._flatten import Chunk, flatten_arrow
from ocsf_ssl_lib.events._sources import Damaged

__all__ = ["PARQUET", "ROWS", "Refusal", "add_partitions", "damage", "read_parquet", "rows_of", "schema_of"]

PARQUET = b"PAR1"
ROWS = 16_384  # flattened at a time: an Arrow text column of a batch must stay below 2 GB
PANDAS_INDEX = "__index_level_"  # how pandas stores a row index: no field of the event
NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"

Refusal = tuple[int | None, str]  # line (None: the whole file) and reason


def read_parquet(handle: BinaryIO, pieces: Iterable[bytes]) -> tuple[list[Chunk], list[Refusal]]:
    """The rows of a Parquet file, from its handle if that can be sought and is not compressed, else from its bytes.

    Raises:
        InputError: the file is cut off, damaged, or has no rows.
    """
    chunks: list[Chunk] = []
    try:
        source = _seekable(handle) or io.BytesIO(b"".join(pieces))
        for chunk in rows_of(pq.ParquetFile(source)):
            chunks.append(chunk)
    except (pa.ArrowException, OSError, ValueError, Damaged) as error:
        if not chunks:
            raise InputError(damage(error)) from None
        return chunks, [(None, f"{damage(error)}; the rows before the damage are kept")]
    if not any(chunk.rows for chunk in chunks):
        raise InputError("the Parquet table has no rows")
    return chunks, []


def rows_of(file: pq.ParquetFile, **options: Any) -> Iterator[Chunk]:
    """The rows of an open file, ``ROWS`` at a time.

    Args:
        file: an open file.
        **options: of ``ParquetFile.iter_batches``: which row groups, which columns.
    """
    for batch in file.iter_batches(batch_size=ROWS, **options):
        yield _flat(batch)


def schema_of(file: pq.ParquetFile) -> list[str]:
    """The dotted names of the columns that ``rows_of`` gives; no row is read."""
    schema = file.schema_arrow
    nothing = pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)
    return list(dict.fromkeys(".".join(path) for path in _flat(nothing).columns))


def damage(error: Exception) -> str:
    """What to say of a file that pyarrow cannot read."""
    detail = (str(error).splitlines() or [""])[0][:120]
    return f"a damaged or incomplete Parquet file: copy or export it again ({detail})"


def _flat(batch: pa.RecordBatch) -> Chunk:
    names = [name for name in batch.schema.names if not name.startswith(PANDAS_INDEX)]
    return flatten_arrow(names, [batch.column(batch.schema.names.index(n)) for n in names], batch.num_rows)


def _seekable(handle: BinaryIO) -> BinaryIO | None:
    """The handle, back at its start, if what it holds is the Parquet file itself."""
    if not handle.seekable():
        return None
    handle.seek(0)
    is_parquet = handle.read(len(PARQUET)) == PARQUET
    handle.seek(0)
    return handle if is_parquet else None


def add_partitions(chunk: Chunk, partitions: dict[str, str]) -> None:
    """Add the values of folders named ``key=value`` as columns, unless the file has such a column."""
    present = {".".join(path) for path in chunk.columns}
    for key, text in partitions.items():
        if key in present or text == NO_PARTITION:
            continue
        value = unquote(text)
        # 3002 is a number, 0042 is not: a leading zero says that it is a name made of digits.
        number = value.isascii() and value.isdigit() and len(value) < 19 and (value == "0" or value[0] != "0")
        column = pa.array([int(value) if number else value], pa.int64() if number else pa.string())
        chunk.columns[(key,)] = column.take(pa.array([0] * chunk.rows, pa.int64()))
