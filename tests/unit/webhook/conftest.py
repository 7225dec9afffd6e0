"""The webhook in one process: the deployed function, its queue, and a team's server on loopback."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider

from delivery import deliver
from receiver import Receiver
from simmer.settings import WebhookSettings
from tests.receiver import TeamServer, team_server
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET_ID = "webhook-secret"
DETAIL: dict[str, Any] = {
    "id": "run-1-ended",
    "task": "recipe",
    "owner": "alice",
    "jobId": "0" * 32,
    "status": "completed",
    "completedAt": "2026-11-22T09:30:20.000Z",
    "usage": {"calls": 1},
}


@pytest.fixture
def team() -> Iterator[TeamServer]:
    with team_server() as team:
        yield team


class Webhook:
    """The function's own parts; a message keeps its receive count and its pause, as SQS does."""

    def __init__(self, cloud: Cloud, clock: Clock) -> None:
        self.cloud, self.clock = cloud, clock
        self.pauses: list[int] = []
        self._secrets = cloud._secretsmanager
        self._secrets.create_secret(Name=SECRET_ID, SecretString=SECRET)

    def put_secret(self, text: str) -> None:
        self._secrets.put_secret_value(SecretId=SECRET_ID, SecretString=text)

    def receiver(self, url: str, *, loopback: bool = True) -> Receiver:
        settings = WebhookSettings(
            webhook_url=url,
            webhook_queue_url="https://queue",
            webhook_secret=SECRET_ID,
            webhook_loopback=loopback,
        )
        provider = SecretsProvider(boto3_client=self.cloud.secrets)  # type: ignore[arg-type]
        return Receiver(settings, provider)

    def hide(self, receipt_handle: str, seconds: int) -> None:
        self.pauses.append(seconds)

    def deliver(self, receiver: Receiver, tries: int = 1, details: Any = (DETAIL,)) -> list[str]:
        records = [record(number, detail, tries) for number, detail in enumerate(details)]
        return deliver(records, receiver, self)  # type: ignore[arg-type]


def record(number: int, detail: dict[str, Any], tries: int = 1) -> dict[str, Any]:
    """A message as SQS gives it, with an event as EventBridge writes it."""
    event = {"detail-type": "job.ended", "source": "simmer", "id": "of EventBridge"}
    return {
        "messageId": f"message-{number}",
        "receiptHandle": f"receipt-{number}",
        "body": json.dumps(event | {"detail": detail}),
        "attributes": {"ApproximateReceiveCount": str(tries)},
    }


@pytest.fixture
def webhook(cloud: Cloud, clock: Clock) -> Webhook:
    return Webhook(cloud, clock)
