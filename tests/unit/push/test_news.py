"""The parts of an answer, told to those who subscribed before the job ends."""

import json
from typing import Any

import pytest

from frame import MAX_FRAME_BYTES
from functions.push import app as push_app
from simmer.jobs.item import JobRefused
from simmer.jobs.store import connection_of
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, WorkerSide, refused
from tests.unit.push.conftest import Push, status_in

OUTLINE = '{"recipes":[{"title":"Soup"},{"title":"죽"}]}'


def beat(worker: WorkerSide, clock: Clock, job: Any, **news: str) -> None:
    worker.leases.heartbeat(job, clock.now_ms + 30_000, news)


def record(cloud: Cloud, job_id: str, number: str) -> dict[str, Any]:
    return {"dynamodb": {"NewImage": cloud.image(job_id), "SequenceNumber": number}}


def test_a_heartbeat_that_brings_news_has_the_flag_and_the_next_one_has_not(
    push: Push, cloud: Cloud, worker: WorkerSide, clock: Clock, job_id: str, token: str
) -> None:
    job = worker.claim(job_id)
    beat(worker, clock, job, outline=OUTLINE)
    assert cloud.image(job_id)["has_news"] == {"BOOL": True}  # the stream's filter asks for it
    beat(worker, clock, job)
    assert "has_news" not in cloud.image(job_id)


def test_what_stands_is_not_written_over_and_a_zombie_writes_nothing(
    cloud: Cloud, worker: WorkerSide, clock: Clock, job_id: str
) -> None:
    zombie = worker.claim(job_id, token="lease-1", lease_seconds=1)
    beat(worker, clock, zombie, outline=OUTLINE, part_0='{"name":"Soup"}')
    beat(worker, clock, zombie, outline="{}", part_0="{}")
    clock.advance(100)
    worker.claim(job_id, token="lease-2")

    with pytest.raises(JobRefused):
        beat(worker, clock, zombie, part_1='{"name":"죽"}')

    stored = cloud.job(job_id)
    assert (stored["outline"], stored["part_0"]) == (OUTLINE, '{"name":"Soup"}')
    assert "part_1" not in stored


def test_news_is_told_in_the_words_of_a_poll(
    api: Api, push: Push, cloud: Cloud, worker: WorkerSide, clock: Clock, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token)
    beat(worker, clock, worker.claim(job_id), outline=OUTLINE, part_1='{"name":"죽"}')

    assert push.tell_ends(job_id) == []

    [_, frame] = cloud.sockets.frames["phone"]
    assert status_in(frame) == api.status(job_id)["body"]
    assert json.loads(frame)["partialResult"] == {"recipes": [{"name": "죽"}]}


def test_of_several_news_of_one_run_only_the_last_is_told(
    push: Push, cloud: Cloud, worker: WorkerSide, clock: Clock, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token)
    job = worker.claim(job_id)
    beat(worker, clock, job, outline=OUTLINE)
    first = record(cloud, job_id, "1")
    beat(worker, clock, job, part_0='{"name":"Soup"}')

    push_app.handler({"Records": [first, record(cloud, job_id, "2")]}, None)

    [_, frame] = cloud.sockets.frames["phone"]
    assert "partialResult" in json.loads(frame)


def test_nobody_is_told_that_a_job_is_open_after_its_deadline(
    push: Push, cloud: Cloud, worker: WorkerSide, clock: Clock, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token)
    beat(worker, clock, worker.claim(job_id), outline=OUTLINE)
    clock.advance(400)

    assert push.tell_ends(job_id) == []

    assert len(cloud.sockets.frames["phone"]) == 1


def test_parts_that_are_too_long_for_a_frame_are_left_to_a_poll(
    push: Push, cloud: Cloud, worker: WorkerSide, clock: Clock, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token)
    part = json.dumps({"name": "a" * MAX_FRAME_BYTES})
    beat(worker, clock, worker.claim(job_id), outline=OUTLINE, part_0=part)

    push.tell_ends(job_id)

    document = json.loads(cloud.sockets.frames["phone"][1])
    assert "partialResult" not in document
    assert [each["state"] for each in document["outline"]] == ["ready", "waiting"]


def test_one_who_has_gone_gives_the_place_back_at_the_first_news(
    push: Push, cloud: Cloud, worker: WorkerSide, clock: Clock, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token, "phone")
    push.subscribe(job_id, token, "tablet")
    cloud.sockets.close("phone")
    beat(worker, clock, worker.claim(job_id), outline=OUTLINE)

    assert push.tell_ends(job_id) == []

    assert set(map(connection_of, cloud.job(job_id)["subscribers"])) == {"tablet"}
    assert "has_news" not in cloud.image(job_id), "else the stream would bring the news again"


def test_one_who_is_not_reached_keeps_the_place(
    push: Push, cloud: Cloud, worker: WorkerSide, clock: Clock, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token)
    beat(worker, clock, worker.claim(job_id), outline=OUTLINE)
    cloud.connections.fail("post_to_connection", refused("LimitExceededException"))

    assert push.tell_ends(job_id) == [job_id]

    assert len(cloud.job(job_id)["subscribers"]) == 1
