"""The client for asyncio: carries out what rules.py decides."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import cached_property
from typing import Any, Self, TypeVar

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from simmer_client.rules import (
    Call,
    Connect,
    Disconnect,
    Effect,
    Following,
    Lost,
    Receive,
    Send,
    Sleep,
    Steps,
)
from simmer_client.shell import (
    MAX_BODY_BYTES,
    SOCKET_ERRORS,
    SOCKET_LOG,
    Caller,
    Known,
    reason_of,
)
from simmer_client.update import Update
from simmer_client.wire import Answer

T = TypeVar("T")


async def _within(seconds: float, what: Awaitable[T]) -> T | None:
    """None if it takes longer; it is given up then."""
    try:
        return await asyncio.wait_for(what, seconds)
    except TimeoutError:
        return None


class AsyncClient(Caller[Callable[[], str | Awaitable[str]]]):
    """Simmer at `base_url`, as `Client` has it; a function for the token may be asynchronous."""

    @cached_property
    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient()

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
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _call(self, call: Call) -> Answer | Lost:
        if self._give_token and self._needs_token(call):
            token = self._give_token()
            self._token = token if isinstance(token, str) else await token
        headers = self._headers(call)
        body = bytearray()
        try:
            async with (
                asyncio.timeout(call.timeout_seconds),
                self._http.stream(
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
                        return Lost("the answer is too long")
                return Answer(response.status_code, dict(response.headers), bytes(body))
        except (httpx2.RequestError, TimeoutError) as error:
            return Lost(reason_of(error))


class AsyncJob(Known):
    """A job to be followed by one task of an event loop; `cancel` may be called by any of it."""

    def __init__(self, client: AsyncClient, following: Following) -> None:
        super().__init__(following)
        self._client = client
        self._ended = asyncio.Event()
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

    async def wait(
        self,
        deadline_seconds: float | None = None,
        *,
        on_update: Callable[[Update], object] = lambda _: None,
    ) -> Update:
        """Follow the job to its end. Returns it completed; JobFailed, JobCancelled otherwise."""
        async with aclosing(self.updates(deadline_seconds)) as updates:
            async for update in updates:
                on_update(update)
        return self._following.outcome()

    async def cancel(self) -> Update:
        """Ask the server to cancel it: see `Job.cancel`."""
        update = await self._run(self._following.cancel())
        self._ended.set()
        if socket := self._socket:
            await socket.close()  # wakes whoever waits for a frame
        return update

    async def _run(self, steps: Steps[None]) -> Update:
        async for _ in self._drive(steps):
            pass
        return self.last

    async def _drive(self, steps: Steps[None]) -> AsyncGenerator[Update]:
        came_of_it: Any = None
        while True:
            try:
                effect = steps.send(came_of_it)
            except StopIteration:
                return
            came_of_it = None
            if isinstance(effect, Update):
                yield effect
            elif isinstance(effect, Call):
                came_of_it = await self._client._call(effect)
            else:
                try:
                    came_of_it = await self._perform(effect)
                except SOCKET_ERRORS as error:
                    came_of_it = Lost(reason_of(error))

    async def _perform(self, effect: Effect) -> str | bytes | Lost | None:
        match effect:
            case Sleep(seconds):
                await _within(seconds, self._ended.wait())
            case Connect(url, timeout_seconds):
                self._socket = await connect(
                    url,
                    open_timeout=timeout_seconds,
                    close_timeout=1,
                    ping_interval=None,
                    logger=SOCKET_LOG,
                )
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
