"""The HTTP side of a handler: errors become problems, and nothing private is logged."""

import importlib
import io
import json
import re
from typing import Any

import pytest

from simmer.errors import QuotaExceeded
from simmer.web.http import Event, Response, http_endpoint, json_response, retry_after
from tests.unit.api import Api
from tests.unit.cloud import Cloud
from tests.unit.events import TOKEN, document, submit_event

SECRETS = ("hunter2", TOKEN, "alice")


@http_endpoint
def _crashing(event: Event, context: Any) -> Response:
    try:
        raise KeyError(event["body"])
    except KeyError as error:
        raise RuntimeError(f"hunter2 {event['headers']}") from error


def test_unexpected_exception_is_a_plain_500() -> None:
    response = _crashing(submit_event("hunter2"), None)

    assert response["headers"]["content-type"] == "application/problem+json"
    assert document(response) == {
        "type": "about:blank",
        "title": "Something failed on our side",
        "status": 500,
        "detail": "Please try again.",
        "code": "internal",
    }


def test_unexpected_exception_is_logged_by_type_and_place_alone(log: io.StringIO) -> None:
    _crashing(submit_event("hunter2"), None)

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["message"] for line in lines] == ["unexpected error", "request"]
    for line in lines:  # CloudWatch reads the level only of lines whose time is in RFC 3339
        assert re.fullmatch(
            r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}(?:Z|[+-]\d\d:\d\d)", line["timestamp"]
        )
    assert lines[0]["type"] == "RuntimeError"
    assert lines[0]["at"][-1].startswith("test_http.py:")
    assert not [secret for secret in SECRETS if secret in log.getvalue()]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"ingredients": ["hunter2"]}, 202),
        ({"ingredients": ["egg"], "hunter2": "hunter2"}, 422),
        ("hunter2", 400),
    ],
)
def test_request_is_logged_in_one_line_without_body_token_or_user(
    api: Api, log: io.StringIO, body: object, status: int
) -> None:
    api.submit(body, headers={"idempotency-key": "hunter2"})

    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    [logged] = [line for line in lines if line["message"] == "request"]
    assert (logged["route"], logged["status"]) == ("POST /{task}/generate", status)
    assert {line["requestId"] for line in lines} == {"request-1"}
    assert not [secret for secret in SECRETS if secret in log.getvalue()]


def test_misconfigured_function_answers_500(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JOBS_TABLE")

    response = api.submit()

    assert (response["statusCode"], document(response)["code"]) == (500, "internal")


def test_event_without_a_user_is_served_to_nobody(api: Api, cloud: Cloud) -> None:
    """The authorizer lets none through; should it be taken off the API, nothing is open."""
    from functions.submit import app

    event = submit_event()
    del event["requestContext"]["authorizer"]

    assert app.handler(event, None)["statusCode"] == 401
    assert cloud.calls == []


def test_error_carries_its_retry_after() -> None:
    @http_endpoint
    def handler(event: Event, context: Any) -> Response:
        raise QuotaExceeded("Enough.", retry_after_seconds=60)

    response = handler({"requestContext": {}}, None)

    assert (response["statusCode"], response["headers"]["retry-after"]) == (429, "60")
    assert document(response)["detail"] == "Enough."


def test_good_answer_passes_unchanged() -> None:
    answer = json_response(200, '{"a" : 1}', {"x": "y"})

    assert http_endpoint(lambda event, context: answer)({"requestContext": {}}, None) == answer
    assert answer["body"] == '{"a" : 1}'


@pytest.mark.parametrize(("milliseconds", "seconds"), [(500, "1"), (1000, "1"), (1001, "2")])
def test_retry_after_is_rounded_up(milliseconds: int, seconds: str) -> None:
    assert retry_after(milliseconds) == {"retry-after": seconds}


PINGS: list[object] = [
    {},
    None,
    [],
    "warm",
    {"source": "serverless-plugin-warmup"},
    {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}, "resources": []},
    {"warmer": True, "concurrency": 3},
    {"requestContext": None},
    {"requestContext": "none", "Records": "none"},
]


@pytest.mark.parametrize("event", PINGS, ids=str)
@pytest.mark.parametrize("function", ["submit", "status", "cancel", "push", "worker"])
def test_whoever_keeps_a_function_warm_is_answered_quietly(
    api: Api, cloud: Cloud, log: io.StringIO, function: str, event: Any
) -> None:
    app = importlib.import_module(f"functions.{function}.app")

    assert app.handler(event, None) == {"statusCode": 204}
    assert cloud.calls == []
    assert log.getvalue() == ""
