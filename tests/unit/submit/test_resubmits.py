"""Messages of those who send one request again while its job waits."""

import hashlib

import pytest

from simmer.jobs.admission import SENT_AGAIN_AFTER_MS
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, WorkerSide, refused
from tests.unit.events import document


@pytest.fixture
def job_id(api: Api, cloud: Cloud) -> str:
    """A job of alice's that waits; its message has been looked at."""
    job_id: str = document(api.submit())["jobId"]
    cloud.messages()
    return job_id


@pytest.mark.usefixtures("job_id")
def test_two_hundred_resubmits_send_one_message_more(api: Api, cloud: Cloud) -> None:
    """That one, because nobody has kept that the first was sent."""
    statuses = {api.submit()["statusCode"] for _ in range(200)}

    assert statuses == {202}
    assert len(cloud.messages()) == 1


@pytest.mark.usefixtures("job_id")
def test_a_message_that_was_put_aside_is_made_up_for(api: Api, cloud: Cloud, clock: Clock) -> None:
    api.submit()
    cloud.messages()
    clock.advance(SENT_AGAIN_AFTER_MS / 1000)

    api.submit()
    assert len(cloud.messages()) == 1


@pytest.mark.usefixtures("job_id")
def test_a_message_that_was_not_sent_is_not_kept_as_sent(api: Api, cloud: Cloud) -> None:
    cloud.sqs.fail("send_message", refused("ServiceUnavailable"))

    assert api.submit()["statusCode"] == 503
    assert api.submit()["statusCode"] == 202
    assert len(cloud.messages()) == 1


@pytest.mark.usefixtures("job_id")
def test_a_table_that_does_not_keep_it_costs_a_message_and_no_answer(
    api: Api, cloud: Cloud
) -> None:
    cloud.dynamodb.fail("update_item", refused("InternalServerError"), about="sent_at_ms")

    assert api.submit()["statusCode"] == 202
    assert api.submit()["statusCode"] == 202
    assert len(cloud.messages()) == 2


def test_a_job_that_a_worker_had_is_sent_by_workers_alone(
    api: Api, cloud: Cloud, worker: WorkerSide, job_id: str
) -> None:
    worker.claim(job_id)

    api.submit()
    assert cloud.messages() == []


@pytest.mark.usefixtures("shared_cache")
def test_message_of_a_joiner_is_in_the_joiners_group(api: Api, cloud: Cloud) -> None:
    """Behind the owner's other jobs the joiner would wait for them."""
    api.submit(user="alice")
    api.submit(user="bob")

    groups = {hashlib.sha256(user.encode()).hexdigest()[:32] for user in ("alice", "bob")}
    assert set(cloud.message_groups()) == groups
