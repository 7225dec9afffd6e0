"""The in-memory SQS answers as the emulator and moto do, in real time where time matters."""

import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.simulation.conftest import Connect
from tests.simulation.services.sqs import Sqs, lambda_event

MAX_RECEIVES = 3
HIDDEN_SECONDS = 30

# Where a reference is known to answer unlike AWS. A receipt handle of a message that is gone, or
# received again, is still one: deleting by it succeeds, and does nothing.
UNLIKE_AWS: dict[str, set[str]] = {
    "moto": {
        "test_a_delete_by_the_older_receipt",
        "test_a_change_of_what_is_not_in_flight",
        "test_a_change_of_what_is_deleted",
        "hidden for less than nothing",
        "an empty body",
        "a negative delay",
    },
    "emulator": {
        "test_a_delete_by_the_older_receipt",
        "test_a_second_delete",
        "test_a_change_of_what_is_not_in_flight",
        "test_a_change_of_what_is_deleted",
        "hidden for too long",
        "hidden for less than nothing",
        "too long a delay",
        "a negative delay",
    },
}


class Queues:
    """A jobs queue with its dead-letter queue in one implementation, messages named by body."""

    def __init__(self, client: Any, jobs: str, dead: str) -> None:
        self.client = client
        self.urls = {"jobs": jobs, "dead": dead}
        self.receipts: dict[str, list[str]] = {}

    def send(self, body: str, **more: Any) -> Any:
        return self._outcome("send_message", "jobs", MessageBody=body, **more)

    def receive(self, queue: str = "jobs", most: int = 10, **more: Any) -> Any:
        answer = self._outcome(
            "receive_message",
            queue,
            MaxNumberOfMessages=most,
            MessageSystemAttributeNames=["All"],
            **more,
        )
        if isinstance(answer, str):
            return answer
        received = []
        for message in answer.get("Messages", []):
            self.receipts.setdefault(message["Body"], []).append(message["ReceiptHandle"])
            attributes = message["Attributes"]
            assert abs(int(attributes["SentTimestamp"]) / 1000 - time.time()) < 60
            received.append(
                (
                    message["Body"],
                    message["MD5OfBody"],
                    attributes["ApproximateReceiveCount"],
                    attributes.get("MessageGroupId"),
                )
            )
        return sorted(received)

    def delete(self, body: str, receipt: int = -1, queue: str = "jobs") -> Any:
        return self._outcome("delete_message", queue, ReceiptHandle=self._receipt(body, receipt))

    def hide(self, body: str, seconds: int, receipt: int = -1) -> Any:
        return self._outcome(
            "change_message_visibility",
            "jobs",
            ReceiptHandle=self._receipt(body, receipt),
            VisibilityTimeout=seconds,
        )

    def _receipt(self, body: str, number: int) -> str:
        return self.receipts[body][number] if body in self.receipts else "no-such-receipt"

    def _outcome(self, operation: str, queue: str, **request: Any) -> Any:
        url = self.urls.get(queue) or self.urls["jobs"] + "-of-another"
        try:
            answer = getattr(self.client, operation)(QueueUrl=url, **request)
        except ClientError as error:
            return error.response["Error"]["Code"]
        answer.pop("ResponseMetadata", None)
        return answer if operation == "receive_message" else answer.get("MD5OfMessageBody")


