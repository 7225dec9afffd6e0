"""One schedule: phones, API functions, an event source mapping, workers and a model, all seeded.

What runs is what ships: the handlers, admission, store, queue, attempt, climb and validation. In
their stead stand only AWS (in memory), the provider's SDK, the clock and chance.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

import intake
import provider
import worker
from functions.cancel import app as cancel_app
from functions.status import app as status_app
from functions.submit import app as submit_app
from simmer import clock, table
from simmer.books.history import History as PastDurations
from simmer.books.ledger import Ledger
from simmer.jobs import admission, cache
from simmer.jobs import queue as job_queue
from simmer.jobs.item import ItemsBy, JobItems
from simmer.jobs.job import Usage
from simmer.jobs.leases import LeaseStore
from simmer.jobs.store import JobStore
from simmer.settings import SubmitSettings
from simmer.waiting.durations import bucket
from tests.simulation.cache import LATE_MS, SHARE, Cache
from tests.simulation.faults import Fault
from tests.simulation.history import History, Violation
from tests.simulation.model import Model
from tests.simulation.phones import Phone, poll
from tests.simulation.remote import FaultyClient
from tests.simulation.services.dynamodb import DynamoDb
from tests.simulation.services.sqs import Sqs
from tests.simulation.weather import Weather, weather_of
from tests.simulation.workers import EventSourceMapping
from tests.simulation.world import World

# As in template.yaml.
VISIBILITY_SECONDS = 230
MAX_RECEIVES = 8

LADDER = '[{"model": "small"}, {"model": "large"}]'

MAX_STEPS = 400_000  # of the scheduler; a sound schedule takes a tenth


@dataclass(frozen=True, slots=True)
class Finished:
    """The result of a schedule."""

    coverage: Counter[tuple[str, Fault]]
    jobs: int
    attempts: int
    endings: Counter[str]


def run_schedule(seed: int) -> Finished:
    """Run the schedule of that seed; raises Violation, or whatever else went wrong."""
    with schedule_of(seed) as schedule:
        schedule.world.run(schedule.main())
        history = schedule.history
        return Finished(
            coverage=schedule.world.faults.coverage,
            jobs=len(history.runs),
            attempts=sum(run.claims for run in history.runs.values()),
            endings=Counter(
                document.get("errorCode", document["status"]) for document in history.last_documents
            ),
        )


@contextmanager
def schedule_of(
    seed: int, weather: Weather | None = None, max_steps: int = MAX_STEPS
) -> "Iterator[Schedule]":
    """The schedule, with the shipped modules living by its world's time and chance."""
    weather = weather or weather_of(seed)
    # The world is closed first: what is unwound then must not find the real things again.
    with (
        _silence(),
        pytest.MonkeyPatch.context() as patch,
        World(seed, faults=weather.plan, max_steps=max_steps) as world,
    ):
        schedule, marks = Schedule(world, weather), Random(f"marks {seed}")
        uuids = SimpleNamespace(uuid4=lambda: UUID(int=world.random.getrandbits(128)))
        for module, name, value in (
            (clock, "now_ms", lambda: int(world.now() * 1000)),
            (clock, "sleep", world.pause),
            (table, "random", world.random),
            (provider, "random", world.random),
            (intake, "random", Random(f"receives {seed}")),
            (admission, "uuid", uuids),
            (worker, "uuid", uuids),
            (submit_app, "_wiring", schedule.wiring),
            (submit_app, "_shared_audience", schedule.shared_audience),
            (submit_app, "_history", lambda: schedule.past_durations),
            (status_app, "job_store", schedule.job_store),
            (cancel_app, "job_store", schedule.job_store),
            (cache, "uuid", SimpleNamespace(uuid4=lambda: UUID(int=marks.getrandbits(128)))),
        ):
            patch.setattr(module, name, value)
        yield schedule


@contextmanager
def _silence() -> Iterator[None]:
    """No logs: of thousands of schedules nobody could read them."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _always(items: JobItems) -> ItemsBy:
    return lambda _: items


class WatchedDynamoDb(DynamoDb):
    """Tells the history of every change of a job's item."""

    def __init__(self, schedule: "Schedule") -> None:
        super().__init__({"jobs": {"pk": "S"}}, now=schedule.world.clock)
        self._schedule = schedule

    def update_item(self, **request: Any) -> Any:
        before = self.item(request["Key"]["pk"]["S"])
        answer = super().update_item(**request)
        self._changed(request["Key"]["pk"]["S"], before)
        return answer

    def transact_write_items(self, **request: Any) -> Any:
        writes = [write for entry in request["TransactItems"] for write in entry.values()]
        keys = [(write.get("Key") or write["Item"])["pk"]["S"] for write in writes]
        befores = [self.item(key) for key in keys]
        answer = super().transact_write_items(**request)
        for key, before in zip(keys, befores, strict=True):
            self._changed(key, before)
        return answer

    def item(self, key: str) -> Any:
        """The stored item itself: it is never changed in place."""
        return self._tables["jobs"].items.get((key,))

    def _changed(self, key: str, before: Any) -> None:
        after = self.item(key)
        if after != before and key.startswith("job#"):
            if self._schedule.cache:
                self._schedule.cache.changed(key, after)
            self._schedule.job_changed(before, after)


