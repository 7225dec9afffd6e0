"""Each row of SECURITY.md fails its test when its defence is away: all in `make defences`, a few
here."""

import re

import pytest

from tests.defences.campaign import ROOT, copied, without
from tests.defences.removals import REMOVALS, Removal

QUICK = [each for each in REMOVALS if each.is_quick]


def _rows() -> list[str]:
    """The test that each row of the table names."""
    return re.findall(
        r"^\| .* \| `(tests/[\w/]+\.py(?:::test_\w+)?)` \|$",
        (ROOT / "SECURITY.md").read_text(),
        re.MULTILINE,
    )


def test_each_row_has_a_defence_that_can_be_taken_away() -> None:
    shown = {each.test for each in REMOVALS}

    assert len(_rows()) >= 25
    assert [row for row in _rows() if row not in shown] == []
    assert shown <= set(_rows()), "a test that the table does not name"


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.name)
def test_what_is_taken_away_stands_exactly_once(removal: Removal) -> None:
    assert (ROOT / removal.path).read_text().count(removal.old) == 1
    assert removal.new != removal.old


def test_a_few_taken_away_in_a_copy_fail_their_tests() -> None:
    assert len(QUICK) >= 4
    with copied() as copy:
        for removal in QUICK:
            verdict = without(copy, removal)
            assert verdict.is_shown, f"{removal.name}: {verdict.tail}"


def test_test_that_passes_is_not_taken_for_one_that_shows() -> None:
    """Else the test above could not fail."""
    idle = Removal("nothing", f"{QUICK[0].test}", "SECURITY.md", "# Security", "# Security ")

    with copied() as copy:
        assert not without(copy, idle).is_shown
