"""From a path to UTF-8 bytes: which files a folder offers, compression, encodings, and what is no text at all."""

from __future__ import annotations

import codecs
import json
import os
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from ocsf_ssl_lib.errors import InputError

__all__ = ["STDIN", "Damaged", "list_sources", "open_source", "peek", "plain_bytes", "utf8"]

STDIN = "-"
PIECE = 1 << 20
ENDINGS = {"json", "jsonl", "ndjson", "ocsf", "log", "parquet"}
COMPRESSED = {"gz", "gzip", "zst", "zstd"}

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
# What people pass by mistake, by its first bytes: the message can then say what to do.
FOREIGN = (
    (b"PK\x03\x04", "a zip archive: unpack it first"),
    (b"BZh", "bzip2-compressed: unpack it, or use gzip or zstd"),
    (b"\xfd7zXZ\x00", "xz-compressed: unpack it, or use gzip or zstd"),
    (b"\x04\x22\x4d\x18", "lz4-compressed: unpack it, or use gzip or zstd"),
    (b"7z\xbc\xaf", "a 7z archive: unpack it first"),
    (b"PARE", "an encrypted Parquet file: decrypt it first"),
    (b"ARROW1", "an Arrow file: write it as Parquet"),
    (b"ORC", "an ORC file: write it as Parquet"),
    (b"Obj\x01", "an Avro file: write it as Parquet or JSON Lines"),
    (b"ElfFile\x00", "a Windows event log: export it as OCSF JSON first"),
    (b"SQLite format 3", "a SQLite database: export its table as Parquet or JSON Lines"),
    (b"%PDF", "a PDF"),
)


class Damaged(Exception):
    """The source ends or breaks early; everything before the damage was already handed on."""


def list_sources(paths: Any) -> list[tuple[str | BinaryIO, str, dict[str, str]]]:
    """Every file to read, in order, once: (path, name to show, values of partition folders ``key=value``)."""
    found: list[tuple[str | BinaryIO, str, dict[str, str]]] = []
    seen: set[str] = set()
    single = isinstance(paths, str | os.PathLike) or hasattr(paths, "read")
    for given in [paths] if single else list(paths):
        if hasattr(given, "read"):
            found.append((given, str(getattr(given, "name", "<stream>")), {}))
            continue
        name = os.fspath(given)
        if name == STDIN or not os.path.isdir(name):
            files = [Path(name)]
        else:
            files = _files_of(Path(name))
            if not files:
                wanted = ", ".join(f"*.{ending}" for ending in sorted(ENDINGS))
                raise InputError(f"{name}: the folder holds no events (looked for {wanted}; plain, .gz or .zst)")
        for file in files:
            key = os.path.realpath(file) if str(file) != STDIN else STDIN
            if key not in seen:
                seen.add(key)
                found.append((str(file), "<stdin>" if str(file) == STDIN else str(file), _partitions(file, name)))
    if not found:
        raise InputError("no path given: name a file, a folder, or - for standard input")
    return found


def _files_of(folder: Path) -> list[Path]:
    """The event files below a folder, sorted; hidden and bookkeeping ones (_SUCCESS, _delta_log) are left out."""
    files = []
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        endings = [ending for ending in file.name.lower().split(".")[1:] if ending not in COMPRESSED]
        hidden = any(part[0] in "._" for part in parts)
        if not hidden and endings and endings[-1] in ENDINGS and file.is_file():
            files.append(file)
    return files


def _partitions(file: Path, root: str) -> dict[str, str]:
    if str(file) in (root, STDIN):
        return {}
    folders = (part.partition("=") for part in file.relative_to(root).parts[:-1])
    return {key: value for key, equals, value in folders if equals and key}


def open_source(path: str | BinaryIO) -> BinaryIO:
    """The source opened for reading bytes.

    Raises:
        InputError: it is missing or may not be read.
    """
    if not isinstance(path, str):
        return path
    if path == STDIN:
        return cast(BinaryIO, getattr(sys.stdin, "buffer", sys.stdin))
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file or folder; check the path") from None
    except PermissionError:
        raise InputError(f"{path}: may not be read; check its permissions") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror or error}") from None


