"""Print the whole book to one PDF.

    python tools/print_book.py [_build/pdf/book.pdf]

The built pages are put into one document in a browser (print_book.js) and printed from there, so that formulas,
figures and links are those of the pages, and nothing is run again. It is printed twice: only then are the page
numbers of the table of contents known.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import yaml
from browser import NoBrowser, open_browser, serve
from chapters import ROOT, book_url, pages
from playwright.sync_api import Page
from pypdf import PdfReader

HERE = Path(__file__).parent
FOOT = """
<div style="width: 100%; font-size: 8px; text-align: center; font-family: sans-serif;">
  <span class="pageNumber"></span>
</div>"""
NUMBERS = """(numbers) => {
  for (const link of document.querySelectorAll(".book-contents a")) {
    link.querySelector(".book-number").textContent = numbers[link.getAttribute("href").slice(1)] ?? "";
  }
}"""
# Paper does not scroll: what is wider than its column shrinks until it fits.
FIT = """() => {
  const edge = document.querySelector(".book-whole").getBoundingClientRect().right;
  for (const wide of document.querySelectorAll("article table, mjx-container[display=true]")) {
    const { right, width } = wide.getBoundingClientRect();
    if (right > edge) { wide.style.zoom = (width - (right - edge)) / width; }
  }
}"""
SHEET = {"width": 657, "height": 986}  # pixels: A4 without its margins, at 96 to the inch
PATIENCE = 600_000  # milliseconds; the book has some hundred pages


def _print(page: Page, target: Path) -> None:
    page.pdf(
        path=target,
        format="A4",
        margin={"top": "18mm", "bottom": "18mm", "left": "18mm", "right": "18mm"},
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOT,
        print_background=True,
        outline=True,
        tagged=True,
    )


def page_numbers(pdf: Path) -> dict[str, int]:
    """Return the page, counted from 1, of every place in a PDF that one of its links leads to."""
    reader = PdfReader(pdf)
    places = reader.named_destinations.items()
    found = {name.lstrip("/"): reader.get_destination_page_number(place) for name, place in places}
    return {name: number + 1 for name, number in found.items() if number is not None}


def print_book(site: Path, target: Path) -> int:
    """Print the pages of `_toc.yml` to one PDF, and return how many sheets it has.

    Raises:
        NoBrowser: No Chromium is installed.
    """
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    known = {
        "files": [f"book/{page.stem}.html" for page in pages()],
        "title": config["title"],
        "author": config["author"],
        "date": datetime.date.today().isoformat(),
        "home": book_url(),
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser, serve(site) as address:
        page = browser.new_page(color_scheme="light")
        page.set_default_timeout(PATIENCE)
        page.goto(address + known["files"][0])
        page.evaluate((HERE / "print_book.js").read_text(encoding="utf-8"), known)
        page.add_style_tag(path=HERE / "print_book.css")
        page.emulate_media(media="print")
        page.set_viewport_size(SHEET)
        page.evaluate(FIT)
        _print(page, target)
        page.evaluate(NUMBERS, page_numbers(target))
        _print(page, target)
    return len(PdfReader(target).pages)


def main() -> int:
    """Print, and say where the PDF is."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_build" / "pdf" / "book.pdf"
    try:
        count = print_book(ROOT / "_build" / "html", target)
    except NoBrowser as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"The book is in {target}: {count} pages, {target.stat().st_size / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
