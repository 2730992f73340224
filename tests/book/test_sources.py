"""Nothing that the two source texts contain is missing from the book, and every correction has its proof."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from blocks import Block, split_blocks
from chapters import ROOT, pages
from labels import HEADING, Book

MAP: dict[str, Any] = yaml.safe_load((ROOT / "book" / "sources.yml").read_text(encoding="utf-8"))

# Every heading of the two texts, in their order; parts of one are those whose names begin with it.
TUTORIAL = (
    "What is Self-Supervised Learning?",
    "The Training Strategy",
    "Contrastive Learning",
    "Q:",
    "Key term:",
    "What we're implementing",
    "Implementation:",
    "How the contrastive loss works step-by-step",
    "Contrastive Learning: hyperparameter",
    "Contrastive Learning: pitfall",
    "Contrastive Learning: further reading",
    "Masked Feature Prediction (MFP)",
    "MFP: what it requires",
    "Complete MFP Implementation:",
    "Why MFP is more complex than contrastive learning",
    "MFP: when to add it",
    "MFP: pitfall",
    "Complete Training Loop",
    "What to monitor:",
    "Typical training time",
    "Training: pitfall",
    "Production training script (recommended additions)",
    "Training Best Practices",
    "Data Preprocessing",
    "Hyperparameter Tuning:",
    "Learning Rate Scheduling",
    "Early Stopping",
    "Practical Workflow: Step-by-Step Training Pipeline",
    "Summary, and the next part on embedding quality",
    "References",
)
GUIDE = (
    "Self-Supervised Models:",
    "Common Configuration",
    "Embedding Configuration",
    "Other Configuration:",
    "Usage in four steps",
    "Available Models",
    "Denoising AutoEncoder Model:",
)
# How many items the lists of the texts have.
ITEMS = {
    "Q:": 5,
    "Key term:": 5,
    "Contrastive Learning: hyperparameter": 3,
    "Contrastive Learning: pitfall": 4,
    "MFP: pitfall": 4,
    "What to monitor:": 3,
    "Training: pitfall": 4,
    "Hyperparameter Tuning:": 7,  # six options, and the advice on what to tune first
}
CORRECTIONS = range(1, 36)

Places = Callable[[Any], bool]


@pytest.fixture(scope="module")
def exists() -> Places:
    """Say whether a place that the map names is in the book."""
    labels = Book().sections.keys()
    headings: dict[str, set[str]] = {}
    for page in pages():
        text = re.sub(r"\A---\n.*?\n---\n", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        parts = [HEADING.match(part) for part in split_blocks(text) if isinstance(part, str)]
        headings[page.stem] = {match[1] for match in parts if match}
    blocks = split_blocks((ROOT / "book" / "glossary.md").read_text(encoding="utf-8"))
    glossary = [block for block in blocks if isinstance(block, Block) and block.name == "glossary"]
    terms = {line.strip() for block in glossary for line in block.body if line and not line.startswith(" ")}

    def there(place: Any) -> bool:
        if isinstance(place, str):
            return place in labels
        ((page, name),) = place.items()
        return name in (terms if page == "term" else headings.get(page, set()))

    return there


def parts_of(source: str) -> list[str]:
    return [entry["part"] for entry in MAP[source]]


@pytest.mark.parametrize("entry", [*MAP["tutorial"], *MAP["guide"]], ids=lambda e: e["part"])
def test_every_part_of_the_sources_has_a_place_in_the_book(entry: dict[str, Any], exists: Places) -> None:
    assert entry["at"], "give the section that covers it"
    missing = [place for place in entry["at"] if not exists(place)]
    assert not missing, f"no such place in the book: {missing}"
    assert entry.keys() <= {"part", "at", "thin"}


@pytest.mark.parametrize(("source", "headings"), [("tutorial", TUTORIAL), ("guide", GUIDE)])
def test_no_heading_of_a_source_is_left_out(source: str, headings: tuple[str, ...]) -> None:
    parts = parts_of(source)
    assert len(set(parts)) == len(parts)
    assert [h for h in headings if not any(part.startswith(h) for part in parts)] == []
    assert [part for part in parts if not part.startswith(headings)] == [], "not a part of the source"


@pytest.mark.parametrize(("heading", "count"), ITEMS.items())
def test_lists_of_the_tutorial_are_complete(heading: str, count: int) -> None:
    assert sum(part.startswith(heading) for part in parts_of("tutorial")) == count


@pytest.mark.parametrize("place", ["sec-00-nowhere", {"term": "no such term"}, {"04-augmentation": "No such heading"}])
def test_a_place_that_does_not_exist_is_noticed(place: Any, exists: Places) -> None:
    assert not exists(place)


def test_every_correction_is_on_the_page_and_has_a_proof() -> None:
    labels = Book().sections
    assert {f"corr-{number:02}" for number in CORRECTIONS} == {name for name in labels if name.startswith("corr-")}
    assert sorted(MAP["corrections"]) == list(CORRECTIONS)


@pytest.mark.parametrize("number", CORRECTIONS)
def test_the_proof_of_a_correction_exists(number: int, exists: Places) -> None:
    proof = MAP["corrections"][number]
    assert proof
    assert proof.keys() <= {"test", "cell", "at", "none"}
    assert all(exists(place) for place in proof.get("at", []))
    if "test" in proof:
        path, name = proof["test"].split("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    text = (ROOT / "book" / "corrections.md").read_text(encoding="utf-8")
    section = re.split(
        r"^\(corr-\d\d\)=$|^## ", text.split(f"(corr-{number:02})=", 1)[1], maxsplit=1, flags=re.MULTILINE
    )[0]
    assert ("```{code-cell}" in section) == proof.get("cell", False)
