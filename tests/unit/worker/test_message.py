"""A message leaves the queue when its own job is done, not when the batch is."""

import asyncio
from typing import Any

import pytest

from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, Cloud
from tests.unit.worker.fakes import VALID, FakeProvider
from tests.unit.worker.workshop import Workshop


@pytest.fixture
def shop(cloud: Cloud, clock: Clock) -> Workshop:
    return Workshop(cloud, clock)


def _handle(shop: Workshop, provider: FakeProvider, record: dict[str, Any]) -> bool:
    async def handle() -> bool:
        ends_at = asyncio.get_running_loop().time() + 200
        return await shop.worker(provider).run_message(record, ends_at)

    return asyncio.run(handle())


def _left(cloud: Cloud) -> int:
    """The number of messages in the queue, hidden messages included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = cloud.sqs.get_queue_attributes(QueueUrl=cloud.queue_url, AttributeNames=names)
    return sum(int(answer["Attributes"][name]) for name in names)


def test_message_of_a_job_that_is_done_is_deleted_at_once(shop: Workshop, cloud: Cloud) -> None:
    shop.admit()
    shop.admit()
    first, _ = shop.receive()
    assert _handle(shop, FakeProvider([VALID]), first)
    assert _left(cloud) == 1


def test_message_that_is_to_come_back_stays(shop: Workshop, cloud: Cloud) -> None:
    shop.admit()
    cloud.dynamodb.fail("update_item", LOST_ANSWER, about="processing")
    [record] = shop.receive()
    assert not _handle(shop, FakeProvider([VALID]), record)
    assert _left(cloud) == 1


def test_message_that_cannot_be_deleted_is_left_to_lambda(shop: Workshop, cloud: Cloud) -> None:
    job = shop.admit()
    cloud.sqs.fail("delete_message", LOST_ANSWER)
    [record] = shop.receive()
    assert _handle(shop, FakeProvider([VALID]), record)
    assert cloud.job(job.job_id)["status"] == "completed"
