"""Events of API Gateway (payload format 2.0), and readers of a function's answers."""

import base64
import json
from collections.abc import Mapping
from typing import Any

TOKEN = "eyJhbGciOiJSUzI1NiJ9.the-token-nobody-may-log.signature"


def submit_event(
    body: object = None,
    *,
    user: str = "alice",
    task: str = "recipe",
    content_type: str | None = "application/json",
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """`body`: text as it is, bytes as base64, anything else as JSON; None is a plain request."""
    if body is None:
        body = {"ingredients": ["김치", "두부"]}
    event = _event("POST", f"/{task}/generate", "POST /{task}/generate", user, headers)
    event["pathParameters"] = {"task": task}
    if content_type is not None:
        event["headers"]["content-type"] = content_type
    if isinstance(body, bytes):
        event["body"], event["isBase64Encoded"] = base64.b64encode(body).decode(), True
    elif isinstance(body, str):
        event["body"] = body
    else:
        event["body"] = json.dumps(body, ensure_ascii=False)
    return event


def status_event(job_id: str, *, user: str = "alice", task: str = "recipe") -> dict[str, Any]:
    event = _event("GET", f"/{task}/status/{job_id}", "GET /{task}/status/{jobId}", user, None)
    event["pathParameters"] = {"task": task, "jobId": job_id}
    return event


def cancel_event(job_id: str, *, user: str = "alice", task: str = "recipe") -> dict[str, Any]:
    event = _event("POST", f"/{task}/cancel/{job_id}", "POST /{task}/cancel/{jobId}", user, None)
    event["pathParameters"] = {"task": task, "jobId": job_id}
    return event


def document(response: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an answer, parsed."""
    parsed: dict[str, Any] = json.loads(response["body"])
    return parsed


def _event(
    method: str, path: str, route: str, user: str, headers: Mapping[str, str] | None
) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "authorization": f"Bearer {TOKEN}",
            "host": "api.example",
            **(headers or {}),
        },
        "requestContext": {
            "http": {"method": method, "path": path},
            "requestId": "request-1",
            "authorizer": {"jwt": {"claims": {"sub": user}, "scopes": None}},
        },
        "isBase64Encoded": False,
    }
