"""The rules that every client keeps, as the vectors have them: docs/client-rules.md."""

import json
import re
from collections.abc import Callable

import pytest

from local.toolchain import REPOSITORY
from tests.client.vectors import FOLDER, Vector, check, load, run_asynchronous, run_blocking

RULES = (REPOSITORY / "docs" / "client-rules.md").read_text("utf-8")


@pytest.mark.parametrize("run", [run_blocking, run_asynchronous], ids=["sync", "async"])
@pytest.mark.parametrize("vector", list(load()))
def test_vector(
    vector: Vector, run: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(*run(vector, monkeypatch))  # type: ignore[misc]


def test_every_vector_holds_a_rule_that_is_written_down_and_says_why() -> None:
    vectors = [
        vector
        for file in FOLDER.glob("*.json")
        for vector in json.loads(file.read_text("utf-8"))["vectors"]
    ]
    written = dict(re.findall(r"(?m)^\| `([a-z-]+)` \| .* \| ([^|]*) \|$", RULES))

    assert len({vector["name"] for vector in vectors}) == len(vectors) > 90
    assert all(vector["why"] for vector in vectors)
    held = {name for name, by in written.items() if "vectors" in by}
    assert {vector["rule"] for vector in vectors} == held
