"""One worker's run at one job, through the real store and the real queue."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

import app
import attempt
from attempt import MIN_CALL_SECONDS, WRITE_MARGIN_SECONDS, Tools
from books import Books
from ladder import Ladder
from provider import Down, Misconfigured, Provider, Throttled
from simmer.books.ledger import Ledger
from simmer.errors import DependencyUnavailable
from simmer.jobs.job import CLOCK_SKEW_MS, LAST_WRITE_MS, Job, Lease
from simmer.jobs.leases import LeaseStore
from simmer.jobs.queue import JobQueue
from simmer.jobs.store import JobStore
from simmer.settings import WorkerSettings
from tests.unit.clock import Clock
from tests.unit.cloud import TABLE, Cloud, refused, table_of
from tests.unit.jobs import DEADLINE_SECONDS, a_job
from tests.unit.worker.fakes import REQUEST, USAGE, VALID, FakeProvider, Hang
from tests.unit.worker.workshop import WORKER_SETTINGS, until
from worker import Worker

LEASE_SECONDS = 30
# Until when the message of a job with a fresh lease is hidden: then the job may be claimed.
HIDDEN_SECONDS = LEASE_SECONDS + CLOCK_SKEW_MS // 1000
HEARTBEAT_SECONDS = 0.05
# Of work before the deadline: after it no end could be written safely.
NEEDED_MS = LAST_WRITE_MS + round((WRITE_MARGIN_SECONDS + MIN_CALL_SECONDS) * 1000)

THROTTLED_DYNAMODB = refused("ProvisionedThroughputExceededException")
type Record = dict[str, Any]


class WatchedQueue(JobQueue):
    """The real queue, and for how long it was told to hide and to delay messages."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud.sqs, cloud.queue_url)  # type: ignore[arg-type]
        self.hidden: list[int] = []
        self.delays: list[int] = []

    def hide(self, receipt_handle: str, seconds: int) -> None:
        self.hidden.append(seconds)
        super().hide(receipt_handle, seconds)

    def send(self, job: Job, delay_seconds: int = 0) -> None:
        self.delays.append(delay_seconds)
        super().send(job, delay_seconds)


class Scene:
    """A store and a queue, the jobs in them, and workers."""

    def __init__(self, cloud: Cloud, clock: Clock) -> None:
        self.cloud = cloud
        self.clock = clock
        self.store = JobStore(table_of(cloud.dynamodb))
        self.leases = LeaseStore(table_of(cloud.dynamodb))
        self.queue = WatchedQueue(cloud)

    def admit(self, number: int = 0, **fields: Any) -> Job:
        """A job that was just admitted, and its message sent."""
        job = a_job(
            self.clock,
            job_id=f"{number:032}",
            request=json.dumps(REQUEST, ensure_ascii=False),
            **fields,
        )
        admitted = self.store.admit(job, daily_quota=1000, now_ms=self.clock.now_ms).job
        JobQueue.send(self.queue, admitted)
        return admitted

    def receive(self) -> list[Record]:
        """The visible messages, as Lambda hands them on."""
        messages = self.cloud.sqs.receive_message(
            QueueUrl=self.cloud.queue_url, MaxNumberOfMessages=10
        )
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
            }
            for message in messages.get("Messages", [])
        ]

    def message(self) -> Record:
        [record] = self.receive()
        return record

    def stored(self, number: int = 0) -> dict[str, Any]:
        return self.cloud.job(f"{number:032}")

    def worker(self, provider: Provider, rungs: int = 1) -> Worker:
        models = [f"rung-{i}" for i in range(rungs)]
        return Worker(
            Tools(
                leases=self.leases,
                queue=self.queue,
                ladder=Ladder.parse(json.dumps([{"model": model} for model in models])),
                provider=provider,
                settings=WorkerSettings(
                    **WORKER_SETTINGS,
                    lease_seconds=LEASE_SECONDS,
                    heartbeat_seconds=HEARTBEAT_SECONDS,
                    retention_seconds=3600,
                ),
                books=Books(Ledger(table_of(self.cloud.dynamodb)), models),
            )
        )

    def run(
        self, provider: Provider, *records: Record, rungs: int = 1, seconds: float = 300
    ) -> list[str]:
        """Have a worker handle the batch; the ids of the messages that stay on the queue."""
        return asyncio.run(self.running(provider, *records, rungs=rungs, seconds=seconds))

    async def running(
        self, provider: Provider, *records: Record, rungs: int = 1, seconds: float = 300
    ) -> list[str]:
        event = {"Records": list(records)}
        worker = self.worker(provider, rungs)
        answer = await app.process(event, Context(seconds), worker)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def take_over(self) -> str:
        """Another worker claims the job once its lease has run out; the token it has then."""
        self.clock.advance(HIDDEN_SECONDS)
        token = "another worker's"
        lease = Lease(
            token=token,
            expires_at_ms=self.clock.now_ms + LEASE_SECONDS * 1000,
            message_id="another message",
        )
        self.leases.claim(f"{0:032}", "run-1", lease, self.clock.now_ms)
        return token


