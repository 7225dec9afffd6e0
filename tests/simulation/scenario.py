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
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import app as worker_app
import attempt
import provider
from functions.status import app as status_app
from functions.submit import app as submit_app
from ladder import Ladder
from provider import Answer, Down, Throttled
from simmer import admission, clock, job_queue, job_store
from simmer.job import Usage
from simmer.settings import SubmitSettings, WorkerSettings
from tests.simulation.dynamodb import DynamoDb
from tests.simulation.faults import Fault
from tests.simulation.history import TERMINAL, VALID_RECIPE, History, Violation
from tests.simulation.remote import CallErrors, FaultyClient, remote_async
from tests.simulation.sqs import Sqs, lambda_event
from tests.simulation.world import ProcessKilled, World

logging.disable(logging.CRITICAL)

DEADLINE_SECONDS = 300
FUNCTION_TIMEOUT_SECONDS = 200
VISIBILITY_SECONDS = 200
MAX_RECEIVES = 5
MAX_STEPS = 400_000  # of the scheduler; a sound schedule takes a tenth
MAX_SKEW_SECONDS = 1.0

LADDER = '[{"model": "small"}, {"model": "large"}]'
USERS = ("ann", "ben")
INGREDIENTS = ("egg", "tofu", "leek")


@dataclass(frozen=True, slots=True)
class Finished:
    """What a schedule came to."""

    seed: int
    coverage: Counter[tuple[str, Fault]]
    jobs: int
    takeovers: int
    endings: Counter[str]
    trace_hash: str


def run_schedule(seed: int) -> Finished:
    """Run the schedule of that seed; raises Violation, or whatever else went wrong."""
    with World(seed, max_steps=MAX_STEPS) as world, installed(world):
        schedule = Schedule(world)
        world.run(schedule.main())
        history = schedule.history
        return Finished(
            seed=seed,
            coverage=world.faults.coverage,
            jobs=len(history.runs),
            takeovers=sum(max(0, run.claims - 1) for run in history.runs.values()),
            endings=Counter(
                document.get("errorCode", document["status"]) for document in history.last_documents
            ),
            trace_hash=world.trace_hash(),
        )


@contextmanager
def installed(world: World) -> Iterator[None]:
    """Give the shipped modules this world's time and chance."""
    saved = (clock.now_ms, clock.sleep)
    clock.now_ms = lambda: int(world.now() * 1000)
    clock.sleep = world.pause
    uuids = SimpleNamespace(uuid4=lambda: UUID(int=world.random.getrandbits(128)))
    for module, name, value in (
        (job_store, "random", world.random),
        (provider, "random", world.random),
        (admission, "uuid", uuids),
        (attempt, "uuid", uuids),
    ):
        setattr(module, name, value)
    try:
        yield
    finally:
        clock.now_ms, clock.sleep = saved


class WatchedDynamoDb(DynamoDb):
    """Tells the history of every change of a job's item."""

    def __init__(self, schedule: "Schedule") -> None:
        super().__init__({"jobs": {"pk": "S"}}, now=schedule.world.clock)
        self._schedule = schedule

    def update_item(self, **request: Any) -> Any:
        return self._watched(super().update_item, request, [request])

    def transact_write_items(self, **request: Any) -> Any:
        writes = [write for item in request["TransactItems"] for write in item.values()]
        return self._watched(super().transact_write_items, request, writes)

    def _watched(self, operation: Any, request: Any, writes: list[Any]) -> Any:
        keys = [write.get("Key") or {"pk": write["Item"]["pk"]} for write in writes]
        befores = [self._item(key) for key in keys]
        answer = operation(**request)
        for key, before in zip(keys, befores, strict=True):
            after = self._item(key)
            if key["pk"]["S"].startswith("job#") and after != before:
                schedule = self._schedule
                schedule.history.wrote(before, after, schedule.now_ms(), MAX_SKEW_SECONDS * 1000)
        return answer

    def _item(self, key: Any) -> Any:
        return self.get_item(TableName="jobs", Key=key).get("Item")


