"""The links of the documents lead somewhere, and every decision is in the index."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / ".github").rglob("*.md"),
    *(ROOT / "clients").glob("*/README.md"),
]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]

    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_index_of_decisions_names_each_once() -> None:
    page = ROOT / "docs" / "decisions.md"
    index, _, _ = page.read_text().partition("\n## 20")
    decisions = {anchor for anchor in anchors(page) if anchor.startswith("20")}

    listed = [link.removeprefix("#") for link in LINK.findall(index)]

    assert sorted(listed) == sorted(decisions)


def test_each_threat_names_a_test_that_is_there() -> None:
    rows = [
        line.rpartition(" | ")[2]
        for line in (ROOT / "SECURITY.md").read_text().splitlines()
        if line.startswith("| ") and not line.startswith(("| what |", "| --- |"))
    ]

    assert len(rows) >= 15
    for row in rows:
        named = re.search(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", row)
        assert named, row
        source = (ROOT / named[1]).read_text()
        assert f"def {named[2] or 'test_'}" in source, row
