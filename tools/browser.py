"""A browser for the tests of the built pages, for `make pdf` and for the page figures.

Debian's Chromium, the reader's own Chrome or the one that Playwright brings: whichever is there.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, Playwright, sync_playwright

VARIABLE = "OCSF_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "no Chromium is installed: apt install chromium, or python -m playwright install chromium, "
    f"or set {VARIABLE} to the path of one"
)

# The sandbox needs rights that containers lack; the pages are our own. The rest keeps Chromium off the network.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class NoBrowser(RuntimeError):
    """No Chromium was found; the message says how to get one."""


def find_browser(playwright: Playwright) -> str:
    """Return the path of a Chromium.

    Raises:
        NoBrowser: None is installed, or the variable `OCSF_BROWSER` names none.
    """
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise NoBrowser(f"{VARIABLE}={named} is not a program")
        return found
    for name in NAMES:
        if found := shutil.which(name):
            return found
    own = playwright.chromium.executable_path
    if Path(own).exists():
        return own
    raise NoBrowser(MISSING)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start the browser; end it when done.

    Raises:
        NoBrowser: None is installed.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(playwright), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files and writes no log."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serve(site: Path) -> Iterator[str]:
    """Serve a folder on a free port of this machine; give its address, which ends in a slash."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def main() -> int:
    """Say which browser would be used; return 1 where there is none."""
    with sync_playwright() as playwright:
        try:
            print(find_browser(playwright))
        except NoBrowser as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