@dataclass
class Context:
    """Lambda's own."""

    seconds: float

    def get_remaining_time_in_millis(self) -> int:
        return round(self.seconds * 1000)


@pytest.fixture
def scene(cloud: Cloud, clock: Clock) -> Scene:
    return Scene(cloud, clock)


# --- A job that ends ------------------------------------------------------------------------------


def test_a_job_is_completed_with_the_very_text_of_the_answer(scene: Scene) -> None:
    scene.admit()
    text = VALID.replace(": ", " :\n ")
    scene.clock.advance(3)
    assert scene.run(FakeProvider([text]), scene.message()) == []
    stored = scene.stored()
    assert (stored["status"], stored["result"]) == ("completed", text)
    assert stored["completed_at_ms"] == stored["started_at_ms"] == scene.clock.now_ms
    assert stored["expires_at_seconds"] == scene.clock.now_ms // 1000 + 3600
    assert stored["calls"] == 1
    assert stored["input_tokens"] == USAGE.input_tokens
    assert not [name for name in stored if name.startswith("lease")]


@pytest.mark.parametrize(
    ("said", "error_code"),
    [("nonsense", "invalid_output"), (Misconfigured("status 404"), "model_unavailable")],
)
def test_a_job_without_a_result_fails_by_name(
    scene: Scene, said: str | Exception, error_code: str
) -> None:
    scene.admit()
    assert scene.run(FakeProvider([said, said]), scene.message()) == []
    assert (scene.stored()["status"], scene.stored()["error_code"]) == ("failed", error_code)


def test_an_unexpected_exception_ends_the_job_as_internal(
    scene: Scene, records: list[logging.LogRecord]
) -> None:
    scene.admit()
    assert scene.run(FakeProvider([KeyError("두부")]), scene.message()) == []
    assert scene.stored()["error_code"] == "internal"
    assert "두부" not in logged(records)


def test_on_taking_a_message_its_visibility_is_shortened_to_the_lease(scene: Scene) -> None:
    scene.admit()
    scene.run(FakeProvider([VALID]), scene.message())
    assert scene.queue.hidden == [HIDDEN_SECONDS]


def test_a_message_that_cannot_be_hidden_is_worked_on_all_the_same(scene: Scene) -> None:
    scene.admit()
    scene.cloud.sqs.fail("change_message_visibility", refused("ServiceUnavailable"))
    assert scene.run(FakeProvider([VALID]), scene.message()) == []
    assert scene.stored()["status"] == "completed"


# --- Messages that bring no work ------------------------------------------------------------------


