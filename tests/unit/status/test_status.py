"""The status document, as the job's client sees it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from simmer.jobs.job import ErrorCode, Usage
from simmer.web.http import NOT_FOUND_MS
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, RESULT, Cloud, WorkerSide
from tests.unit.events import document


@pytest.fixture
def job_id(api: Api) -> str:
    """A Korean job of Alice's."""
    submitted: str = document(api.submit({"ingredients": ["egg"], "locale": "ko"}))["jobId"]
    return submitted


@pytest.fixture
def english_id(api: Api) -> str:
    submitted: str = document(api.submit({"ingredients": ["egg"], "locale": "en"}))["jobId"]
    return submitted


def _release(worker: WorkerSide, job_id: str) -> None:
    worker.leases.release(worker.claim(job_id), Usage(), first_rung=0, awaits_capacity=True)


def _cancel(cloud: Cloud, clock: Clock, job_id: str) -> None:
    cloud.edit_job(job_id, status="cancelled", completed_at_ms=clock.now_ms)


# ── The document of each status ───────────────────────────────────────────────────────────────────


def test_pending_job(api: Api, clock: Clock, job_id: str) -> None:
    clock.advance(4.2)

    response = api.status(job_id)

    assert response["statusCode"] == 200
    assert response["headers"] == {
        "content-type": "application/json; charset=utf-8",
        "cache-control": "no-store",
        "retry-after": "1",
    }
    assert document(response) == {
        "jobId": job_id,
        "status": "pending",
        "progress": 2,
        "stage": "queued",
        "message": "순서를 기다리는 중...",
        "createdAt": "2026-11-22T09:30:00.000Z",
        "deadlineAt": "2026-11-22T09:35:00.000Z",
        "estimatedSecondsRemaining": 45,
        "estimateIsMeasured": False,
        "pollAfterMs": 1000,
    }


def test_processing_job(api: Api, clock: Clock, worker: WorkerSide, job_id: str) -> None:
    worker.claim(job_id)
    clock.advance(30)

    response = api.status(job_id)

    assert document(response) == {
        "jobId": job_id,
        "status": "processing",
        "progress": 38,
        "stage": "analyzing",
        "message": "재료 분석 중...",
        "createdAt": "2026-11-22T09:30:00.000Z",
        "deadlineAt": "2026-11-22T09:35:00.000Z",
        "estimatedSecondsRemaining": 30,
        "estimateIsMeasured": False,
        "pollAfterMs": 2000,
    }
    assert response["headers"]["retry-after"] == "2"


def test_processing_job_near_its_end(
    api: Api, clock: Clock, worker: WorkerSide, job_id: str
) -> None:
    worker.claim(job_id)
    clock.advance(90)

    response = api.status(job_id)

    near = document(response)
    assert (near["progress"], near["stage"], near["pollAfterMs"]) == (95, "generating", 500)
    assert near["message"] == "평소보다 오래 걸리고 있습니다. 조금만 더 기다려 주세요..."
    assert response["headers"]["retry-after"] == "1"


def test_completed_job(api: Api, clock: Clock, worker: WorkerSide, job_id: str) -> None:
    clock.advance(12.345)
    worker.complete(job_id)

    response = api.status(job_id)

    done = document(response)
    done.pop("result")
    assert done == {
        "jobId": job_id,
        "status": "completed",
        "progress": 100,
        "stage": "done",
        "message": "완료",
        "createdAt": "2026-11-22T09:30:00.000Z",
        "deadlineAt": "2026-11-22T09:35:00.000Z",
        "completedAt": "2026-11-22T09:30:12.345Z",
        "estimatedSecondsRemaining": 0,
    }
    assert "retry-after" not in response["headers"]


def test_failed_job(api: Api, clock: Clock, worker: WorkerSide, job_id: str) -> None:
    worker.fail(job_id, ErrorCode.INVALID_OUTPUT)

    response = api.status(job_id)

    sentence = "쓸 수 있는 답을 만들지 못했습니다. 다시 시도해 주세요."
    assert response["statusCode"] == 200
    seen = document(response)
    assert seen.pop("progress") < 100
    assert seen == {
        "jobId": job_id,
        "status": "failed",
        "stage": "done",
        "message": sentence,
        "createdAt": "2026-11-22T09:30:00.000Z",
        "deadlineAt": "2026-11-22T09:35:00.000Z",
        "completedAt": "2026-11-22T09:30:00.000Z",
        "estimatedSecondsRemaining": 0,
        "error": sentence,
        "errorCode": "invalid_output",
        "retryable": True,
    }
    assert "retry-after" not in response["headers"]


def test_cancelled_job(api: Api, cloud: Cloud, clock: Clock, job_id: str) -> None:
    _cancel(cloud, clock, job_id)

    response = api.status(job_id)

    seen = document(response)
    assert seen.pop("progress") < 100
    assert seen == {
        "jobId": job_id,
        "status": "cancelled",
        "stage": "done",
        "message": "취소되었습니다.",
        "createdAt": "2026-11-22T09:30:00.000Z",
        "deadlineAt": "2026-11-22T09:35:00.000Z",
        "completedAt": "2026-11-22T09:30:00.000Z",
        "estimatedSecondsRemaining": 0,
    }
    assert "retry-after" not in response["headers"]


