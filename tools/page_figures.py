"""What each page of the built book costs a reader.

    python tools/page_figures.py

For each page, from this machine's own server and with an empty cache: the page's size, requests, bytes in all, and
the times to first contentful paint and to the end of loading, as the browser measured them. The median of three
visits. Bytes are those of the files, which a server in earnest would compress.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from browser import NoBrowser, open_browser, serve
from chapters import ROOT, pages
from playwright.sync_api import Browser

VISITS = 3
LARGEST = 1_000_000  # bytes of a page's own HTML
ENTRIES = """async () => {
  const paint = () => performance.getEntriesByName("first-contentful-paint")[0];
  while (!paint()) { await new Promise(requestAnimationFrame); }
  const [page] = performance.getEntriesByType("navigation");
  const files = performance.getEntriesByType("resource");
  return {
    html: page.decodedBodySize,
    requests: 1 + files.length,
    total: files.reduce((sum, file) => sum + file.decodedBodySize, page.decodedBodySize),
    paint: paint().startTime,
    load: page.loadEventEnd,
  };
}"""


@dataclass(frozen=True)
class Figures:
    """One page: sizes in bytes, times in milliseconds."""

    name: str
    html: int
    requests: int
    total: int
    paint: float
    load: float


def _visit(browser: Browser, address: str) -> dict[str, float]:
    """Visit a page once, in a window that has seen nothing."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    try:
        page = context.new_page()
        page.goto(address, wait_until="load")
        page.wait_for_timeout(200)  # the last scripts are asked for after the page has loaded
        return page.evaluate(ENTRIES)
    finally:
        context.close()


def measure(site: Path, names: list[str]) -> list[Figures]:
    """Visit pages and return their figures, in the order given.

    Raises:
        NoBrowser: No Chromium is installed.
    """
    measured = []
    with open_browser() as browser, serve(site) as address:
        for name in names:
            visits = [_visit(browser, address + name) for _ in range(VISITS)]
            middle = {key: statistics.median(visit[key] for visit in visits) for key in visits[0]}
            whole = {key: int(middle[key]) for key in ("html", "requests", "total")}
            measured.append(Figures(name, **whole, paint=middle["paint"], load=middle["load"]))
    return measured


def main() -> int:
    """Print a table; return 1 when a page is too large."""
    site = ROOT / "_build" / "html"
    names = [f"book/{page.stem}.html" for page in pages()] + ["genindex.html", "py-modindex.html", "search.html"]
    try:
        rows = measure(site, names)
    except NoBrowser as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    width = max(len(row.name) for row in rows)
    print(f"{'page':{width}}  {'HTML kB':>8} {'requests':>8} {'total kB':>8} {'paint ms':>8} {'load ms':>8}")
    for row in rows:
        sizes = f"{row.html / 1000:8.0f} {row.requests:8d} {row.total / 1000:8.0f}"
        print(f"{row.name:{width}}  {sizes} {row.paint:8.0f} {row.load:8.0f}")
    large = [row.name for row in rows if row.html >= LARGEST]
    for name in large:
        print(f"error: {name} is larger than {LARGEST / 1000:.0f} kB", file=sys.stderr)
    return int(bool(large))


if __name__ == "__main__":
    sys.exit(main())
