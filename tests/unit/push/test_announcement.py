"""The ends of jobs, told to those who subscribed."""

import io
import json
from collections.abc import Callable

import pytest

from frame import MAX_FRAME_BYTES
from simmer.jobs.store import MAX_SUBSCRIBERS
from tests.unit.api import Api
from tests.unit.cloud import LOST_ANSWER, RESULT, Cloud, WorkerSide, refused
from tests.unit.events import document
from tests.unit.push.conftest import Push

ENDS: dict[str, Callable[[Api, WorkerSide, str], object]] = {
    "completed": lambda _, worker, job_id: worker.complete(job_id),
    "failed": lambda _, worker, job_id: worker.fail(job_id, "refused"),
    "cancelled": lambda api, _, job_id: api.cancel(job_id),
}


@pytest.mark.parametrize("status", ENDS)
def test_every_end_is_told_in_the_words_of_a_poll(
    api: Api, push: Push, cloud: Cloud, worker: WorkerSide, job_id: str, token: str, status: str
) -> None:
    push.subscribe(job_id, token)
    ENDS[status](api, worker, job_id)

    assert push.tell_ends(job_id) == []

    [_, frame] = cloud.sockets.frames["phone"]
    assert frame == api.status(job_id)["body"]
    assert json.loads(frame)["status"] == status


def test_everybody_who_subscribed_is_told_and_nobody_else(
    push: Push, cloud: Cloud, worker: WorkerSide, job_id: str
) -> None:
    names = push.crowd(job_id, MAX_SUBSCRIBERS)
    for name, token in names.items():
        push.subscribe(job_id, token, name)
    cloud.sockets.open("stranger")
    worker.complete(job_id)

    push.tell_ends(job_id)

    assert [len(cloud.sockets.frames[name]) for name in names] == [2] * MAX_SUBSCRIBERS
    assert cloud.sockets.frames["stranger"] == []


def test_who_has_gone_is_passed_over_and_not_tried_again(
    push: Push, cloud: Cloud, worker: WorkerSide, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token, "phone")
    push.subscribe(job_id, token, "tablet")
    cloud.sockets.close("phone")
    worker.complete(job_id)

    assert push.tell_ends(job_id) == []
    assert len(cloud.sockets.frames["tablet"]) == 2


@pytest.mark.parametrize("error", [refused("LimitExceededException"), LOST_ANSWER, ValueError()])
def test_one_who_cannot_be_told_hurts_no_other_and_only_that_job_comes_again(
    api: Api, push: Push, cloud: Cloud, worker: WorkerSide, error: Exception
) -> None:
    jobs = {name: document(api.submit({"ingredients": [name]})) for name in ("egg", "rice", "leek")}
    for name, job in jobs.items():
        push.subscribe(job["jobId"], job["push"]["token"], name)
        worker.complete(job["jobId"])
    cloud.connections.fail("post_to_connection", error)

    failed = push.tell_ends(*(job["jobId"] for job in jobs.values()))

    told = {name for name, frames in cloud.sockets.frames.items() if len(frames) == 2}
    assert len(told) == 2
    [untold] = set(jobs) - told
    assert failed == [jobs[untold]["jobId"]]
    assert push.tell_ends(*failed) == []
    assert len(cloud.sockets.frames[untold]) == 2


# ── The limit of a frame ──────────────────────────────────────────────────────────────────────────


def _result_that_fills(room: int) -> str:
    """Valid JSON of so many bytes in UTF-8, of three bytes a character as far as it goes."""
    characters, ascii_letters = divmod(room - len('{"x":""}'), 3)
    return f'{{"x":"{"김" * characters}{"a" * ascii_letters}"}}'


@pytest.mark.parametrize(("over", "has_result"), [(0, True), (1, False)])
def test_result_that_is_too_long_for_a_frame_is_left_to_a_poll(
    api: Api,
    push: Push,
    cloud: Cloud,
    worker: WorkerSide,
    job_id: str,
    token: str,
    over: int,
    has_result: bool,
) -> None:
    other = document(api.submit({"ingredients": ["egg"]}))["jobId"]
    worker.complete(other)
    without = len(api.status(other)["body"].encode()) - len(RESULT.encode())
    result = _result_that_fills(MAX_FRAME_BYTES - without + over)
    push.subscribe(job_id, token)
    worker.complete(job_id, result)

    push.tell_ends(job_id)

    polled = api.status(job_id)["body"]
    assert len(polled.encode()) == MAX_FRAME_BYTES + over
    for frame in (cloud.sockets.frames["phone"][1], push.subscribe(job_id, token, "late")):
        if has_result:
            assert frame == polled
        else:
            expected = document(api.status(job_id))
            del expected["result"]
            assert json.loads(frame) == expected


def test_log_tells_nothing_of_what_was_told(
    push: Push, cloud: Cloud, worker: WorkerSide, log: io.StringIO, job_id: str, token: str
) -> None:
    at_submit = log.getvalue()  # where the job is named: it was admitted
    push.subscribe(job_id, token)
    worker.complete(job_id)
    cloud.connections.fail("post_to_connection", refused("ForbiddenException"))

    assert push.tell_ends(job_id) == [job_id]

    since = log.getvalue().removeprefix(at_submit)
    assert "subscriber not told" in since
    assert "ClientError" in since
    for secret in (token, "phone", "김치"):
        assert secret not in log.getvalue()
    [line] = [json.loads(line) for line in since.splitlines() if "subscriber not told" in line]
    assert (line["jobId"], line["runId"]) == (job_id, cloud.job(job_id)["run_id"])
