"""The queue's way to the worker, which SAM leaves out: received here, and handed over."""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.emulator.deployment import Deployment
from local.emulator.stack import REGION
from local.sam_local.functions import WORKER
from local.sam_local.guarded_sam import KEY_HEADER

WORKER_SECONDS = 230  # its time-out


def take_from_the_emulator(deployment: Deployment) -> None:
    """The emulator's own worker must not take the jobs."""
    client = deployment.emulator.client("lambda")
    worker = deployment.physical_id(WORKER)
    for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
        if worker in mapping["FunctionArn"]:
            client.delete_event_source_mapping(UUID=mapping["UUID"])


async def feed(deployment: Deployment, lambda_port: int, key: str) -> None:
    """Do what an event source mapping does: receive, invoke, delete what is done.

    `key` is what the server at that port wants to see."""
    sqs = deployment.emulator.client("sqs")
    url = deployment.outputs["JobsQueueUrl"]
    worker = boto3.client(
        "lambda",
        endpoint_url=f"http://127.0.0.1:{lambda_port}",
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(read_timeout=WORKER_SECONDS + 60, retries={"total_max_attempts": 1}),
    )
    worker.meta.events.register(
        "before-send.lambda",
        lambda request, **_: request.headers.add_header(KEY_HEADER, key),
    )
    while True:
        received = await asyncio.to_thread(
            sqs.receive_message,
            QueueUrl=url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=1,
            MessageSystemAttributeNames=["All"],
        )
        if messages := received.get("Messages"):
            try:
                await asyncio.to_thread(_invoke, worker, sqs, url, messages)
            except (
                ClientError,
                BotoCoreError,
            ) as error:  # they come back, as from a worker's death
                print(f"the worker was not reached: {error}", file=sys.stderr, flush=True)


def _invoke(worker: Any, sqs: Any, url: str, messages: list[Any]) -> None:
    records = [
        {
            "messageId": each["MessageId"],
            "receiptHandle": each["ReceiptHandle"],
            "body": each["Body"],
            "attributes": each.get("Attributes", {}),
        }
        for each in messages
    ]
    answer = worker.invoke(FunctionName=WORKER, Payload=json.dumps({"Records": records}))
    said = json.loads(answer["Payload"].read() or b"{}")
    if "batchItemFailures" not in said:
        print(f"the worker failed: {said}", file=sys.stderr, flush=True)
        return  # the messages come back when their visibility ends
    failed = {each["itemIdentifier"] for each in said["batchItemFailures"]}
    for each in messages:
        if each["MessageId"] not in failed:
            # The worker has deleted it by itself; AWS takes it twice, the emulator does not.
            with suppress(ClientError):
                sqs.delete_message(QueueUrl=url, ReceiptHandle=each["ReceiptHandle"])
