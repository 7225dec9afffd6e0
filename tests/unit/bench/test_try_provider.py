"""`make try-provider`, against an endpoint that is real but for its model."""

import asyncio
import io
import json
from typing import Any

import pytest
from rich.console import Console

from bench import try_provider
from ladder import Ladder
from tests.unit.worker.fakes import RECIPE
from tests.unit.worker.playing import Endpoints, Reply, in_turn
from tests.unit.worker.vendors import KEY_OF_THE_SECRET, VENDORS

pytestmark = pytest.mark.enable_socket

REQUEST = {"ingredients": ["Tofu"], "servings": 2, "count": 1, "locale": "en"}
ANSWER = json.dumps({"recipes": [RECIPE]})


def tried(*replies: Reply, name: str = "xai", calls: int = 1, **fields: Any) -> tuple[bool, str]:
    """Whether an answer was valid, and all that was printed."""
    screen = Console(record=True, width=120, file=io.StringIO())
    vendor = VENDORS[name]
    with Endpoints([vendor.endpoint(*replies)]) as server:
        rung = {
            "provider": name,
            "model": "m",
            "baseUrl": server.address(0) + vendor.path,
            **fields,
        }
        [asked] = Ladder.parse(json.dumps([rung]))
        works = asyncio.run(
            try_provider.try_out(asked, KEY_OF_THE_SECRET, [REQUEST] * calls, screen.print)
        )
    printed = screen.export_text()
    assert KEY_OF_THE_SECRET not in printed
    assert "Tofu" not in printed
    return works, printed


def test_it_says_which_dialect_an_endpoint_speaks() -> None:
    works, printed = tried(VENDORS["xai"].answers(ANSWER), calls=3)
    assert works
    assert printed.count("valid") >= 3
    assert "3 × finish_reason stop" in printed
    assert "3 × reasoning is billed beside completion_tokens" in printed


def test_it_sees_wrappers_and_what_is_not_counted() -> None:
    _, printed = tried(VENDORS["vllm"].answers(ANSWER), name="vllm")
    assert "thoughts before the answer, in its content" in printed
    _, printed = tried(VENDORS["litellm"].answers(ANSWER), name="litellm")
    assert "no usage: cost would be estimated" in printed
    _, printed = tried(VENDORS["lmstudio"].answers(ANSWER), name="lmstudio")
    assert "thoughts in reasoning_content, and no content" in printed


def test_it_names_what_is_refused() -> None:
    works, printed = tried(
        VENDORS["mistral"].answers(ANSWER), name="mistral", seedField="seed", seed=1
    )
    assert not works
    assert "parameter refused 422 (seed)" in printed
    assert "an error of status 422" in printed


@pytest.mark.parametrize(
    ("rung", "said"),
    [
        ("{model}", "no JSON"),
        ('{"provider": "nobody", "model": "m"}', "rung 1: provider: there is no 'nobody'"),
        ('{"provider": "mistral", "model": "m"}', "KEY is not set"),
    ],
)
def test_it_says_what_is_missing(
    rung: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "")
    assert try_provider.main(["--rung", rung]) == 2
    assert said in capsys.readouterr().out


def test_it_runs_from_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", KEY_OF_THE_SECRET)
    with Endpoints([in_turn([Reply({}, 404)])]) as server:
        rung = json.dumps({"model": "m", "baseUrl": server.address(0)})
        assert try_provider.main(["--rung", rung, "--n", "1"]) == 1