class Model:
    """Stands where the provider's SDK stands; `wrongness` is how often it answers rubbish."""

    def __init__(self, schedule: "Schedule", wrongness: float) -> None:
        self._schedule = schedule
        self._world = schedule.world
        self._wrongness = wrongness
        self._errors = CallErrors(
            unreachable=lambda: Down("connection"),
            timed_out=lambda: Down("timeout"),
            throttled=lambda: Throttled(
                "status 429", self._world.random.choice((None, 1.0, 10.0, 60.0, 400.0))
            ),
        )

    async def ask(
        self,
        rung: Any,
        messages: list[Any],
        response_format: Any,
        *,
        max_output_tokens: int,
        timeout_seconds: float,
    ) -> Answer:
        random, history = self._world.random, self._schedule.history
        data = str(messages[1]["content"]).splitlines()[1]
        ingredient = json.loads(data)["ingredients"][0]

        def effect() -> Answer:
            nonlocal is_counted  # one that the network sent twice is not a second one
            history.model_calls[ingredient] += not is_counted
            is_counted = True
            return self._answer(ingredient)

        is_counted = False
        seconds = random.choice((1.0, 5.0, 20.0, 40.0, 60.0, 120.0 if self._wrongness else 30.0))
        try:
            answer = await remote_async(
                self._world,
                "model",
                effect,
                self._errors,
                timeout_seconds,
                min(seconds, timeout_seconds),
            )
            if seconds > timeout_seconds:
                raise Down("timeout")
        except provider.ProviderFailure:
            history.useless_calls[ingredient] += 1
            raise
        return answer

    def _answer(self, ingredient: str) -> Answer:
        random = self._world.random
        good = {**VALID_RECIPE, "ingredients": [ingredient]}
        text, ending = json.dumps({"recipes": [good]}), "stop"
        if random.random() < self._wrongness:
            self._schedule.history.useless_calls[ingredient] += 1
            text, ending = random.choice(
                (
                    ("Sorry, here is some prose.", "stop"),
                    (text[:-9], "stop"),
                    (text[:40], "truncated"),
                    ("", "refused"),
                    ("", "stop"),
                    (json.dumps({"recipes": [{**good, "ingredients": ["snail"]}]}), "stop"),
                    (json.dumps({"recipes": [{**good, "servings": 3}]}), "stop"),
                    (json.dumps({"recipes": [{**good, "thumbnailUrl": "https://x.y"}]}), "stop"),
                )
            )
        usage = Usage(calls=1, input_tokens=100, output_tokens=100)
        return Answer(text, ending, usage)  # type: ignore[arg-type]


