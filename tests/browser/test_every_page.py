"""Every page loads quietly, asks nothing from outside, and fits a phone."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from chapters import ROOT, branch, repository_url
from check_links import broken_links
from visits import CHAPTERS, GENERATED, PHONE, Visitor

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", CHAPTERS + GENERATED)
def test_page_loads_without_complaint_and_without_the_outside_world(visit: Visitor, name: str) -> None:
    with visit(name) as seen:
        assert seen.troubles == []
        assert seen.outside == []
        assert seen.page.locator("main h1:visible").count() == 1
        blank = "[...document.images].filter((i) => i.complete && i.naturalWidth === 0).map((i) => i.src)"
        assert seen.page.evaluate(blank) == []
        unset = "[...document.querySelectorAll('.math')].filter((m) => !m.querySelector('mjx-container')).length"
        assert seen.page.evaluate(unset) == 0, "formulas that MathJax has left as they were"
        assert seen.page.locator("mjx-merror, [data-mjx-error]").count() == 0


@pytest.mark.parametrize("name", CHAPTERS + GENERATED)
def test_nothing_sticks_out_of_a_phone(visit: Visitor, name: str) -> None:
    with visit(name, viewport=PHONE) as seen:
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("name", CHAPTERS)
def test_page_is_whole_without_scripts(visit: Visitor, name: str) -> None:
    with visit(name, java_script_enabled=False) as seen:
        page = seen.page
        assert page.locator("main h1:visible").count() == 1
        # Native details open by themselves; boxes that a script would fold stay open.
        hidden = [box for box in page.locator("div.dropdown.admonition > div").all() if not box.is_visible()]
        assert hidden == []
        for fold in page.locator("article details").all():
            fold.locator("summary").first.press("Enter")
            assert fold.locator(":scope > :not(summary)").first.is_visible()


def test_links_and_anchors_inside_the_book_lead_somewhere(site: Path) -> None:
    assert broken_links(site) == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_launch_links_lead_to_notebooks_of_the_repository(site: Path, name: str) -> None:
    notebook = f"notebooks/{Path(name).stem}.ipynb"
    text = (site / name).read_text(encoding="utf-8")
    menu = re.search(r'class="dropdown dropdown-launch-buttons".*?</ul>', text, flags=re.DOTALL)
    links = re.findall(r'href="(https://[^"]+)"', menu[0]) if menu else []
    assert bool(links) == (ROOT / notebook).exists()
    repository = urlsplit(repository_url()).path
    for link in links:
        assert notebook in unquote(link)
        assert repository in link
        assert f"/{branch()}" in link


@pytest.mark.parametrize(("kind", "step"), [("left-prev", -1), ("right-next", 1)])
def test_pages_follow_one_another(site: Path, kind: str, step: int) -> None:
    for position, name in enumerate(CHAPTERS):
        found = re.findall(rf'class="{kind}"\s+href="([^"]+)"', (site / name).read_text(encoding="utf-8"))
        there = position + step
        expected = [Path(CHAPTERS[there]).name] if 0 <= there < len(CHAPTERS) else []
        assert found == expected, name
