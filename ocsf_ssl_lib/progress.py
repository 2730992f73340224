"""A progress bar on standard error, in terminals only."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

__all__ = ["scoring_bar", "training_bar"]


def training_bar(show: bool | None) -> Progress:
    """A bar with steps, loss and the time that is left.

    Args:
        show: ``None`` shows it where standard error is a terminal; pages and pipes stay clean.
    """
    return _bar(show, MofNCompleteColumn(), TextColumn("loss {task.fields[loss]:.3f}"))


def scoring_bar(show: bool | None) -> Progress:
    """A bar with events and the time that is left; ``show`` as in ``training_bar``."""
    return _bar(show, TextColumn("{task.completed:,.0f} of {task.total:,.0f} events"))


def _bar(show: bool | None, *between: ProgressColumn) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), *between, TimeRemainingColumn())
    visible = sys.stderr.isatty() if show is None else show
    return Progress(*columns, console=Console(stderr=True), disable=not visible, transient=True)
