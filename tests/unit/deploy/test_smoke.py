"""What smoke says of answers that a stack on the emulator does not give at will."""

import json
from typing import Any

import pytest

from deploy.smoke import Smoke, Wrong, _claims, _why_failed


class Socket:
    """Says these, and then nothing."""

    def __init__(self, *frames: dict[str, Any]) -> None:
        self._frames = [json.dumps(frame) for frame in frames]

    def recv(self, timeout: float) -> str:
        if not self._frames:
            raise TimeoutError
        return self._frames.pop(0)


def told(*frames: dict[str, Any]) -> None:
    smoke = Smoke("https://api.example", "token")
    smoke._told(Socket(*frames), {"status": "completed"})  # type: ignore[arg-type]


def test_end_that_comes_is_all_that_push_must_tell() -> None:
    told({"status": "processing"}, {"status": "completed"})


def test_end_that_does_not_come_is_named() -> None:
    with pytest.raises(Wrong, match="the end was not told: PushFunction does not hear of it"):
        told({"status": "processing"})


def test_another_end_than_a_polls_is_named() -> None:
    with pytest.raises(Wrong, match="push says failed, a poll completed"):
        told({"status": "failed"})


@pytest.mark.parametrize(
    ("code", "about"),
    [
        ("model_unavailable", "the key is missing or wrong"),
        ("budget_exceeded", "DailyBudgetUsd"),
        ("deadline_exceeded", "JobDeadlineSeconds"),
        ("invalid_output", "never what the task allows"),
        ("internal", "the user's sentence"),
    ],
)
def test_failed_job_says_where_to_look(code: str, about: str) -> None:
    document = {"status": "failed", "errorCode": code, "error": "the user's sentence"}

    assert about in _why_failed(document)


@pytest.mark.parametrize("token", ["", "no token", "a.b.c", "a.W10.c"])
def test_what_is_no_token_claims_nothing(token: str) -> None:
    assert _claims(token) == {}