class Schedule:
    """The actors of one world, and their history."""

    def __init__(self, world: World, weather: Weather) -> None:
        self.world = world
        self.weather = weather
        self.broken = world.loop.create_future()
        self.history = History(on_violation=lambda: self.broken.set_result(None))
        self.posting: Counter[str] = Counter()  # requests under way, by ingredient
        self.exposed: set[str] = set()  # jobs whose message only the queue's own timeout shows
        self.worker_count = 0
        self.cache: Cache | None = None
        random, is_mild = world.random, weather.trouble.is_mild
        self.dynamodb = WatchedDynamoDb(self)
        self.sqs = Sqs(now=world.clock, random=random)
        self.buried_url = self.sqs.create_queue("buried")
        self.queue_url = self.sqs.create_queue(
            "jobs",
            visibility_seconds=VISIBILITY_SECONDS,
            dead_letter_url=self.buried_url,
            max_receives=MAX_RECEIVES,
        )
        client: Any = FaultyClient(world, self.dynamodb, "dynamodb")
        jobs = table.Table(client, "jobs")
        self.store, self.leases, self.ledger = JobStore(jobs), LeaseStore(jobs), Ledger(jobs)
        self._stores = {True: [self.store], False: [self.store]}  # by whether a cache is read
        queue_client: Any = FaultyClient(world, self.sqs, "sqs")
        self.queue = job_queue.JobQueue(queue_client, self.queue_url)
        self.model = Model(
            world,
            self.history,
            wrongness=0.0 if is_mild else random.choice((0.0, 0.0, 0.1, 0.5, 1.0)),
            retry_after_seconds=(None, 10.0) if is_mild else (None, 1.0, 10.0, 60.0, 400.0),
        )
        self.mapping = EventSourceMapping(
            self,
            max_workers=20 if is_mild else random.choice((1, 2, 4)),
            duplicates=random.choice((0.0, 0.1, 0.5)),
        )
        # Jobs of one worker at once; by a chance of its own, as below.
        self.room = 30 if is_mild else Random(f"room {world.seed}").choice((1, 2, 5, 30))
        self.ladder = LADDER
        # A deployment that must not work: nobody knows what these models cost. Drawn by a chance
        # of its own, so that what happens otherwise is the same with it and without.
        is_unpaid = not is_mild and Random(f"unpaid {world.seed}").random() < 0.1
        self.budget_usd = 0.01 if is_unpaid else 0.0
        self.reads_ledger = random.random() < 0.25
        models = ["small", "large"] if self.reads_ledger else []
        self.past_durations = PastDurations(self.ledger, models)
        if Random(f"calls {world.seed}").random() < 0.5:
            self._teach_usual_calls(models)
        if not is_mild:
            self.mapping.stopped_from = random.choice((None, None, None, None, 0.0, 20.0))
        self.deadline_seconds = 300 if is_mild else random.choice((60, 120, 300))
        self.is_shared = random.random() < 0.3
        self._jobs = jobs
        self._use_cache(jobs)
        self._settings = SubmitSettings(
            jobs_table="jobs",
            jobs_queue_url="",
            cache_scope="shared" if self.is_shared else "user",
            daily_job_quota=random.choice((2, 100)),
            job_deadline_seconds=self.deadline_seconds,
            retention_seconds=3600,
        )

    def _use_cache(self, jobs: table.Table) -> None:
        """In some schedules, with workers that write through it or not."""
        chance = Random(f"cache {self.world.seed}")
        if chance.random() >= SHARE:
            return
        self.cache = Cache(self, chance)
        self.history.late_ms = LATE_MS
        self.is_shared = chance.random() < 0.8
        for is_read in (True, False):
            sandboxes = self.cache.sandboxes(jobs, is_read=is_read)
            self._stores[is_read] = [JobStore(jobs, _always(items)) for items in sandboxes]
        if chance.random() < 0.5:
            [items, *_] = self.cache.sandboxes(jobs, is_read=False)
            self.leases = LeaseStore(jobs, _always(items))

    def without_cache(self) -> None:
        """As a deployment is by default."""
        self.cache, self.history.late_ms = None, 0.0
        self._stores = {True: [self.store], False: [self.store]}
        self.leases = LeaseStore(self._jobs)

    def job_store(self, *, is_read: bool) -> JobStore:
        """The store of the status and the cancel handler."""
        stores = self._stores[is_read]
        return self.cache.one_of(stores) if self.cache else stores[0]

    def _teach_usual_calls(self, models: list[str]) -> None:
        """Have the ledger know that calls take a quarter of a minute."""
        calls = {(items, bucket(15.0)): 300 for items in range(4)}
        ledger = Ledger(table.Table(self.dynamodb, "jobs"))  # type: ignore[arg-type]
        for model in models:
            ledger.add("recipe", model, Usage(), now_ms=int(self.now_ms()), calls=calls)
            self.history.usual_seconds = 20.0  # a call is slow from half as long again on

    def wiring(self) -> tuple[JobStore, job_queue.JobQueue, SubmitSettings]:
        """The parts of the submit handler."""
        return self.store, self.queue, self._settings

    def shared_audience(self, settings: SubmitSettings, now_ms: int) -> str | None:
        """The secret in the ids of shared jobs."""
        return "a secret" if settings.cache_scope == "shared" else None

    def now_ms(self) -> float:
        return self.world.clock() * 1000

    # ------------------------------------------------------------ from beginning to end

    async def main(self) -> None:
        """Live through it; stops at the first violation."""
        mapping = asyncio.create_task(self.mapping.run())
        living = asyncio.create_task(self._live())
        await asyncio.wait((living, self.broken), return_when=asyncio.FIRST_COMPLETED)
        if self.history.violation is not None:
            raise self.history.violation
        mapping.cancel()
        living.result()
        self._check_books()
        if self.weather.trouble.is_mild:
            self._check_recovery()

    async def _live(self) -> None:
        phones = [
            asyncio.create_task(Phone(self).use()) for _ in range(self.world.random.randint(1, 4))
        ]
        hurry = asyncio.create_task(self.cache.hurry()) if self.cache else None
        await asyncio.gather(*phones)
        if hurry:
            hurry.cancel()
        self.world.faults.calm()
        self.world.record("calm: no more faults")
        if self.budget_usd and self.history.model_calls:
            calls = self.history.model_calls.total()
            raise Violation("no call escapes the budget", f"{calls} of a price that nobody knows")
        self.budget_usd = 0.0  # an operator has heard the alarm
        self.mapping.stopped_from = None
        self.mapping.wake()
        await asyncio.sleep(self.deadline_seconds + VISIBILITY_SECONDS)
        for _ in range(3):  # an operator sends back what was put aside: safe at any time
            if self.sqs.redrive(self.buried_url, self.queue_url):
                self.world.record("redrive")
            await asyncio.sleep(60)
        for job_id, users in self.history.accepted.items():
            for user in users:
                await poll(self, user, job_id)

    # ------------------------------------------------------------ what is looked at

    def job_changed(self, before: Any, after: Any) -> None:
        """A job's item was written."""
        was, becomes = before["status"]["S"] if before else "new", after["status"]["S"]
        self.world.record(
            f"job {after['job_id']['S'][:6]} run {after['run_id']['S'][:6]}",
            f"{was} -> {becomes}" if was != becomes else "kept",
        )
        writer = self.world.current if self.world.current.may_crash else None
        self.history.wrote(
            before,
            after,
            writer=writer,
            age_ms=self.world.request_age_seconds * 1000,
            now_ms=self.now_ms(),
        )

    def check_durable(self, job_id: str, ingredient: str) -> None:
        """A 202 means that the job is stored and that something will bring a worker to it."""
        job = self.dynamodb.item(f"job#{job_id}")
        if job is None:
            raise Violation("a 202 is durable", f"{job_id} is not stored")
        if job["status"]["S"] != "pending" or "started_at_ms" in job:
            return
        if self.posting[ingredient]:
            return  # what stands there may be that one's, which has not been answered yet
        is_waiting = any(
            job["run_id"]["S"] in message.body
            for url in (self.queue_url, self.buried_url)
            for message in self.sqs.messages(url)
        )
        if not is_waiting and self.now_ms() < int(job["deadline_at_ms"]["N"]):
            raise Violation("a 202 is durable", f"no message for {job_id}")

    def _check_books(self) -> None:
        quotas: Counter[str] = Counter()
        used_calls: Counter[str] = Counter()
        booked_calls = 0
        for item in self.dynamodb.items("jobs"):
            kind, name, *_ = item["pk"]["S"].split("#")
            if kind == "quota":
                quotas[name] += int(item["jobs"]["N"])
            elif kind == "ledger":
                booked_calls += int(item["calls"]["N"])
            elif kind == "job":
                ingredient = json.loads(table.deserialized(item)["request"])["ingredients"][0]
                used_calls[ingredient] += int(item["calls"]["N"])
        self.history.check_end(
            quotas=quotas,
            used_calls=used_calls,
            booked_calls=None if self._has_failed_booking() else booked_calls,
            queued=len(self.sqs.messages(self.queue_url)),
            buried=len(self.sqs.messages(self.buried_url)),
            is_hiccup=self.weather.is_hiccup,
        )

    def _has_failed_booking(self) -> bool:
        return any(
            count and call.endswith(".ledger") and fault is not Fault.OK
            for (call, fault), count in self.world.faults.coverage.items()
        )

    def _check_recovery(self) -> None:
        """After little trouble every job is done, well before its deadline.

        But for those of a worker that died with their message taken and not yet hidden for a lease
        only: the queue's own timeout has to pass, and what is left then may be too short.
        """
        for document in self.history.last_documents:
            if document["jobId"] in self.exposed or not self.history.is_promised(document):
                continue
            if document["status"] not in ("completed", "cancelled"):
                raise Violation(self.weather.trouble.value, f"it ended as {document}")
