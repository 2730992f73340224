"""axe finds nothing on any page, in the light, in the dark and on a phone.

What takes axe long is contrast: it looks at each of the thousands of coloured words of a page's code. By default it
is shown one element for each combination of colour, size and ground (contrast_samples.js), in every theme and
width; and on a phone only the rules that depend on the width. With OCSF_AXE=full (`make test-all`) every rule sees
every element each time.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page
from visits import CHAPTERS, GENERATED, PHONE, Visitor, settle

pytestmark = pytest.mark.slow

FULL = os.environ.get("OCSF_AXE") == "full"
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
SAMPLES = (Path(__file__).parent / "contrast_samples.js").read_text(encoding="utf-8")
CONTRAST = ["color-contrast", "link-in-text-block"]
OF_THE_WIDTH = ["scrollable-region-focusable", "target-size", "aria-hidden-focus", "bypass", "skip-link", "region"]
STILL = "* { transition: none !important; animation: none !important; }"


def _axe(page: Page, context: str, options: dict[str, Any]) -> list[str]:
    """Run axe; return a line for each thing that it finds."""
    script = f"""async (options) => {{
        const result = await axe.run({context}, {{ resultTypes: ["violations"], ...options }});
        return result.violations.flatMap((rule) => rule.nodes.map((node) =>
            `${{rule.id}}: ${{node.html.slice(0, 120)}} ${{node.failureSummary.split("\\n").slice(1).join(";")}}`));
    }}"""
    return page.evaluate(script, options)


def _findings(page: Page, rules: dict[str, Any]) -> list[str]:
    """Look at the page as it stands: at everything, or by `rules` and at samples of contrast."""
    if FULL:
        return _axe(page, "document", {})
    samples = f"{{ include: ({SAMPLES})() }}"
    return _axe(page, "document", rules) + _axe(page, samples, {"runOnly": CONTRAST})


@pytest.mark.parametrize("name", CHAPTERS + GENERATED)
def test_axe_finds_nothing(visit: Visitor, name: str) -> None:
    structure = {"rules": {rule: {"enabled": False} for rule in CONTRAST}}
    found: dict[str, list[str]] = {}
    with visit(name) as seen:
        page = seen.page
        page.add_style_tag(content=STILL)
        page.evaluate(AXE)
        found["light"] = _findings(page, structure)
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        found["dark"] = _findings(page, {"runOnly": ["link-in-text-block"]})
        page.set_viewport_size(PHONE)
        settle(page)
        found["dark phone"] = _findings(page, {"runOnly": OF_THE_WIDTH})
        page.evaluate("document.documentElement.dataset.theme = 'light'")
        found["light phone"] = _findings(page, {"runOnly": OF_THE_WIDTH}) if FULL else []
    assert {where: lines for where, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        ("document.querySelector('h1').style.color = '#eee'", "color-contrast"),
        ("document.querySelector('article p').style.cssText = 'background: #888; color: #777'", "color-contrast"),
        ("document.querySelector('article').innerHTML += '<img src=x>'", "image-alt"),
        ("document.querySelector('main').remove()", "landmark-one-main"),
    ],
)
def test_axe_would_notice(visit: Visitor, spoil: str, rule: str) -> None:
    with visit("book/glossary.html") as seen:
        seen.page.evaluate(spoil)
        seen.page.evaluate(AXE)
        structure = {"rules": {name: {"enabled": False} for name in CONTRAST}}
        assert any(line.startswith(rule) for line in _findings(seen.page, structure))
