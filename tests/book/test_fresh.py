"""What a chapter promises to take is read from its box, and every chapter promises something that can be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from chapters import ROOT
from try_fresh import Run, promised_seconds


def _notebook(*texts: str) -> dict:
    return {"cells": [{"cell_type": "markdown", "source": [text]} for text in texts]}


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("25 minutes to read, under a minute to run on a CPU.", 60),
        ("40 minutes to read and a few seconds to run on a CPU.", 15),
        ("45 minutes to read, about half a minute to run on a CPU.", 30),
        ("an hour to read, a minute and a half to run on a CPU.", 90),
        ("an hour to read, 3 minutes to run on a CPU.", 180),
    ],
)
def test_promise_is_read_from_the_box(words: str, seconds: float) -> None:
    assert promised_seconds(_notebook("# Title", f"> **Time** {words}")) == seconds


def test_page_without_a_box_promises_nothing() -> None:
    assert promised_seconds(_notebook("# Title", "Time flies.")) is None


def test_promise_in_other_words_is_refused() -> None:
    with pytest.raises(ValueError, match="a fortnight"):
        promised_seconds(_notebook("**Time** an hour to read, a fortnight to run."))


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), ids=lambda p: p.stem)
def test_every_chapter_promises_a_time_to_run(path: Path) -> None:
    assert promised_seconds(json.loads(path.read_text(encoding="utf-8"))) is not None


def test_run_is_late_only_well_beyond_its_promise() -> None:
    assert not Run("a", 60, 100, 100).late
    assert Run("a", 60, 200, 200).late
    assert not Run("a", 60, 200, 50).late, "the machine was busy with something else"
    assert not Run("a", None, 2000, 2000).late
