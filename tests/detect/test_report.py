from __future__ import annotations

import functools
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ocsf_ssl_lib import InputError
from ocsf_ssl_lib.detect.grouping import one_by_one
from ocsf_ssl_lib.detect.report import EXPLANATION_COLUMNS, render_report, write_report

ATTACKS = [
    "<script>alert(1)</script>",
    "</code></p></li><script src=https://evil.example/x.js></script>",
    '"><img src=https://evil.example/x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</svg><iframe src=https://evil.example>",
    "--><style>body{background:url(https://evil.example)}</style>",
    "{{ 7 * 7 }}",
    "ann\u202egnp.exe",
    "\x1b[31mann\x00",
    "\ud800",
    "a" * 100_000,
]
VOID = {"meta", "br", "img", "link", "input"}


class Page(HTMLParser):
    """What a browser would see: tags, attributes, text; and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def render(n: int = 200, **options: object) -> str:
    rng = np.random.default_rng(0)
    events = pd.DataFrame(
        {
            "metadata.uid": [f"e{i}" for i in range(n)],
            "time": 1_700_000_000_000 + np.arange(n) * 600_000,
            "user.name": rng.choice(["ann", "bob"], n),
            "bytes": rng.lognormal(8, 1, n),
        }
    )
    events["user.name"] = options.pop("users", events["user.name"])
    events = events.rename(columns=options.pop("rename", {}))
    scores = options.pop("scores", -np.arange(n, dtype=float))
    groups = one_by_one(events, scores)
    threshold = float(options.pop("threshold", -n + 5.5))
    arguments = {"fields": ["user.name", "bytes"]} | options
    return render_report(events, scores, threshold, groups[groups["score"] < threshold], **arguments)


@functools.cache
def plain() -> Page:
    return Page(render(threshold=-194.5, about={"a": "b"}, explanations=explanation()))


def explanation(**changes: object) -> pd.DataFrame:
    cell = dict(zip(EXPLANATION_COLUMNS, (199, 1, "user.name", "ann", 4.25, 3.5, "bob", 0.015), strict=True))
    return pd.DataFrame([cell | changes], dtype=object)  # text of pandas cannot hold a lone surrogate


@functools.cache  # drawing the figures takes a second
def hostile() -> str:
    users = pd.Series(["ann"] * 200, dtype=object)
    users.iloc[-len(ATTACKS) :] = ATTACKS
    explanations = pd.concat([explanation(row=199 - i, value=a, expected=a, column=a) for i, a in enumerate(ATTACKS)])
    return render(
        users=users,
        rename={"bytes": ATTACKS[0]},
        explanations=explanations,
        threshold=-180.5,
        title=ATTACKS[0],
        about={ATTACKS[2]: ATTACKS[1]},
        fields=["user.name", ATTACKS[0]],
    )


def test_values_of_attackers_are_text_and_never_tags() -> None:
    page = Page(hostile())
    assert set(page.tags) == set(plain().tags)
    assert {name for name, _ in page.attributes} == {name for name, _ in plain().attributes}
    assert page.open == []
    assert ATTACKS[0] in page.text  # shown, as what it is
    assert "{{ 7 * 7 }}" in page.text
    assert r"ann\u202egnp.exe" in page.text
    assert r"\x1b[31mann\x00" in page.text
    assert not set(page.text) & set("\x00\x1b\u202e\ud800")
    assert "a" * 1000 not in page.text


def test_nothing_is_asked_of_another_machine_and_no_script_runs() -> None:
    page = Page(hostile())
    assert not {"script", "link", "iframe", "object", "embed", "img", "base", "form"} & set(page.tags)
    for name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "xlink:href", "action"):
            assert value.startswith("#")
    styles = re.findall(r"<style.*?</style>", hostile(), flags=re.DOTALL)
    assert styles
    assert not re.search(r"url\((?!#)|@import", "".join(styles))
    policy = next(value for name, value in page.attributes if name == "content")
    assert policy.startswith("default-src 'none'")


def test_the_most_unusual_comes_first_and_only_what_was_given_is_listed() -> None:
    page = plain()
    scores = re.findall(r"score (-\d+\.\d\d)", page.text)
    assert scores == ["-199.00", "-198.00", "-197.00", "-196.00", "-195.00"]
    assert "5 with a score below -194.5" in page.text
    assert "5 of 5 lines, for 5 events" in page.text


def test_a_group_shows_its_size_its_span_and_what_differs() -> None:
    events = pd.DataFrame({"time": [0, 60_000], "user.name": ["ann", "ann"]})
    groups = pd.DataFrame(
        {"row": [0], "score": [-2.0], "count": [4321], "first": [0.0], "last": [60_000.0], "varies": [("process.pid",)]}
    )
    text = Page(render_report(events, np.array([-2.0, -1.0]), -0.5, groups, fields=["user.name"])).text
    assert "4,321 events" in text
    assert "1970-01-01 00:00:00 to 1970-01-01 00:01:00" in text
    assert "differ in process.pid" in text


def test_explanations_stand_with_their_event_the_most_surprising_first() -> None:
    cells = [explanation(rank=2, column="bytes", value=None, probability=np.nan), explanation(), explanation(row=3)]
    text = Page(render(explanations=pd.concat(cells))).text
    assert text.count("surprising field") == 1
    assert re.search(r"user\.name\s*ann\s*bob\s*0\.015\s*4\.2\s*3\.5\s*bytes", text)
    with pytest.raises(InputError, match="no column nats, probability"):
        render(explanations=explanation().drop(columns=["nats", "probability"]))


def test_what_ranked_an_event_stands_with_it_and_is_escaped() -> None:
    page = Page(render(remarks={199: "Most unusual by density: <b>alone</b>.", 0: "not listed"}))
    assert page.text.count("Most unusual by density: <b>alone</b>.") == 1
    assert "b" not in page.tags
    assert "not listed" not in page.text


def test_p_values_are_shown_with_what_they_assume_if_there_are_any() -> None:
    text = Page(render(p_values=np.full(200, 0.001))).text
    assert "p = 0.001" in text
    assert "held-out" in text
    assert "p =" not in plain().text


def test_it_says_whether_names_are_in_it() -> None:
    assert "holds names" in plain().text
    assert "pseudonyms" not in plain().text
    text = Page(render(redacted=True)).text
    assert "pseudonyms" in text
    assert "holds names" not in text


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": -1e9},
        {"threshold": float("-inf")},
        {"scores": np.full(200, -1.0), "threshold": 0.0},
        {"scores": np.r_[-np.inf, np.zeros(199)], "threshold": -1.0},
        {"rename": {"time": "when"}},
        {"n": 1},
        {"n": 0, "threshold": 0.0},
    ],
    ids=["no alert", "no threshold", "equal scores", "infinite score", "no times", "one event", "no event"],
)
def test_odd_results_have_a_report_too(options: dict) -> None:
    page = Page(render(**options))
    assert page.open == []
    assert "Unusual events" in page.text


def test_both_colour_schemes_have_a_style() -> None:
    assert "prefers-color-scheme: dark" in hostile()


def test_the_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    write_report("<p>é</p>", tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == "<p>é</p>"
    with pytest.raises(UnicodeEncodeError):
        write_report("\ud800", tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == "<p>é</p>"
    with pytest.raises(InputError, match="cannot write"):
        write_report("x", tmp_path / "nowhere" / "r.html")
    assert [f.name for f in tmp_path.iterdir()] == ["r.html"]


def test_scores_of_other_events_are_refused() -> None:
    with pytest.raises(InputError, match="1 events but 2 scores"):
        render_report(pd.DataFrame({"a": [1]}), np.zeros(2), 0.0, pd.DataFrame(), fields=[])
