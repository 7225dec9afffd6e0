"""The queue that wakes workers."""

import pytest

from simmer.errors import DependencyUnavailable
from simmer.jobs.queue import JobQueue, UnreadableMessage, Wakeup
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, Cloud
from tests.unit.jobs import a_job


@pytest.fixture
def queue(cloud: Cloud) -> JobQueue:
    return JobQueue(cloud.sqs, cloud.queue_url)  # type: ignore[arg-type]


def test_message_reads_as_it_was_written() -> None:
    wakeup = Wakeup("job", "run", "recipe")

    assert Wakeup.parse(wakeup.body()) == wakeup


def test_message_of_a_release_that_named_no_task_is_still_read() -> None:
    assert Wakeup.parse('{"jobId": "job", "runId": "run"}') == Wakeup("job", "run", task=None)


@pytest.mark.parametrize(
    "body",
    [
        *("", "hello", "[]", "null", "{}", '{"jobId": "a"}', '{"jobId": 1, "runId": "b"}', "NaN"),
        *("[" * 200_000, '{"jobId":' * 50_000, "\x00", "\ud800", '"' + "x" * 100_000 + '"'),
    ],
    ids=lambda body: repr(body)[:20],
)
def test_message_that_is_none_of_ours_is_unreadable(body: str) -> None:
    with pytest.raises(UnreadableMessage):
        Wakeup.parse(body)


def test_message_says_nothing_but_which_run_of_which_job_of_which_task(
    queue: JobQueue, cloud: Cloud, clock: Clock
) -> None:
    queue.send(a_job(clock))

    assert cloud.messages() == [{"jobId": "0" * 32, "runId": "run-1", "task": "recipe"}]


def test_delayed_message_is_not_there_yet(queue: JobQueue, cloud: Cloud, clock: Clock) -> None:
    queue.send(a_job(clock), delay_seconds=60)

    assert cloud.messages() == []


def test_delay_beyond_what_sqs_allows_is_cut(queue: JobQueue, clock: Clock) -> None:
    queue.send(a_job(clock), delay_seconds=100_000)


@pytest.mark.parametrize("delay_seconds", [0, 5])
def test_failure_of_the_queue_is_unavailable(
    queue: JobQueue, cloud: Cloud, clock: Clock, delay_seconds: int
) -> None:
    cloud.sqs.fail("send_message", LOST_ANSWER)

    with pytest.raises(DependencyUnavailable):
        queue.send(a_job(clock), delay_seconds)
