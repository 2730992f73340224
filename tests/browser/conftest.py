"""One browser for all tests of the built pages, and a server on this machine.

The tests are skipped where the book is not built, and where no browser is installed. On CI (the variable CI is
set) a missing browser is a failure, so that nobody takes silence for a pass.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser import NoBrowser, open_browser, serve
from chapters import environment_key
from playwright.sync_api import Browser
from visits import SITE, WIDE, Visit, Visitor, settle


@pytest.fixture(scope="session")
def site() -> Path:
    """The built book, where it was built from what is here now."""
    stamp = SITE.parent / ".environment_key"
    if not (SITE / "index.html").exists() or not stamp.exists() or stamp.read_text() != environment_key():
        pytest.skip("the book is not built: make book")
    return SITE


@pytest.fixture(scope="session")
def browser(site: Path) -> Iterator[Browser]:
    """A Chromium; see tools/browser.py for which."""
    try:
        with open_browser() as opened:
            yield opened
    except NoBrowser as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def address(site: Path) -> Iterator[str]:
    """The address at which the built book is served."""
    with serve(site) as served:
        yield served


@pytest.fixture
def visit(browser: Browser, address: str) -> Visitor:
    """Open a page of the book by name, in a window of its own."""

    @contextmanager
    def opened(name: str, **options: Any) -> Iterator[Visit]:
        scripts = options.get("java_script_enabled", True)
        context = browser.new_context(**{"viewport": WIDE, "reduced_motion": "reduce"} | options)
        context.set_default_timeout(20_000)
        page = context.new_page()
        seen = Visit(page)
        kinds = ("error", "warning")
        page.on("console", lambda m: seen.troubles.append(f"{m.type}: {m.text}") if m.type in kinds else None)
        page.on("pageerror", lambda error: seen.troubles.append(f"exception: {error}"))
        page.on("requestfailed", lambda r: seen.troubles.append(f"failed: {r.url}"))
        page.on("response", lambda r: seen.troubles.append(f"{r.status}: {r.url}") if r.status >= 400 else None)
        page.on("request", lambda r: None if r.url.startswith((address, "data:")) else seen.outside.append(r.url))
        try:
            page.goto(address + name, wait_until="load")
            if scripts:
                settle(page)
            yield seen
        finally:
            context.close()

    return opened