def test_second_delivery_of_a_finished_job_does_not_call_the_model(scene: Scene) -> None:
    scene.admit()
    message = scene.message()
    scene.run(FakeProvider([VALID]), message)
    before = scene.stored()
    provider = FakeProvider([])
    assert scene.run(provider, message) == []
    assert (provider.asked, scene.stored()) == ([], before)


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
    "body", ["", "nonsense", "null", "[]", "{}", '{"jobId": 1, "runId": "x"}', '{"jobId": "x"}']
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


# --- The heartbeat --------------------------------------------------------------------------------


def test_the_heartbeat_extends_lease_and_visibility_while_the_model_is_at_work(
    scene: Scene,
) -> None:
    scene.admit()
    message = scene.message()

    class Slow(FakeProvider):
        async def ask(self, *arguments: Any, **options: Any) -> Any:
            for _ in range(3):  # each beat comes a quarter of a minute after the one before
                scene.clock.advance(15)
                now_ms = scene.clock.now_ms
                beats = len(scene.queue.hidden)
                await until(lambda: len(scene.queue.hidden) > beats)  # noqa: B023
                assert scene.stored()["lease_expires_at_ms"] == now_ms + LEASE_SECONDS * 1000
            return await super().ask(*arguments, **options)

    assert scene.run(Slow([VALID]), message) == []
    assert scene.stored()["status"] == "completed"
    assert len(scene.queue.hidden) >= 4
    assert set(scene.queue.hidden) == {HIDDEN_SECONDS}


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
    scene.admit()
    message = scene.message()
    provider = FakeProvider([Hang()])

    async def run() -> None:
        running = asyncio.create_task(scene.running(provider, message))
        await until(provider.called.is_set)
        scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB)
        scene.clock.advance(20)
        renewed_ms = scene.clock.now_ms + LEASE_SECONDS * 1000
        await until(lambda: scene.stored()["lease_expires_at_ms"] == renewed_ms)
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(run())


def test_a_worker_that_cannot_beat_until_its_lease_is_over_gives_up(scene: Scene) -> None:
    scene.admit()
    message = scene.message()
    provider = FakeProvider([Hang()])

    async def run() -> list[str]:
        running = asyncio.create_task(scene.running(provider, message))
        await until(provider.called.is_set)
        scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB, times=100)
        scene.clock.advance(LEASE_SECONDS)
        async with asyncio.timeout(10):
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
        async with asyncio.timeout(10):
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


# --- Throttling -----------------------------------------------------------------------------------


def test_a_throttled_job_goes_back_with_a_new_delayed_message_and_the_old_one_is_done(
    scene: Scene,
) -> None:
    scene.admit()
    assert scene.run(FakeProvider([Throttled("status 429", 7.0)]), scene.message()) == []
    stored = scene.stored()
    assert (stored["status"], stored["awaits_capacity"]) == ("pending", True)
    assert not [name for name in stored if name.startswith("lease")]
    [delay] = scene.queue.delays
    assert 7 <= delay <= 12
    attributes = scene.cloud.sqs.get_queue_attributes(
        QueueUrl=scene.cloud.queue_url,
        AttributeNames=["ApproximateNumberOfMessagesDelayed"],
    )["Attributes"]
    assert attributes == {"ApproximateNumberOfMessagesDelayed": "1"}


def test_the_next_attempt_at_a_throttled_job_begins_where_it_was_and_sums_the_usage(
    scene: Scene,
) -> None:
    job = scene.admit()
    first = FakeProvider(["nonsense", "nonsense", Throttled("status 429", 7.0)])
    assert scene.run(first, scene.message(), rungs=2) == []
    started_at_ms = scene.stored()["started_at_ms"]
    scene.clock.advance(10)
    JobQueue.send(scene.queue, job)
    second = FakeProvider([VALID])
    assert scene.run(second, scene.message(), rungs=2) == []
    assert [asked.rung.model for asked in second.asked] == ["rung-1"]
    stored = scene.stored()
    assert (stored["status"], stored["calls"]) == ("completed", 3)
    assert stored["output_tokens"] == 3 * USAGE.output_tokens
    assert stored["started_at_ms"] == started_at_ms
    assert "awaits_capacity" not in stored


