"""Jobs at a rate, through the code that ships, on virtual time: what each call is counted as.

The handlers, the store, the queue, the worker with its heartbeats and its ledger, and push are the
real ones. In AWS's place stand the simulation's services, in the model's one that takes 30 to 60 s.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest

from bench.cost.deployed import Deployed
from bench.cost.event_source import EventSource
from bench.cost.meters import LogMeter, MeteredDynamoDb, MeteredSqs
from bench.workload import TASK_NAME, long_answer, raw_requests
from functions.push import app as push_app
from functions.status import app as status_app
from functions.submit import app as submit_app
from providers.outcomes import Answer
from simmer.books.history import History
from simmer.jobs.job import Usage
from simmer.web.push_tokens import PushTokens
from tests.simulation.faults import FaultPlan
from tests.simulation.remote import FaultyClient
from tests.simulation.scenario import Schedule, schedule_of
from tests.simulation.weather import Trouble, Weather

SHORTEST_SECONDS, LONGEST_SECONDS = 30.0, 60.0
MEAN_SECONDS = 45.0
RESULT_BYTES = 4096
OUTPUT_TOKENS, INPUT_TOKENS = 446, 318  # of a job: make bench-tokens
KNOWN_JOBS = 300  # of the day before, as it were
ENDED = ("completed", "failed", "cancelled")
PUSH_URL = "wss://push.example/push"


@dataclass(slots=True)
class Recording:
    """The counts of so many jobs, over so long."""

    jobs: int
    seconds: float
    counts: Counter[str]
    worker_seconds: float
    waits: list[float] = field(default_factory=list)
    connected_seconds: float = 0.0
    failed: int = 0

    def a_job(self, name: str) -> float:
        return self.counts[name] / self.jobs

    @property
    def jobs_a_batch(self) -> float:
        return self.jobs / self.counts["worker invocations"]

    def wait(self, quantile: float) -> float:
        """Seconds from the submit to the first claim; clocks differ by less than one."""
        waits = sorted(max(0.0, wait) for wait in self.waits)
        return waits[min(int(quantile * len(waits)), len(waits) - 1)]


class SlowModel:
    """Answers each request validly, after 30 to 60 s."""

    def __init__(self, random: Random) -> None:
        self._random = random

    async def ask(self, _: Any, messages: list[Any], *__: Any, **___: Any) -> Answer:
        data = str(messages[1]["content"]).splitlines()[1]
        await asyncio.sleep(self._random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS))
        usage = Usage(calls=1, input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS)
        return Answer(long_answer(data, RESULT_BYTES), "stop", usage)


class Sockets:
    """The clients' WebSockets, as API Gateway has them, and the secret that signs tokens."""

    def __init__(self, tally: Counter[str]) -> None:
        self._tally = tally
        self.frames: dict[str, str] = {}  # the last one, by connection

    def send(self, connection_id: str, frame: str) -> bool:
        self._tally["websocket_messages"] += 1
        self.frames[connection_id] = frame
        return True

    def get_secret_value(self, **_: Any) -> Any:
        self._tally["secret_reads"] += 1
        return {"SecretString": "a key to sign push tokens with"}


def record(
    jobs_a_minute: float, deployed: Deployed, *, jobs: int, follow: str = "polls", seed: int = 1
) -> Recording:
    """So many jobs, which come evenly by chance (Poisson), each of another user, who follows the
    job by `polls` or by `push`."""
    weather = Weather(Trouble.ONE_FAULT, FaultPlan(Random(seed)))
    with schedule_of(seed, weather, max_steps=10**9) as schedule:
        run = _Run(schedule, deployed, jobs, follow)
        with run.metered():
            schedule.world.run(run.main(jobs_a_minute))
        return run.recording


