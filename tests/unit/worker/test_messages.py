"""The messages of the queue: which bring work, which are dropped, which stay."""

import asyncio
import json
import threading
from typing import Any

import pytest

from answer import validated
from simmer.jobs.queue import JobQueue
from tests.unit.worker.fakes import VALID, FakeProvider, Hang
from tests.unit.worker.scene import HIDDEN_SECONDS, THROTTLED_DYNAMODB, Scene
from tests.unit.worker.workshop import until


def test_second_delivery_of_a_finished_job_does_not_call_the_model(scene: Scene) -> None:
    scene.admit()
    message = scene.message()
    scene.run(FakeProvider([VALID]), message)
    before = scene.stored()
    provider = FakeProvider([])
    assert scene.run(provider, message) == []
    assert (provider.asked, scene.stored()) == ([], before)


def test_answer_is_looked_at_beside_the_event_loop(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that takes long to look at would stop the hearts of the batch's other jobs."""
    looked_at: list[threading.Thread] = []

    def looking(*arguments: Any) -> str:
        looked_at.append(threading.current_thread())
        return validated(*arguments)

    monkeypatch.setattr("climb.validated", looking)
    scene.admit()
    scene.run(FakeProvider([VALID]), scene.message())

    assert looked_at
    assert threading.main_thread() not in looked_at


def test_a_message_of_a_release_that_named_no_task_still_brings_its_job(scene: Scene) -> None:
    job = scene.admit()
    record = {**scene.message(), "body": json.dumps({"jobId": job.job_id, "runId": job.run_id})}
    assert scene.run(FakeProvider([VALID]), record) == []
    assert scene.stored()["status"] == "completed"


@pytest.mark.parametrize("said", [{"run_id": "run-0"}, {"job_id": "f" * 32}])
def test_a_message_for_another_run_or_no_job_is_dropped(scene: Scene, said: dict[str, str]) -> None:
    job = scene.admit()
    before = scene.stored()
    wakeup = {"jobId": said.get("job_id", job.job_id), "runId": said.get("run_id", job.run_id)}
    provider = FakeProvider([])
    record = {**scene.message(), "body": json.dumps(wakeup)}
    assert scene.run(provider, record) == []
    assert (provider.asked, scene.stored()) == ([], before)


@pytest.mark.parametrize(
    "body",
    [
        *("", "nonsense", "null", "[]", "{}", '{"jobId": 1, "runId": "x"}', '{"jobId": "x"}'),
        "[" * 100_000,
    ],
    ids=lambda body: body[:20],
)
def test_an_unreadable_message_is_shown_again_at_once_and_its_batch_unhurt(
    scene: Scene, body: str
) -> None:
    scene.admit()
    scene.cloud.sqs.send_message(QueueUrl=scene.cloud.queue_url, MessageBody=body or " ")
    records = scene.receive()
    [bad] = [record for record in records if "run-1" not in record["body"]]
    bad["body"] = body
    assert scene.run(FakeProvider([VALID]), *records) == [bad["messageId"]]
    assert scene.stored()["status"] == "completed"
    assert sorted(scene.queue.hidden) == [0, HIDDEN_SECONDS]
    assert [each["messageId"] for each in scene.receive()] == [bad["messageId"]]


def test_a_duplicate_is_acknowledged_while_the_job_is_leased_by_another_message(
    scene: Scene,
) -> None:
    job = scene.admit()
    first = scene.message()
    JobQueue.send(scene.queue, job)
    duplicate = scene.message()
    provider = FakeProvider([Hang()])

    async def both() -> list[str]:
        running = asyncio.create_task(scene.running(provider, first))
        await until(provider.called.is_set)
        stays = await scene.running(FakeProvider([]), duplicate)
        running.cancel()
        return stays

    assert asyncio.run(both()) == []
    assert len(provider.asked) == 1


def test_a_message_shown_again_while_its_reader_has_the_lease_stays_hidden_for_the_rest(
    scene: Scene,
) -> None:
    scene.admit()
    message = scene.message()
    provider = FakeProvider([Hang()])

    async def shown_again() -> list[str]:
        running = asyncio.create_task(scene.running(provider, message))
        await until(provider.called.is_set)
        running.cancel()  # as if the worker had been killed: nobody gives the lease back
        await asyncio.wait([running])
        scene.clock.advance(12)
        return await scene.running(FakeProvider([]), message)

    assert asyncio.run(shown_again()) == [message["messageId"]]
    assert scene.queue.hidden[-1] == HIDDEN_SECONDS - 12
    assert scene.stored()["status"] == "processing"


def test_a_job_whose_worker_died_is_taken_over_once_its_lease_has_run_out(scene: Scene) -> None:
    scene.admit()
    message = scene.message()
    started_at_ms = scene.clock.now_ms

    async def die() -> None:
        dying = FakeProvider([Hang()])
        running = asyncio.create_task(scene.running(dying, message))
        await until(dying.called.is_set)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(die())
    scene.clock.advance(HIDDEN_SECONDS)
    assert scene.run(FakeProvider([VALID]), message) == []
    assert scene.stored()["status"] == "completed"
    assert scene.stored()["started_at_ms"] == started_at_ms


def test_a_message_stays_when_the_claim_cannot_be_written(scene: Scene) -> None:
    scene.admit()
    message = scene.message()
    scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB)
    provider = FakeProvider([])
    assert scene.run(provider, message) == [message["messageId"]]
    assert provider.asked == []
