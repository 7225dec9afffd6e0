"""A status handler as Powertools' documentation has it: resolver, validation, logger, boto3."""

from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from pydantic import BaseModel

app = APIGatewayHttpResolver(enable_validation=True)
logger = Logger(service="anchor")


class Status(BaseModel):
    """The answer."""

    jobId: str  # noqa: N815
    status: str


@cache
def _table() -> Any:
    return boto3.client("dynamodb")


@app.get("/<task>/status/<job_id>")
def status(task: str, job_id: str) -> Status:
    item = _table().get_item(TableName="jobs", Key={"pk": {"S": f"job#{job_id}"}})["Item"]
    logger.info("request", extra={"task": task})
    return Status(jobId=job_id, status=item["status"]["S"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    answer: dict[str, Any] = app.resolve(event, context)
    return answer