class _Run:
    def __init__(self, schedule: Schedule, deployed: Deployed, jobs: int, follow: str) -> None:
        self._schedule = schedule
        self._deployed = deployed
        self._follow = {
            "polls": self._by_polls,
            "push": self._by_push,
        }[follow]
        self._push_url = PUSH_URL if follow == "push" else ""
        # One of them a job: an answer that is asked for in one call, not in parts.
        self._bodies = [{**body, "count": 1} for body in raw_requests(jobs, seed=1)]
        self._api = schedule.world.process("api")
        self._tally: Counter[str] = Counter()
        self._sockets = Sockets(self._tally)
        self.recording = Recording(jobs, 0.0, self._tally, 0.0)

    @contextmanager
    def metered(self) -> Iterator[None]:
        """With every meter on."""
        schedule, tally = self._schedule, self._tally
        metered: Any = MeteredDynamoDb(schedule.dynamodb, tally, schedule.dynamodb.item)
        client: Any = FaultyClient(schedule.world, metered, "dynamodb")
        schedule.store._table._dynamodb = client
        queue: Any = FaultyClient(schedule.world, MeteredSqs(schedule.sqs, tally), "sqs")
        schedule.queue._sqs = queue
        model: Any = SlowModel(Random(1))
        schedule.model, schedule.reads_ledger, schedule.budget_usd = model, True, 0.0
        schedule.room = self._deployed.worker_jobs
        schedule.without_cache()
        schedule.past_durations = History(schedule.ledger, ["small", "large"])
        sockets: Any = self._sockets
        tokens = PushTokens(sockets, "push key")
        schedule._settings = replace(
            schedule._settings,
            cache_scope="user",
            job_deadline_seconds=300,
            retention_seconds=86_400,
            push_url=self._push_url,
        )
        logger = logging.getLogger("simmer")
        kept, formatter = logger.handlers, logger.handlers[0].formatter
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logger, "handlers", [LogMeter(tally, formatter)])
            patch.setenv("METRICS", self._deployed.metrics)
            patch.setenv("METRICS_NAMESPACE", "Simmer/simmer-prod")
            patch.setattr(submit_app, "_push_tokens", lambda _: tokens)
            patch.setattr(push_app, "_wiring", lambda: (schedule.store, tokens, sockets))
            logging.disable(logging.NOTSET)
            yield
        assert logger.handlers == kept

    async def main(self, jobs_a_minute: float) -> None:
        await self._schedule.world.start(self._api, self._learn)
        self._tally.clear()
        source = EventSource(self._schedule, self._deployed, self._tally)
        polling = asyncio.create_task(source.run())
        clients, random = [], Random(2)
        for number, body in enumerate(self._bodies):
            await asyncio.sleep(random.expovariate(jobs_a_minute / 60))
            clients.append(asyncio.create_task(self._client(f"user-{number:08}", body)))
        self.recording.seconds = self._schedule.world.loop.time()
        await asyncio.gather(*clients)
        await asyncio.sleep(60)  # the last invocations end
        polling.cancel()
        self.recording.worker_seconds = source.billed_seconds

    def _learn(self) -> None:
        """The ledger as it is on any day but the first: it knows how long jobs take."""
        random = Random(3)
        for _ in range(KNOWN_JOBS):
            took_seconds = random.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)
            now_ms = int(self._schedule.now_ms())
            self._schedule.ledger.add(
                TASK_NAME, "small", Usage(calls=1), now_ms=now_ms, took_seconds=took_seconds
            )

    # ── The client ────────────────────────────────────────────────────────────────────────────────

    async def _client(self, user: str, body: Any) -> None:
        asked = {name: value for name, value in body.items() if value is not None}
        accepted = await self._http(submit_app, user, body=json.dumps(asked, ensure_ascii=False))
        started = self._schedule.world.loop.time()
        await self._follow(user, accepted)
        job = self._schedule.dynamodb.item(f"job#{accepted['jobId']}")
        if job["status"]["S"] != "completed":
            self.recording.failed += 1  # it has waited until its deadline
            return
        waited_ms = int(job["started_at_ms"]["N"]) - int(job["created_at_ms"]["N"])
        self.recording.waits.append(waited_ms / 1000)
        self.recording.connected_seconds += self._schedule.world.loop.time() - started

    async def _by_polls(self, user: str, document: dict[str, Any]) -> None:
        pause_ms = 1000
        while document["status"] not in ENDED:
            await asyncio.sleep(pause_ms / 1000)
            document = await self._http(status_app, user, job_id=document["jobId"])
            pause_ms = document.get("pollAfterMs", 0)

    async def _by_push(self, user: str, accepted: dict[str, Any]) -> None:
        """As the clients do: subscribe at once and when a frame says, until the end is told."""
        key = f"job#{accepted['jobId']}"
        self._tally["websocket_messages"] += 1
        await self._on_socket("$connect", user, event_type="CONNECT", url=accepted["push"]["url"])
        say = {"action": "subscribe", "jobId": accepted["jobId"]}
        while True:
            self._tally["websocket_messages"] += 1
            await self._on_socket("subscribe", user, {**say, "token": accepted["push"]["token"]})
            frame = json.loads(self._sockets.frames[user])
            if frame["status"] in ENDED:
                return
            asks_again_at = self._schedule.world.loop.time() + frame["askAfterMs"] / 1000
            while self._schedule.world.loop.time() < asks_again_at:
                await asyncio.sleep(0.25)
                item = self._schedule.dynamodb.item(key)
                if item["status"]["S"] == frame["status"]:
                    continue
                # As the stream's filter brings it: the job's turn, and its end.
                image = {"NewImage": item, "SequenceNumber": accepted["jobId"]}
                await self._call(push_app, {"Records": [{"dynamodb": image}]})
                if item["status"]["S"] in ENDED:
                    return
                frame = json.loads(self._sockets.frames[user])
                asks_again_at = self._schedule.world.loop.time() + frame["askAfterMs"] / 1000

    # ── Calls of functions ────────────────────────────────────────────────────────────────────────

    async def _http(
        self, app: Any, user: str, *, body: str | None = None, job_id: str = ""
    ) -> dict[str, Any]:
        route = "GET /{task}/status/{jobId}" if body is None else "POST /{task}/generate"
        event = {
            "routeKey": route,
            "headers": {"content-type": "application/json"},
            "pathParameters": {"task": TASK_NAME, "jobId": job_id},
            "requestContext": {
                "requestId": "AbCdEfGhIjKlMnO=",
                "authorizer": {"jwt": {"claims": {"sub": user}}},
            },
            "body": body,
        }
        self._tally["http_requests"] += 1
        answer = await self._call(app, event)
        assert answer["statusCode"] in (200, 202), answer
        document: dict[str, Any] = json.loads(answer["body"])
        return document

    async def _on_socket(
        self,
        route: str,
        user: str,
        say: object = None,
        *,
        event_type: str = "MESSAGE",
        url: str = "",
    ) -> None:
        event = {
            "requestContext": {
                "routeKey": route,
                "eventType": event_type,
                "connectionId": user,
                "requestId": "AbCdEfGhIjKlMnO=",
            },
            "queryStringParameters": {"ticket": url.partition("ticket=")[2]},
            "body": json.dumps(say),
        }
        answer = await self._call(push_app, event)
        assert answer["statusCode"] == 200, answer

    async def _call(self, app: Any, event: Any) -> Any:
        self._tally[f"{app.__name__.split('.')[1]} invocations"] += 1
        return await self._schedule.world.start(self._api, app.handler, event, None)
