"""What the book's own extensions change in a page."""

from __future__ import annotations

import pytest
from check_links import broken_links
from table_heads import without_empty_headings


@pytest.mark.parametrize(
    ("given", "mended"),
    [
        ("<th></th>", "<td></td>"),
        ('<th class="head"><p></p></th>', '<td class="head"><p></p></td>'),
        ('<th colspan="2">\n</th>', '<td colspan="2">\n</td>'),
        ("<th></th><th>a</th>", "<td></td><th>a</th>"),
        ("<thead></thead>", "<thead></thead>"),
        ("<th><code>x</code></th>", "<th><code>x</code></th>"),
    ],
)
def test_empty_headings_become_plain_cells_and_others_stay(given: str, mended: str) -> None:
    assert without_empty_headings(given) == mended


@pytest.mark.parametrize(
    ("link", "broken"),
    [
        ("b.html", False),
        ("b.html#there", False),
        ("#here", False),
        ("https://x.org/gone.html#a", False),
        ("mailto:a@x.org", False),
        ("b%20c.txt", False),
        ("gone.html", True),
        ("b.html#gone", True),
        ("#gone", True),
    ],
)
def test_links_that_lead_nowhere_are_found(tmp_path, link: str, broken: bool) -> None:
    (tmp_path / "a.html").write_text(f'<p id="here"><a class="x" href="{link}">x</a></p>')
    (tmp_path / "b.html").write_text('<h1 class="y" id="there">y</h1>')
    (tmp_path / "b c.txt").write_text("")
    assert bool(broken_links(tmp_path)) is broken
