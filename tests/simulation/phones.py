"""The clients of a schedule: phones that submit, poll as they please, and lose patience."""

import asyncio
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from functions.cancel import app as cancel_app
from functions.status import app as status_app
from functions.submit import app as submit_app
from tests.simulation.history import COUNTS, TERMINAL, Violation, count_of
from tests.simulation.virtual_loop import ProcessKilled

if TYPE_CHECKING:
    from tests.simulation.scenario import Schedule

USERS = ("ann", "ben")
INGREDIENTS = tuple(COUNTS)
API_TIMEOUT_SECONDS = 10


class Phone:
    """One user's; two may ask for the same."""

    def __init__(self, schedule: "Schedule") -> None:
        self._schedule = schedule
        self._world = schedule.world
        self._history = schedule.history
        self._user = self._world.random.choice(USERS)

    async def use(self) -> None:
        """Submit, perhaps again, then poll as told until the job has ended or patience has."""
        random = self._world.random
        await asyncio.sleep(random.uniform(0, 30))
        whose = "everybody's" if self._schedule.is_shared else self._user
        ingredient = f"{whose} {random.choice(INGREDIENTS)}"
        for _ in range(random.randint(1, 2)):
            taps = [self._submit(ingredient)]
            if random.random() < 0.3:  # a thumb that finds it slow
                taps.append(self._submit(ingredient, after_seconds=random.uniform(0, 3)))
            job_id, *_ = await asyncio.gather(*taps)
            if job_id is None:
                continue
            if random.random() < 0.1 and not self._schedule.is_shared:
                await self._poll_as_stranger(job_id)
            is_fickle = random.random() < 0.3
            patience = random.choice((10.0, 30.0, 400.0, 400.0))
            while patience > 0:
                document = await poll(self._schedule, self._user, job_id)
                if document is not None and document["status"] in TERMINAL:
                    break
                if is_fickle and random.random() < 0.3:
                    if self._schedule.is_shared and random.random() < 0.5:
                        await asyncio.gather(self._cancel(job_id), self._join(ingredient))
                    else:
                        await self._cancel(job_id)
                    break
                pause = random.choice((1.0, 5.0, 30.0, 60.0))
                patience -= pause
                await asyncio.sleep(pause)

    async def _submit(self, ingredient: str, after_seconds: float = 0.0) -> str | None:
        random = self._world.random
        await asyncio.sleep(after_seconds)
        headers = {"content-type": "application/json"}
        roll = random.random()
        if roll < 0.1:
            headers["idempotency-key"] = f"fresh-{self._schedule.now_ms():.0f}"
        elif roll < 0.2:
            headers["idempotency-key"] = f"key {ingredient}".replace(" ", "-")
        body = json.dumps(
            {"ingredients": [ingredient], "count": count_of(ingredient), "locale": "en"}
        )
        for _ in range(3):
            asked_at_ms = self._schedule.now_ms()
            self._schedule.posting[ingredient] += 1
            answer = await _call(
                self._schedule,
                submit_app.handler,
                self._user,
                {"task": "recipe"},
                body=body,
                headers=headers,
            )
            self._schedule.posting[ingredient] -= 1
            document = json.loads(answer["body"])
            job_id: str = document.get("jobId", "")
            self._world.record(
                f"{self._user}'s phone: POST {ingredient}", answer["statusCode"], job_id[:6]
            )
            if answer["statusCode"] < 500:
                break
            await asyncio.sleep(random.choice((1.0, 5.0)))
        if answer["statusCode"] not in (200, 202):
            return None
        self._history.was_accepted(
            job_id,
            self._user,
            ingredient,
            asked_at_ms=asked_at_ms,
            told_at_ms=self._schedule.now_ms(),
        )
        if answer["statusCode"] == 202:
            self._schedule.check_durable(job_id, ingredient)
        return job_id

    async def _join(self, ingredient: str) -> None:
        """In the moment of a cancel, somebody else asks for the same."""
        random = self._world.random
        other = Phone(self._schedule)
        other._user = next(user for user in USERS if user != self._user)
        await asyncio.sleep(random.uniform(0, 0.06))
        job_id = await other._submit(ingredient)
        while job_id is not None:
            document = await poll(self._schedule, other._user, job_id)
            if document is not None and document["status"] in TERMINAL:
                break
            await asyncio.sleep(random.choice((5.0, 30.0)))

    async def _cancel(self, job_id: str) -> None:
        self._history.cancels(job_id, self._user)
        for _ in range(3):
            document = await _ask(self._schedule, cancel_app.handler, self._user, job_id)
            if document is not None:
                self._history.cancel_answered(document)
                return
            await asyncio.sleep(self._world.random.choice((1.0, 5.0)))

    async def _poll_as_stranger(self, job_id: str) -> None:
        stranger = next(other for other in USERS if other != self._user)
        path = {"task": "recipe", "jobId": job_id}
        answer = await _call(self._schedule, status_app.handler, stranger, path)
        if answer["statusCode"] not in (404, 500, 502, 503):
            raise Violation("nobody else's job", f"{stranger} got {answer['statusCode']}")


async def poll(schedule: "Schedule", user: str, job_id: str) -> dict[str, Any] | None:
    """The status document, which goes into the history; None when the API did not answer."""
    return await _ask(schedule, status_app.handler, user, job_id)


async def _ask(schedule: "Schedule", handler: Any, user: str, job_id: str) -> dict[str, Any] | None:
    verb = "GET" if handler is status_app.handler else "cancel"
    asked_at_ms = schedule.now_ms()
    path = {"task": "recipe", "jobId": job_id}
    answer = await _call(schedule, handler, user, path)
    if answer["statusCode"] != 200:
        schedule.world.record(f"{user}'s phone: {verb} {job_id[:6]}", answer["statusCode"])
        if answer["statusCode"] == 404:
            raise Violation("no job is lost", f"{job_id} is not found")
        return None
    document: dict[str, Any] = json.loads(answer["body"])
    schedule.world.record(
        f"{user}'s phone: {verb} {job_id[:6]}",
        document.get("errorCode", document["status"]),
        f"{document['progress']} %",
    )
    created = datetime.fromisoformat(document["createdAt"])
    schedule.history.saw(
        document,
        user,
        asked_at_ms=asked_at_ms,
        received_at_ms=schedule.now_ms(),
        deadline_ms=(created.timestamp() + schedule.deadline_seconds) * 1000,
    )
    return document


async def _call(
    schedule: "Schedule",
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
    process = schedule.world.process("api", may_crash=True)
    answering = schedule.world.start(process, handler, event, None)
    try:
        return await asyncio.wait_for(answering, API_TIMEOUT_SECONDS)
    except ProcessKilled:
        pass
    except TimeoutError:  # Lambda's own
        schedule.world.kill(process)
    return {"statusCode": 502, "body": "{}"}
