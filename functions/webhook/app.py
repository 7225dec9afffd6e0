"""Webhook: the ends of jobs, sent to the team's own server, signed as Standard Webhooks has it.

The bus brings the ends by a queue of their own, so that a server that is away holds up nothing. A
message that was not delivered is shown again after a pause, which grows.
"""

from functools import cache
from typing import Any

from aws_lambda_powertools.utilities import parameters

from delivery import deliver
from receiver import Receiver
from simmer import aws
from simmer.jobs.queue import JobQueue
from simmer.settings import WebhookSettings
from simmer.web.http import PONG, Event, begins, to_come_again


@cache
def _wiring() -> tuple[Receiver, JobQueue]:
    settings = WebhookSettings.from_env()
    secrets = parameters.SecretsProvider(boto3_client=aws.client("secretsmanager"))
    return Receiver(settings, secrets), JobQueue.connect(settings.webhook_queue_url)


def handler(event: Event, context: Any) -> dict[str, Any]:
    if not begins(event, context, "Records"):
        return PONG
    return to_come_again(deliver(event["Records"], *_wiring()))
