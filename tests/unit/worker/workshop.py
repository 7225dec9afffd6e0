"""Jobs in the real store, and workers that run them on a ladder with prices."""

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import app
from attempt import Tools
from books import Books
from ladder import Ladder
from provider import Provider
from simmer.books.ledger import Entry, Ledger, day_of
from simmer.jobs.job import Job
from simmer.jobs.leases import LeaseStore
from simmer.jobs.queue import JobQueue
from simmer.jobs.store import JobStore
from simmer.settings import WorkerSettings
from tests.patience import HANG_SECONDS
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, table_of
from tests.unit.jobs import a_job
from tests.unit.worker.fakes import REQUEST
from worker import Worker

# What an answered call of the fake provider costs: 60 fresh input tokens, 40 cached ones, 10 of
# output.
LADDER = [
    {"model": "small", "price": {"input": 1, "cachedInput": 0.1, "output": 5}},
    {"model": "large", "price": {"input": 10, "cachedInput": 1, "output": 50}},
]
SMALL_MICROUSD, LARGE_MICROUSD = 60 + 4 + 50, 600 + 40 + 500

# What has no default; and no room beside what a test brings, or a worker would wait for more.
WORKER_SETTINGS: dict[str, Any] = {
    "worker_jobs": 1,
    "jobs_table": "",
    "jobs_queue_url": "",
    "model_ladder": "",
    "model_keys_secret": "",
}

# The settings of a worker whose heart beats within the test.
BEATING: dict[str, Any] = {"heartbeat_seconds": 0.05}

# Counted over all workshops: two of them may share a table.
_numbers = itertools.count(1)


class Workshop:
    """One worker process, which lives on from batch to batch."""

    def __init__(self, cloud: Cloud, clock: Clock, daily_budget_usd: float = 0) -> None:
        self.cloud = cloud
        self.clock = clock
        self.store = JobStore(table_of(cloud.dynamodb))
        self.leases = LeaseStore(table_of(cloud.dynamodb))
        self.queue = JobQueue(cloud.sqs, cloud.queue_url)  # type: ignore[arg-type]
        self.ledger = Ledger(table_of(cloud.dynamodb))
        self.books = Books(self.ledger, ["small", "large"], daily_budget_usd)

    def admit(self, **fields: Any) -> Job:
        """A new job and its message."""
        job = a_job(
            self.clock,
            job_id=f"job-{next(_numbers)}",
            **{"request": json.dumps(REQUEST, ensure_ascii=False), **fields},
        )
        admitted = self.store.admit(
            job, daily_quota=10_000, most_in_flight=1000, now_ms=self.clock.now_ms
        ).job
        self.queue.send(admitted)
        return admitted

    def receive(self) -> list[dict[str, Any]]:
        """The visible messages, as Lambda hands them on."""
        received = self.cloud.sqs.receive_message(
            QueueUrl=self.cloud.queue_url, MaxNumberOfMessages=10
        )
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
            }
            for message in received.get("Messages", [])
        ]

    def worker(
        self,
        provider: Provider,
        ladder: Sequence[dict[str, Any]] = LADDER,
        **settings_given: Any,
    ) -> Worker:
        # A heartbeat comes only where it is asked for: on a busy machine it would come anywhere.
        given = {"heartbeat_seconds": HANG_SECONDS, "retention_seconds": 3600, **settings_given}
        settings = WorkerSettings(**(WORKER_SETTINGS | given))
        return Worker(
            Tools(
                leases=self.leases,
                queue=self.queue,
                ladder=Ladder.parse(json.dumps(ladder)),
                provider=provider,
                settings=settings,
                books=self.books,
            )
        )

    def run(
        self,
        provider: Provider,
        ladder: Sequence[dict[str, Any]] = LADDER,
        **settings_given: Any,
    ) -> None:
        """Have the worker handle what is visible."""
        event = {"Records": self.receive()}
        worker = self.worker(provider, ladder, **settings_given)
        asyncio.run(app.process(event, Context(), worker))

    def job(self, provider: Provider, **settings_given: Any) -> dict[str, Any]:
        """A new job's item, once the worker has handled it."""
        job = self.admit()
        self.run(provider, **settings_given)
        return self.cloud.job(job.job_id)

    def entry(self, model: str) -> Entry:
        """Today's, of the ledger."""
        return self.ledger.read("recipe", model, day_of(self.clock.now_ms))


KEY = "sk-very-secret-0123456789"


class Keys:
    """The keys secret."""

    def get_secret_value(self, *, SecretId: str) -> dict[str, str]:  # noqa: N803
        return {"SecretString": json.dumps({"default": KEY})}


class Context:
    """Lambda's own."""

    aws_request_id = "lambda-request"

    def get_remaining_time_in_millis(self) -> int:
        return 200_000


async def until(holds: Callable[[], object], within_seconds: float = HANG_SECONDS) -> None:
    async with asyncio.timeout(within_seconds):
        while not holds():
            await asyncio.sleep(0.01)
