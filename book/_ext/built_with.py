"""The directive ``{built-with}``: a table of the machine and the versions that built the book.

Only ``book/status.md`` uses it. The table is filled in when pages are written and not when they are read, so
that it tells of this build even where Sphinx took the page itself from its own store.
"""

from __future__ import annotations

import datetime
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

sys.path.append(str(Path(__file__).resolve().parents[2] / "experiments"))
from record import hardware

SHOWN = ("ocsf-ssl-lib", "torch", "numpy", "pandas", "scikit-learn", "pyarrow", "jupyter-book", "Sphinx", "myst-nb")


class _Placeholder(nodes.General, nodes.Element):
    """Where the table will stand."""


class _BuiltWith(SphinxDirective):
    """Mark the place."""

    def run(self) -> list[nodes.Node]:
        """Return the placeholder."""
        return [_Placeholder()]


def _memory() -> str:
    """Return the machine's memory, where the system tells."""
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{size / 2**30:.0f} GiB"


def facts() -> dict[str, str]:
    """Return what the table says, in its order."""
    return {
        "Built on": datetime.date.today().isoformat(),
        "Processor": hardware(),
        "Memory": _memory(),
        "System": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        **{name: version(name).split("+")[0] for name in SHOWN},
    }


def table(rows: dict[str, str]) -> nodes.table:
    """Return a table of two columns, the first of which heads its row."""
    body = nodes.tbody()
    for name, value in rows.items():
        cells = [nodes.entry("", nodes.paragraph(text=text)) for text in (name, value)]
        body += nodes.row("", *cells)
    group = nodes.tgroup("", nodes.colspec(colwidth=30, stub=1), nodes.colspec(colwidth=70), body, cols=2)
    return nodes.table("", group, classes=["colwidths-auto"])


def _fill(app: Sphinx, doctree: nodes.document, page: str) -> None:
    for place in list(doctree.findall(_Placeholder)):
        place.replace_self(table(facts()))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_node(_Placeholder)
    app.add_directive("built-with", _BuiltWith)
    app.connect("doctree-resolved", _fill)
    app.connect("env-get-outdated", lambda app, env, added, changed, removed: ["book/status"])
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
