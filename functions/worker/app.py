"""The worker: SQS wakes it with a batch of messages, and it runs their jobs side by side."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from attempt import Tools
from books import Books
from intake import run_all
from ladder import Ladder
from prices import require_prices
from provider import Provider
from simmer.books.ledger import Ledger
from simmer.jobs.cache import items_by
from simmer.jobs.leases import LeaseStore
from simmer.jobs.queue import JobQueue
from simmer.settings import WorkerSettings
from simmer.web.http import PONG, Event, begins, part, to_come_again
from worker import Worker

# For each of thirty jobs a heartbeat, and five calls, whose keys are fetched and whose answers are
# validated here. As many as Python gives a small machine would let calls that hang stop the hearts
# of the others. No thread is there before it has something to do.
THREADS = 180


@cache
def _runner() -> asyncio.Runner:
    # One event loop for the life of the function, so that connections to a provider stay open.
    runner = asyncio.Runner()
    runner.get_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    return runner


@cache
def _worker() -> Worker:
    settings = WorkerSettings.from_env()
    return Worker(
        tools_of(
            settings,
            leases=LeaseStore.connect(settings.jobs_table, items_by(settings.status_cache_url)),
            queue=JobQueue.connect(settings.jobs_queue_url),
            provider=Provider.connect(settings.model_keys_secret),
            ledger=Ledger.connect(settings.jobs_table, settings.ledger_shards),
        )
    )


def tools_of(
    settings: WorkerSettings,
    *,
    leases: LeaseStore,
    queue: JobQueue,
    provider: Provider,
    ledger: Ledger,
) -> Tools:
    """The tools by these settings, or a `ValueError` that says what is wrong with the ladder."""
    ladder = Ladder.parse(settings.model_ladder)
    require_prices([(rung.model, rung.price) for rung in ladder], settings.daily_budget_usd)
    return Tools(
        leases=leases,
        queue=queue,
        ladder=ladder,
        provider=provider,
        settings=settings,
        books=Books(ledger, [rung.model for rung in ladder], settings.daily_budget_usd),
    )


def handler(event: Event, context: Any) -> dict[str, Any]:
    if not begins(event, context, "Records"):
        return PONG
    return _runner().run(process(event, context, _worker()))


async def process(event: Event, context: Any, worker: Worker) -> dict[str, Any]:
    """Run the batch, and what comes meanwhile. The messages of the batch that are named in the
    answer stay on the queue, its others are done."""
    now = asyncio.get_running_loop().time()
    function_ends_at = now + context.get_remaining_time_in_millis() / 1000
    records = event["Records"]
    is_done = await run_all(worker, records, function_ends_at)
    pairs = zip(records, is_done, strict=True)
    return to_come_again(part(record, "messageId") for record, done in pairs if not done)
