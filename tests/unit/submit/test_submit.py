"""A request becomes a job, joins one, or is answered at once."""

from typing import Any

import pytest

from simmer.jobs.job import ErrorCode
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import RESULT, Cloud, WorkerSide
from tests.unit.events import document


def test_accepted_request_gets_the_documented_202(api: Api) -> None:
    response = api.submit({"ingredients": ["김치"]})

    accepted = document(response)
    job_id = accepted["jobId"]
    assert response["statusCode"] == 202
    assert accepted == {
        "jobId": job_id,
        "status": "submitted",
        "message": "요청을 접수했습니다.",
        "statusUrl": f"/recipe/status/{job_id}",
        "deadlineAt": "2026-11-22T09:35:00.000Z",
    }
    assert response["headers"] == {
        "content-type": "application/json; charset=utf-8",
        "cache-control": "no-store",
        "location": f"status/{job_id}",
        "retry-after": "1",
    }


@pytest.mark.parametrize(
    ("locale", "accept_language", "message"),
    [
        (None, None, "요청을 접수했습니다."),
        (None, "en-US,en;q=0.9,ko;q=0.8", "Your request was accepted."),
        (None, "fr-FR", "요청을 접수했습니다."),
        ("en", None, "Your request was accepted."),
        ("ko", "en", "요청을 접수했습니다."),
    ],
)
def test_message_is_in_the_language_of_the_request(
    api: Api, locale: str | None, accept_language: str | None, message: str
) -> None:
    body = {"ingredients": ["egg"]} | ({"locale": locale} if locale else {})
    headers = {"accept-language": accept_language} if accept_language else {}

    assert document(api.submit(body, headers=headers))["message"] == message


def test_accepted_job_and_its_message_are_durable(api: Api, cloud: Cloud, clock: Clock) -> None:
    job_id = document(api.submit({"ingredients": [" Egg "], "servings": 4, "locale": "en"}))[
        "jobId"
    ]

    job = cloud.job(job_id)
    assert cloud.messages() == [{"jobId": job_id, "runId": job["run_id"], "task": "recipe"}]
    assert job["status"] == "pending"
    assert job["owner"] == "alice"
    assert job["request"] == (
        '{"locale":"en","ingredients":["Egg"],"servings":4,"dietary":[],"count":3}'
    )
    assert job["created_at_ms"] == clock.now_ms
    assert job["deadline_at_ms"] == clock.now_ms + 300_000


def test_job_is_stored_before_its_message_is_sent(api: Api, cloud: Cloud) -> None:
    api.submit()

    assert cloud.calls == ["get_item", "transact_write_items", "send_message"]


def test_same_request_again_joins_the_job_and_counts_once(api: Api, cloud: Cloud) -> None:
    first, second = api.submit(), api.submit()

    assert second == first
    assert len(cloud.jobs()) == 1
    assert list(cloud.quota_counts().values()) == [1]


def test_joining_an_unclaimed_job_sends_its_message_again(api: Api, cloud: Cloud) -> None:
    api.submit()
    [first] = cloud.messages()

    api.submit()

    assert cloud.messages() == [first]


def test_joining_a_claimed_job_sends_no_second_message(
    api: Api, cloud: Cloud, worker: WorkerSide
) -> None:
    job_id = document(api.submit())["jobId"]
    cloud.messages()
    worker.claim(job_id)

    response = api.submit()

    assert (response["statusCode"], document(response)["jobId"]) == (202, job_id)
    assert cloud.messages() == []


def test_completed_job_answers_the_same_request_at_once_with_the_stored_text(
    api: Api, cloud: Cloud, worker: WorkerSide
) -> None:
    job_id = document(api.submit())["jobId"]
    worker.complete(job_id)
    cloud.messages()

    response = api.submit()

    assert response["statusCode"] == 200
    assert response["body"] == (
        f'{{"jobId":"{job_id}","status":"completed","progress":100,"message":"완료",'
        f'"cached":true,"result":{RESULT}}}'
    )
    assert not {"location", "retry-after"} & set(response["headers"])
    assert cloud.messages() == []
    assert list(cloud.quota_counts().values()) == [1]


def _fail(worker: WorkerSide, cloud: Cloud, clock: Clock, job_id: str) -> None:
    worker.fail(job_id, ErrorCode.INVALID_OUTPUT)


def _cancel(worker: WorkerSide, cloud: Cloud, clock: Clock, job_id: str) -> None:
    cloud.edit_job(job_id, status="cancelled", completed_at_ms=clock.now_ms)


def _overrun_waiting(worker: WorkerSide, cloud: Cloud, clock: Clock, job_id: str) -> None:
    clock.advance(300)


def _overrun_working(worker: WorkerSide, cloud: Cloud, clock: Clock, job_id: str) -> None:
    worker.claim(job_id)
    clock.advance(300)


def _expire(worker: WorkerSide, cloud: Cloud, clock: Clock, job_id: str) -> None:
    worker.complete(job_id)
    clock.advance(24 * 3600)


@pytest.mark.parametrize("end", [_fail, _cancel, _overrun_waiting, _overrun_working, _expire])
def test_job_without_a_usable_answer_gives_way_to_a_new_run(
    end: Any, api: Api, cloud: Cloud, clock: Clock, worker: WorkerSide
) -> None:
    job_id = document(api.submit())["jobId"]
    [first] = cloud.messages()
    end(worker, cloud, clock, job_id)

    response = api.submit()

    [second] = cloud.messages()
    assert (response["statusCode"], document(response)["jobId"]) == (202, job_id)
    assert second["jobId"] == job_id
    assert second["runId"] == cloud.job(job_id)["run_id"] != first["runId"]


def test_new_run_keeps_nothing_of_the_one_before(
    api: Api, cloud: Cloud, worker: WorkerSide
) -> None:
    job_id = document(api.submit())["jobId"]
    before = cloud.job(job_id)
    worker.fail(job_id, ErrorCode.REFUSED)

    api.submit()

    after = cloud.job(job_id)
    assert after | {"run_id": before["run_id"]} == before


@pytest.mark.parametrize(
    ("waited_seconds", "retry_after"), [(0, "1"), (9.999, "1"), (10, "2"), (200, "2")]
)
def test_retry_after_of_a_join_follows_the_age_of_the_job(
    api: Api, clock: Clock, waited_seconds: float, retry_after: str
) -> None:
    api.submit()
    clock.advance(waited_seconds)

    assert api.submit()["headers"]["retry-after"] == retry_after
