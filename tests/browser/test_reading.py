"""What a reader does on a page: switch the theme, search, copy, unfold, look something up."""

from __future__ import annotations

import re

import pytest
from chapters import ROOT
from playwright.sync_api import Page
from visits import PHONE, Visitor

import ocsf_ssl_lib

pytestmark = pytest.mark.slow

CHAPTER = "book/05-simclr-loss.html"
GLOSSARY = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8").split("{glossary}")[1]
TERMS = re.findall(r"^(\S[^\n`]*)\n  \S", GLOSSARY, flags=re.MULTILINE)


def _background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def test_theme_switch_changes_the_page_and_is_remembered(visit: Visitor) -> None:
    with visit(CHAPTER, color_scheme="light") as seen:
        page = seen.page
        before = _background(page)
        ink = "getComputedStyle(document.querySelector('svg.book-figure')).color"
        drawn = page.evaluate(ink)
        switch = page.locator(".theme-switch-button:visible").first
        for _ in range(3):
            switch.click()
            if page.evaluate("document.documentElement.dataset.mode") == "dark":
                break
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        page.wait_for_function("(old) => getComputedStyle(document.body).backgroundColor !== old", arg=before)
        assert page.evaluate(ink) != drawn, "figures follow the theme"
        page.reload()
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert _background(page) != before


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_first_visit_takes_the_theme_of_the_system(visit: Visitor, scheme: str) -> None:
    with visit(CHAPTER, color_scheme=scheme) as seen:
        assert seen.page.evaluate("document.documentElement.dataset.theme") == scheme
        assert seen.page.evaluate("document.documentElement.dataset.mode") == "auto"


def test_search_by_keyboard_finds_the_page(visit: Visitor) -> None:
    with visit(CHAPTER) as seen:
        page = seen.page
        page.keyboard.press("Control+k")
        page.keyboard.type("catastrophic forgetting")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?**")
        page.locator("#search-results li a").first.wait_for()
        assert page.locator("#search-results a[href*='glossary.html'], #search-results a[href*='10-fine']").count()
        assert (seen.troubles, seen.outside) == ([], [])


def test_search_finds_every_term_of_the_glossary(visit: Visitor) -> None:
    assert len(TERMS) > 50
    # The functions behind the search page: a page for each term would take half a minute.
    find = """(terms) => terms.filter((term) => {
        const results = Search._performSearch(...Search._parseQuery(term));
        return !results.some((result) => result[0] === "book/glossary");
    })"""
    with visit("search.html") as seen:
        seen.page.wait_for_function("Search.hasIndex()")
        assert seen.page.evaluate(find, TERMS) == []


def test_copy_button_copies_the_code_and_nothing_else(visit: Visitor) -> None:
    with visit(CHAPTER, permissions=["clipboard-read", "clipboard-write"]) as seen:
        page = seen.page
        block = page.locator(".cell_input .highlight").first
        assert page.locator(".cell_input .highlight").count() == page.locator(".cell_input .copybtn").count()
        block.hover()
        block.locator(".copybtn").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.strip() == block.locator("pre").inner_text().strip()


def test_solution_opens_and_closes_by_keyboard(visit: Visitor) -> None:
    with visit(CHAPTER) as seen:
        page = seen.page
        solution = page.locator("div.solution.dropdown").first
        button = solution.locator("button.toggle-button").first
        text = solution.locator(":scope > :not(.admonition-title)").first
        assert button.get_attribute("aria-expanded") == "false"
        assert not text.is_visible()
        button.focus()
        page.keyboard.press("Enter")
        assert button.get_attribute("aria-expanded") == "true"
        assert text.is_visible()
        page.keyboard.press("Space")
        assert button.get_attribute("aria-expanded") == "false"


def test_answers_of_the_self_check_open_by_keyboard(visit: Visitor) -> None:
    with visit(CHAPTER) as seen:
        folds = seen.page.locator("article details").all()
        assert folds
        for fold in folds:
            fold.locator("summary").first.focus()
            seen.page.keyboard.press("Enter")
            assert fold.evaluate("(e) => e.open")


@pytest.mark.parametrize("viewport", [{"width": 1280, "height": 900}, PHONE])
def test_place_of_the_keyboard_is_visible(visit: Visitor, viewport: dict[str, int]) -> None:
    shown = """() => {
        const e = document.activeElement, s = getComputedStyle(e);
        const ring = s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0;
        return [ring || s.boxShadow !== "none" || s.textDecorationLine !== "none", e.outerHTML.slice(0, 120)];
    }"""
    with visit(CHAPTER, viewport=viewport) as seen:
        for _ in range(60):
            seen.page.keyboard.press("Tab")
            visible, element = seen.page.evaluate(shown)
            assert visible, element


def test_index_lists_the_terms_and_the_public_names(visit: Visitor) -> None:
    with visit("genindex.html") as seen:
        text = seen.page.locator("article").inner_text()
    entries = {line.split(" (")[0].removesuffix("()").strip().lower() for line in text.splitlines()}
    assert [term for term in TERMS if term.lower() not in entries] == []
    assert [name for name in ocsf_ssl_lib.__all__ if name.lower() not in entries and name[0] != "_"] == []


@pytest.mark.parametrize("name", ["book/glossary.html", "book/api.html"])
def test_index_is_a_press_away(visit: Visitor, name: str) -> None:
    with visit(name) as seen:
        seen.page.locator("article a[href$='genindex.html']").click()
        assert seen.page.url.endswith("genindex.html")


def test_paper_shows_what_is_folded_and_no_navigation(visit: Visitor) -> None:
    with visit(CHAPTER) as seen:
        page = seen.page
        page.emulate_media(media="print")
        for gone in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".prev-next-area"):
            assert not page.locator(gone).first.is_visible(), gone
        for fold in page.locator("article details").all():
            assert fold.locator(":scope > :not(summary)").first.bounding_box()["height"] > 0
        for solution in page.locator("div.solution.dropdown").all():
            assert solution.locator(":scope > :not(.admonition-title)").first.is_visible()
        assert page.evaluate("getComputedStyle(document.querySelector('article pre')).whiteSpace") == "pre-wrap"
