"""The explorers say what their data says, by mouse and by keyboard, and leave the picture where they cannot run."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from chapters import ROOT
from playwright.sync_api import Page, expect
from visits import PHONE, Visitor

from ocsf_ssl_lib.plots.explorers import temperature

TEMPERATURE, MASK, MAP = pages = (
    "book/05-simclr-loss.html",
    "book/06-masked-feature-prediction.html",
    "book/11-embedding-quality.html",
)
PICTURE = "svg.book-figure[data-explorer]"
SCRIPT = (ROOT / "book" / "_static" / "explorers.js").read_text(encoding="utf-8")


def data_of(page: Page) -> dict:
    return json.loads(page.locator(f"{PICTURE} metadata").text_content())


def said(page: Page) -> str:
    return page.locator(".explorer [role=status]").inner_text()


def press(page: Page, label: str, key: str, times: int = 1) -> None:
    control = page.locator(".explorer-controls").get_by_label(label)
    control.focus()
    for _ in range(times):
        page.keyboard.press(key)


@pytest.mark.parametrize("name", pages)
def test_explorer_takes_the_place_of_its_picture_on_a_screen_alone(visit: Visitor, name: str) -> None:
    with visit(name) as seen:
        page = seen.page
        expect(page.locator(".explorer")).to_be_visible()
        expect(page.locator(PICTURE)).to_be_hidden()
        page.emulate_media(media="print")
        expect(page.locator(".explorer")).to_be_hidden()
        expect(page.locator(PICTURE)).to_be_visible()
        assert [trouble for trouble in seen.troubles if "exception" in trouble] == []
        assert seen.outside == []
    with visit(name, java_script_enabled=False) as seen:
        expect(seen.page.locator(PICTURE)).to_be_visible()
        assert seen.page.locator(".explorer").count() == 0


@pytest.mark.parametrize("name", pages)
def test_explorer_fits_a_phone(visit: Visitor, name: str) -> None:
    with visit(name, viewport=PHONE) as seen:
        too_wide = """e => [...e.querySelectorAll('*')].filter(
            (inside) => inside.getBoundingClientRect().right > e.getBoundingClientRect().right + 1).length"""
        assert seen.page.locator(".explorer").evaluate(too_wide) == 0
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_loss_on_the_page_is_that_of_the_temperature_chosen(visit: Visitor) -> None:
    with visit(TEMPERATURE) as seen:
        page = seen.page
        data = data_of(page)
        size = 2 * len(data["events"])
        cosines = np.full((size, size), -np.inf)
        cosines[np.triu_indices(size, 1)] = data["cosines"]
        logits = torch.tensor(np.maximum(cosines, cosines.T))
        partner = torch.arange(size).roll(size // 2)
        losses = []
        for step, tau in enumerate(data["temperatures"]):
            press(page, "Temperature", "Home" if step == 0 else "ArrowRight")
            loss = F.cross_entropy(logits / tau, partner).item()
            assert said(page).startswith(f"At temperature {tau:g} the loss is {loss:.2f}. "), said(page)
            share = (logits / tau).softmax(1)[torch.arange(size), partner].mean().item()
            assert abs(int(re.search(r"partner has (\d+)%", said(page))[1]) - 100 * share) <= 0.51
            losses.append(loss)
        assert len({f"{loss:.2f}" for loss in losses}) > 5
        press(page, "Row", "ArrowDown", 3)
        row = (logits[3] / tau).softmax(0)
        first = page.locator(".explorer ol li").first.inner_text()
        assert f"{row.max().item():.0%}" in first
        assert data["events"][int(row.argmax()) % (size // 2)] in first


def test_guesses_on_the_page_are_those_of_the_mask_chosen(visit: Visitor) -> None:
    with visit(MASK) as seen:
        page = seen.page
        data = data_of(page)
        width = len(data["columns"])
        boxes = page.locator(".explorer input[type=checkbox]")
        press(page, "Mask rate", "Home")
        assert said(page).startswith("Nothing hidden")
        press(page, "Event", "ArrowDown")
        for column in (5, 2):
            boxes.nth(column).focus()
            page.keyboard.press("Space")
        mask = (1 << 5) + (1 << 2)
        before = sum(2 * bin(m).count("1") for m in range(mask))
        answers = data["events"][1]["answers"][before : before + 4]
        for column, (guess, thousandths) in zip((2, 5), (answers[:2], answers[2:]), strict=True):
            cells = page.locator(".explorer tbody tr").nth(column).locator("td")
            right = guess == data["events"][1]["truth"][column]
            assert cells.nth(1).inner_text() == f"{data['values'][column][guess]} {'✓' if right else '✗'}"
            assert abs(float(cells.nth(2).inner_text().strip("%\n ")) - thousandths / 10) <= 0.51
        assert cells.nth(1).get_attribute("aria-label").endswith("right" if right else "wrong")
        boxes.nth(5).press("Space")
        assert not cells.nth(1).inner_text() + (cells.nth(1).get_attribute("aria-label") or "")
        boxes.nth(5).press("Space")
        assert said(page).startswith(f"2 of {width} cells hidden, {width - 2} left to predict from.")
        press(page, "Mask rate", "End")
        assert all(boxes.nth(k).is_checked() for k in range(width))
        assert f"its loss is {data['curve']['loss'][-1]:.2f}" in said(page)
        press(page, "Mask rate", "ArrowLeft", 10)
        hidden = [[boxes.nth(k).is_checked() for k in range(width)]]
        page.get_by_role("button", name="Another mask").press("Enter")
        hidden.append([boxes.nth(k).is_checked() for k in range(width)])
        assert hidden[0] != hidden[1]
        assert sum(hidden[0]) == sum(hidden[1]) == width // 2


def test_arrow_keys_move_between_the_points_of_the_map(visit: Visitor) -> None:
    with visit(MAP) as seen:
        page = seen.page
        data = data_of(page)
        shown, size = data["maps"][0], len(data["maps"][0]["x"])
        address = page.url

        def event() -> int:
            return int(re.match(r"Event (\d+) of", said(page))[1]) - 1

        assert event() == data["picked"]
        page.get_by_role("application").focus()
        for key, axis, sign in (("Left", "x", -1), ("Right", "x", 1), ("Up", "y", -1), ("Down", "y", 1)):
            page.get_by_role("application").locator("svg").click()  # in the middle, with something on every side
            middle = event()
            assert middle == min(range(size), key=lambda k: (shown["x"][k] - 500) ** 2 + (shown["y"][k] - 500) ** 2)
            page.keyboard.press(f"Arrow{key}")
            assert sign * (shown[axis][event()] - shown[axis][middle]) > 0
        page.get_by_role("button", name="Next event").press("Enter")
        after = event()
        page.get_by_role("button", name="Previous event").press("Enter")
        assert after == (event() + 1) % size
        assert page.url == address
        facts = page.locator(".explorer dd").all_inner_texts()
        values = [field["values"][field["of"][event()]] for field in data["fields"].values()]
        assert facts == values
        near = data["near"][shown["near"]][event() * data["neighbours"]]
        page.locator(".explorer ol button").first.press("Enter")
        assert event() == near
        expect(page.get_by_role("application")).to_be_focused()
        press(page, "Map", "ArrowDown")
        assert event() == near
        moved = page.locator(".explorer-ring").evaluate("e => e.style.transform")
        other = data["maps"][1]
        assert moved == f"translate({other['x'][near]}px, {other['y'][near]}px)"


def test_text_of_a_log_cannot_run(visit: Visitor) -> None:
    evil = "<img src=x onerror=\"document.title='ran'\"></metadata><script>document.title='ran'</script>"
    svg = temperature(np.eye(4), [evil, "plain"])._repr_svg_()
    with visit("genindex.html") as seen:
        page = seen.page
        page.set_content(f"<title>calm</title>{svg}<script>{SCRIPT}</script>")
        expect(page.locator(".explorer select option").first).to_have_text(f"A₁ {evil}")
        assert page.locator(".explorer img").count() == 0
        assert page.title() == "calm"
