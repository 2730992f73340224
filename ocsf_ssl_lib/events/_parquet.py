"""Parquet to chunks of columns: nested structs, as Security Lake and Spark write them, and partition folders."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import BinaryIO
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.events._flatten import Chunk, flatten_arrow
from ocsf_ssl_lib.events._sources import Damaged

__all__ = ["PARQUET", "Refusal", "add_partitions", "read_parquet"]

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
        file = pq.ParquetFile(source)
        for batch in file.iter_batches(batch_size=ROWS):
            names = [name for name in batch.schema.names if not name.startswith(PANDAS_INDEX)]
            chunks.append(
                flatten_arrow(names, [batch.column(batch.schema.names.index(n)) for n in names], batch.num_rows)
            )
    except (pa.ArrowException, OSError, ValueError, Damaged) as error:
        detail = (str(error).splitlines() or [""])[0][:120]
        reason = f"a damaged or incomplete Parquet file: copy or export it again ({detail})"
        if not chunks:
            raise InputError(reason) from None
        return chunks, [(None, f"{reason}; the rows before the damage are kept")]
    if not any(chunk.rows for chunk in chunks):
        raise InputError("the Parquet table has no rows")
    return chunks, []


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