def test_job_that_waits_for_the_model_says_so(api: Api, worker: WorkerSide, job_id: str) -> None:
    _release(worker, job_id)

    waiting = document(api.status(job_id))

    assert (waiting["status"], waiting["stage"]) == ("pending", "queued")
    assert waiting["message"] == "이용자가 많아 잠시 기다리는 중..."


def test_job_with_another_rung_to_ask_keeps_its_place_on_the_bar(
    api: Api, clock: Clock, worker: WorkerSide, job_id: str
) -> None:
    held = worker.claim(job_id)
    clock.advance(20)
    before = document(api.status(job_id))["progress"]
    worker.leases.release(held, Usage(), first_rung=1, awaits_capacity=False)

    assert document(api.status(job_id))["progress"] >= before


# ── Past the deadline ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("is_claimed", [False, True])
def test_open_job_past_its_deadline_is_failed_and_stored_so_before_it_is_told(
    api: Api, cloud: Cloud, clock: Clock, worker: WorkerSide, job_id: str, is_claimed: bool
) -> None:
    if is_claimed:
        worker.claim(job_id)
    clock.advance(300)

    response = api.status(job_id)

    seen = document(response)
    assert cloud.job(job_id)["status"] == "failed"
    assert (seen["status"], seen["errorCode"]) == ("failed", "deadline_exceeded")
    assert seen["retryable"] is True
    assert seen["completedAt"] == "2026-11-22T09:35:00.000Z"
    assert "pollAfterMs" not in seen
    assert "retry-after" not in response["headers"]


def test_job_is_open_until_the_last_millisecond(api: Api, clock: Clock, job_id: str) -> None:
    clock.advance(299.999)

    assert document(api.status(job_id))["status"] == "pending"


def test_document_of_an_overdue_job_never_changes(
    api: Api, clock: Clock, worker: WorkerSide, job_id: str
) -> None:
    worker.claim(job_id)
    clock.advance(300)
    first = api.status(job_id)
    clock.advance(3600)

    assert api.status(job_id) == first


def test_failure_that_cannot_be_written_down_is_not_told(
    api: Api, cloud: Cloud, clock: Clock, worker: WorkerSide, job_id: str
) -> None:
    """Or a worker could still complete what a client has seen as failed."""
    worker.claim(job_id)
    clock.advance(300)
    cloud.dynamodb.fail("update_item", LOST_ANSWER)

    assert api.status(job_id)["statusCode"] == 503
    assert document(api.status(job_id))["errorCode"] == "deadline_exceeded"


def test_job_that_ends_while_its_deadline_is_written_is_told_as_it_is(
    api: Api, cloud: Cloud, clock: Clock, worker: WorkerSide, job_id: str
) -> None:
    stale = cloud.job(job_id)
    worker.complete(job_id)
    clock.advance(300)
    cloud.dynamodb.answer_next("get_item", stale)

    assert document(api.status(job_id))["status"] == "completed"


# ── Languages ─────────────────────────────────────────────────────────────────────────────────────


def test_english_job_speaks_english_at_every_step(
    api: Api, clock: Clock, worker: WorkerSide, english_id: str
) -> None:
    def message() -> str:
        said: str = document(api.status(english_id))["message"]
        return said

    said = [message()]
    _release(worker, english_id)
    said.append(message())
    worker.claim(english_id)
    said.append(message())
    clock.advance(60)
    said.append(message())
    clock.advance(300)
    said.append(message())

    assert said == [
        "Waiting for its turn...",
        "The model is busy, waiting for room...",
        "Analysing your ingredients...",
        "Writing recipes...",
        "This took too long. Please try again.",
    ]


@pytest.mark.parametrize("code", ErrorCode)
def test_every_failure_has_a_sentence_for_the_user(
    api: Api, worker: WorkerSide, english_id: str, code: ErrorCode
) -> None:
    worker.fail(english_id, code)

    seen = document(api.status(english_id))

    assert (seen["errorCode"], seen["retryable"]) == (code, code.is_retryable)
    assert seen["error"] == seen["message"] != ""


# ── The result ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "result",
    [
        RESULT,
        "{}",
        '{"recipes":[]}',
        '\n{ "recipes" : [ 1.0, 1e2, "\\ud83c\\udf73", "<b>\\/</b>", "\\"}" ] }\t',
        '{"jobId": "not mine", "status": "failed"}',
    ],
)
def test_result_is_delivered_byte_for_byte(
    api: Api, worker: WorkerSide, job_id: str, result: str
) -> None:
    worker.complete(job_id, result)

    response = api.status(job_id)

    assert response["body"].endswith(f',"result":{result}}}')
    assert document(response)["jobId"] == job_id


# ── Who may see it ────────────────────────────────────────────────────────────────────────────────


def _unknown(api: Api, clock: Clock, job_id: str) -> dict[str, Any]:
    return api.status("f" * 32)


def _unfit(api: Api, clock: Clock, job_id: str) -> dict[str, Any]:
    return api.status("x" * 5000)


