"""The least that reads an item with boto3 and answers it."""

import json
from functools import cache
from typing import Any

import boto3


@cache
def _dynamodb() -> Any:
    return boto3.client("dynamodb")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001
    job_id = event["pathParameters"]["jobId"]
    item = _dynamodb().get_item(TableName="jobs", Key={"pk": {"S": f"job#{job_id}"}})["Item"]
    body = json.dumps({"jobId": job_id, "status": item["status"]["S"]})
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": body}
