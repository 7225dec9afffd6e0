"""An in-memory stand-in for SQS standard queues, in virtual time.

It has the interface of `boto3.client("sqs")` for the calls that Simmer and its event source
mapping make. It delivers at least once and in no order: with a `random` given, a receive picks
among the visible messages, and `duplicate` makes a second copy of one, which must be received
and deleted by itself, as a server of SQS's may hold one. Messages with a group id are received
fairly (`fair_queues`), which the emulator and moto leave out.

    sqs = Sqs(now=world.clock, random=world.random)
    dead = sqs.create_queue("dead")
    jobs = sqs.create_queue("jobs", visibility_seconds=60, dead_letter_url=dead, max_receives=5)
"""

# ruff: noqa: N803 (the arguments have boto3's names)

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.simulation.services.aws_errors import Exceptions, client_error
from tests.simulation.services.fair_queues import NoisyGroups

_MAX_BYTES = 1_048_576
_MAX_VISIBILITY_SECONDS = 43_200
_MAX_DELAY_SECONDS = 900

type Answer = dict[str, Any]


@dataclass(slots=True, eq=False)
class Message:
    """One copy of a message, as the queue holds it."""

    message_id: str
    body: str
    sent_at: float
    visible_at: float
    group_id: str | None = None
    receive_count: int = 0
    first_received_at: float = 0.0
    receipt: str = ""  # the latest receipt handle, the only one that counts


@dataclass(slots=True, eq=False)
class _Queue:
    url: str
    visibility_seconds: float
    delay_seconds: float
    dead_letter_url: str | None
    max_receives: int
    messages: list[Message] = field(default_factory=list)
    noisy: NoisyGroups = field(default_factory=NoisyGroups)