def _empty(api: Api, clock: Clock, job_id: str) -> dict[str, Any]:
    return api.status("")


def _upper_case(api: Api, clock: Clock, job_id: str) -> dict[str, Any]:
    return api.status(job_id.upper())


def _foreign(api: Api, clock: Clock, job_id: str) -> dict[str, Any]:
    return api.status(job_id, user="bob")


def _foreign_by_case(api: Api, clock: Clock, job_id: str) -> dict[str, Any]:
    return api.status(job_id, user="Alice")


def _expired(api: Api, clock: Clock, job_id: str) -> dict[str, Any]:
    clock.advance(300 + 24 * 3600)
    return api.status(job_id)


def _of_another_task(api: Api, clock: Clock, job_id: str) -> dict[str, Any]:
    return api.status(job_id, task="soup")


@pytest.mark.parametrize(
    "look", [_unknown, _unfit, _empty, _upper_case, _foreign, _foreign_by_case, _expired]
)
def test_job_one_may_not_see_is_404_and_looks_like_none(
    look: Any, api: Api, clock: Clock, job_id: str
) -> None:
    response = look(api, clock, job_id)

    assert response["statusCode"] == 404
    assert response["headers"] == {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
    }
    assert document(response) == {
        "type": "about:blank",
        "title": "No such job",
        "status": 404,
        "detail": "There is no job with this id.",
        "code": "job_not_found",
    }


def test_expired_answer_is_gone_to_the_second(
    api: Api, clock: Clock, worker: WorkerSide, job_id: str
) -> None:
    worker.complete(job_id)
    clock.advance(24 * 3600 - 0.001)
    assert api.status(job_id)["statusCode"] == 200
    clock.advance(0.001)

    assert api.status(job_id)["statusCode"] == 404


def test_job_under_the_path_of_an_unknown_task_is_404(api: Api, job_id: str) -> None:
    response = api.status(job_id, task="soup")

    assert (response["statusCode"], document(response)["code"]) == (404, "unknown_task")


def test_job_under_the_path_of_another_task_looks_like_none(
    api: Api, cloud: Cloud, job_id: str
) -> None:
    cloud.edit_job(job_id, task="soup")

    assert api.status(job_id) == api.status("f" * 32)


def test_job_id_cannot_reach_another_kind_of_item(api: Api, cloud: Cloud, job_id: str) -> None:
    [quota] = cloud.quota_counts()

    assert api.status(f"../quota#{quota}")["statusCode"] == 404


# ── Trouble ───────────────────────────────────────────────────────────────────────────────────────


def test_table_that_does_not_answer_is_503(api: Api, cloud: Cloud, job_id: str) -> None:
    cloud.dynamodb.fail("get_item", LOST_ANSWER)

    response = api.status(job_id)

    assert (response["statusCode"], document(response)["code"]) == (503, "dependency_unavailable")
    assert response["headers"]["retry-after"] == "1"


@pytest.mark.parametrize("user", ["alice", "bob"])
@pytest.mark.parametrize(
    "damage",
    [
        {"status": None},
        {"status": "cooking"},
        {"owner": None},
        {"created_at_ms": "yesterday"},
        {"locale": None},
        {"run_id": None, "deadline_at_ms": None},
        {"usage": "x", "calls": "many"},
    ],
    ids=str,
)
def test_damaged_item_shows_nothing_of_itself(
    api: Api, cloud: Cloud, worker: WorkerSide, job_id: str, damage: dict[str, object], user: str
) -> None:
    worker.complete(job_id, '{"secret":"hunter2"}')
    cloud.edit_job(job_id, **damage)

    response = api.status(job_id, user=user)

    assert response["statusCode"] in (404, 500)
    assert "hunter2" not in response["body"]
    assert "alice" not in response["body"]


@pytest.mark.parametrize("is_shared", [None, False])
def test_job_that_does_not_say_it_is_shared_is_not(
    api: Api, cloud: Cloud, job_id: str, is_shared: bool | None
) -> None:
    cloud.edit_job(job_id, is_shared=is_shared)

    assert api.status(job_id, user="bob")["statusCode"] in (404, 500)


def test_status_is_one_read_and_nothing_else(api: Api, cloud: Cloud, job_id: str) -> None:
    cloud.calls.clear()

    api.status(job_id)

    assert cloud.calls == ["get_item"]


def test_times_are_utc_with_milliseconds(api: Api, job_id: str) -> None:
    created_at = document(api.status(job_id))["createdAt"]

    assert datetime.fromisoformat(created_at) == datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


def test_every_404_takes_the_same_time(api: Api, cloud: Cloud, clock: Clock, job_id: str) -> None:
    """Far longer than any read, so that a large job of another user does not tell itself."""
    assert NOT_FOUND_MS >= 50
    began_at_ms = clock.now_ms
    for asked in (job_id, "0" * 32):
        assert api.status(asked, user="mallory")["statusCode"] == 404
        assert clock.now_ms - began_at_ms == NOT_FOUND_MS
        began_at_ms = clock.now_ms

    assert api.status(job_id)["statusCode"] == 200
    assert clock.now_ms == began_at_ms
