"""The client for asyncio: carries out what rules.py decides."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar
from weakref import WeakKeyDictionary

import httpx2

from simmer_client.effects import (
    Call,
    Connect,
    Disconnect,
    Effect,
    Lost,
    Receive,
    Send,
    Sleep,
    Steps,
    Unset,
)
from simmer_client.network import Unusable
from simmer_client.parts import Part
from simmer_client.rules import Following
from simmer_client.shell import MAX_BODY_BYTES, Caller, Known, lost, no_token
from simmer_client.update import Update
from simmer_client.wire import Answer

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

T = TypeVar("T")


async def _within(seconds: float, what: Awaitable[T]) -> T | None:
    """None if it takes longer; it is given up then."""
    try:
        return await asyncio.wait_for(what, seconds)
    except TimeoutError:
        return None


@dataclass(frozen=True, eq=False)
class _Loop:
    """What belongs to one event loop: its connections, and its turn to renew the token."""

    http: httpx2.AsyncClient
    renewing: asyncio.Lock = field(default_factory=asyncio.Lock)


class AsyncClient(Caller[Callable[[], str | Awaitable[str]]]):
    """Simmer at `base_url`, as `Client` has it; a function for the token may be asynchronous.

    One client works in any number of event loops, one after the other (`asyncio.run` in a handler
    that is called again and again) or side by side: each has connections of its own.
    """

    def __init__(self, *where: Any, **options: Any) -> None:
        super().__init__(*where, **options)
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()

    def _here(self) -> _Loop:
        running = asyncio.get_running_loop()
        if running not in self._loops:
            self._loops[running] = _Loop(self._new_http())
        return self._loops[running]

    def _new_http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(**self._http_options())

    def job(
        self, task: str, body: Any, *, fresh: bool = False, idempotency_key: str | None = None
    ) -> "AsyncJob":
        """A job that is not sent yet: see `Client.job`."""
        following = self._following(task, body=body, fresh=fresh, idempotency_key=idempotency_key)
        return AsyncJob(self, following)

    async def submit(
        self, task: str, body: Any, *, fresh: bool = False, idempotency_key: str | None = None
    ) -> "AsyncJob":
        """Send the request; returns as soon as the server has accepted or answered it."""
        job = self.job(task, body, fresh=fresh, idempotency_key=idempotency_key)
        await job.submit()
        return job

    def resume(self, task: str, job_id: str) -> "AsyncJob":
        """A job that was submitted before, perhaps by another process. It is polled."""
        return AsyncJob(self, self._following(task, job_id=job_id))

    async def get(self, task: str, job_id: str) -> Update:
        """Where the job stands now."""
        return await self.resume(task, job_id).get()

    async def wait(self, task: str, job_id: str) -> Update:
        """`resume`, then `AsyncJob.wait`."""
        return await self.resume(task, job_id).wait()

    async def cancel(self, task: str, job_id: str) -> Update:
        """`resume`, then `AsyncJob.cancel`."""
        return await self.resume(task, job_id).cancel()

    async def close(self) -> None:
        """Close the connections of the running loop; those of another end with that one."""
        if here := self._loops.pop(asyncio.get_running_loop(), None):
            await here.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _call(self, call: Call, refused: int | None) -> tuple[Answer | Lost | Unset, int]:
        """What came of it, and which token it was sent with."""
        try:
            here = self._here()
        except Unusable as error:
            return Unset(str(error)), self._renewals
        try:
            # Who is refused at the same time waits for the one new token.
            async with asyncio.timeout(call.timeout_seconds), here.renewing:
                if self._give_token and self._needs_token(refused):
                    token = self._give_token()
                    self._take_token(await token if inspect.isawaitable(token) else token)
        except Exception as error:  # of the caller's function, whatever it is
            return no_token(error), self._renewals
        headers, sent_with = self._headers(call), self._renewals
        body = bytearray()
        try:
            async with (
                asyncio.timeout(call.timeout_seconds),
                here.http.stream(
                    call.method,
                    self._base_url + call.path,
                    headers=headers,
                    content=call.body,
                    timeout=call.timeout_seconds,
                ) as response,
            ):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BODY_BYTES:
                        return Lost("the answer is too long"), sent_with
                return Answer(response.status_code, dict(response.headers), bytes(body)), sent_with
        except (httpx2.RequestError, TimeoutError) as error:
            return lost(error), sent_with


class AsyncJob(Known):
    """A job to be followed by one task of an event loop; `cancel` may be called by any of it."""

    def __init__(self, client: AsyncClient, following: Following) -> None:
        super().__init__(following)
        self._client = client
        self._cancelled = False
        self._woken: asyncio.Future[None] | None = None  # of the loop that sleeps just now
        self._socket: ClientConnection | None = None

    async def submit(self) -> Update:
        """Send the request, unless that is done."""
        return await self._run(self._following.submit())

    async def get(self) -> Update:
        """Ask for the status once."""
        return await self._run(self._following.get())

    async def updates(self, deadline_seconds: float | None = None) -> AsyncGenerator[Update]:
        """Submit the job, unless that is done, and follow it: see `Job.updates`."""
        try:
            async with aclosing(self._drive(self._following.follow(deadline_seconds))) as updates:
                async for update in updates:
                    yield update
        finally:
            await self._disconnect()

    async def parts(self, deadline_seconds: float | None = None) -> AsyncGenerator[Part]:
        """The parts of the answer, each once, when it comes: see `Job.parts`."""
        async with aclosing(self.updates(deadline_seconds)) as updates:
            async for _ in updates:
                for part in self._following.new_parts():
                    yield part

    async def wait(
        self,
        deadline_seconds: float | None = None,
        *,
        on_update: Callable[[Update], object] = lambda _: None,
        on_part: Callable[[Part], object] | None = None,
    ) -> Update:
        """Follow the job to its end. Returns it completed; JobFailed, JobCancelled otherwise."""
        async with aclosing(self.updates(deadline_seconds)) as updates:
            async for update in updates:
                on_update(update)
                if on_part is not None:
                    for part in self._following.new_parts():
                        on_part(part)
        return self._following.outcome()

    async def cancel(self) -> Update:
        """Ask the server to cancel it: see `Job.cancel`."""
        update = await self._run(self._following.cancel())
        self._cancelled = True
        if self._woken and not self._woken.done():
            self._woken.set_result(None)
        if socket := self._socket:
            await socket.close()  # wakes whoever waits for a frame
        return update

    async def _run(self, steps: Steps[None]) -> Update:
        async for _ in self._drive(steps):
            pass
        return self.last

    async def _drive(self, steps: Steps[None]) -> AsyncGenerator[Update]:
        came_of_it: Any = None
        sent_with: int | None = None
        while True:
            try:
                effect = steps.send(came_of_it)
            except StopIteration:
                return
            came_of_it = None
            if isinstance(effect, Update):
                yield effect
            elif isinstance(effect, Call):
                refused = sent_with if effect.fresh_token else None
                came_of_it, sent_with = await self._client._call(effect, refused)
            else:
                try:
                    came_of_it = await self._perform(effect)
                except Exception as error:  # of push, whatever it is: there is polling
                    came_of_it = lost(error)

    async def _perform(self, effect: Effect) -> str | bytes | Lost | None:
        match effect:
            case Sleep(seconds):
                if not self._cancelled:
                    self._woken = asyncio.get_running_loop().create_future()
                    await _within(seconds, self._woken)
            case Connect(url, timeout_seconds):
                from simmer_client import sockets  # where it cannot be imported, push is lost

                network = self._client._network
                self._socket = await sockets.connect_async(url, timeout_seconds, network)
            case Disconnect():
                await self._disconnect()
            case Send(text) if self._socket:
                await self._socket.send(text)
            case Receive(timeout_seconds) if self._socket:
                return await _within(timeout_seconds, self._socket.recv())
            case _:
                return Lost("there is no socket")
        return None

    async def _disconnect(self) -> None:
        socket, self._socket = self._socket, None
        if socket:
            await socket.close()
