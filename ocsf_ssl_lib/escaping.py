r"""Field values are written by attackers: how they are shown in a terminal, in HTML and in CSV without doing anything.

An event holds whatever a client sent as its user name. Shown as it is, a name can clear the screen (ANSI escapes),
turn the rest of the line round (bidirectional overrides), style or hide text (Rich markup), run in a browser
(``<script>``) or in a spreadsheet (``=HYPERLINK(...)``). Each way out has its own language and its own escape:

===========  ==============================  ======================================================
way out      function                        what it does
===========  ==============================  ======================================================
terminal     ``terminal_text``               no markup; what cannot be printed is written out: ``\x1b``
HTML         ``html_environment``            the same, then ``&lt;`` and the like, for every value
CSV          ``csv_safe``, ``csv_original``  an apostrophe in front of what would start a formula
===========  ==============================  ======================================================

JSON Lines and Parquet need nothing: neither is executed, and JSON writes control characters as ``\u001b``. A CSV file
keeps control characters inside a cell, because it is data too: look at it with ``less``, which shows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.text import Text

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["csv_original", "csv_safe", "html_environment", "plain_text", "terminal_text"]

# What a spreadsheet takes for the start of a formula: OWASP's list (ASVS 5, requirement 1.2.10, and the page "CSV
# Injection"), the line feed and the full-width forms included, which spreadsheets in some locales read as the others.
FORMULA = "=+\\-@\t\r\n\0＝＋－＠"
_STARTS_FORMULA = re.compile(f"'*[{FORMULA}]")
_ESCAPED_FORMULA = re.compile(f"'+[{FORMULA}]")


def plain_text(value: Any, length: int | None = None) -> str:
    r"""A value as one line of printable characters; what is not printable is written out.

    That covers control characters, ANSI escapes, line ends, NUL, bidirectional overrides, zero-width characters, lone
    surrogates: everything that ``str.isprintable`` refuses. Writing it out shows that something was there.

    Args:
        value: anything; ``str`` of it is shown.
        length: at most so many characters, the last one an ellipsis if something was cut; ``None`` cuts nothing.

    Example:
        >>> print(plain_text("ann\x1b[2J\u202e"))
        ann\x1b[2J\u202e
        >>> plain_text("a" * 1000, length=5)
        'aaaa…'
    """
    text = str(value)
    if length is not None:
        text = text[: length + 1]  # before the loop: a value may be megabytes long
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    return text if length is None or len(text) <= length else text[: length - 1] + "…"


def terminal_text(value: Any, length: int | None = None) -> Text:
    """A value for a Rich table or ``Console.print``: ``Text`` is never read as markup, a ``str`` is.

    Args:
        value: anything.
        length: see ``plain_text``.
    """
    return Text(plain_text(value, length))


def html_environment(package: str) -> Environment:
    """Jinja2 templates of ``package`` (its folder ``templates``) that escape every value by themselves.

    A value passes ``plain_text`` and then autoescape, whether or not the template thinks of it; only ``Markup``, which
    the library makes of its own figures, goes in as it is. A name that a template misspells is an error.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else plain_text(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )


def csv_safe(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text cell, and each name of a column, that would start a formula.

    Spreadsheets take the apostrophe for "this is text". Numbers stay as they are, negative ones too. Text that begins
    with apostrophes and then such a character gets one more, so that ``csv_original`` gives back what was there.

    Example:
        >>> csv_safe(pd.DataFrame({"user": ["=1+1", "ann"], "score": [-2.5, -0.1]})).values.tolist()
        [["'=1+1", -2.5], ['ann', -0.1]]
    """
    return _changed(table, _STARTS_FORMULA, lambda text: f"'{text}")


def csv_original(table: pd.DataFrame) -> pd.DataFrame:
    """The table before ``csv_safe``."""
    return _changed(table, _ESCAPED_FORMULA, lambda text: text[1:])


def _changed(table: pd.DataFrame, matches: re.Pattern[str], change: Callable[[str], str]) -> pd.DataFrame:
    """``change`` applied to the names and text cells that match; a column without any is taken as it is."""
    columns = []
    for position in range(table.shape[1]):
        column = table.iloc[:, position]
        if pd.api.types.is_object_dtype(column) or isinstance(column.dtype, pd.CategoricalDtype | pd.StringDtype):
            found = [isinstance(v, str) and bool(matches.match(v)) for v in column]
            if any(found):
                cells = [change(v) if hit else v for v, hit in zip(column, found, strict=True)]
                # object: pandas' own text cannot hold a lone surrogate, which may stand in another cell
                column = pd.Series(cells, index=column.index, name=column.name, dtype=object)
        columns.append(column)
    result = pd.concat(columns, axis=1) if columns else table.copy()
    names = {c: change(c) for c in table.columns if isinstance(c, str) and matches.match(c)}
    return result.rename(columns=names)