@pytest.mark.parametrize("retry_after_seconds", [DEADLINE_SECONDS, 100_000.0, 1e300])
def test_a_job_throttled_beyond_its_deadline_fails_at_once(
    scene: Scene, retry_after_seconds: float
) -> None:
    scene.admit()
    provider = FakeProvider([Throttled("status 429", retry_after_seconds)])
    assert scene.run(provider, scene.message()) == []
    assert scene.stored()["error_code"] == "model_unavailable"
    assert scene.queue.delays == []


def test_when_the_new_message_cannot_be_sent_the_old_one_is_hidden_for_the_delay_and_stays(
    scene: Scene,
) -> None:
    scene.admit()
    message = scene.message()
    scene.cloud.sqs.fail("send_message", refused("ServiceUnavailable"))
    provider = FakeProvider([Throttled("status 429", 7.0)])
    assert scene.run(provider, message) == [message["messageId"]]
    assert scene.stored()["status"] == "pending"
    assert scene.queue.hidden == [HIDDEN_SECONDS, scene.queue.delays[0]]


def test_when_the_job_cannot_be_released_no_message_is_sent_and_the_old_one_stays(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "WRITE_TRIES", 1)
    scene.admit()
    message = scene.message()

    def meanwhile() -> Exception:
        scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB)
        return Throttled("status 429", 7.0)

    assert scene.run(FakeProvider([meanwhile]), message) == [message["messageId"]]
    assert scene.queue.delays == []


# --- Time -----------------------------------------------------------------------------------------


def test_a_function_that_is_nearly_out_of_time_gives_the_job_back_without_delay(
    scene: Scene,
) -> None:
    scene.admit()
    provider = FakeProvider([])
    seconds = WRITE_MARGIN_SECONDS + MIN_CALL_SECONDS - 0.5
    assert scene.run(provider, scene.message(), seconds=seconds) == []
    assert provider.asked == []
    stored = scene.stored()
    assert (stored["status"], stored["awaits_capacity"]) == ("pending", False)
    assert scene.queue.delays == [0]
    assert scene.message()["body"] == json.dumps(
        {"jobId": "0" * 32, "runId": "run-1", "task": "recipe"}
    )


def test_a_call_may_last_until_the_function_must_write(scene: Scene) -> None:
    scene.admit()
    provider = FakeProvider([VALID])
    scene.run(provider, scene.message(), seconds=30)
    [asked] = provider.asked
    assert 30 - WRITE_MARGIN_SECONDS - 2 < asked.timeout_seconds <= 30 - WRITE_MARGIN_SECONDS


def test_a_call_may_last_until_the_end_must_be_written_before_the_deadline(scene: Scene) -> None:
    scene.admit()
    scene.clock.advance(DEADLINE_SECONDS - 60)
    provider = FakeProvider([VALID])
    scene.run(provider, scene.message())
    [asked] = provider.asked
    assert asked.timeout_seconds == 60 - LAST_WRITE_MS / 1000 - WRITE_MARGIN_SECONDS


def test_a_job_too_near_its_deadline_for_a_call_fails_without_one(scene: Scene) -> None:
    scene.admit()
    scene.clock.advance(DEADLINE_SECONDS - NEEDED_MS / 1000 + 0.001)
    provider = FakeProvider([])
    assert scene.run(provider, scene.message()) == []
    assert provider.asked == []
    assert scene.stored()["error_code"] == "deadline_exceeded"


@pytest.mark.parametrize("seconds_late", [-LAST_WRITE_MS / 1000, 0, 3600])
def test_a_job_past_the_last_moment_for_writing_is_not_touched(
    scene: Scene, seconds_late: float
) -> None:
    scene.admit()
    before = scene.stored()
    scene.clock.advance(DEADLINE_SECONDS + seconds_late)
    provider = FakeProvider([])
    assert scene.run(provider, scene.message()) == []
    assert (provider.asked, scene.stored()) == ([], before)


