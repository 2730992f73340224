"""Check the built pages: nothing comes from outside, images are described, text is legible, no link leads nowhere.

python tools/check_site.py [_build/html]
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

from chapters import ROOT
from check_links import broken_links

SMALLEST_TEXT = 8.0  # pixels, at the width of a phone
LOADING_RELS = {"stylesheet", "preload", "icon", "shortcut", "modulepreload", "prefetch", "preconnect", "manifest"}


class _Page(HTMLParser):
    """Collects what a page loads and which figures it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: list[str] = []
        self._style = False
        self._in_figure = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        address = ""
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed", "input"):
            address = given.get("src", "")
        elif tag == "link" and LOADING_RELS & set(given.get("rel", "").split()):
            address = given.get("href", "")
        elif tag == "object":
            address = given.get("data", "")
        if re.match(r"(https?:)?//", address):
            self.problems.append(f"loads {address}")
        if tag == "img" and not given.get("alt", "").strip():
            self.problems.append(f"image without alternative text: {address[-60:]}")
        if tag == "img" and re.search(r"_images/.*\.(svg|png|jpe?g)$", given.get("alt", "")):
            self.problems.append(f"image described by its file name: {address[-60:]}")
        if tag == "svg" and "book-figure" in given.get("class", ""):
            name = given.get("aria-label", "").strip()
            if not name or re.search(r"_images/\S+\.svg$", name):
                self.problems.append("figure without alternative text")
            if not self._in_figure:
                self.problems.append(f"figure without a caption: {name[:60]}")
            if float(given.get("data-smallest-text-px", "99")) < SMALLEST_TEXT:
                size = given["data-smallest-text-px"]
                self.problems.append(f"figure with text of {size} px on a phone: {given.get('aria-label', '')[:60]}")
        self._style = tag == "style"
        self._in_figure = self._in_figure or tag == "figure"

    def handle_data(self, data: str) -> None:
        if self._style and re.search(r"(@import|url\()\s*[\"']?(https?:)?//", data):
            self.problems.append("a style loads from outside")

    def handle_endtag(self, tag: str) -> None:
        self._style = False
        if tag == "figure":
            self._in_figure = False


def page_problems(text: str) -> list[str]:
    """List what is wrong with one page's HTML."""
    page = _Page()
    page.feed(text)
    return page.problems


def check(site: Path) -> list[str]:
    """List what is wrong with the built pages and their styles."""
    found = []
    for file in sorted(site.rglob("*.html")):
        for problem in page_problems(file.read_text(encoding="utf-8")):
            found.append(f"{file.relative_to(site)}: {problem}")
    for file in sorted(site.rglob("*.css")):
        if re.search(r"(@import|url\()\s*[\"']?(https?:)?//", file.read_text(encoding="utf-8")):
            found.append(f"{file.relative_to(site)}: loads from outside")
    return found + [f"{link} leads nowhere" for link in broken_links(site)]


def main() -> int:
    """Print the problems; return 1 when there are any."""
    site = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_build" / "html"
    found = check(site)
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
