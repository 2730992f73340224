"""Links of the built pages: every file and every anchor that one of them names is there (for check_site.py)."""

from __future__ import annotations

import html
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Templates, and the listings of modules: a rebuild leaves the listings of modules that are gone.
ASIDE = {"_static", "_modules"}
# Code on a page cannot look like a tag: its angle brackets are escaped.
TAG = re.compile(r"<(?:a|area|link|img|script|source|iframe)\b[^>]*?\s(?:href|src)=\"([^\"]*)\"")
ANCHOR = re.compile(r"<[a-zA-Z][^>]*?\s(?:id|name)=\"([^\"]*)\"")


def _anchors(text: str) -> set[str]:
    return {html.unescape(name) for name in ANCHOR.findall(text)}


def broken_links(site: Path) -> list[str]:
    """List the links inside the site that lead nowhere, as ``page: address``."""
    texts = {file.resolve(): file.read_text(encoding="utf-8") for file in sorted(site.rglob("*.html"))}
    anchors = {file: _anchors(text) for file, text in texts.items()}
    found = []
    for file, text in texts.items():
        if ASIDE & set(file.relative_to(site.resolve()).parts):
            continue
        for given in dict.fromkeys(TAG.findall(text)):
            parts = urlsplit(html.unescape(given))
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            fragment = unquote(parts.fragment)
            missing = not target.exists() or (fragment and target in anchors and fragment not in anchors[target])
            if missing:
                found.append(f"{file.relative_to(site.resolve())}: {given}")
    return found
