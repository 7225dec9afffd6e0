"""clients/vectors, run against both clients of the package, whole but for the network and the time.

HTTP is a transport of the library's own, sockets are stand-ins for its connections; the blocking
client's pauses move a clock, and the asynchronous one runs in an event loop whose time they are.
"""

import asyncio
import itertools
import json
import re
import selectors
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Self

import httpx2
import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from local.toolchain import REPOSITORY
from simmer_client import (
    ApiProblem,
    AsyncClient,
    AsyncJob,
    Client,
    Job,
    JobCancelled,
    JobFailed,
    Part,
    ProtocolError,
    SimmerError,
    Unreachable,
    Update,
    WaitTimeout,
    sockets,
)
from simmer_client.aio import _Loop

FOLDER = REPOSITORY / "clients" / "vectors"
SERVER_START = datetime(2026, 11, 25, 10, tzinfo=UTC)
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FOR_EVER = 1e6

Vector = dict[str, Any]


def load() -> Iterator[Any]:
    for file in sorted(FOLDER.glob("*.json")):
        for vector in json.loads(file.read_text("utf-8"))["vectors"]:
            yield pytest.param(vector, id=f"{file.stem}: {vector['name']}")


@dataclass
class World:
    """What a vector says of the network, and what a client did in it."""

    vector: Vector
    now: Callable[[], float]
    steps: list[tuple[str, float]] = field(default_factory=list)
    requests: list[httpx2.Request] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    moments: list[list[object]] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    phone_offset: float = 0.0
    began_at: float = 0.0

    def __post_init__(self) -> None:
        phone = self.vector.get("phone", {}).get("time")
        if phone:
            self.phone_offset = (datetime.fromisoformat(phone) - SERVER_START).total_seconds()
        self.began_at = self.now()
        self.last_at = self.began_at
        self._answers = iter(self.vector["answers"])
        self._answer: Mapping[str, Any] = {}
        self._shown: list[object] = []
        self.socket = self.vector.get("socket", {"connect": "fails", "subscriptions": []})
        self._subscriptions = iter(self.socket["subscriptions"])

    def step(self, what: str) -> None:
        self.steps.append((what, self.now() - self.last_at))
        self.last_at = self.now()

    def asked(self, request: httpx2.Request) -> Mapping[str, Any]:
        self.requests.append(request)
        self.step(f"{request.method} {request.url.path.split('/')[2]}")
        self._answer = next(self._answers, self._answer)  # the last one stays
        self.phone_offset += self._answer.get("phoneClockJumpsSeconds", 0)
        return self._answer

    def answered(self, answer: Mapping[str, Any]) -> httpx2.Response:
        server_time = SERVER_START + timedelta(seconds=self.now() - self.began_at)
        date = answer.get("date", format_datetime(server_time, usegmt=True))
        headers = {**({"Date": date} if date else {}), **answer.get("headers", {})}
        text = answer["text"] if "text" in answer else json.dumps(answer["body"])
        return httpx2.Response(answer["status"], headers=headers, content=text.encode())

    def subscribed(self, text: str) -> list[Mapping[str, Any]]:
        self.step("subscribe")
        assert json.loads(text) == {"action": "subscribe", "jobId": "7", "token": "push-token"}
        return list(next(self._subscriptions, []))

    def show(self, update: Update) -> None:
        self.updates.append(update)
        shown: list[object] = [update.progress, update.stage, update.message]
        if update.stage and not update.state.is_terminal and shown != self._shown:
            self._shown = shown
            self.moments.append([self.now() - self.began_at, *shown])

    def phone_time(self) -> float:
        return SERVER_START.timestamp() + self.now() - self.began_at + self.phone_offset


def frame_of(entry: Mapping[str, Any]) -> str | bytes:
    if entry.get("close"):
        raise OSError("closed")
    if entry.get("binary"):
        return b"\x00"
    text: str = entry["text"] if "text" in entry else json.dumps(entry["json"])
    return text


class NeverComesBack(Exception):
    """Stands for a blocking function that hangs."""


def options(vector: Vector) -> dict[str, Any]:
    said = vector.get("client", {})
    kind = said.get("token", "fixed")
    given = iter(f"token-{number}" for number in range(99))
    calls = itertools.count()

    def token() -> str:
        match kind, next(calls):
            case ("throws", 0) | ("renewal throws", 1):
                raise OSError("no network")
            case "hangs", 0:
                raise NeverComesBack
        return next(given)

    return {
        "base_url": said.get("api", "https://api.test"),
        "token": "token-0" if kind == "fixed" else token,
        "push": said.get("push", True),
        "deadline_seconds": said.get("deadlineSeconds"),
    }


def is_moment(vector: Vector, update: Update) -> bool:
    wanted: list[object] | None = vector["do"].get("cancelWhen")
    return [update.state.value, update.progress] == wanted


# ── The blocking client ───────────────────────────────────────────────────────────────────────────


