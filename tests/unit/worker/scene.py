"""A store and a queue, the jobs in them, and workers that a test starts, stops and overtakes."""

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Any

import app
from attempt import MIN_CALL_SECONDS, WRITE_MARGIN_SECONDS, Tools
from books import Books
from ladder import Ladder
from provider import Provider
from simmer.books.ledger import Ledger
from simmer.jobs.job import CLOCK_SKEW_MS, LAST_WRITE_MS, Job, Lease
from simmer.jobs.leases import LeaseStore
from simmer.jobs.queue import JobQueue
from simmer.jobs.store import JobStore
from simmer.settings import WorkerSettings
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, refused, table_of
from tests.unit.jobs import a_job
from tests.unit.worker.fakes import REQUEST
from tests.unit.worker.workshop import WORKER_SETTINGS
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

    def send(self, job: Job, delay_seconds: int = 0, *, on_behalf_of: str | None = None) -> None:
        self.delays.append(delay_seconds)
        super().send(job, delay_seconds, on_behalf_of=on_behalf_of)


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
        admitted = self.store.admit(
            job, daily_quota=1000, most_in_flight=1000, now_ms=self.clock.now_ms
        ).job
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

    def worker(self, provider: Provider, rungs: int = 1, **settings_given: Any) -> Worker:
        models = [f"rung-{i}" for i in range(rungs)]
        return Worker(
            Tools(
                leases=self.leases,
                queue=self.queue,
                ladder=Ladder.parse(json.dumps([{"model": model} for model in models])),
                provider=provider,
                settings=WorkerSettings(
                    **{
                        **WORKER_SETTINGS,
                        "lease_seconds": LEASE_SECONDS,
                        "heartbeat_seconds": HEARTBEAT_SECONDS,
                        "retention_seconds": 3600,
                        **settings_given,
                    }
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


def logged(records: list[logging.LogRecord]) -> str:
    """All that was logged, extras included."""
    return "\n".join(str({**vars(record), "text": record.getMessage()}) for record in records)
