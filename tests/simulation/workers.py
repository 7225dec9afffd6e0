"""Lambda's work on the queue of a schedule: it polls, invokes workers and deletes messages."""

import asyncio
import json
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import app as worker_app
from books import Books
from prices import UnpricedRung
from simmer.settings import WorkerSettings
from tests.simulation.faults import Fault
from tests.simulation.history import MAX_SKEW_MS, TAKEOVER_MS
from tests.simulation.services.sqs import lambda_event
from tests.simulation.virtual_loop import ProcessKilled
from worker import Worker

if TYPE_CHECKING:
    from tests.simulation.scenario import Schedule

FUNCTION_TIMEOUT_SECONDS = 230


class EventSourceMapping:
    """Batches of what is visible, up to so many at once, to warm or new workers."""

    def __init__(self, schedule: "Schedule", *, max_workers: int, duplicates: float) -> None:
        self.stopped_from: float | None = None  # no worker runs from then on
        self.batch: int | None = None  # at most so many at once, and not any number up to ten
        self._schedule = schedule
        self._world = schedule.world
        self.max_workers = max_workers
        self._duplicates = duplicates
        self._idle: list[WorkerProcess] = []
        self._busy = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._woken: asyncio.Future[None] = self._world.loop.create_future()
        schedule.sqs.on_change = self.wake

    def wake(self) -> None:
        """Look again: something may be visible, or a worker free."""
        if not self._woken.done():
            self._woken.set_result(None)

    async def run(self) -> None:
        """Poll for ever."""
        world, schedule = self._world, self._schedule
        while True:
            self._woken = world.loop.create_future()
            is_stopped = self.stopped_from is not None and world.loop.time() >= self.stopped_from
            next_at = schedule.sqs.next_visible_at(schedule.queue_url)
            if is_stopped or self._busy >= self.max_workers or next_at is None:
                await self._woken
            elif (wait_seconds := next_at - world.clock()) > 0:
                timer = world.loop.call_later(wait_seconds, self.wake)
                await self._woken
                timer.cancel()
            else:
                await asyncio.sleep(world.random.choice((0.0, 0.25, 0.5, 1.0)))
                self._receive()

    def _receive(self) -> None:
        random, schedule = self._world.random, self._schedule
        messages: list[Any] = []
        room = self.batch or random.randint(1, 10)
        while room:  # SQS gives ten at most, and Lambda asks again while its batch has room
            asked = min(room, 10)
            answer = schedule.sqs.receive_message(
                QueueUrl=schedule.queue_url, MaxNumberOfMessages=asked
            )
            received = answer.get("Messages") or []
            messages += received
            room = room - asked if len(received) == asked else 0
        if not messages:
            return
        if random.random() < self._duplicates:
            schedule.sqs.duplicate(schedule.queue_url, messages[0]["MessageId"])
        # One that died between two invocations is not asked again: Lambda starts another.
        self._idle = [worker for worker in self._idle if worker.is_alive]
        is_warm = self._idle and random.random() < 0.7
        worker = self._idle.pop() if is_warm else WorkerProcess(schedule)
        self._busy += 1
        self._tasks.append(asyncio.create_task(self._invoke(worker, messages)))

    async def _invoke(self, worker: "WorkerProcess", messages: list[Any]) -> None:
        if await worker.run(messages):
            self._idle.append(worker)
        self._busy -= 1
        self.wake()


class WorkerProcess:
    """One execution environment of the worker function, with a clock of its own."""

    def __init__(self, schedule: "Schedule") -> None:
        world = schedule.world
        schedule.worker_count += 1
        self._schedule = schedule
        self._process = world.process(
            f"worker-{schedule.worker_count}",
            skew_seconds=world.random.uniform(-MAX_SKEW_MS, MAX_SKEW_MS) / 1000,
            may_crash=True,
        )
        model: Any = schedule.model
        settings = WorkerSettings(
            jobs_table="jobs",
            jobs_queue_url="",
            model_ladder=schedule.ladder,
            model_keys_secret="",
            worker_jobs=schedule.room,
            daily_budget_usd=schedule.budget_usd,
            retention_seconds=3600,
        )
        self._worker: Worker | None = None  # where the deployment is wrong, none starts
        with suppress(UnpricedRung):
            tools = worker_app.tools_of(
                settings,
                leases=schedule.leases,
                queue=schedule.queue,
                provider=model,
                ledger=schedule.ledger,
            )
            if not schedule.reads_ledger:
                tools = replace(tools, books=Books(schedule.ledger, [], schedule.budget_usd))
            self._worker = Worker(tools)

    @property
    def is_alive(self) -> bool:
        return self._process.alive

    async def run(self, messages: list[Any]) -> bool:
        """One invocation; what it does not report as failed is deleted. Whether it lives on."""
        if self._worker is None:
            return False
        schedule, world = self._schedule, self._schedule.world
        schedule.history.rooms[self._process.name] = max(schedule.room, len(messages))
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
            self._was_killed(messages)
            return False
        except TimeoutError:
            if self._process.is_unharmed:
                schedule.history.violated(
                    "a worker ends in time",
                    f"{self._process.name} ran into its function's time-out",
                )
            world.kill(self._process)
            self._was_killed(messages)
            return False
        except Exception as error:
            schedule.history.violated(
                "an invocation has an answer", f"{self._process.name} ended with {error!r}"
            )
            return False
        if any(not task.done() for task in self._process.tasks):
            schedule.history.violated(
                "an invocation ends with its jobs",
                f"{self._process.name} would be frozen in the middle of one",
            )
        failed = {each["itemIdentifier"] for each in answer["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] in failed:
                continue
            if world.fault("lambda.delete") is Fault.OK:
                schedule.sqs.delete_message(
                    QueueUrl=schedule.queue_url, ReceiptHandle=message["ReceiptHandle"]
                )
        return True

    def _was_killed(self, messages: list[Any]) -> None:
        """Note what must be taken over, and what cannot be soon: a message that was taken and not
        hidden anew comes back only when the queue's own visibility timeout ends."""
        schedule = self._schedule
        if not schedule.weather.trouble.is_mild:
            return
        schedule.history.killed(self._process, schedule.now_ms())
        held = {run.job_id for run in schedule.history.runs.values() if run.holder is self._process}
        receipts = {message["ReceiptHandle"] for message in messages}
        soon = schedule.world.clock() + TAKEOVER_MS / 1000
        for message in schedule.sqs.messages(schedule.queue_url):
            if message.receipt in receipts and message.visible_at > soon:
                job_id = json.loads(message.body)["jobId"]
                if job_id not in held:
                    schedule.exposed.add(job_id)