class Schedule:
    """The actors of one world, and their history."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.history = History()
        random = world.random
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
        self.store = job_store.JobStore(client, "jobs")
        queue_client: Any = FaultyClient(world, self.sqs, "sqs")
        self.queue = job_queue.JobQueue(queue_client, self.queue_url)
        self.model = Model(self, random.choice((0.0, 0.0, 0.1, 0.5, 1.0)))
        self.duplicates = random.choice((0.0, 0.0, 0.1))
        self.max_workers = random.choice((1, 2, 4))
        self.workers_stop_at = random.choice((None, None, None, None, 0.0, 20.0))
        self.workers_were_stopped = self.workers_stop_at is not None
        settings = SubmitSettings.model_construct(
            cache_scope="user",
            daily_job_quota=random.choice((2, 100)),
            job_deadline_seconds=DEADLINE_SECONDS,
            retention_seconds=3600,
        )
        submit_app._wiring = lambda: (self.store, self.queue, settings)  # type: ignore[assignment]
        status_app._store = lambda: self.store  # type: ignore[assignment]

    def now_ms(self) -> float:
        return self.world.clock() * 1000

    # ------------------------------------------------------------ from beginning to end

    async def main(self) -> None:
        random = self.world.random
        mapping = asyncio.create_task(self._event_source_mapping())
        phones = [
            asyncio.create_task(self._phone(random.choice(USERS), random.uniform(0, 30)))
            for _ in range(random.randint(1, 4))
        ]
        await asyncio.gather(*phones)
        self.world.faults.calm()
        self.workers_stop_at = None
        await asyncio.sleep(DEADLINE_SECONDS + VISIBILITY_SECONDS)
        for _ in range(3):  # an operator sends back what was put aside: safe at any time
            self.sqs.redrive(self.buried_url, self.queue_url)
            await asyncio.sleep(60)
        for job_id, user in self.history.accepted.items():
            await self._poll(user, job_id)
        mapping.cancel()
        self.history.check_end(
            quotas=self._quotas(),
            queued=len(self.sqs.messages(self.queue_url)),
            buried=len(self.sqs.messages(self.buried_url)),
        )
        self._check_recovery()

    def _quotas(self) -> dict[str, int]:
        counted: Counter[str] = Counter()
        for item in self.dynamodb.items("jobs"):
            kind, user, *_ = item["pk"]["S"].split("#")
            if kind == "quota":
                counted[user] += int(item["jobs"]["N"])
        return dict(counted)

    def _check_recovery(self) -> None:
        """One fault never costs a job: it is done again elsewhere, well before the deadline.

        But for one: a worker that dies with a message taken and not yet hidden for a lease only.
        Then the queue's own visibility timeout has to pass, and what is left may be too short.
        """
        met = Counter({at: n for at, n in self.world.faults.coverage.items() if at[1] != Fault.OK})
        is_calm = met.total() <= 1 and not self.history.useless_calls
        is_busy = self.max_workers < 4 or self.workers_were_stopped
        if not is_calm or is_busy or any(call.endswith("visibility") for call, _ in met):
            return
        for document in self.history.last_documents:
            ending = document.get("errorCode", document["status"])
            if ending not in ("completed", "model_unavailable"):
                raise Violation("one fault costs no job", f"it ended as {document}")

    # ------------------------------------------------------------ phones

    async def _phone(self, user: str, starts_after: float) -> None:
        """Submit, perhaps again, then poll as told until the job has ended or patience has."""
        random = self.world.random
        await asyncio.sleep(starts_after)
        ingredient = f"{user} {random.choice(INGREDIENTS)}"
        for _ in range(random.randint(1, 2)):
            job_id = await self._submit(user, ingredient)
            if job_id is None:
                continue
            if random.random() < 0.1:
                await self._poll_as_stranger(user, job_id)
            patience = random.choice((30.0, 400.0, 400.0))
            while patience > 0:
                document = await self._poll(user, job_id)
                if document is not None and document["status"] in TERMINAL:
                    break
                pause = random.choice((1.0, 5.0, 15.0, 30.0))
                patience -= pause
                await asyncio.sleep(pause)

    async def _submit(self, user: str, ingredient: str) -> str | None:
        random = self.world.random
        headers = {"content-type": "application/json"}
        roll = random.random()
        if roll < 0.1:
            headers["cache-control"] = "no-cache"
        elif roll < 0.2:
            headers["idempotency-key"] = f"key {ingredient}".replace(" ", "-")
        body = json.dumps({"ingredients": [ingredient], "count": 1, "locale": "en"})
        for _ in range(3):
            answer = await self._call(
                submit_app.handler, user, {"task": "recipe"}, body=body, headers=headers
            )
            if answer["statusCode"] < 500:
                break
            await asyncio.sleep(random.choice((1.0, 5.0)))
        if answer["statusCode"] not in (200, 202):
            return None
        document = json.loads(answer["body"])
        job_id: str = document["jobId"]
        self.history.was_accepted(job_id, user, ingredient)
        if answer["statusCode"] == 202:
            self._check_durable(job_id)
        return job_id

    def _check_durable(self, job_id: str) -> None:
        """A 202 means that the job is stored and that something will bring a worker to it."""
        item = self.dynamodb.get_item(TableName="jobs", Key={"pk": {"S": f"job#{job_id}"}})
        job = item.get("Item")
        if job is None:
            raise Violation("a 202 is durable", f"{job_id} is not stored")
        if job["status"]["S"] != "pending" or "started_at_ms" in job:
            return
        waiting = [
            message
            for url in (self.queue_url, self.buried_url)
            for message in self.sqs.messages(url)
            if job["run_id"]["S"] in message.body
        ]
        if not waiting and self.now_ms() < int(job["deadline_at_ms"]["N"]):
            raise Violation("a 202 is durable", f"no message for {job_id}")

    async def _poll(self, user: str, job_id: str) -> dict[str, Any] | None:
        path = {"task": "recipe", "jobId": job_id}
        asked_at_ms = self.now_ms()
        answer = await self._call(status_app.handler, user, path)
        if answer["statusCode"] != 200:
            if answer["statusCode"] == 404:
                raise Violation("no job is lost", f"{job_id} is not found")
            return None
        document: dict[str, Any] = json.loads(answer["body"])
        created = datetime.fromisoformat(document["createdAt"])
        deadline_ms = (created.timestamp() + DEADLINE_SECONDS) * 1000
        self.history.saw(
            document,
            user,
            asked_at_ms=asked_at_ms,
            received_at_ms=self.now_ms(),
            deadline_ms=deadline_ms,
        )
        return document

    async def _poll_as_stranger(self, user: str, job_id: str) -> None:
        stranger = next(other for other in USERS if other != user)
        path = {"task": "recipe", "jobId": job_id}
        answer = await self._call(status_app.handler, stranger, path)
        if answer["statusCode"] not in (404, 500, 502, 503):
            raise Violation("nobody else's job", f"{stranger} got {answer['statusCode']}")

    async def _call(
        self,
        handler: Any,
        user: str,
        path: dict[str, str],
        *,
        body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """An HTTP request, answered by a function of its own process; a dead one is a 502."""
        event = {
            "routeKey": "any",
            "headers": headers or {},
            "pathParameters": path,
            "requestContext": {"authorizer": {"jwt": {"claims": {"sub": user}}}},
            "body": body,
        }
        process = self.world.process("api", may_crash=True)
        try:
            return await asyncio.wait_for(self.world.start(process, handler, event, None), 10)
        except ProcessKilled:
            pass
        except TimeoutError:  # Lambda's own
            self.world.kill(process)
        return {"statusCode": 502, "body": "{}"}

    # ------------------------------------------------------------ workers

    async def _event_source_mapping(self) -> None:
        """What Lambda does with the queue: batches, up to so many at once, to warm or new ones."""
        random = self.world.random
        idle: list[WorkerProcess] = []
        busy: set[asyncio.Task[None]] = set()

        async def invoke(worker: WorkerProcess, messages: list[Any]) -> None:
            if await worker.run(messages):
                idle.append(worker)

        while True:
            stopped = self.workers_stop_at is not None and (
                self.world.loop.time() >= self.workers_stop_at
            )
            if len(busy) < self.max_workers and not stopped:
                received = self.sqs.receive_message(
                    QueueUrl=self.queue_url, MaxNumberOfMessages=random.randint(1, 10)
                )
                if messages := received.get("Messages"):
                    if random.random() < self.duplicates:
                        self.sqs.duplicate(self.queue_url, messages[0]["MessageId"])
                    is_warm = idle and random.random() < 0.7
                    worker = idle.pop() if is_warm else WorkerProcess(self)
                    task = asyncio.create_task(invoke(worker, messages))
                    busy.add(task)
                    task.add_done_callback(busy.discard)
                    continue
            next_at = self.sqs.next_visible_at(self.queue_url)
            wait = 8.0 if next_at is None else min(8.0, next_at - self.world.clock())
            await asyncio.sleep(random.choice((0.5, 1.0, max(1.0, wait), max(1.0, wait))))


class WorkerProcess:
    """One execution environment of the worker function, with a clock of its own."""

    def __init__(self, schedule: Schedule) -> None:
        world = schedule.world
        self._schedule = schedule
        self._process = world.process(
            "worker",
            skew_seconds=world.random.uniform(-MAX_SKEW_SECONDS, MAX_SKEW_SECONDS),
            may_crash=True,
        )
        model: Any = schedule.model
        self._worker = attempt.Worker(
            store=schedule.store,
            queue=schedule.queue,
            ladder=Ladder.parse(LADDER),
            provider=model,
            settings=WorkerSettings.model_construct(retention_seconds=3600),
        )

    async def run(self, messages: list[Any]) -> bool:
        """One invocation; what it does not report as failed is deleted. Whether it lives on."""
        schedule, world = self._schedule, self._schedule.world
        ends_at = world.loop.time() + FUNCTION_TIMEOUT_SECONDS
        context = SimpleNamespace(
            get_remaining_time_in_millis=lambda: int((ends_at - world.loop.time()) * 1000)
        )
        started = world.start(
            self._process, worker_app.process, lambda_event(messages), context, self._worker
        )
        try:
            answer = await asyncio.wait_for(started, FUNCTION_TIMEOUT_SECONDS)
        except ProcessKilled:
            return False
        except TimeoutError:
            world.kill(self._process)
            return False
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in failed:
                is_lost = world.faults.draw("esm.delete", crashable=False) is not Fault.OK
                if not is_lost:
                    schedule.sqs.delete_message(
                        QueueUrl=schedule.queue_url, ReceiptHandle=message["ReceiptHandle"]
                    )
        return True