def test_a_re_ask_that_would_end_too_late_is_not_made(scene: Scene) -> None:
    scene.admit()

    def meanwhile() -> str:
        scene.clock.advance(DEADLINE_SECONDS - NEEDED_MS / 1000 + 0.001)
        return "nonsense"

    provider = FakeProvider([meanwhile])
    assert scene.run(provider, scene.message()) == []
    assert scene.stored()["error_code"] == "deadline_exceeded"
    assert scene.stored()["calls"] == 1


# --- Writes that fail -----------------------------------------------------------------------------


def test_the_end_is_written_again_until_dynamodb_takes_it(scene: Scene) -> None:
    scene.admit()

    def meanwhile() -> str:
        scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB, times=2)
        return VALID

    assert scene.run(FakeProvider([meanwhile]), scene.message()) == []
    assert scene.stored()["status"] == "completed"
    assert scene.stored()["calls"] == 1


def test_an_end_whose_acknowledgement_got_lost_is_written_once(scene: Scene) -> None:
    scene.admit()

    def meanwhile() -> str:
        scene.cloud.dynamodb.lose_answer("update_item")
        return VALID

    assert scene.run(FakeProvider([meanwhile]), scene.message()) == []
    assert (scene.stored()["status"], scene.stored()["calls"]) == ("completed", 1)


def test_a_release_whose_acknowledgement_got_lost_loses_no_job(scene: Scene) -> None:
    scene.admit()
    message = scene.message()

    def meanwhile() -> Exception:
        scene.cloud.dynamodb.lose_answer("update_item")
        return Throttled("status 429", 1.0)

    stays = scene.run(FakeProvider([meanwhile]), message)
    assert scene.stored()["status"] == "pending"
    # Either message will do, but there must be one.
    assert stays == [message["messageId"]] or scene.queue.delays


def test_an_end_that_dynamodb_never_takes_leaves_the_message_to_another_try(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "WRITE_TRIES", 2)
    scene.admit()
    message = scene.message()

    def meanwhile() -> str:
        scene.cloud.dynamodb.fail("update_item", THROTTLED_DYNAMODB, times=100)
        return VALID

    assert scene.run(FakeProvider([meanwhile]), message) == [message["messageId"]]
    assert scene.stored()["status"] == "processing"


# --- A batch --------------------------------------------------------------------------------------


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
        await asyncio.gather(*(asyncio.to_thread(everybody.wait, 30) for _ in range(2 * jobs)))

    try:
        app._runner().run(work())
    finally:
        app._runner().close()
        app._runner.cache_clear()


# --- Silence --------------------------------------------------------------------------------------


def logged(records: list[logging.LogRecord]) -> str:
    """All that was logged, extras included."""
    return "\n".join(str({**vars(record), "text": record.getMessage()}) for record in records)


@pytest.mark.parametrize(
    "said",
    [
        [VALID],
        ["nonsense with 두부", VALID],
        [Throttled("status 429", 1.0)],
        [Misconfigured("status 401")],
        [Down("timeout")],
        [KeyError("두부")],
        [DependencyUnavailable("두부")],
    ],
    ids=["completed", "re-asked", "throttled", "misconfigured", "down", "bug", "odd bug"],
)
def test_no_word_of_request_or_answer_is_logged(
    scene: Scene, records: list[logging.LogRecord], said: list[Any]
) -> None:
    scene.admit(owner="alice@example.com")
    message = scene.message()
    records.clear()  # what the test's own client has logged
    scene.run(FakeProvider(said), message)
    found = logged([record for record in records if not record.name.startswith("asyncio")])
    assert found
    for secret in ("두부", "tofu", "crème", "Crisp", "nonsense", "alice"):
        assert secret.lower() not in found.lower()
