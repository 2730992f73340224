"""The application the commands hang on, what they say and how they end."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import typer
from rich.console import Console

from ocsf_ssl_lib.errors import DataWarning, InputError, TrainingError, TrainingWarning
from ocsf_ssl_lib.escaping import plain_text

__all__ = ["app", "console", "note", "rank", "run_app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Self-supervised anomaly detection on security events (OCSF).",
)
EXIT_BAD_INPUT = 2


def console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for a table when piped to a file."""
    return Console(width=None if sys.stdout.isatty() else 160, highlight=False, force_jupyter=False)


def rank() -> int:
    """Which of several processes started by torchrun this is."""
    return int(os.environ.get("RANK", "0"))


def note(text: str) -> None:
    """Say one line on standard error, once however many processes there are; it may hold values of fields."""
    if rank() == 0:
        print(plain_text(text), file=sys.stderr)


def _warn(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, DataWarning | TrainingWarning):
        note(f"note: {message}")


def _fail(error: Exception) -> NoReturn:
    print(f"error: {plain_text(' '.join(str(error).split()))}", file=sys.stderr)
    raise SystemExit(EXIT_BAD_INPUT)


def run_app(run: Callable[[], Any] = app) -> None:
    """Run a command: one line and exit code 2 for whatever cannot be used."""
    warnings.showwarning = _warn
    try:
        run()
    except (InputError, TrainingError) as error:
        _fail(error)
    except BrokenPipeError:  # `ocsf-ssl score ... | head`: not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