class Pair:
    """A reference and the stand-in, given the same calls."""

    def __init__(self, name: str, theirs: Queues, ours: Queues) -> None:
        self.name = name
        self.theirs = theirs
        self.ours = ours

    def agree(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Demand one outcome, and return it."""
        theirs = getattr(self.theirs, method)(*args, **kwargs)
        ours = getattr(self.ours, method)(*args, **kwargs)
        assert ours == theirs, f"{self.name} differs at {method}{args} {kwargs}"
        return ours


@pytest.fixture
def pair(reference: tuple[str, Connect], request: pytest.FixtureRequest) -> Iterator[Pair]:
    name, connect = reference
    client = connect("sqs")
    dead = client.create_queue(QueueName="dead")["QueueUrl"]
    dead_arn = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])
    redrive = (
        f'{{"deadLetterTargetArn": "{dead_arn["Attributes"]["QueueArn"]}",'
        f' "maxReceiveCount": "{MAX_RECEIVES}"}}'
    )
    jobs = client.create_queue(
        QueueName="jobs",
        Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": str(HIDDEN_SECONDS)},
    )["QueueUrl"]
    stand_in = Sqs(now=time.time)
    our_dead = stand_in.create_queue("dead")
    our_jobs = stand_in.create_queue(
        "jobs",
        visibility_seconds=HIDDEN_SECONDS,
        dead_letter_url=our_dead,
        max_receives=MAX_RECEIVES,
    )
    case = request.node.callspec.params.get("case", request.node.originalname)
    if case in UNLIKE_AWS[name]:
        request.applymarker(pytest.mark.xfail(reason=f"{name} is unlike AWS", strict=True))
    yield Pair(name, Queues(client, jobs, dead), Queues(stand_in, our_jobs, our_dead))
    client.delete_queue(QueueUrl=jobs)
    client.delete_queue(QueueUrl=dead)


def test_a_message_that_is_never_deleted_ends_in_the_dead_letter_queue(pair: Pair) -> None:
    pair.agree("send", "poison")
    for count in range(1, MAX_RECEIVES + 1):
        ((_, _, shown, _),) = pair.agree("receive", VisibilityTimeout=0)
        assert shown == str(count)
    assert pair.agree("receive", "dead") == []
    assert pair.agree("receive") == []
    assert len(pair.agree("receive", "dead")) == 1
    pair.agree("delete", "poison", queue="dead")
    assert pair.agree("receive", "dead", VisibilityTimeout=0) == []


def test_time(pair: Pair) -> None:
    pair.agree("send", "now", MessageGroupId="alice")
    pair.agree("send", "in a second", DelaySeconds=1)
    assert len(pair.agree("receive", VisibilityTimeout=1)) == 1
    assert pair.agree("receive") == []
    time.sleep(1.2)
    assert len(pair.agree("receive")) == 2
    pair.agree("hide", "now", 1)
    pair.agree("hide", "in a second", 5)
    time.sleep(1.2)
    assert len(pair.agree("receive")) == 1


def test_a_message_that_was_received_again(pair: Pair) -> None:
    pair.agree("send", "twice")
    pair.agree("receive", VisibilityTimeout=0)
    pair.agree("receive", VisibilityTimeout=30)
    pair.agree("delete", "twice")
    assert pair.agree("receive") == []


def test_a_delete_by_the_older_receipt(pair: Pair) -> None:
    pair.agree("send", "twice")
    pair.agree("receive", VisibilityTimeout=0)
    pair.agree("receive", VisibilityTimeout=0)
    pair.agree("delete", "twice", receipt=0)
    assert len(pair.agree("receive")) == 1


def test_a_second_delete(pair: Pair) -> None:
    pair.agree("send", "once")
    pair.agree("receive")
    pair.agree("delete", "once")
    pair.agree("delete", "once")


def test_a_delete_after_the_visibility_timeout(pair: Pair) -> None:
    pair.agree("send", "late")
    pair.agree("receive", VisibilityTimeout=0)
    pair.agree("delete", "late")
    assert pair.agree("receive") == []


def test_a_change_of_what_is_not_in_flight(pair: Pair) -> None:
    pair.agree("send", "back")
    pair.agree("receive", VisibilityTimeout=0)
    pair.agree("hide", "back", 30)


def test_a_change_of_what_is_deleted(pair: Pair) -> None:
    pair.agree("send", "gone")
    pair.agree("receive")
    pair.agree("delete", "gone")
    pair.agree("hide", "gone", 30)


REFUSED: dict[str, tuple[Any, ...]] = {
    "no receipt handle": ("delete", "unknown"),
    "no receipt handle to hide by": ("hide", "unknown", 5),
    "hidden for too long": ("hide", "known", 43_201),
    "hidden for less than nothing": ("hide", "known", -1),
    "no such queue": ("receive", "other"),
    "none to receive": ("receive", "jobs", 0),
    "too many to receive": ("receive", "jobs", 11),
    "an empty body": ("send", ""),
    "too long a body": ("send", "x" * (1_048_576 + 1)),
    "too long a delay": ("send", "x", {"DelaySeconds": 901}),
    "a negative delay": ("send", "x", {"DelaySeconds": -1}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(pair: Pair, case: str) -> None:
    pair.agree("send", "known")
    pair.agree("receive")
    method, *args = REFUSED[case]
    more = args.pop() if isinstance(args[-1], dict) else {}
    assert isinstance(getattr(pair.ours, method)(*args, **more), str)
    pair.agree(method, *args, **more)


@pytest.mark.parametrize("seed", range(6))
def test_random_sequences(pair: Pair, seed: int) -> None:
    random = Random(seed)
    held: set[str] = set()  # in flight, so that every reference agrees on its receipt handle
    for number in range(40):
        match random.randrange(6):
            case 0 | 1:
                group = random.choice(({}, {"MessageGroupId": "alice"}))
                delay = random.choice(({}, {}, {"DelaySeconds": 600}, {"DelaySeconds": 0}))
                pair.agree("send", f"body {number}", **group, **delay)
            case 2:
                # All that are visible, since each implementation has an order of its own.
                hide = random.choice((0, HIDDEN_SECONDS))
                received = pair.agree("receive", VisibilityTimeout=hide)
                held.update(body for body, *_ in received if hide)
            case 3 if held:
                body = random.choice(sorted(held))
                held.discard(body)
                pair.agree("delete", body)
            case 4 if held:
                body, seconds = random.choice(sorted(held)), random.choice((0, 60))
                pair.agree("hide", body, seconds)
                if seconds == 0:
                    held.discard(body)
            case 5:
                pair.agree("receive", "dead", VisibilityTimeout=0)
    pair.agree("receive")


# ---------------------------------------------------------------- the stand-in alone


def queue(**settings: Any) -> tuple[Sqs, str]:
    sqs = Sqs(now=lambda: 1000.0, random=Random(1))
    return sqs, sqs.create_queue("jobs", **settings)


def bodies(sqs: Sqs, url: str, **more: Any) -> list[str]:
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **more)
    return [message["Body"] for message in received.get("Messages", [])]


def test_messages_come_in_any_order() -> None:
    sqs, url = queue()
    for body in "abcdef":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    orders = {"".join(bodies(sqs, url, VisibilityTimeout=0)) for _ in range(20)}
    assert len(orders) > 10


def test_a_duplicate_is_received_and_deleted_by_itself() -> None:
    sqs, url = queue()
    sent = sqs.send_message(QueueUrl=url, MessageBody="a")
    (first,) = sqs.receive_message(QueueUrl=url)["Messages"]
    sqs.duplicate(url, sent["MessageId"])
    (second,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert first["MessageId"] == second["MessageId"] == sent["MessageId"]
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert [message.receipt for message in sqs.messages(url)] == [second["ReceiptHandle"]]


def test_a_redrive_brings_messages_back_as_new_ones() -> None:
    sqs = Sqs(now=lambda: 1000.0)
    dead = sqs.create_queue("dead")
    url = sqs.create_queue("jobs", dead_letter_url=dead, max_receives=1)
    sqs.send_message(QueueUrl=url, MessageBody="a")
    assert bodies(sqs, url, VisibilityTimeout=0) == ["a"]
    assert bodies(sqs, url) == []
    assert sqs.next_visible_at(url) is None
    assert sqs.redrive(dead, url) == 1
    assert sqs.next_visible_at(url) == 1000.0
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert sqs.messages(dead) == []


def test_lambdas_event_has_what_its_handler_reads() -> None:
    sqs, url = queue()
    sqs.send_message(QueueUrl=url, MessageBody="{}", MessageGroupId="alice")
    (record,) = lambda_event(sqs.receive_message(QueueUrl=url)["Messages"])["Records"]
    assert record["body"] == "{}"
    assert record["receiptHandle"] == sqs.messages(url)[0].receipt
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["attributes"]["MessageGroupId"] == "alice"


def test_errors_are_the_clients_exceptions() -> None:
    sqs, _ = queue()
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.send_message(QueueUrl="other", MessageBody="a")
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"
