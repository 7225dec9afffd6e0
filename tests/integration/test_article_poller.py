"""The poller of the Cookting app, as the article describes it (see docs/glossary.md).

It knows five states, a ten-second submit, a check at once and then one every two seconds, sixty at
the most, and of a status the fields `status`, `progress`, `result` and `error`. It knows nothing of
intervals from the server, of push, of error codes or of cancelling, and must never need to.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from local.emulator.deployment import Deployment
from local.model.stand_in import StandIn
from tests.integration.api import Api
from tests.patience import HANG_SECONDS

INTERVAL_SECONDS = 2.0
MOST_CHECKS = 60
STANDARD_SENTENCE = "레시피 추천에 실패했습니다."


@dataclass
class ArticlePoller:
    """`state` is idle, submitting, polling, completed or failed."""

    http: httpx2.Client
    on_progress: Callable[[int], None]
    state: str = "idle"
    states: list[str] = field(default_factory=list)
    result: Any = None
    error: str | None = None
    checks: int = 0

    def recommend(self, request: dict[str, Any]) -> None:
        self._enter("submitting")
        answer = self.http.post("/recipe/generate", json=request, timeout=HANG_SECONDS).json()
        if answer["status"] == "completed":
            return self._completed(answer["result"])
        assert answer["status"] == "submitted"
        self._enter("polling")
        while self.checks < MOST_CHECKS:
            self.checks += 1
            status = self.http.get(f"/recipe/status/{answer['jobId']}", timeout=HANG_SECONDS).json()
            self.on_progress(status["progress"])
            if status["status"] == "completed" and status.get("result") is not None:
                return self._completed(status["result"])
            if status["status"] == "failed":
                return self._failed(status.get("error") or STANDARD_SENTENCE)
            time.sleep(INTERVAL_SECONDS)
        return self._failed(STANDARD_SENTENCE)

    def _completed(self, result: Any) -> None:
        self.result = result
        self._enter("completed")

    def _failed(self, error: str) -> None:
        self.error = error
        self._enter("failed")

    def _enter(self, state: str) -> None:
        self.state = state
        self.states.append(state)


@pytest.fixture
def bar() -> list[int]:
    """The values that the app's bar was set to."""
    return []


@pytest.fixture
def poller(deployment: Deployment, alice: Api, bar: list[int]) -> ArticlePoller:
    headers = {"authorization": f"Bearer {deployment.token('alice')}"}
    http = httpx2.Client(base_url=deployment.api_url, headers=headers, trust_env=False)
    return ArticlePoller(http, bar.append)


def _is_the_apps_recipe(recipe: dict[str, Any]) -> bool:
    """A recipe has the fields that the article's app reads."""
    wanted: dict[str, type | tuple[type, ...]] = {
        "name": str,
        "ingredients": list,
        "instructions": str,
        "cookingTime": (int, float),
        "difficulty": str,
        "servings": (int, float),
    }
    return all(isinstance(recipe[name], kind) for name, kind in wanted.items())


def test_it_brings_recipes_and_the_bar_goes_forward_to_100(
    poller: ArticlePoller, bar: list[int], model: StandIn
) -> None:
    egg = f"egg {uuid.uuid4().hex[:8]}"
    model.script("slow:4", match=egg)

    poller.recommend({"ingredients": [egg, "rice"]})

    assert poller.states == ["submitting", "polling", "completed"]
    assert len(poller.result["recipes"]) == 3
    assert all(_is_the_apps_recipe(recipe) for recipe in poller.result["recipes"])
    assert bar == sorted(bar)
    assert bar[-1] == 100
    assert 2 <= poller.checks < MOST_CHECKS


def test_a_completed_answer_to_the_submit_ends_it_at_once(poller: ArticlePoller) -> None:
    request = {"ingredients": [f"egg {uuid.uuid4().hex[:8]}"]}
    poller.recommend(request)
    first, checks = poller.result, poller.checks

    poller.recommend(request)

    assert poller.states[-2:] == ["submitting", "completed"]
    assert (poller.result, poller.checks) == (first, checks)


def test_it_shows_the_sentence_of_a_failure(
    poller: ArticlePoller, bar: list[int], model: StandIn
) -> None:
    egg = f"egg {uuid.uuid4().hex[:8]}"
    model.script("refusal", "refusal", "refusal", match=egg)  # to the outline, then to both models

    poller.recommend({"ingredients": [egg], "locale": "ko"})

    assert poller.state == "failed"
    assert poller.error == "이 요청에는 답할 수 없습니다. 내용을 바꿔 주세요."
    assert bar == sorted(bar)