class Clock:
    def __init__(self, cancel_after: float) -> None:
        self.seconds = 5000.0
        self._cancel_at = self.seconds + cancel_after
        self.cancel: Callable[[], object] = lambda: None

    def __call__(self) -> float:
        return self.seconds

    def is_cancelled_within(self, seconds: float) -> bool:
        """Whether another thread cancels the job while this one waits; it has, then."""
        if self.seconds + seconds < self._cancel_at:
            return False
        self.seconds, self._cancel_at = self._cancel_at, FOR_EVER
        self.cancel()
        return True

    def within(self, seconds: float, ask: Callable[[], str]) -> str:
        try:
            return ask()
        except NeverComesBack:
            self.seconds += seconds
            raise TimeoutError from None


class Ended:
    """Stands for the job's `threading.Event`; to wait for it takes the clock's time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._is_set = False

    def set(self) -> None:
        self._is_set = True

    def wait(self, seconds: float) -> None:
        if not (self._is_set or self._clock.is_cancelled_within(seconds)):
            self._clock.seconds += seconds


class Socket:
    def __init__(self, world: World, clock: Clock) -> None:
        self._world, self._clock = world, clock
        self._frames: list[tuple[float, Mapping[str, Any]]] = []
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        self._is_closed = True

    def send(self, text: str) -> None:
        entries = self._world.subscribed(text)
        self._frames += [(self._clock() + each.get("afterSeconds", 0), each) for each in entries]

    def recv(self, timeout: float) -> str | bytes:
        waits = min(timeout, self._frames[0][0] - self._clock() if self._frames else timeout)
        if self._clock.is_cancelled_within(waits) and self._is_closed:
            raise OSError("closed")
        if not self._frames or self._frames[0][0] > self._clock() + timeout:
            self._clock.seconds += timeout
            raise TimeoutError
        at, entry = self._frames.pop(0)
        self._clock.seconds = max(self._clock.seconds, at)
        return frame_of(entry)


def run_blocking(vector: Vector, monkeypatch: pytest.MonkeyPatch) -> tuple[World, object]:
    clock = Clock(vector["do"].get("cancelAfter", FOR_EVER))
    world = World(vector, clock)
    monkeypatch.setattr(time, "time", world.phone_time)
    monkeypatch.setattr("simmer_client.client.within", clock.within)

    def handle(request: httpx2.Request) -> httpx2.Response:
        answer = world.asked(request)
        if answer.get("lost"):
            raise httpx2.ConnectError("lost")
        if answer.get("hang"):
            clock.seconds += request.extensions["timeout"]["read"]
            raise httpx2.ReadTimeout("no answer")
        return world.answered(answer)

    def connect(url: str, timeout_seconds: float, network: object) -> Socket:
        world.step("connect")
        if world.socket["connect"] == "hangs":
            clock.seconds += timeout_seconds
        refuse_unless_opens(world)
        return Socket(world, clock)

    monkeypatch.setattr(sockets, "connect", connect)
    client = Client(**options(vector))
    client._clock = clock
    client.__dict__["_http"] = httpx2.Client(transport=httpx2.MockTransport(handle))
    job: Job = begun(client, vector["do"])
    job._ended = Ended(clock)  # type: ignore[assignment]
    clock.cancel = job.cancel

    def show(update: Update) -> None:
        world.show(update)
        if is_moment(vector, update):
            job.cancel()

    try:
        return world, job.wait(on_update=show, on_part=world.parts.append)
    except SimmerError as error:
        return world, error


def refuse_unless_opens(world: World) -> None:
    match world.socket["connect"]:
        case "fails":
            raise OSError("refused")
        case "redirects":
            response = Response(302, "Found", Headers({"Location": "wss://elsewhere.test/"}))
            raise sockets._refused(InvalidStatus(response))
        case "throws":
            raise ImportError("no sockets here")
        case "hangs":
            raise TimeoutError


def begun(client: Any, what: Mapping[str, Any]) -> Any:
    if "resume" in what:
        return client.resume("recipe", what["resume"])
    submit = what["submit"]
    return client.job(
        "recipe",
        submit["body"],
        fresh=submit.get("fresh", False),
        idempotency_key=submit.get("idempotencyKey"),
    )


# ── The asynchronous client ───────────────────────────────────────────────────────────────────────


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        super().__init__(_Impatient(self))
        self.seconds = 5000.0

    def time(self) -> float:
        return self.seconds


class _Impatient(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self._loop.seconds += timeout
        return ready


class AsyncSocket:
    def __init__(self, world: World) -> None:
        self._world = world
        self._frames: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()

    async def send(self, text: str) -> None:
        for entry in self._world.subscribed(text):
            after = entry.get("afterSeconds", 0)
            asyncio.get_running_loop().call_later(after, self._frames.put_nowait, entry)

    async def recv(self) -> str | bytes:
        return frame_of(await self._frames.get())

    async def close(self) -> None:
        self._frames.put_nowait({"close": True})


def run_asynchronous(vector: Vector, monkeypatch: pytest.MonkeyPatch) -> tuple[World, object]:
    loop = VirtualLoop()
    world = World(vector, loop.time)

    async def connect(url: str, timeout_seconds: float, network: object) -> AsyncSocket:
        world.step("connect")
        if world.socket["connect"] == "hangs":
            await asyncio.sleep(timeout_seconds)
        refuse_unless_opens(world)
        return AsyncSocket(world)

    monkeypatch.setattr(time, "time", world.phone_time)
    monkeypatch.setattr(sockets, "connect_async", connect)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        end = runner.run(follow_asynchronously(world, loop))
    return world, end


def asynchronous(token: Any) -> Any:
    async def later() -> str:
        try:
            return str(token())
        except NeverComesBack:
            await asyncio.sleep(FOR_EVER)
            raise

    return later if callable(token) else token


async def follow_asynchronously(world: World, loop: VirtualLoop) -> object:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        answer = world.asked(request)
        if answer.get("lost"):
            raise httpx2.ConnectError("lost")
        if answer.get("hang"):
            await asyncio.sleep(FOR_EVER)
        return world.answered(answer)

    said = options(world.vector)
    client = AsyncClient(**said | {"token": asynchronous(said["token"])})
    client._clock = loop.time
    client._loops[loop] = _Loop(httpx2.AsyncClient(transport=httpx2.MockTransport(handle)))
    what = world.vector["do"]
    job: AsyncJob = begun(client, what)
    cancelling: list[asyncio.Task[Update]] = []
    if (after := what.get("cancelAfter")) is not None:
        loop.call_later(after, lambda: cancelling.append(loop.create_task(job.cancel())))
    try:
        async for update in job.updates():
            world.show(update)
            world.parts += job._following.new_parts()
            if is_moment(world.vector, update):
                await job.cancel()
        return job._following.outcome()
    except SimmerError as error:
        return error


# ── What is expected ──────────────────────────────────────────────────────────────────────────────


def check(world: World, end: object) -> None:
    expect = world.vector["expect"]
    assert [what for what, _ in world.steps] == [what for what, _ in expect["steps"]]
    for at, ((what, after), (_, bounds)) in enumerate(
        zip(world.steps, expect["steps"], strict=True)
    ):
        least, most = bounds if isinstance(bounds, list) else (bounds, bounds)
        assert least - 0.001 <= after <= most + 0.001, f"step {at}, {what}: after {after} s"
    assert seen(world.updates) == expect["updates"]
    assert outlines(world.updates) == expect.get("outlines", [])
    assert [[part.position, part.value] for part in world.parts] == expect.get("parts", [])
    last = world.updates[-1]
    assert all(part.title == last.outline[part.position].title for part in world.parts[-1:])
    assert last.partial_result == expect.get("partialResult")
    assert named(end, expect["end"]) == expect["end"]
    if "estimates" in expect:
        assert estimates(world.updates) == expect["estimates"]
    if "moments" in expect:
        assert [what for _, *what in world.moments] == [what for _, *what in expect["moments"]]
        assert [at for at, *_ in world.moments] == pytest.approx(
            [at for at, *_ in expect["moments"]], abs=0.001
        )
    if "endsAfter" in expect:
        assert world.now() - world.last_at == pytest.approx(expect["endsAfter"])
    check_headers(world.requests, expect)


def seen(updates: list[Update]) -> list[list[object]]:
    pairs: list[list[object]] = []
    for update in updates:
        pair: list[object] = [update.state.value, update.progress]
        if not update.state.is_terminal and pair not in pairs[-1:]:
            pairs.append(pair)
    return pairs


def estimates(updates: list[Update]) -> list[list[object]]:
    found: list[list[object]] = []
    for update in updates:
        pair: list[object] = [update.estimated_seconds_remaining, update.estimate_is_measured]
        if not update.state.is_terminal and pair[0] is not None and pair not in found[-1:]:
            found.append(pair)
    return found


def outlines(updates: list[Update]) -> list[list[list[str]]]:
    """Each outline that was shown, without one that is equal to the one before."""
    found: list[list[list[str]]] = []
    for update in updates:
        outline = [[entry.title, entry.state] for entry in update.outline]
        if outline and outline not in found[-1:]:
            found.append(outline)
    return found


def named(end: object, expected: Mapping[str, Any]) -> dict[str, object]:
    match end:
        case Update():
            return {"completed": end.result}
        case JobFailed():
            return {"failed": end.error_code}
        case JobCancelled():
            return {"cancelled": {"goesOn": end.goes_on}}
        case ApiProblem():
            code = {"code": end.code} if "code" in expected else {}
            return {"refused": end.status, **code}
        case ProtocolError():
            return {"malformed": True}
        case Unreachable():
            return {"unreachable": True}
        case WaitTimeout():
            return {"deadline": True}
    raise AssertionError(end)


def check_headers(requests: list[httpx2.Request], expect: Mapping[str, Any]) -> None:
    for number, headers in enumerate(expect.get("headers", [])):
        for name, value in headers.items():
            there = requests[number].headers.get(name)
            if value == "UUID":
                assert UUID.fullmatch(there or ""), there
            elif value == "same":
                assert there == requests[number - 1].headers[name]
            else:
                assert there == value, name
    if "bearers" in expect:
        bearers = [request.headers["authorization"] for request in requests]
        assert bearers == [f"Bearer {token}" for token in expect["bearers"]]
