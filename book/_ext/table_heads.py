"""Empty header cells become plain cells: a heading that says nothing is read out as one.

pandas writes them above its index, and the first row of a table without a caption for its first column has one.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

EMPTY = re.compile(r"<th\b([^>]*)>(\s*(?:<p>\s*</p>)?\s*)</th>")


def without_empty_headings(body: str) -> str:
    """Return a page's body with every empty ``<th>`` as ``<td>``."""
    return EMPTY.sub(r"<td\1>\2</td>", body)


def _mend(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    if context.get("body"):
        context["body"] = without_empty_headings(context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("html-page-context", _mend, priority=500)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
