"""A worker that has room receives messages itself, beside those that Lambda brings."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

import app
import intake
from simmer.jobs import queue
from simmer.jobs.queue import JobQueue
from tests.unit.cloud import LOST_ANSWER
from tests.unit.worker.fakes import VALID, FakeProvider
from tests.unit.worker.scene import HIDDEN_SECONDS, Context, Record, Scene, logged


@pytest.fixture(autouse=True)
def _no_long_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in for SQS answers one call at a time: nothing else could be called meanwhile."""
    monkeypatch.setattr(queue, "LONG_POLL_SECONDS", 0)


def run(
    scene: Scene, provider: FakeProvider, *records: Record, room: int = 30, seconds: float = 300
) -> list[str]:
    """Have a worker handle these and what comes; the ids of these that stay on the queue."""
    worker = scene.worker(provider, worker_jobs=room)
    event = {"Records": list(records)}
    answer = asyncio.run(app.process(event, Context(seconds), worker))
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def then(act: Callable[[], Any]) -> Callable[[], str]:
    """A call of the model in whose middle something happens."""

    def answer() -> str:
        act()
        return VALID

    return answer


def left(scene: Scene) -> int:
    """The number of messages in the queue, hidden messages included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = scene.cloud.sqs.get_queue_attributes(
        QueueUrl=scene.cloud.queue_url, AttributeNames=names
    )
    return sum(int(answer["Attributes"][name]) for name in names)


def test_a_job_that_comes_later_does_not_wait_for_the_first(scene: Scene) -> None:
    scene.admit(0)
    # Neither call is answered before both are in flight.
    provider = FakeProvider([then(lambda: scene.admit(1)), VALID], waits_for=2)

    assert run(scene, provider, scene.message()) == []

    assert {scene.stored(number)["status"] for number in range(2)} == {"completed"}
    assert left(scene) == 0


def test_a_worker_takes_no_more_than_it_has_room_for(scene: Scene) -> None:
    for number in range(7):
        scene.admit(number)
    first, *_ = scene.receive()
    for number in range(7, 12):
        scene.admit(number)
    provider = FakeProvider([VALID] * 6, waits_for=3)

    run(scene, provider, first, room=3)

    assert provider.most_in_flight == 3


def test_a_message_is_hidden_as_it_is_received_and_for_a_lease_only(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    receive = JobQueue.receive

    def watched(self: JobQueue, at_most: int, hidden_seconds: int) -> list[dict[str, Any]]:
        asked.append((at_most, hidden_seconds))
        return receive(self, at_most, hidden_seconds)

    monkeypatch.setattr(JobQueue, "receive", watched)
    scene.admit(0)
    provider = FakeProvider([then(lambda: scene.admit(1)), VALID], waits_for=2)

    run(scene, provider, scene.message(), room=5)

    assert {hidden_seconds for _, hidden_seconds in asked} == {HIDDEN_SECONDS}
    assert {at_most for at_most, _ in asked} <= {4, 3}
    assert scene.queue.hidden == [HIDDEN_SECONDS]  # the first one, by a call of its own


def test_the_queue_is_asked_for_ten_at_the_most(scene: Scene) -> None:
    for number in range(12):
        scene.admit(number)

    assert len(scene.queue.receive(30, 60)) == 10
    assert len(scene.queue.receive(30, 60)) == 2


def test_after_a_while_nothing_is_received_any_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "RECEIVES_FOR_SECONDS", (0.0, 0.0))
    scene.admit(0)
    provider = FakeProvider([then(lambda: scene.admit(1))])

    run(scene, provider, scene.message())

    assert scene.stored(1)["status"] == "pending"


@pytest.mark.parametrize(("spare_seconds", "is_received"), [(30, True), (-1, False)])
def test_nothing_is_received_that_has_no_time_for_the_longest_call(
    scene: Scene, spare_seconds: float, is_received: bool
) -> None:
    longest_seconds = scene.worker(FakeProvider()).tools.ladder[0].timeout_seconds
    seconds = longest_seconds + intake.AROUND_A_CALL_SECONDS + spare_seconds
    scene.admit(0)
    provider = FakeProvider([then(lambda: scene.admit(1)), VALID], waits_for=1 + is_received)

    run(scene, provider, scene.message(), seconds=seconds)

    assert (scene.stored(1)["status"] == "completed") == is_received


def test_a_queue_that_gives_nothing_harms_no_job(
    scene: Scene, records: list[logging.LogRecord]
) -> None:
    scene.admit(0)
    message = scene.message()
    scene.cloud.sqs.fail("receive_message", LOST_ANSWER)

    assert run(scene, FakeProvider([VALID]), message) == []

    assert scene.stored(0)["status"] == "completed"
    assert "nothing received" in [record.msg for record in records]


def test_a_received_messages_bug_is_its_own(scene: Scene, records: list[logging.LogRecord]) -> None:
    scene.admit(0)

    class Patient(FakeProvider):
        async def ask(self, *arguments: Any, **options: Any) -> Any:
            scene.admit(1)
            scene.cloud.edit_job(f"{1:032}", request_hash="두부", first_rung="no number")
            while "message failed" not in [record.msg for record in records]:
                await asyncio.sleep(0.01)
            return await super().ask(*arguments, **options)

    assert run(scene, Patient([VALID]), scene.message()) == []

    assert scene.stored(0)["status"] == "completed"
    assert left(scene) == 1  # it comes again, until it is put aside
    assert "두부" not in logged(records)


def test_how_often_a_message_came_is_told_of_received_ones_too(
    scene: Scene, records: list[logging.LogRecord]
) -> None:
    scene.admit(0)

    def admit_and_lose() -> None:
        scene.admit(1)
        [lost] = scene.queue.receive(10, 0)
        assert f"{1:032}" in lost["body"]

    run(scene, FakeProvider([then(admit_and_lose), VALID], waits_for=2), scene.message())

    counts = {
        vars(each)["jobId"]: vars(each)["receiveCount"]
        for each in records
        if "receiveCount" in vars(each)
    }
    assert counts[f"{1:032}"] == 2


def test_a_receive_that_breaks_harms_no_job_either(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, records: list[logging.LogRecord]
) -> None:
    def broken(*_: Any) -> list[dict[str, Any]]:
        raise RuntimeError("can't start new thread: 두부")

    monkeypatch.setattr(JobQueue, "receive", broken)
    scene.admit(0)

    assert run(scene, FakeProvider([VALID]), scene.message()) == []

    assert scene.stored(0)["status"] == "completed"
    assert "nothing received" in [record.msg for record in records]
    assert "두부" not in logged(records)
