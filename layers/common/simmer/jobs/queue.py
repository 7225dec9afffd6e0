"""The queue that wakes workers. A message names a run of a job; only the store knows its state."""

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from simmer import aws
from simmer.aws import AwsError
from simmer.errors import DependencyUnavailable
from simmer.jobs.job import Job

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_DELAY_SECONDS = 900  # SQS allows no more
MAX_MESSAGES = 10  # of one receive; SQS gives no more
# Within the patience of the client for one answer.
LONG_POLL_SECONDS = 2


class UnreadableMessage(ValueError):
    """The message was not written by Simmer."""


@dataclass(frozen=True, slots=True)
class Wakeup:
    """The content of a message. `task` is None in messages of releases that did not write it."""

    job_id: str
    run_id: str
    task: str | None = None

    @classmethod
    def parse(cls, body: str) -> Self:
        try:
            document = json.loads(body)
            job_id, run_id = document["jobId"], document["runId"]
            task = document.get("task")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise UnreadableMessage from None
        if not isinstance(job_id, str) or not isinstance(run_id, str):
            raise UnreadableMessage
        return cls(job_id, run_id, task if isinstance(task, str) else None)

    def body(self) -> str:
        """The JSON text of the message."""
        return json.dumps({"jobId": self.job_id, "runId": self.run_id, "task": self.task})


class JobQueue:
    """The jobs queue at `url`. Every method raises `DependencyUnavailable` when SQS fails."""

    def __init__(self, sqs: "SQSClient", url: str) -> None:
        self._sqs = sqs
        self._url = url

    @classmethod
    def connect(cls, url: str) -> Self:
        return cls(aws.client("sqs"), url)

    def send(self, job: Job, delay_seconds: int = 0, *, on_behalf_of: str | None = None) -> None:
        """Wake a worker for this run of the job, not before `delay_seconds`.

        The message group makes the queue a fair one: a user with a thousand jobs waiting does not
        hold up another user's first. It is the group of the owner, or of another user who waits.
        """
        user = on_behalf_of or job.owner
        try:
            self._sqs.send_message(
                QueueUrl=self._url,
                MessageBody=Wakeup(job.job_id, job.run_id, job.task).body(),
                DelaySeconds=min(delay_seconds, MAX_DELAY_SECONDS),
                MessageGroupId=hashlib.sha256(user.encode()).hexdigest()[:32],
            )
        except AwsError as error:
            raise DependencyUnavailable("The queue did not take the job.") from error

    def receive(self, at_most: int, hidden_seconds: int) -> list[dict[str, Any]]:
        """Up to so many messages, as Lambda's records have them; none if none comes in a moment.

        No other worker sees them for `hidden_seconds`.
        """
        try:
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=min(at_most, MAX_MESSAGES),
                VisibilityTimeout=hidden_seconds,
                WaitTimeSeconds=LONG_POLL_SECONDS,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        except AwsError as error:
            raise DependencyUnavailable("The queue gave no messages.") from error
        # A record has SQS's own names, but for their first letters.
        return [
            {name[0].lower() + name[1:]: value for name, value in message.items()}
            for message in answer.get("Messages", [])
        ]

    def hide(self, receipt_handle: str, seconds: int) -> None:
        """Show the received message to no other worker for that long from now."""
        try:
            self._sqs.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            )
        except AwsError as error:
            raise DependencyUnavailable("The queue did not keep the message hidden.") from error

    def delete(self, receipt_handle: str) -> None:
        """Take the received message off the queue."""
        try:
            self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=receipt_handle)
        except AwsError as error:
            raise DependencyUnavailable("The queue did not delete the message.") from error
