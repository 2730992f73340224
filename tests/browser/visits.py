"""The pages of the built book, and what a visit to one of them tells."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from chapters import ROOT, pages
from playwright.sync_api import Page

SITE = ROOT / "_build" / "html"
CHAPTERS = [f"book/{page.stem}.html" for page in pages()]
GENERATED = ["genindex.html", "py-modindex.html", "search.html"]
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}


@dataclass
class Visit:
    """A page in the browser, and what went wrong while it loaded."""

    page: Page
    troubles: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


Visitor = Callable[..., AbstractContextManager[Visit]]


def settle(page: Page) -> None:
    """Wait until formulas are set and what follows from their width is done."""
    page.evaluate("async () => { await window.MathJax?.startup?.promise; await new Promise(requestAnimationFrame); }")
