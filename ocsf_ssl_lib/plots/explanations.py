"""The figure of an explained event: which fields surprise, by how much, and what was expected there."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ocsf_ssl_lib.detect.explanation import ExplainedCell, ExplainedEvent
from ocsf_ssl_lib.escaping import plain_text
from ocsf_ssl_lib.plots.style import ANOMALY, BLUE, INK, MARKERS, in_book_style, subplots

__all__ = ["explained_event"]

LONGEST = 22  # characters of a value or a name; two values stand side by side


@in_book_style
def explained_event(event: ExplainedEvent, top: int = 5) -> Figure:
    """The fields of one event as bars of nats, the field to blame first, with found and expected values.

    A bar is the surprise given the other fields, a diamond that of the value on its own: where the bar is long and the
    diamond far to the left, a common value stands in the wrong company.

    Args:
        event: of ``explain_events``.
        top: fields to show.
    """
    cells = event.cells[:top]
    heights = np.arange(len(cells), dtype=float)
    fig, ax = subplots(height=1.1 + 0.62 * max(1, len(cells)))
    for kind, colour, hatch in (("to blame first", ANOMALY, "///"), ("given the other fields", BLUE, "")):
        chosen = (heights == 0) == (kind == "to blame first")
        nats = [cell.nats for cell, here in zip(cells, chosen, strict=True) if here]
        ax.barh(heights[chosen], nats, height=0.3, color=colour, hatch=hatch, label=kind)
    alone = [cell.marginal_nats for cell in cells]
    hollow = {"color": INK, "markerfacecolor": "none", "markersize": 7, "markeredgewidth": 1.5}
    ax.plot(alone, heights, MARKERS[4], label="value alone", **hollow)
    for height, cell in zip(heights, cells, strict=True):
        # Values are written by strangers: a dollar sign must not start a formula.
        ax.text(0, height - 0.22, _found_and_expected(cell), va="bottom", fontsize=9.5, parse_math=False)
    ax.set_yticks(heights, [_readable(cell.column) for cell in cells])
    for tick in ax.get_yticklabels():
        tick.set_parse_math(False)
    ax.set(xlabel="surprise (nats)", xlim=(0, None), ylim=(len(cells) - 0.6, -0.7))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x")
    fig.legend(loc="outside upper left", ncols=3, columnspacing=1.2, handlelength=1.4)
    return fig


def _found_and_expected(cell: ExplainedCell) -> str:
    if not cell.expected:
        return _readable(cell.text)
    best = cell.expected[0]
    chance = "" if best.probability is None else f" ({best.probability:.0%})"
    found, expected = _readable(cell.text), _readable(best.text)
    return f"{found}, as expected{chance}" if found == expected else f"{found}, expected {expected}{chance}"


def _readable(text: str) -> str:
    """Of bounded length; of a name the end tells more than the beginning."""
    text = plain_text(text)
    return text if len(text) <= LONGEST else "…" + text[1 - LONGEST :]
