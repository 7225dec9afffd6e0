"""The in-memory queue is fair by AWS's first measure; neither moto nor the emulator is."""

import pytest

from tests.simulation.services.fair_queues import LEAST_IN_FLIGHT, QUIET_AFTER_SECONDS
from tests.simulation.services.sqs import Sqs


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sqs(clock: Clock) -> Sqs:
    return Sqs(clock)


def flooded(sqs: Sqs, url: str, *, in_flight: int, group: str | None = "loud") -> None:
    """So many of the group's messages in flight, and 20 more of them before a single other."""
    for number in range(in_flight + 20):
        sqs.send_message(QueueUrl=url, MessageBody=f"loud {number}", MessageGroupId=group)
    for _ in range(in_flight):
        sqs.receive_message(QueueUrl=url)
    sqs.send_message(QueueUrl=url, MessageBody="quiet", MessageGroupId="quiet")


def received(sqs: Sqs, url: str) -> str:
    (message,) = sqs.receive_message(QueueUrl=url)["Messages"]
    body: str = message["Body"]
    return body


def test_quiet_group_comes_before_a_noisy_one(sqs: Sqs) -> None:
    url = sqs.create_queue("jobs")
    flooded(sqs, url, in_flight=LEAST_IN_FLIGHT)

    assert [received(sqs, url) for _ in range(2)] == ["quiet", f"loud {LEAST_IN_FLIGHT}"]


def test_group_with_few_in_flight_is_not_noisy(sqs: Sqs) -> None:
    url = sqs.create_queue("jobs")
    flooded(sqs, url, in_flight=LEAST_IN_FLIGHT - 1)

    assert received(sqs, url).startswith("loud")


def test_messages_without_a_group_are_each_their_own(sqs: Sqs) -> None:
    url = sqs.create_queue("jobs")
    flooded(sqs, url, in_flight=LEAST_IN_FLIGHT, group=None)

    assert received(sqs, url).startswith("loud")


def test_tenth_of_all_in_flight_is_no_noise(sqs: Sqs) -> None:
    url = sqs.create_queue("jobs", visibility_seconds=1e6)
    for number in range(9 * LEAST_IN_FLIGHT + 30):
        sqs.send_message(QueueUrl=url, MessageBody="other", MessageGroupId=f"group {number}")
        sqs.receive_message(QueueUrl=url)
    flooded(sqs, url, in_flight=LEAST_IN_FLIGHT)

    assert received(sqs, url).startswith("loud")


def test_of_two_noisy_groups_the_one_with_fewer_in_flight_is_first(sqs: Sqs) -> None:
    url = sqs.create_queue("jobs")
    flooded(sqs, url, in_flight=2 * LEAST_IN_FLIGHT, group="louder")
    for number in range(LEAST_IN_FLIGHT + 5):
        sqs.send_message(QueueUrl=url, MessageBody=f"loud {number}", MessageGroupId="loud")
        if number < LEAST_IN_FLIGHT + 1:
            received(sqs, url)

    assert received(sqs, url) == f"loud {LEAST_IN_FLIGHT}"


def test_group_that_has_sent_nothing_for_long_is_quiet_again(sqs: Sqs, clock: Clock) -> None:
    url = sqs.create_queue("jobs", visibility_seconds=1e6)
    flooded(sqs, url, in_flight=LEAST_IN_FLIGHT)
    assert received(sqs, url) == "quiet"

    clock.now += QUIET_AFTER_SECONDS + 1
    sqs.send_message(QueueUrl=url, MessageBody="quiet again", MessageGroupId="quiet")

    assert received(sqs, url).startswith("loud")


def test_group_whose_backlog_is_gone_is_quiet_again(sqs: Sqs) -> None:
    url = sqs.create_queue("jobs")
    flooded(sqs, url, in_flight=LEAST_IN_FLIGHT)
    while messages := sqs.messages(url):
        if answer := sqs.receive_message(QueueUrl=url):
            receipt = answer["Messages"][0]["ReceiptHandle"]
        else:
            receipt = messages[0].receipt
        sqs.delete_message(QueueUrl=url, ReceiptHandle=receipt)
    assert sqs.receive_message(QueueUrl=url) == {}

    for body in ("first", "second"):
        group = "loud" if body == "first" else "quiet"
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group)
    assert received(sqs, url) == "first"