class Sqs:
    """Queues in memory. What is received stays until it is deleted."""

    def __init__(self, now: Callable[[], float], random: Random | None = None) -> None:
        """Take the time from `now` in seconds; without `random` the oldest is received first."""
        self.exceptions = Exceptions()
        self._now = now
        self.is_oldest_first = random is None
        self._random = random or Random(0)
        self._queues: dict[str, _Queue] = {}
        self._by_receipt: dict[str, tuple[_Queue, Message]] = {}
        self._count = 0
        # Called when a message may have become visible sooner than anything said before.
        self.on_change: Callable[[], None] = lambda: None

    # ------------------------------------------------------------ for tests

    def create_queue(
        self,
        name: str,
        *,
        visibility_seconds: float = 30,
        delay_seconds: float = 0,
        dead_letter_url: str | None = None,
        max_receives: int = 0,
    ) -> str:
        """Make a queue and return its URL."""
        url = f"https://sqs.test/000000000000/{name}"
        self._queues[url] = _Queue(
            url, visibility_seconds, delay_seconds, dead_letter_url, max_receives
        )
        return url

    def messages(self, url: str) -> list[Message]:
        """The messages that a queue holds, visible or not."""
        return list(self._queues[url].messages)

    def next_visible_at(self, url: str) -> float | None:
        """The time from which a receive finds a message; None while the queue is empty."""
        return min((message.visible_at for message in self._queues[url].messages), default=None)

    def duplicate(self, url: str, message_id: str) -> None:
        """Put a second copy of a message in the queue, visible now and deleted by itself."""
        queue = self._queues[url]
        original = next(message for message in queue.messages if message.message_id == message_id)
        queue.messages.append(
            Message(message_id, original.body, original.sent_at, self._now(), original.group_id)
        )
        self.on_change()

    def redrive(self, from_url: str, to_url: str) -> int:
        """Move all of a dead-letter queue back, as new messages; return how many there were."""
        dead = self._queues[from_url].messages
        moved = len(dead)
        for message in dead:
            self._add(self._queues[to_url], message.body, 0, message.group_id)
        dead.clear()
        return moved

    # ------------------------------------------------------------ the client's interface

    def send_message(
        self,
        *,
        QueueUrl: str,
        MessageBody: str,
        DelaySeconds: int | None = None,
        MessageGroupId: str | None = None,
    ) -> Answer:
        """Send a message; its group id is for fairness between tenants, not for order."""
        operation = "SendMessage"
        queue = self._queue(operation, QueueUrl)
        if not MessageBody:
            raise client_error(
                operation, "MissingParameter", "The request must contain the parameter MessageBody."
            )
        if len(MessageBody.encode()) > _MAX_BYTES:
            raise client_error(
                operation,
                "InvalidParameterValue",
                "One or more parameters are invalid. Reason: Message must be shorter than "
                f"{_MAX_BYTES} bytes.",
            )
        delay = queue.delay_seconds if DelaySeconds is None else DelaySeconds
        if not 0 <= delay <= _MAX_DELAY_SECONDS:
            raise client_error(
                operation,
                "InvalidParameterValue",
                f"Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must "
                f"be >= 0 and <= {_MAX_DELAY_SECONDS}.",
            )
        message = self._add(queue, MessageBody, delay, MessageGroupId)
        return {"MessageId": message.message_id, "MD5OfMessageBody": _md5(MessageBody)}

    def receive_message(
        self,
        *,
        QueueUrl: str,
        MaxNumberOfMessages: int = 1,
        VisibilityTimeout: float | None = None,
        WaitTimeSeconds: int = 0,
        AttributeNames: Sequence[str] = (),
        MessageSystemAttributeNames: Sequence[str] = (),
    ) -> Answer:
        """Receive up to ten visible messages. It never waits, and shows all attributes."""
        operation = "ReceiveMessage"
        queue = self._queue(operation, QueueUrl)
        if not 1 <= MaxNumberOfMessages <= 10:
            raise client_error(
                operation,
                "InvalidParameterValue",
                f"Value {MaxNumberOfMessages} for parameter MaxNumberOfMessages is invalid. "
                "Reason: Must be between 1 and 10, if provided.",
            )
        now = self._now()
        visible = [message for message in queue.messages if message.visible_at <= now]
        if len(visible) > 1 and not self.is_oldest_first:
            self._random.shuffle(visible)
        visible = queue.noisy.last(visible, now)
        hide_seconds = queue.visibility_seconds if VisibilityTimeout is None else VisibilityTimeout
        received: list[Answer] = []
        for message in visible:
            if len(received) == MaxNumberOfMessages:
                break
            if queue.dead_letter_url and message.receive_count >= queue.max_receives:
                self._bury(queue, message)
                continue
            message.receive_count += 1
            message.first_received_at = message.first_received_at or now
            message.visible_at = now + hide_seconds
            message.receipt = f"receipt-{self._next()}"
            self._by_receipt[message.receipt] = (queue, message)
            received.append(_as_received(message))
        queue.noisy.look(queue.messages, now)
        return {"Messages": received} if received else {}

    def delete_message(self, *, QueueUrl: str, ReceiptHandle: str) -> Answer:
        """Delete a message. With an older receipt handle than the last, nothing is deleted."""
        operation = "DeleteMessage"
        queue = self._queue(operation, QueueUrl)
        message = self._message(operation, queue, ReceiptHandle)
        if message.receipt == ReceiptHandle and message in queue.messages:
            queue.messages.remove(message)
        return {}

    def change_message_visibility(
        self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int
    ) -> Answer:
        """Hide a message in flight for so many seconds from now on."""
        operation = "ChangeMessageVisibility"
        queue = self._queue(operation, QueueUrl)
        if not 0 <= VisibilityTimeout <= _MAX_VISIBILITY_SECONDS:
            raise client_error(
                operation,
                "InvalidParameterValue",
                f"Value {VisibilityTimeout} for parameter VisibilityTimeout is invalid. Reason: "
                f"VisibilityTimeout must be an integer between 0 and {_MAX_VISIBILITY_SECONDS}.",
            )
        message = self._message(operation, queue, ReceiptHandle)
        now = self._now()
        if (
            message.receipt != ReceiptHandle
            or message.visible_at <= now
            or message not in queue.messages
        ):
            raise client_error(
                operation,
                "InvalidParameterValue",
                f"Value {ReceiptHandle} for parameter ReceiptHandle is invalid. Reason: Message "
                "does not exist or is not available for visibility timeout change.",
            )
        was_visible_at, message.visible_at = message.visible_at, now + VisibilityTimeout
        if message.visible_at < was_visible_at:
            self.on_change()
        return {}

    # ------------------------------------------------------------ within

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _queue(self, operation: str, url: str) -> _Queue:
        try:
            return self._queues[url]
        except KeyError:
            raise client_error(
                operation,
                "AWS.SimpleQueueService.NonExistentQueue",
                "The specified queue does not exist.",
            ) from None

    def _message(self, operation: str, queue: _Queue, receipt: str) -> Message:
        owner, message = self._by_receipt.get(receipt, (None, None))
        if message is None or owner is not queue:
            raise client_error(
                operation,
                "ReceiptHandleIsInvalid",
                f'The input receipt handle "{receipt}" is not a valid receipt handle.',
            )
        return message

    def _add(self, queue: _Queue, body: str, delay: float, group_id: str | None) -> Message:
        now = self._now()
        message = Message(f"message-{self._next()}", body, now, now + delay, group_id)
        queue.messages.append(message)
        queue.noisy.sent(group_id, now)
        self.on_change()
        return message

    def _bury(self, queue: _Queue, message: Message) -> None:
        queue.messages.remove(message)
        message.visible_at = self._now()
        self._queues[queue.dead_letter_url or ""].messages.append(message)


def lambda_event(messages: list[Answer], queue_arn: str = "arn:aws:sqs:us-east-1:0:jobs") -> Answer:
    """Wrap what `receive_message` gave as the event that Lambda's event source mapping sends."""
    return {
        "Records": [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": dict(message["Attributes"]),
                "messageAttributes": {},
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": queue_arn,
                "awsRegion": "us-east-1",
            }
            for message in messages
        ]
    }


def _as_received(message: Message) -> Answer:
    attributes = {
        "ApproximateReceiveCount": str(message.receive_count),
        "SentTimestamp": str(int(message.sent_at * 1000)),
        "SenderId": "AIDAIENQZJOLO23YVJ4VO",
        "ApproximateFirstReceiveTimestamp": str(int(message.first_received_at * 1000)),
    }
    if message.group_id is not None:
        attributes["MessageGroupId"] = message.group_id
    return {
        "MessageId": message.message_id,
        "ReceiptHandle": message.receipt,
        "MD5OfBody": _md5(message.body),
        "Body": message.body,
        "Attributes": attributes,
    }


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
