"""The blocking client: carries out what rules.py decides."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from typing import Any, Self

import httpx2
from websockets.sync.client import ClientConnection, connect

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


class Client(Caller[Callable[[], str]]):
    """Simmer at `base_url`. Safe to share between threads; close it, or use it in a `with`."""

    @cached_property
    def _http(self) -> httpx2.Client:
        return httpx2.Client()

    def job(
        self, task: str, body: Any, *, fresh: bool = False, idempotency_key: str | None = None
    ) -> "Job":
        """A job that is not sent yet; following it sends it. `fresh` asks for new work even if
        the same request was answered before."""
        following = self._following(task, body=body, fresh=fresh, idempotency_key=idempotency_key)
        return Job(self, following)

    def submit(
        self, task: str, body: Any, *, fresh: bool = False, idempotency_key: str | None = None
    ) -> "Job":
        """Send the request; returns as soon as the server has accepted or answered it."""
        job = self.job(task, body, fresh=fresh, idempotency_key=idempotency_key)
        job.submit()
        return job

    def resume(self, task: str, job_id: str) -> "Job":
        """A job that was submitted before, perhaps by another process. It is polled."""
        return Job(self, self._following(task, job_id=job_id))

    def get(self, task: str, job_id: str) -> Update:
        """Where the job stands now."""
        return self.resume(task, job_id).get()

    def wait(self, task: str, job_id: str) -> Update:
        """`resume`, then `Job.wait`."""
        return self.resume(task, job_id).wait()

    def cancel(self, task: str, job_id: str) -> Update:
        """`resume`, then `Job.cancel`."""
        return self.resume(task, job_id).cancel()

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, call: Call) -> Answer | Lost:
        if self._give_token and self._needs_token(call):
            self._token = self._give_token()
        headers = self._headers(call)
        give_up_at = time.monotonic() + call.timeout_seconds
        body = bytearray()
        try:
            with self._http.stream(
                call.method,
                self._base_url + call.path,
                headers=headers,
                content=call.body,
                timeout=call.timeout_seconds,
            ) as response:
                # The timeout is for each read; a slow drip would never meet it.
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_BODY_BYTES or time.monotonic() > give_up_at:
                        return Lost("the answer is too long")
                return Answer(response.status_code, dict(response.headers), bytes(body))
        except httpx2.RequestError as error:
            return Lost(reason_of(error))


class Job(Known):
    """A job to be followed by one thread; `cancel` may be called from any."""

    def __init__(self, client: Client, following: Following) -> None:
        super().__init__(following)
        self._client = client
        self._ended = threading.Event()
        self._socket: ClientConnection | None = None
        self._connection = ExitStack()

    def submit(self) -> Update:
        """Send the request, unless that is done."""
        return self._run(self._following.submit())

    def get(self) -> Update:
        """Ask for the status once."""
        return self._run(self._following.get())

    def updates(self, deadline_seconds: float | None = None) -> Iterator[Update]:
        """Submit the job, unless that is done, and follow it; the last update is terminal.

        A job that fails or is cancelled raises nothing here. WaitTimeout after
        `deadline_seconds`, by default the client's.
        """
        try:
            yield from self._drive(self._following.follow(deadline_seconds))
        finally:
            self._disconnect()

    def wait(
        self,
        deadline_seconds: float | None = None,
        *,
        on_update: Callable[[Update], object] = lambda _: None,
    ) -> Update:
        """Follow the job to its end. Returns it completed; JobFailed, JobCancelled otherwise."""
        for update in self.updates(deadline_seconds):
            on_update(update)
        return self._following.outcome()

    def cancel(self) -> Update:
        """Ask the server to cancel it. Then it has ended for us: cancelled, or completed if that
        was faster; who follows it is told at once."""
        update = self._run(self._following.cancel())
        self._ended.set()
        if socket := self._socket:
            socket.close()  # wakes whoever waits for a frame
        return update

    def _run(self, steps: Steps[None]) -> Update:
        for _ in self._drive(steps):
            pass
        return self.last

    def _drive(self, steps: Steps[None]) -> Iterator[Update]:
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
                came_of_it = self._client._call(effect)
            else:
                try:
                    came_of_it = self._perform(effect)
                except SOCKET_ERRORS as error:
                    came_of_it = Lost(reason_of(error))

    def _perform(self, effect: Effect) -> str | bytes | Lost | None:
        match effect:
            case Sleep(seconds):
                self._ended.wait(seconds)
            case Connect(url, timeout_seconds):
                self._socket = self._connection.enter_context(
                    connect(
                        url,
                        open_timeout=timeout_seconds,
                        close_timeout=1,
                        ping_interval=None,
                        logger=SOCKET_LOG,
                    )
                )
            case Disconnect():
                self._disconnect()
            case Send(text) if self._socket:
                self._socket.send(text)
            case Receive(timeout_seconds) if self._socket:
                try:
                    return self._socket.recv(timeout_seconds)
                except TimeoutError:
                    return None
            case _:
                return Lost("there is no socket")
        return None

    def _disconnect(self) -> None:
        self._socket = None
        self._connection.close()
