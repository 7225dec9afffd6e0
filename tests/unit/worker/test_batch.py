"""Ten messages in one invocation, and the handler that takes them."""

import asyncio
import logging
import threading
from typing import Any

import pytest

import app
from provider import Provider
from providers.outcomes import Misconfigured, Throttled
from tests.patience import HANG_SECONDS
from tests.unit.cloud import TABLE
from tests.unit.worker.fakes import VALID, FakeProvider
from tests.unit.worker.scene import Context, Scene, logged


def test_all_ten_calls_of_a_batch_are_in_flight_at_once(scene: Scene) -> None:
    for number in range(10):
        scene.admit(number)
    provider = FakeProvider([VALID] * 10, waits_for=10)
    assert scene.run(provider, *scene.receive()) == []
    assert provider.most_in_flight == 10
    assert {scene.stored(number)["status"] for number in range(10)} == {"completed"}


def test_one_messages_bug_is_not_the_batchs(scene: Scene, records: list[logging.LogRecord]) -> None:
    scene.admit(0)
    scene.admit(1)
    scene.cloud.edit_job(f"{0:032}", request_hash="두부", first_rung="no number")
    messages = scene.receive()
    [bad] = [each["messageId"] for each in messages if f"{0:032}" in each["body"]]
    assert scene.run(FakeProvider([VALID]), *messages) == [bad]
    assert scene.stored(1)["status"] == "completed"
    [error] = [record for record in records if record.msg == "message failed"]
    assert vars(error)["type"] == "ValueError"
    assert "두부" not in logged(records)


def test_each_job_of_a_batch_ends_in_its_own_way(scene: Scene) -> None:
    for number in range(3):
        scene.admit(number)
    ends: dict[int, Any] = {
        0: Misconfigured("status 401"),
        1: Throttled("status 429", 3.0),
        2: VALID,
    }

    class ByJob(FakeProvider):
        async def ask(self, *arguments: Any, **options: Any) -> Any:
            self._left = iter([ends[len(self.asked)]])
            return await super().ask(*arguments, **options)

    assert scene.run(ByJob(), *scene.receive()) == []
    statuses = sorted(scene.stored(number)["status"] for number in range(3))
    assert statuses == ["completed", "failed", "pending"]


# --- The handler ----------------------------------------------------------------------------------


def test_the_handler_is_wired_by_its_environment(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {
        "JOBS_TABLE": TABLE,
        "JOBS_QUEUE_URL": scene.cloud.queue_url,
        "MODEL_LADDER": '[{"model": "rung-0"}]',
        "MODEL_KEYS_SECRET": "keys",
        "WORKER_JOBS": "1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    provider = FakeProvider([VALID, VALID])
    monkeypatch.setattr(Provider, "connect", lambda keys_secret: provider)
    app._worker.cache_clear()
    try:
        for number in range(2):  # on one event loop, as a warm function has it
            scene.admit(number)
            answer = app.handler({"Records": scene.receive()}, Context(300))
            assert answer == {"batchItemFailures": []}
    finally:
        app._worker.cache_clear()
        app._runner().close()
        app._runner.cache_clear()
    assert [asked.rung.model for asked in provider.asked] == ["rung-0", "rung-0"]


def test_calls_that_hang_leave_a_thread_for_every_heartbeat() -> None:
    jobs = 10
    everybody = threading.Barrier(2 * jobs)  # a call and a heartbeat each

    async def work() -> None:
        await asyncio.gather(
            *(asyncio.to_thread(everybody.wait, HANG_SECONDS) for _ in range(2 * jobs))
        )

    try:
        app._runner().run(work())
    finally:
        app._runner().close()
        app._runner.cache_clear()


ODD_MESSAGES: dict[str, Any] = {
    "nothing": lambda _: None,
    "a text": lambda _: "message",
    "empty": lambda _: {},
    "no id": lambda message: {k: v for k, v in message.items() if k != "messageId"},
    "an id that is none": lambda message: message | {"messageId": 7},
    "no body": lambda message: {k: v for k, v in message.items() if k != "body"},
    "a body that is none": lambda message: message | {"body": None},
    "a body of another's": lambda message: message | {"body": '{"job": 1}'},
    "no handle": lambda message: {k: v for k, v in message.items() if k != "receiptHandle"},
    "a count that is none": lambda message: (
        message | {"attributes": {"ApproximateReceiveCount": "x"}}
    ),
}


@pytest.mark.parametrize("kind", ODD_MESSAGES)
def test_odd_message_fails_alone(scene: Scene, kind: str) -> None:
    scene.admit(0)
    scene.admit(1)
    messages = scene.receive()
    [first] = [each for each in messages if f"{0:032}" in each["body"]]
    others = [each for each in messages if each is not first]

    again = scene.run(FakeProvider([VALID, VALID]), ODD_MESSAGES[kind](first), *others)

    assert set(again) <= {first["messageId"]}
    assert scene.stored(1)["status"] == "completed"
