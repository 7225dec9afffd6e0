"""Cancel, as the job's client sees it."""

import json

import pytest

from simmer.jobs.job import ErrorCode
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, Cloud, WorkerSide
from tests.unit.events import document


@pytest.fixture
def job_id(api: Api) -> str:
    submitted: str = document(api.submit({"ingredients": ["egg"], "locale": "ko"}))["jobId"]
    return submitted


def test_cancelled_job(api: Api, clock: Clock, job_id: str) -> None:
    clock.advance(4.2)

    response = api.cancel(job_id)

    assert response["statusCode"] == 200
    assert "retry-after" not in response["headers"]
    assert document(response) == {
        "jobId": job_id,
        "status": "cancelled",
        "progress": 95,
        "stage": "done",
        "message": "취소되었습니다.",
        "createdAt": "2026-11-22T09:30:00.000Z",
        "deadlineAt": "2026-11-22T09:35:00.000Z",
        "completedAt": "2026-11-22T09:30:04.200Z",
        "estimatedSecondsRemaining": 0,
    }


def test_cancel_answers_what_status_answers_and_again_the_same(
    api: Api, clock: Clock, worker: WorkerSide, job_id: str
) -> None:
    worker.claim(job_id)
    first = api.cancel(job_id)
    clock.advance(30)

    assert api.cancel(job_id) == api.status(job_id) == first


def test_completed_job_stays_completed_and_its_result_comes(
    api: Api, worker: WorkerSide, job_id: str
) -> None:
    worker.complete(job_id)

    response = api.cancel(job_id)

    assert document(response)["status"] == "completed"
    assert response["body"] == api.status(job_id)["body"]


def test_failed_job_stays_failed(api: Api, worker: WorkerSide, job_id: str) -> None:
    worker.fail(job_id, ErrorCode.REFUSED)

    assert document(api.cancel(job_id))["errorCode"] == "refused"


def test_overdue_job_is_failed_not_cancelled(api: Api, clock: Clock, job_id: str) -> None:
    clock.advance(300)

    assert document(api.cancel(job_id))["errorCode"] == "deadline_exceeded"


@pytest.mark.parametrize("whose", ["unknown", "bob's", "expired"])
def test_job_that_is_not_there_for_the_caller_is_404(
    api: Api, cloud: Cloud, clock: Clock, job_id: str, whose: str
) -> None:
    if whose == "expired":
        clock.advance(2 * 24 * 3600)
    asked = "0" * 32 if whose == "unknown" else job_id

    response = api.cancel(asked, user="bob" if whose == "bob's" else "alice")

    assert (response["statusCode"], document(response)["code"]) == (404, "job_not_found")
    assert cloud.job(job_id)["status"] == "pending"


def test_task_nobody_knows_is_404(api: Api, job_id: str) -> None:
    response = api.cancel(job_id, task="poem")

    assert (response["statusCode"], document(response)["code"]) == (404, "unknown_task")


def test_same_request_after_a_cancel_is_a_run_of_its_own(
    api: Api, cloud: Cloud, job_id: str
) -> None:
    before = cloud.job(job_id)["run_id"]
    api.cancel(job_id)

    assert document(api.submit({"ingredients": ["egg"], "locale": "ko"}))["jobId"] == job_id
    assert cloud.job(job_id)["run_id"] != before
    assert document(api.status(job_id))["status"] == "pending"


@pytest.mark.usefixtures("shared_cache")
def test_one_users_cancel_does_not_kill_what_another_joined(api: Api) -> None:
    egg = {"ingredients": ["egg"]}
    job_id = document(api.submit(egg))["jobId"]
    assert document(api.submit(egg, user="bob"))["jobId"] == job_id

    left = api.cancel(job_id)

    assert document(left)["status"] == "pending"
    assert left["headers"]["retry-after"] == "1"
    assert document(api.status(job_id, user="bob"))["status"] == "pending"
    assert document(api.cancel(job_id, user="bob"))["status"] == "cancelled"


@pytest.mark.usefixtures("shared_cache")
def test_joining_twice_counts_once(api: Api) -> None:
    egg = {"ingredients": ["egg"]}
    job_id = document(api.submit(egg))["jobId"]
    for _ in range(2):
        api.submit(egg)

    assert document(api.cancel(job_id))["status"] == "cancelled"


@pytest.mark.parametrize("operation", ["get_item", "update_item"])
def test_table_that_does_not_answer_is_503_and_the_cancel_can_be_sent_again(
    api: Api, cloud: Cloud, job_id: str, operation: str
) -> None:
    cloud.dynamodb.fail(operation, LOST_ANSWER)

    response = api.cancel(job_id)

    assert (response["statusCode"], json.loads(response["body"])["code"]) == (
        503,
        "dependency_unavailable",
    )
    assert document(api.cancel(job_id))["status"] == "cancelled"