def plain_bytes(handle: BinaryIO) -> Iterator[bytes]:
    """The content in pieces, unpacked if its first bytes say gzip or zstd (several members or frames too).

    Raises:
        Damaged: after the last good piece, when the compressed data are cut off or broken.
    """
    first = handle.read(PIECE)
    pieces = _chain(first, handle)
    if first.startswith(GZIP):
        return _unpack(pieces, lambda: zlib.decompressobj(31), "gzip", GZIP)
    if first.startswith(ZSTD):
        import zstandard

        return _unpack(pieces, lambda: zstandard.ZstdDecompressor().decompressobj(), "zstd", ZSTD)
    return pieces


def peek(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first piece, and all pieces with it; damage there is met again when the pieces are read."""

    def again(first: bytes, error: Damaged | None) -> Iterator[bytes]:
        if error is not None:
            raise error
        if first:
            yield first
        yield from pieces

    try:
        first = next(pieces, b"")
    except Damaged as error:
        return b"", again(b"", error)
    return first, again(first, None)


def _chain(first: bytes, handle: BinaryIO) -> Iterator[bytes]:
    while first:
        yield first
        try:
            first = handle.read(PIECE)
        except OSError as error:
            raise Damaged(f"reading stopped: {error.strerror or error}") from None


def _unpack(pieces: Iterable[bytes], new: Any, kind: str, magic: bytes) -> Iterator[bytes]:
    # zlib and zstandard rather than pyarrow's stream: that one drops up to a buffer of good data before a cut.
    unpacker = new()
    fresh = True  # between members: zero padding is allowed there, and the end of the file is no damage
    for piece in pieces:
        while piece:
            if fresh and not (piece := piece.lstrip(b"\0")):
                break
            try:
                data = unpacker.decompress(piece)
            except Exception as error:  # zlib.error, zstandard.ZstdError
                raise Damaged(f"the {kind} data are damaged ({str(error).splitlines()[0]})") from None
            if data:
                yield data
            fresh = unpacker.eof
            piece = unpacker.unused_data if fresh else b""
            if fresh:
                unpacker = new()
    if not fresh:
        raise Damaged(f"the {kind} file is cut off: copy or download it again")


def utf8(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The same text in UTF-8 without byte order mark; UTF-16 and UTF-32 are recoded.

    Raises:
        InputError: empty, or no text.
    """
    first = b""
    damage: Damaged | None = None
    try:
        while len(first) < 4096 and (piece := next(pieces, b"")):
            first += piece
    except Damaged as error:
        damage = error
    if not first.strip() and damage is None and not (first := first + b"".join(pieces)).strip():
        raise InputError(
            f"{name}: the file {'holds only white space' if first else 'is empty'}; there is no event in it"
        )
    for magic, what in FOREIGN:
        if first.startswith(magic):
            raise InputError(f"{name}: this is {what}")
    encoding = json.detect_encoding(first[:4]) if first else "utf-8"
    if encoding in ("utf-8", "utf-8-sig"):
        if _is_binary(first[:4096]):
            raise InputError(f"{name}: this is binary data, neither JSON nor Parquet; name a file of events")
        yield first.removeprefix(codecs.BOM_UTF8)
        if damage is None:
            yield from pieces
    else:
        decoder = codecs.getincrementaldecoder(encoding)("replace")
        text = decoder.decode(first)
        if text.lstrip()[:1] not in ("{", "["):
            raise InputError(f"{name}: this is binary data, neither JSON nor Parquet; name a file of events")
        yield text.encode("utf-8", "replace")
        if damage is None:
            for piece in pieces:
                yield decoder.decode(piece).encode("utf-8", "replace")
    if damage is not None:
        raise damage


def _is_binary(sample: bytes) -> bool:
    if sample.lstrip()[:1] in (b"{", b"["):
        return False  # broken JSON perhaps; the parser can say more about it
    control = sum(byte < 9 or 13 < byte < 32 for byte in sample)
    return control > 0.05 * len(sample)
