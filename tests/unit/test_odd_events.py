"""Events that no gateway sends: the functions answer, and nobody is woken."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.cancel import app as cancel_app
from functions.push import app as push_app
from functions.status import app as status_app
from functions.submit import app as submit_app
from tests.unit.events import cancel_event, status_event, submit_event
from tests.unit.odd_records import ANYTHING, TRIED, changed, places

type Function = Callable[[Any, Any], dict[str, Any]]

HANDLERS: dict[str, tuple[Function, Callable[..., Any]]] = {
    "submit": (submit_app.handler, submit_event),
    "status": (status_app.handler, status_event),
    "cancel": (cancel_app.handler, cancel_event),
}


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("name", HANDLERS)
@TRIED
@given(data=st.data())
def test_whatever_stands_in_an_event_is_answered(name: str, data: st.DataObject) -> None:
    handler, event_of = HANDLERS[name]
    event = event_of({"ingredients": ["egg"]}) if name == "submit" else event_of("0" * 32)
    place = data.draw(st.sampled_from(places(event)))

    answer = handler(changed(event, place, data.draw(ANYTHING)), None)

    assert answer["statusCode"] < 500


# Half a character, what ends a C string, what no issuer allows, what a path or a key would mean.
ODD: tuple[Any, ...] = (
    *("", " ", "\x00", "\ud800", "a\udfff", "\u202e", "x" * 10_240, "../..", "job#x", "%00", "{}"),
    *(True, 0, -1, 2**70, 1e308, [], ["alice"], {}, {"alice": "alice"}, None),
)


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:12])
def test_odd_value_at_each_place_is_answered(name: str, odd: Any) -> None:
    handler, event_of = HANDLERS[name]
    event = event_of({"ingredients": ["egg"]}) if name == "submit" else event_of("0" * 32)

    answers = {place: handler(changed(event, place, odd), None) for place in places(event)}

    assert {place: each for place, each in answers.items() if each["statusCode"] >= 500} == {}


@pytest.mark.parametrize("handler", [each for each, _ in HANDLERS.values()])
@TRIED
@given(event=ANYTHING)
def test_whatever_is_no_event_at_all_is_answered(handler: Callable[..., Any], event: Any) -> None:
    assert handler(event, None)["statusCode"] < 500


@TRIED
@given(event=ANYTHING)
def test_push_answers_what_is_no_event(event: Any) -> None:
    assert push_app.handler(event, None)["statusCode"] < 500


def _deep(levels: int) -> Any:
    node: Any = "x"
    for _ in range(levels):
        node = {"x": [node]}
    return node


_V1: dict[str, Any] = {
    "resource": "/{task}/generate", "path": "/recipe/generate", "httpMethod": "POST",
    "headers": {"Content-Type": "application/json"},
    "multiValueHeaders": {"Content-Type": ["application/json"]},
    "queryStringParameters": None, "multiValueQueryStringParameters": None,
    "pathParameters": {"task": "recipe", "jobId": "0" * 32}, "stageVariables": None,
    "requestContext": {
        "resourcePath": "/{task}/generate", "httpMethod": "POST", "requestId": "r",
        "authorizer": {"claims": {"sub": "alice"}, "principalId": "alice"}, "identity": {},
    },
    "body": '{"ingredients": ["egg"]}', "isBase64Encoded": False,
}  # fmt: skip
# What other services send, each in its documented form.
OF_OTHERS: dict[str, Any] = {
    "REST API (payload 1.0)": _V1,
    "REST API, custom authorizer": {
        **_V1, "requestContext": {"authorizer": {"principalId": "alice", "sub": "alice"}},
    },
    "load balancer": {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:x"}},
        "httpMethod": "POST", "path": "/recipe/generate", "queryStringParameters": {},
        "multiValueHeaders": {"content-type": ["application/json"]}, "body": "",
        "isBase64Encoded": True,
    },
    "function URL": {
        "version": "2.0", "routeKey": "$default", "rawPath": "/recipe/generate",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "authorizer": {"iam": {"userId": "alice"}}, "http": {"method": "POST"},
        },
        "body": '{"ingredients": ["egg"]}', "isBase64Encoded": False,
    },
    "HTTP API, Lambda authorizer": {
        "version": "2.0", "requestContext": {"authorizer": {"lambda": {"sub": "alice"}}},
        "pathParameters": {"task": "recipe"},
    },
    "EventBridge": {
        "version": "0", "id": "x", "detail-type": "Scheduled Event", "source": "aws.events",
        "account": "1", "time": "2026-11-26T00:00:00Z", "resources": [], "detail": {},
    },
    "SNS": {"Records": [{"EventSource": "aws:sns", "Sns": {"Message": "{}"}}]},
    "S3": {"Records": [{"eventSource": "aws:s3", "s3": {"bucket": {"name": "x"}}}]},
    "SQS": {"Records": [{"messageId": "x", "body": "{}", "eventSource": "aws:sqs"}]},
    "Kinesis": {"Records": [{"kinesis": {"data": "eA=="}, "eventID": "x"}]},
    "Cognito": {"triggerSource": "PreSignUp_SignUp", "userName": "alice", "request": {}},
    "warm-up": {"source": "serverless-plugin-warmup"},
    "WebSocket": {"requestContext": {"routeKey": "$default", "connectionId": "c"}},
    "no path parameters": {"requestContext": {"authorizer": {"jwt": {"claims": {"sub": "alice"}}}}},
    "very deep": {"requestContext": _deep(3000), "headers": _deep(3000), "body": _deep(3000)},
    "a deep body of a user": {
        "requestContext": {"authorizer": {"jwt": {"claims": {"sub": "alice"}}}},
        "pathParameters": {"task": "recipe", "jobId": _deep(30)},
        "headers": {"content-type": "application/json"}, "body": _deep(30),
    },
    "headers that are lists": {**_V1, "version": "2.0", "headers": [["content-type", "x"]]},
    "header names that are none": {"requestContext": {}, "headers": {1: "x", None: "y"}},
    "Base64 that is none": {
        "requestContext": {"authorizer": {"jwt": {"claims": {"sub": "alice"}}}},
        "pathParameters": {"task": "recipe"}, "headers": {"content-type": "application/json"},
        "body": "é", "isBase64Encoded": True,
    },
    "Base64 of half a text": {
        "requestContext": {"authorizer": {"jwt": {"claims": {"sub": "alice"}}}},
        "pathParameters": {"task": "recipe"}, "headers": {"content-type": "application/json"},
        "body": "eyJ", "isBase64Encoded": "false",
    },
}  # fmt: skip


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("name", HANDLERS)
@pytest.mark.parametrize("event", OF_OTHERS.values(), ids=OF_OTHERS.keys())
def test_event_of_another_service_is_answered(name: str, event: Any) -> None:
    handler, _ = HANDLERS[name]

    status = handler(event, None)["statusCode"]

    assert status < 500
    # Only the authorizer of our own gateway says who somebody is.
    assert status != 202


@pytest.mark.parametrize("event", OF_OTHERS.values(), ids=OF_OTHERS.keys())
def test_push_answers_events_of_other_services(event: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(connection_id: str, _frame: str) -> bool:
        assert isinstance(connection_id, str)
        return True

    monkeypatch.setattr(push_app, "_wiring", lambda: (None, None, SimpleNamespace(send=send)))

    answer = push_app.handler(event, None)

    assert answer.get("statusCode", 200) < 500
    assert answer.get("batchItemFailures", []) == []
