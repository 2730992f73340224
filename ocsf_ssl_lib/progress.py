"""A progress bar on standard error, in terminals only."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

__all__ = ["training_bar"]


def training_bar(show: bool | None) -> Progress:
    """A bar with steps, loss and the time that is left.

    Args:
        show: ``None`` shows it where standard error is a terminal; pages and pipes stay clean.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeRemainingColumn(),
    )
    visible = sys.stderr.isatty() if show is None else show
    return Progress(*columns, console=Console(stderr=True), disable=not visible, transient=True)
