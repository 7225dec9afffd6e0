"""The blocking client: carries out what rules.py decides."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from contextvars import copy_context
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

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
    from websockets.sync.client import ClientConnection


def within(seconds: float, ask: Callable[[], str]) -> str:
    """What `ask` returns; TimeoutError if it takes longer. A thread that hangs is left behind."""
    answered: Future[str] = Future()

    def answer() -> None:
        try:
            answered.set_result(ask())
        except BaseException as error:
            answered.set_exception(error)

    threading.Thread(target=copy_context().run, args=(answer,), daemon=True).start()
    return answered.result(seconds)


class Client(Caller[Callable[[], str]]):
    """Simmer at `base_url`. Safe to share between threads; close it, or use it in a `with`."""

    def __init__(self, *where: Any, **options: Any) -> None:
        super().__init__(*where, **options)
        self._renewing = threading.Lock()

    @cached_property
    def _http(self) -> httpx2.Client:
        return httpx2.Client(**self._http_options())

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
        if "_http" in self.__dict__:  # it may never have come to that
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, call: Call, refused: int | None) -> tuple[Answer | Lost | Unset, int]:
        """What came of it, and which token it was sent with."""
        # Who is refused at the same time waits here for the one new token.
        if not self._renewing.acquire(timeout=call.timeout_seconds):
            return no_token(TimeoutError()), self._renewals
        try:
            if self._give_token and self._needs_token(refused):
                self._take_token(within(call.timeout_seconds, self._give_token))
        except Exception as error:  # of the caller's function, whatever it is
            return no_token(error), self._renewals
        finally:
            self._renewing.release()
        headers, sent_with = self._headers(call), self._renewals
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
                        return Lost("the answer is too long"), sent_with
                return Answer(response.status_code, dict(response.headers), bytes(body)), sent_with
        except Unusable as error:
            return Unset(str(error)), sent_with
        except httpx2.RequestError as error:
            return lost(error), sent_with


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

    def parts(self, deadline_seconds: float | None = None) -> Iterator[Part]:
        """Follow the job, as `updates` does, for the parts of its answer: each once, when it comes.

        Ends with the job, however that ends (`last`). A job without an outline has no parts.
        """
        for _ in self.updates(deadline_seconds):
            yield from self._following.new_parts()

    def wait(
        self,
        deadline_seconds: float | None = None,
        *,
        on_update: Callable[[Update], object] = lambda _: None,
        on_part: Callable[[Part], object] | None = None,
    ) -> Update:
        """Follow the job to its end. Returns it completed; JobFailed, JobCancelled otherwise."""
        for update in self.updates(deadline_seconds):
            on_update(update)
            if on_part is not None:
                for part in self._following.new_parts():
                    on_part(part)
        return self._following.outcome()

    def cancel(self) -> Update:
        """Take this user off it. Then it has ended for us: cancelled, or completed if that was
        faster; who follows this object is told at once. Other followers of the same user, wherever,
        see it cancelled, too. If other users wait for it, it goes on for them: `Update.goes_on`.
        To leave a job alone and only stop following it, stop iterating `updates`."""
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
                came_of_it, sent_with = self._client._call(effect, refused)
            else:
                try:
                    came_of_it = self._perform(effect)
                except Exception as error:  # of push, whatever it is: there is polling
                    came_of_it = lost(error)

    def _perform(self, effect: Effect) -> str | bytes | Lost | None:
        match effect:
            case Sleep(seconds):
                self._ended.wait(seconds)
            case Connect(url, timeout_seconds):
                from simmer_client import sockets  # where it cannot be imported, push is lost

                connection = sockets.connect(url, timeout_seconds, self._client._network)
                self._socket = self._connection.enter_context(connection)
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
