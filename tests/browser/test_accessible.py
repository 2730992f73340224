"""axe finds nothing on any page, in the light, in the dark and on a phone.

What takes axe long is contrast: it looks at each of the thousands of coloured words of a page's code. By default it
sees one word for each combination of colour, size and ground (sample_contrast.js); in the dark it looks at what
depends on colour, and on a phone at what depends on the width. With OCSF_AXE=full (`make test-all`) it sees all and
looks at all, four times.
"""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

import pytest
from playwright.sync_api import Page
from visits import CHAPTERS, GENERATED, PHONE, Visitor, settle

pytestmark = pytest.mark.slow

FULL = os.environ.get("OCSF_AXE") == "full"
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
SAMPLE = (Path(__file__).parent / "sample_contrast.js").read_text(encoding="utf-8")
# axe does not look into MathML, which screen readers do read: a heading that is a formula seems empty to it.
FORMULAS = 'axe.configure({ rules: [{ id: "empty-table-header", selector: "th:not(:has(mjx-container))" }] })'
STILL = "* { transition: none !important; animation: none !important; }"
OF_COLOUR = ["color-contrast", "link-in-text-block"]
OF_WIDTH = ["color-contrast", "scrollable-region-focusable", "target-size", "aria-hidden-focus", "skip-link", "region"]
RUN = """async (rules) => {
    const result = await axe.run(document, { resultTypes: ["violations"], ...(rules && { runOnly: rules }) });
    return result.violations.flatMap((rule) => rule.nodes.map((node) =>
        `${rule.id}: ${node.html.slice(0, 120)} ${node.failureSummary.split("\\n").slice(1).join(";")}`));
}"""


def _prepare(page: Page) -> None:
    """Load axe into a page, and make the page small unless all is to be seen."""
    page.add_style_tag(content=STILL)
    page.evaluate(AXE)
    page.evaluate(FORMULAS)
    if not FULL:
        page.evaluate(SAMPLE)


def _findings(page: Page, theme: str, rules: list[str] | None = None) -> list[str]:
    """Return a line for each thing that axe finds in a theme; by default by all rules."""
    page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
    return page.evaluate(RUN, None if FULL else rules)


@pytest.mark.parametrize("name", CHAPTERS + GENERATED)
def test_axe_finds_nothing(visit: Visitor, name: str) -> None:
    found = {}
    with visit(name) as seen:
        page = seen.page
        _prepare(page)
        found["light"] = _findings(page, "light")
        found["dark"] = _findings(page, "dark", OF_COLOUR)
        page.set_viewport_size(PHONE)
        settle(page)
        page.wait_for_timeout(400)  # the theme looks at what scrolls 300 ms after the width has changed
        found["dark phone"] = _findings(page, "dark", OF_WIDTH)
        if FULL:
            found["light phone"] = _findings(page, "light")
    assert {where: lines for where, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        ("document.querySelector('article h1').style.color = '#eee'", "color-contrast"),
        ("document.querySelector('article p').style.cssText = 'background: #888; color: #777'", "color-contrast"),
        ("document.querySelector('article').innerHTML += '<img src=x>'", "image-alt"),
        ("document.querySelector('main').remove()", "landmark-one-main"),
    ],
)
def test_axe_would_notice(visit: Visitor, spoil: str, rule: str) -> None:
    with visit("book/glossary.html") as seen:
        seen.page.evaluate(spoil)
        _prepare(seen.page)
        assert any(line.startswith(rule) for line in _findings(seen.page, "light"))


def test_axe_would_notice_a_pale_word_of_code(visit: Visitor) -> None:
    pale = ".highlight .nn { color: #888 !important; } html[data-theme=dark] .highlight .k { color: #333 !important; }"
    with visit("book/01-self-supervision.html") as seen:
        seen.page.add_style_tag(content=pale)
        _prepare(seen.page)
        assert any('class="nn"' in line for line in _findings(seen.page, "light", OF_COLOUR))
        assert any('class="k"' in line for line in _findings(seen.page, "dark", OF_COLOUR))
