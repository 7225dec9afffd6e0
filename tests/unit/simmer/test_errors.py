"""Every error of a request has its own code, and a place in the drawing."""

import re

import pytest

from simmer import errors
from simmer.errors import SimmerError


def _leaves(kind: type[SimmerError]) -> list[type[SimmerError]]:
    below = [leaf for child in kind.__subclasses__() for leaf in _leaves(child)]
    return below or [kind]


LEAVES = _leaves(SimmerError)


def test_no_two_errors_share_a_code() -> None:
    codes = [leaf.code for leaf in LEAVES]

    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("leaf", LEAVES)
def test_error_has_a_status_a_code_and_a_title(leaf: type[SimmerError]) -> None:
    assert leaf.http_status in (400, 401, 404, 413, 415, 422, 429, 500, 503)
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", leaf.code)
    assert leaf.title


def test_drawing_shows_exactly_the_tree() -> None:
    assert errors.__doc__ is not None
    drawn = re.findall(r"[├└]── (\w+) +(\d+)  (\w+)", errors.__doc__)

    assert drawn == [(leaf.__name__, str(leaf.http_status), leaf.code) for leaf in LEAVES]
