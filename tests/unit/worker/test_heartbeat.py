"""The heartbeat: it keeps the lease, and it is how a worker hears that its job has ended."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from attempt import RENEWED_AFTER
from tests.patience import HANG_SECONDS
from tests.unit.cloud import TABLE
from tests.unit.jobs import DEADLINE_SECONDS
from tests.unit.worker.fakes import USAGE, VALID, FakeProvider, Hang
from tests.unit.worker.scene import HIDDEN_SECONDS, LEASE_SECONDS, THROTTLED_DYNAMODB, Scene
from tests.unit.worker.workshop import until

type Running = asyncio.Task[list[str]]


def in_mid_call(scene: Scene, check: Callable[[Running], Awaitable[None]]) -> None:
    """Check a worker whose model does not answer, and stop it."""
    scene.admit()
    message = scene.message()
    provider = FakeProvider([Hang()])

    async def run() -> None:
        running = asyncio.create_task(scene.running(provider, message))
        await until(provider.called.is_set)
        await check(running)
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(run())


def test_the_heartbeat_extends_lease_and_visibility_while_the_model_is_at_work(
    scene: Scene,
) -> None:
    scene.admit()
    message = scene.message()

    class Slow(FakeProvider):
        async def ask(self, *arguments: Any, **options: Any) -> Any:
            for _ in range(3):
                scene.clock.advance(RENEWED_AFTER * LEASE_SECONDS)
                now_ms = scene.clock.now_ms
                beats = len(scene.queue.hidden)
                await until(lambda: len(scene.queue.hidden) > beats)  # noqa: B023
                assert scene.stored()["lease_expires_at_ms"] == now_ms + LEASE_SECONDS * 1000
            return await super().ask(*arguments, **options)

    assert scene.run(Slow([VALID]), message) == []
    assert scene.stored()["status"] == "completed"
    assert len(scene.queue.hidden) >= 4
    assert set(scene.queue.hidden) == {HIDDEN_SECONDS}


def test_before_the_lease_is_due_a_heartbeat_reads_and_writes_nothing(
    scene: Scene,
) -> None:
    calls = scene.cloud.calls

    async def check(running: Running) -> None:
        scene.clock.advance(RENEWED_AFTER * LEASE_SECONDS - 1)
        looks, writes = calls.count("get_item"), calls.count("update_item")
        await until(lambda: calls.count("get_item") >= looks + 3)
        assert calls.count("update_item") == writes
        assert len(scene.queue.hidden) == 1
        scene.clock.advance(1)
        await until(lambda: calls.count("update_item") > writes)

    in_mid_call(scene, check)


@pytest.mark.parametrize("looks_fail", [1, 100])
def test_a_look_that_fails_costs_no_job_before_its_lease_is_over(
    scene: Scene, looks_fail: int
) -> None:

    async def check(running: Running) -> None:
        scene.cloud.dynamodb.fail("get_item", THROTTLED_DYNAMODB, times=looks_fail)
        looks = scene.cloud.calls.count("get_item")
        await until(lambda: scene.cloud.calls.count("get_item") > looks)
        scene.clock.advance(RENEWED_AFTER * LEASE_SECONDS)
        renewed_ms = scene.clock.now_ms + LEASE_SECONDS * 1000
        await until(lambda: scene.stored()["lease_expires_at_ms"] == renewed_ms)
        assert not running.done()

    in_mid_call(scene, check)


def test_a_worker_that_lost_its_lease_aborts_the_call_and_writes_nothing(scene: Scene) -> None:
    scene.admit()
    message = scene.message()
    provider = FakeProvider([Hang()])

    async def lose() -> tuple[list[str], str]:
        running = asyncio.create_task(scene.running(provider, message))
        await until(provider.called.is_set)
        token = await asyncio.to_thread(scene.take_over)
        stays = await running
        assert (provider.in_flight, provider.aborted) == (0, 1)
        return stays, token

    stays, token = asyncio.run(lose())
    assert stays == [message["messageId"]]
    assert scene.stored()["status"] == "processing"
    assert scene.stored()["lease_token"] == token
    assert scene.stored()["calls"] == 0


def test_an_answer_that_comes_after_the_lease_was_lost_is_not_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.admit()
    message = scene.message()

    def meanwhile() -> str:
        scene.take_over()
        return VALID

    assert scene.run(FakeProvider([meanwhile]), message) == [message["messageId"]]
    assert scene.stored()["status"] == "processing"
    assert "result" not in scene.stored()


@pytest.mark.parametrize("ending", ["cancelled", "deleted", "overdue"])
def test_a_job_that_ended_in_mid_call_is_left_and_its_message_is_done(
    scene: Scene, ending: str
) -> None:
    job = scene.admit()
    message = scene.message()
    provider = FakeProvider([Hang()])

    def end() -> None:
        match ending:
            case "cancelled":
                scene.cloud.edit_job(job.job_id, status="cancelled", lease_token=None)
            case "deleted":
                scene.cloud.dynamodb.delete_item(
                    TableName=TABLE, Key={"pk": {"S": f"job#{job.job_id}"}}
                )
            case "overdue":
                scene.cloud.edit_job(job.job_id, lease_token="another worker's")
                scene.clock.advance(DEADLINE_SECONDS)

    async def run() -> list[str]:
        running = asyncio.create_task(scene.running(provider, message))
        await until(provider.called.is_set)
        await asyncio.to_thread(end)
        stays = await running
        assert (provider.in_flight, provider.aborted) == (0, 1)
        return stays

    assert asyncio.run(run()) == []


def test_a_heartbeat_that_fails_once_is_made_up_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:

    async def check(running: Running) -> None:
        scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB)
        scene.clock.advance(20)
        renewed_ms = scene.clock.now_ms + LEASE_SECONDS * 1000
        await until(lambda: scene.stored()["lease_expires_at_ms"] == renewed_ms)
        assert not running.done()

    in_mid_call(scene, check)


def test_a_worker_that_cannot_beat_until_its_lease_is_over_gives_up(scene: Scene) -> None:
    scene.admit()
    message = scene.message()
    provider = FakeProvider([Hang()])

    async def run() -> list[str]:
        running = asyncio.create_task(scene.running(provider, message))
        await until(provider.called.is_set)
        scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB, times=100)
        scene.clock.advance(LEASE_SECONDS)
        async with asyncio.timeout(HANG_SECONDS):
            stays = await running
        assert (provider.in_flight, provider.aborted) == (0, 1)
        return stays

    assert asyncio.run(run()) == [message["messageId"]]


# --- Cancelled, or out of time, under a worker's hands --------------------------------------------


def _cancel(scene: Scene) -> None:
    scene.store.cancel(f"{0:032}", task="recipe", user="alice", now_ms=scene.clock.now_ms)


def _expire(scene: Scene) -> None:
    scene.clock.advance(DEADLINE_SECONDS)
    scene.store.get(f"{0:032}", task="recipe", user="alice", now_ms=scene.clock.now_ms)


@pytest.mark.parametrize("end", [_cancel, _expire])
def test_a_beat_that_finds_the_job_ended_breaks_the_call_off_and_says_what_was_spent(
    scene: Scene, end: Callable[[Scene], None]
) -> None:
    scene.admit()
    message = scene.message()
    provider = FakeProvider(["nonsense", Hang()])

    async def run() -> list[str]:
        running = asyncio.create_task(scene.running(provider, message))
        await until(lambda: len(provider.asked) == 2)
        end(scene)
        async with asyncio.timeout(HANG_SECONDS):
            return await running

    assert asyncio.run(run()) == []
    assert (provider.in_flight, provider.aborted) == (0, 1)
    stored = scene.stored()
    assert stored["status"] in ("cancelled", "failed")
    assert (stored["calls"], stored["unreported_calls"]) == (1, 1)
    assert stored["input_tokens"] == USAGE.input_tokens


def test_an_answer_that_comes_after_the_cancel_is_paid_for_and_not_delivered(
    scene: Scene,
) -> None:
    scene.admit()

    def cancel_and_answer() -> str:
        _cancel(scene)
        return VALID

    assert scene.run(FakeProvider([cancel_and_answer]), scene.message()) == []
    stored = scene.stored()
    assert (stored["status"], stored["calls"]) == ("cancelled", 1)
    assert "result" not in stored


def test_what_was_spent_on_a_cancelled_job_is_said_again_when_the_table_fails_once(
    scene: Scene,
) -> None:
    scene.admit()

    def cancel_and_answer() -> str:
        _cancel(scene)
        # The end of the job, and its first settling.
        scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB, times=2)
        return VALID

    assert scene.run(FakeProvider([cancel_and_answer]), scene.message()) == []
    assert scene.stored()["calls"] == 1


def test_a_message_of_a_cancelled_job_is_dropped(scene: Scene) -> None:
    scene.admit()
    message = scene.message()
    _cancel(scene)
    provider = FakeProvider([])
    assert scene.run(provider, message) == []
    assert provider.asked == []
