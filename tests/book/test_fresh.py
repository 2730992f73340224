"""What a chapter promises to take is read from its box; its first cell leaves what is installed as it is."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from chapters import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from try_fresh import Run, promised_seconds, replaced


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


def test_package_that_was_replaced_or_removed_is_named_and_a_new_one_is_not() -> None:
    before = {"numpy": "2.0.2", "pandas": "2.2.2", "scipy": "1.16.3"}
    after = {"numpy": "2.4.6", "pandas": "2.2.2", "skops": "0.16.0"}
    assert replaced(before, after) == "numpy 2.0.2 -> 2.4.6, scipy 1.16.3 -> gone"
    assert replaced(before, before | {"skops": "0.16.0"}) == ""
    assert replaced({"setuptools": "65.5.0"}, {"setuptools": "84.2.1"}) == ""


def test_versions_of_colab_are_in_the_ranges_of_the_package_so_that_the_first_cell_keeps_them() -> None:
    lines = (ROOT / "tools" / "colab.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if not line.startswith("#"))
    colab = {canonicalize_name(name): version for name, version in pinned.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {canonicalize_name(one.name): one.specifier for one in map(Requirement, project["dependencies"])}
    assert needed.keys() - colab.keys() == {"skops"}, "what the first cell has to install"
    outside = {name: colab[name] for name in needed.keys() & colab.keys() if colab[name] not in needed[name]}
    assert outside == {}
