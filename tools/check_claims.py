"""Check every empirical sentence of the book against the results of the experiments.

python tools/check_claims.py [book/claims.yml]

Prints a line for each claim: its id, the figure with its 95 % interval, what was expected, the seeds, the verdict.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from chapters import ROOT
from claims import Claim, ClaimError, Figure, read_claims, statistic

from ocsf_ssl_lib.plots.results import published_results

FEW = 5  # seeds: fewer are shown, and counted at the end


def require_text(claim: Claim, book: Path) -> None:
    """Find the fragment on its page, whatever the line breaks.

    Raises:
        ClaimError: no such page, or the sentence is not there any more.
    """
    page = book / f"{claim.page}.md"
    if not page.is_file():
        raise ClaimError(f"there is no page {page.name}")
    if " ".join(claim.text.split()) not in " ".join(page.read_text(encoding="utf-8").split()):
        raise ClaimError(f"{page.name} has no {claim.text!r} any more; change the entry, or take it out")


def require_holds(claim: Claim, figure: Figure) -> str:
    """Compare a figure with what the sentence says: ``holds``, or ``on average`` if the interval reaches the reference.

    Raises:
        ClaimError: the sentence does not hold.
    """
    away = figure.value - claim.compared_with
    inside = figure.low <= claim.compared_with <= figure.high
    holds = {
        "higher": away > claim.tolerance and not (claim.clear and inside),
        "lower": -away > claim.tolerance and not (claim.clear and inside),
        "same": abs(away) <= claim.tolerance,
        "unclear": inside,
    }
    if not holds[claim.direction]:
        raise ClaimError(f"no longer holds, rewrite the sentence: {claim.page}: {claim.text!r}")
    directed = claim.direction in ("higher", "lower") and claim.statistic != "share"
    return "on average" if directed and inside else "holds"


def shown(figure: Figure) -> str:
    """``0.123 [0.100, 0.146]``."""
    interval = "" if math.isnan(figure.low) else f" [{figure.low:.3f}, {figure.high:.3f}]"
    return f"{figure.value:.3f}{interval}"


def expected(claim: Claim) -> str:
    """``clearly higher than 0 by 0.01``."""
    if claim.direction == "unclear":
        return f"interval holds {claim.compared_with:g}"
    joint = "as" if claim.direction == "same" else "than"
    slack = f" ± {claim.tolerance:g}" if claim.direction == "same" else f" by {claim.tolerance:g}"
    return (
        f"{'clearly ' if claim.clear else ''}{claim.direction} {joint} {claim.compared_with:g}"
        f"{slack if claim.tolerance else ''}"
    )


def check(path: Path, book: Path, results: Callable[[str], pd.DataFrame] = published_results) -> list[str]:
    """Check all claims of a file, print a table, return the failures.

    Args:
        path: the claims.
        book: folder of the pages.
        results: reads the results of an experiment by name.
    """
    failures, weak, read = [], 0, functools.cache(results)
    for claim in read_claims(path):
        figure, verdict = "", ""
        weak += claim.seeds < FEW
        try:
            require_text(claim, book)
            found = statistic(claim, read(claim.experiment))
            figure = f"{claim.statistic.replace('_', ' ')} {shown(found)}"
            verdict = require_holds(claim, found)
        except (ClaimError, FileNotFoundError) as error:
            verdict = "FAILS"
            failures.append(f"{claim.id}: {error}" + (f"; {figure}, not {expected(claim)}" if figure else ""))
        print(f"{claim.id:34} {figure:42} {expected(claim):32} {claim.repeats} >= {claim.seeds:2} {verdict}")
    print(f"{weak} claims ask for fewer than {FEW} repetitions." if weak else "")
    return failures


if __name__ == "__main__":
    failed = check(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "book" / "claims.yml", ROOT / "book")
    for message in failed:
        print(message, file=sys.stderr)
    sys.exit(1 if failed else 0)
