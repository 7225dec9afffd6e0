"""A function that does nothing: what the runtime client alone takes."""

from typing import Any


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    return {"statusCode": 200, "body": event["pathParameters"]["jobId"]}
