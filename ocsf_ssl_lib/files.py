"""A file is there whole or not at all: written aside, then renamed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ocsf_ssl_lib.errors import InputError

__all__ = ["check_folder", "written_aside"]


def check_folder(path: Path) -> None:
    """Before hours of work: is there a folder to put ``path`` into?

    Raises:
        InputError: the folder is not there.
    """
    if not path.parent.is_dir():
        raise InputError(f"{path.parent} is not a folder; create it first")


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; it takes the name ``path`` when the block ends without an error.

    Raises:
        InputError: the file cannot be written (no space, no permission).
    """
    try:
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        try:
            yield Path(aside)
            os.chmod(aside, 0o644)
            os.replace(aside, path)
        finally:
            Path(aside).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
