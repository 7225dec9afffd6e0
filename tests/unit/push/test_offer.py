"""Submit offers push with a 202, and never lets a job fail for it."""

import io
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from functions.submit import app as submit_app
from simmer.web.push_tokens import KEY_MAX_AGE_MS, KEY_RETRY_MS
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, PUSH_KEY, PUSH_KEY_SECRET, Cloud, WorkerSide, refused
from tests.unit.events import document
from tests.unit.push.conftest import PUSH_URL, Push, status_in

UNREADABLE = {
    "forbidden": refused("AccessDeniedException"),
    "gone": refused("ResourceNotFoundException"),
    "no answer": LOST_ANSWER,
    "out of reach": EndpointConnectionError(endpoint_url="https://aws.example"),
}


def test_accepted_job_comes_with_where_and_how_to_subscribe(accepted: dict[str, Any]) -> None:
    assert set(accepted) == {"jobId", "status", "message", "statusUrl", "deadlineAt", "push"}
    assert set(accepted["push"]) == {"url", "token"}
    assert accepted["push"]["url"].partition("?")[0] == PUSH_URL


def test_whoever_joins_a_job_may_subscribe_to_it_too(
    api: Api, push: Push, accepted: dict[str, Any]
) -> None:
    joined = document(api.submit())

    frame = push.subscribe(joined["jobId"], joined["push"]["token"])
    assert status_in(frame) == api.status(accepted["jobId"])["body"]


def test_answer_that_is_there_already_needs_no_push(
    api: Api, worker: WorkerSide, job_id: str
) -> None:
    worker.complete(job_id)

    assert "push" not in document(api.submit())


@pytest.mark.parametrize("error", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_job_is_accepted_without_push_when_the_key_cannot_be_read(
    api: Api, cloud: Cloud, log: io.StringIO, error: Exception
) -> None:
    cloud.secrets.fail("get_secret_value", error)

    answer = api.submit()

    assert answer["statusCode"] == 202
    assert set(document(answer)) == {"jobId", "status", "message", "statusUrl", "deadlineAt"}
    assert len(cloud.messages()) == 1
    assert f'"cause":"{type(error).__name__}"' in log.getvalue()
    assert "WARNING" in log.getvalue()
    assert PUSH_KEY_SECRET not in log.getvalue()


def test_secret_that_holds_no_text_is_no_key(api: Api, cloud: Cloud) -> None:
    cloud.put_push_key(b"\x00\x01")

    answer = api.submit()

    assert answer["statusCode"] == 202
    assert "push" not in document(answer)


def test_unreadable_key_is_not_asked_for_by_every_submit(
    api: Api, cloud: Cloud, clock: Clock
) -> None:
    cloud.secrets.fail("get_secret_value", UNREADABLE["no answer"])
    api.submit()
    clock.advance(KEY_RETRY_MS / 1000 - 1)

    assert "push" not in document(api.submit())
    clock.advance(1)
    assert "push" in document(api.submit())
    assert cloud.calls.count("get_secret_value") == 2


def test_key_is_read_once_in_some_minutes(api: Api, cloud: Cloud, clock: Clock) -> None:
    for _ in range(3):
        api.submit()
    assert cloud.calls.count("get_secret_value") == 1

    clock.advance(KEY_MAX_AGE_MS / 1000)
    api.submit()
    assert cloud.calls.count("get_secret_value") == 2


def test_key_that_was_read_before_serves_while_it_cannot_be_read_again(
    api: Api, cloud: Cloud, clock: Clock
) -> None:
    api.submit()
    clock.advance(KEY_MAX_AGE_MS / 1000)
    cloud.secrets.fail("get_secret_value", UNREADABLE["no answer"])

    assert "push" in document(api.submit({"ingredients": ["egg"]}))


def test_without_an_address_push_is_off(
    api: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PUSH_URL")
    submit_app._wiring.cache_clear()

    assert "push" not in document(api.submit())
    assert "get_secret_value" not in cloud.calls


def test_log_has_neither_the_token_nor_the_key(log: io.StringIO, token: str) -> None:
    assert log.getvalue()
    assert token not in log.getvalue()
    assert PUSH_KEY not in log.getvalue()
    assert PUSH_KEY_SECRET not in log.getvalue()
