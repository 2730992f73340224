"""A figure that carries data: a picture everywhere, and something to play with in the book.

Its SVG holds the data as JSON in a ``<metadata>`` element, which nothing draws. Jupyter, Colab, print and a reader
without scripts see the picture. On a page of the book, ``book/_static/explorers.js`` finds the data and puts controls
and a drawing that follows them in the picture's place. Nothing is fetched, and nothing is computed in the browser that
the data does not decide.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from ocsf_ssl_lib.errors import InputError
from ocsf_ssl_lib.plots.style import to_svg

__all__ = ["LARGEST", "Explorer"]

LARGEST = 60_000
"""Bytes of JSON; a page is read on phones."""


@dataclass(frozen=True, repr=False)
class Explorer:
    """A figure with the data that a page needs to let its reader change it.

    Args:
        kind: which explorer of ``explorers.js`` draws it.
        figure: the picture, drawn in the book's style; it must make sense alone.
        data: whatever JSON can say, with finite numbers; text may come from a log, it is escaped.

    Raises:
        InputError: more than ``LARGEST`` bytes, or a number that JSON cannot say.
    """

    kind: str
    figure: Figure
    data: Mapping[str, Any]

    def __post_init__(self) -> None:
        try:
            size = len(self.json())
        except ValueError as error:
            raise InputError(f"the data of the explorer {self.kind!r} is no JSON: {error}; drop such rows") from error
        if size > LARGEST:
            raise InputError(f"the explorer {self.kind!r} carries {size} bytes, at most {LARGEST}: show fewer events")

    def json(self) -> str:
        """The data as compact JSON, in ASCII: what a log holds may be no text that XML knows."""
        return json.dumps(self.data, allow_nan=False, separators=(",", ":"))

    def _repr_svg_(self) -> str:
        """What a cell shows: the picture, with the data inside."""
        head, body = to_svg(self.figure).split(">", 1)
        carried = f"<metadata>{html.escape(self.json(), quote=False)}</metadata>"
        return f'{head} data-explorer="{html.escape(self.kind)}">{carried}{body}'

    def __repr__(self) -> str:
        return f"Explorer({self.kind!r})"
