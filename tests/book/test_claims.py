"""A sentence of the book that its experiment does not bear out does not pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from chapters import ROOT
from check_claims import check
from claims import Claim, ClaimError, read_claims, statistic
from pydantic import ValidationError

SENTENCE = "Larger batches help, and they\nhelp in every seed."
CLAIM: dict[str, Any] = {
    "id": "larger",
    "page": "page",
    "text": "Larger batches help, and they help",
    "experiment": "made",
    "measure": "quality",
    "of": {"batch": 1024},
    "than": {"batch": 64},
    "statistic": "difference",
    "direction": "higher",
    "seeds": 5,
}
GAINS = (0.1, 0.2, 0.3, 0.2, 0.2)  # of five seeds; the mean is 0.2


def results(gains: tuple[float, ...] = GAINS) -> pd.DataFrame:
    """Two batch sizes, whose quality differs by the gains."""
    rows = []
    for seed, gain in enumerate(gains):
        rows += [
            {"seed": seed, "batch": 64, "quality": seed / 10, "cost": 1.0},
            {"seed": seed, "batch": 256, "quality": seed / 10 + gain / 2, "cost": 2.0},
            {"seed": seed, "batch": 1024, "quality": seed / 10 + gain, "cost": 4.0},
        ]
    return pd.DataFrame(rows)


@pytest.fixture
def failures(tmp_path: Path):
    """Check one claim of a book with one page; changes go to the claim, the page and the results."""

    def run(text_of_page: str = SENTENCE, table: pd.DataFrame | None = None, **changes: Any) -> list[str]:
        (tmp_path / "page.md").write_text(text_of_page)
        claims = tmp_path / "claims.yml"
        claims.write_text(yaml.safe_dump({"claims": [{k: v for k, v in (CLAIM | changes).items() if v is not None}]}))
        return check(claims, tmp_path, lambda name: results() if table is None else table)

    return run


def test_every_claim_of_the_book_holds(capsys: pytest.CaptureFixture[str]) -> None:
    path = ROOT / "book" / "claims.yml"
    assert check(path, ROOT / "book") == []
    assert len(capsys.readouterr().out.splitlines()) == len(read_claims(path)) + 1


def test_a_sentence_that_holds_passes_whatever_the_line_breaks(failures) -> None:
    assert failures() == []


def test_a_sentence_that_no_longer_holds_is_named_with_its_figure(failures) -> None:
    (message,) = failures(table=results((-0.1, -0.2, -0.1, -0.1, -0.1)))
    assert "larger: no longer holds" in message
    assert "difference -0.120" in message
    assert "not higher than 0" in message


def test_a_sentence_that_left_the_page_is_noticed(failures) -> None:
    (message,) = failures(text_of_page="Larger batches do not help.")
    assert "page.md has no 'Larger batches help, and they help'" in message


def test_a_page_that_is_gone_is_noticed(failures) -> None:
    assert "there is no page other.md" in failures(page="other")[0]


def test_fewer_seeds_than_stated_are_noticed(failures) -> None:
    (message,) = failures(table=results(GAINS[:4]))
    assert "rests on 4 values of 'seed', and the entry asks for 5" in message


def test_a_seed_that_only_one_side_has_is_noticed(failures) -> None:
    table = results((*GAINS, 0.2)).query("not (seed == 5 and batch == 64)")
    assert "no row for ['seed'] = 5" in failures(table=table)[0]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"of": {"batch": 2048}}, "no row with batch = '2048'"),
        ({"of": {"size": 1024}}, "no column 'size'"),
    ],
)
def test_rows_that_are_not_there_are_noticed(failures, changes: dict[str, Any], part: str) -> None:
    assert part in failures(**changes)[0]


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({"tolerance": 0.19}, True),
        ({"tolerance": 0.21}, False),
        ({"direction": "lower"}, False),
        ({"direction": "lower", "reference": 0.3}, True),
        ({"direction": "same", "tolerance": 0.19}, False),
        ({"direction": "same", "tolerance": 0.21}, True),
        ({"clear": True}, True),  # the interval is 0.112 to 0.288
        ({"clear": True, "reference": 0.15}, False),
        ({"direction": "unclear"}, False),
        ({"direction": "unclear", "reference": 0.15}, True),
        ({"statistic": "share", "direction": "same", "reference": 1}, True),
        ({"statistic": "share", "direction": "same", "reference": 0.8}, False),
        ({"measure": "cost", "statistic": "ratio", "direction": "same", "reference": 4}, True),
        ({"measure": "quality / cost", "statistic": "mean", "than": None, "reference": 0.1}, False),
        ({"than": {"batch": [64, 256], "take": "max"}, "direction": "same", "reference": 0.1}, False),
        ({"than": {"batch": [64, 256], "take": "max"}, "direction": "same", "reference": 0.1, "tolerance": 1e-9}, True),
        ({"of": {"batch": 64}, "than": {"batch": [64, 256, 1024]}, "statistic": "rank", "reference": 2.5}, True),
        ({"of": {"batch": 1024}, "than": {"batch": [64, 256, 1024]}, "statistic": "rank", "reference": 1}, False),
        ({"of": {"batch": [64, 1024]}, "than": None, "statistic": "winners", "reference": 1}, False),
    ],
)
def test_direction_tolerance_and_statistic_decide(failures, changes: dict[str, Any], holds: bool) -> None:
    assert (failures(**changes) == []) == holds


def test_a_rank_correlation_is_taken_over_its_points() -> None:
    changes = {"of": {"seed": [0, 1, 2, 3, 4]}, "than": None, "statistic": "rank_correlation"}
    claim = Claim(**CLAIM | changes | {"points": ["batch"], "against": "cost"})
    assert statistic(claim, results()).value == pytest.approx(1.0)
    falling = results().assign(cost=lambda t: -t["cost"])
    assert statistic(claim, falling).value == pytest.approx(-1.0)


def test_a_verdict_on_average_is_told_from_a_clear_one(failures, capsys: pytest.CaptureFixture[str]) -> None:
    assert failures(table=results((0.5, -0.1, 0.1, -0.1, 0.1))) == []
    assert "on average" in capsys.readouterr().out
    assert failures() == []
    assert "on average" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"direction": "better"}, "direction"),
        ({"sedes": 5}, "sedes"),
        ({"than": None}, "need `than`"),
        ({"statistic": "rank_correlation", "than": None}, "`points` and `against`"),
        ({"statistic": "mean", "than": None}, "needs a reference"),
    ],
)
def test_an_entry_that_says_too_little_is_refused(failures, changes: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationError, match=part):
        failures(**changes)


def test_two_entries_cannot_share_an_id(tmp_path: Path) -> None:
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump({"claims": [CLAIM, CLAIM]}))
    with pytest.raises(ClaimError, match="'larger' stands there twice"):
        read_claims(path)
