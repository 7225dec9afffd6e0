"""Submitting while DynamoDB or SQS fails: 503, nothing accepted, and a retry that is harmless."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, Cloud, refused
from tests.unit.events import document

FAILURES = {
    "throttled": refused("ThrottlingException"),
    "broken": refused("InternalServerError"),
    "forbidden": refused("AccessDeniedException"),
    "no answer": LOST_ANSWER,
    "out of reach": EndpointConnectionError(endpoint_url="https://aws.example"),
}


@pytest.mark.parametrize("error", FAILURES.values(), ids=FAILURES.keys())
def test_queue_that_fails_is_503_with_retry_after(api: Api, cloud: Cloud, error: Exception) -> None:
    cloud.sqs.fail("send_message", error)

    _assert_unavailable(api.submit())


def test_retry_after_a_queue_failure_sends_the_message_and_counts_once(
    api: Api, cloud: Cloud
) -> None:
    cloud.sqs.fail("send_message", FAILURES["broken"])
    api.submit()

    response = api.submit()

    [job] = cloud.jobs()
    job_id = document(response)["jobId"]
    assert response["statusCode"] == 202
    assert cloud.messages() == [{"jobId": job_id, "runId": job["run_id"], "task": "recipe"}]
    assert list(cloud.quota_counts().values()) == [1]


def test_retry_after_the_queues_answer_got_lost_wakes_the_same_run(api: Api, cloud: Cloud) -> None:
    cloud.sqs.lose_answer("send_message")
    _assert_unavailable(api.submit())

    assert api.submit()["statusCode"] == 202
    first, second = cloud.messages()
    assert first == second


@pytest.mark.parametrize("error", FAILURES.values(), ids=FAILURES.keys())
def test_table_that_fails_is_503_and_no_message_is_sent(
    api: Api, cloud: Cloud, error: Exception
) -> None:
    cloud.dynamodb.fail("transact_write_items", error)

    _assert_unavailable(api.submit())
    assert cloud.jobs() == []
    assert cloud.messages() == []
    assert cloud.quota_counts() == {}


def test_retry_after_the_tables_answer_got_lost_finds_the_job_and_counts_once(
    api: Api, cloud: Cloud
) -> None:
    cloud.dynamodb.lose_answer("transact_write_items")
    _assert_unavailable(api.submit())
    assert cloud.messages() == []

    assert api.submit()["statusCode"] == 202
    [job] = cloud.jobs()
    assert [message["runId"] for message in cloud.messages()] == [job["run_id"]]
    assert list(cloud.quota_counts().values()) == [1]


def _cancelled(*codes: str) -> Exception:
    reasons: Any = [{"Code": code} for code in codes]
    return refused("TransactionCanceledException", CancellationReasons=reasons)


@pytest.mark.parametrize(
    "codes", [("TransactionConflict", "None"), ("None", "TransactionConflict")]
)
def test_transaction_that_met_another_one_is_tried_again(
    api: Api, cloud: Cloud, clock: Clock, codes: tuple[str, str]
) -> None:
    cloud.dynamodb.fail("transact_write_items", _cancelled(*codes), times=2)

    assert api.submit()["statusCode"] == 202
    assert len(clock.sleeps) == 2
    assert list(cloud.quota_counts().values()) == [1]


def test_transaction_that_keeps_meeting_others_is_503_within_seconds(
    api: Api, cloud: Cloud, clock: Clock
) -> None:
    cloud.dynamodb.fail("transact_write_items", _cancelled("TransactionConflict", "None"), times=99)

    _assert_unavailable(api.submit())
    assert cloud.messages() == []
    assert sum(clock.sleeps) < 3


def test_transaction_that_was_throttled_is_503(api: Api, cloud: Cloud) -> None:
    cloud.dynamodb.fail("transact_write_items", _cancelled("ThrottlingError", "None"))

    _assert_unavailable(api.submit())
    assert cloud.messages() == []


def _assert_unavailable(response: dict[str, Any]) -> None:
    assert response["headers"]["content-type"] == "application/problem+json"
    assert response["headers"]["retry-after"] == "1"
    assert (response["statusCode"], document(response)["code"]) == (503, "dependency_unavailable")
