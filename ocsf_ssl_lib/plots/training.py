"""The figures of training: what a ``History`` holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from ocsf_ssl_lib.plots.style import BLUE, MUTED, VERMILION, in_book_style, subplots

if TYPE_CHECKING:
    from ocsf_ssl_lib.training import History

__all__ = ["plot_history"]


@in_book_style
def plot_history(history: History) -> Figure:
    """Training and validation loss per epoch; a dotted line marks the epoch whose weights were kept."""
    figure, axes = subplots(height=2.8)
    frame = history.frame
    axes.plot(frame["epoch"], frame["train_loss"], color=BLUE, marker="o", label="training")
    if frame["validation_loss"].notna().any():
        axes.plot(
            frame["epoch"], frame["validation_loss"], color=VERMILION, marker="s", linestyle="--", label="validation"
        )
        axes.axvline(history.best_epoch, color=MUTED, linestyle=":", label="kept")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.legend()
    return figure
