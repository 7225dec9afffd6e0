"""The rules of following a job, without any input or output.

A `Following` is a job and what is known of it. Its operations (`submit`, `get`, `follow`, `cancel`)
are generators: each yields an effect, and is sent what came of it. client.py and aio.py carry
effects out, one blocking and one on asyncio; they decide nothing.

    effect        what is sent back
    ------        -----------------
    Call          Answer, or Lost when there was none
    Sleep         nothing; it may be cut short once the job has ended
    Connect       nothing, or Lost
    Send          nothing, or Lost
    Receive       the text of a frame, None after the given time, or Lost
    Disconnect    nothing
    an Update     nothing; it is for whoever follows the job

The rules: the socket is asked first, when one is offered. Whatever is wrong with it, the status is
asked at once and from then on. Of the terminal states the first to arrive is the job's, and it is
yielded last and once. Only what is safe to repeat is repeated, and all ends by its deadline.
"""

import json
import math
import random
import threading
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from simmer_client.errors import (
    JobCancelled,
    JobFailed,
    ProtocolError,
    SimmerError,
    Unreachable,
    WaitTimeout,
)
from simmer_client.update import State, Update
from simmer_client.wire import (
    Answer,
    Document,
    Malformed,
    PushOffer,
    read_problem,
    read_status,
    read_submitted,
    retry_after_seconds,
)


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request; `fresh_token`: the last token was refused, get another one."""

    method: str
    path: str
    timeout_seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    fresh_token: bool = False


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Connect:
    url: str
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Send:
    text: str


@dataclass(frozen=True, slots=True)
class Receive:
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Disconnect:
    pass


@dataclass(frozen=True, slots=True)
class Lost:
    """The network did not do it; `reason` is for people."""

    reason: str


Effect: TypeAlias = Call | Sleep | Connect | Send | Receive | Disconnect | Update
T = TypeVar("T")
Steps: TypeAlias = Generator[Effect, Any, T]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds, and how often. The defaults are what the server is made for."""

    request_timeout: float = 10.0
    default_poll: float = 2.0  # where the server does not say
    shortest_poll: float = 0.2
    longest_poll: float = 30.0
    resubscribe: float = 10.0  # moves the bar, and notices a deadline that nobody wrote down
    resubscribe_queued: float = 1.0  # doubles up to that: nobody tells when a job's turn comes
    answer_within: float = 5.0  # a socket that is silent for longer is dead
    first_backoff: float = 0.5  # doubles
    longest_backoff: float = 8.0
    tries: int = 5  # of a single request; a wait tries until its deadline
    malformed_tries: int = 3  # something between us and the server may answer in its place


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a client was told once, for all its jobs."""

    push: bool = True
    secure: bool = False  # the API is https, so push is wss or not used
    can_refresh_token: bool = False
    deadline_seconds: float = 330.0  # the server's own is 300 unless its operator changed it
    timing: Timing = Timing()


class _Ended(Exception):
    """The job ended from another side, so what was under way does not matter any more."""


class _Again(Exception):
    """It may go better the next time; if not, `error` is what is wrong."""

    def __init__(self, error: SimmerError, after_seconds: float | None = None) -> None:
        super().__init__()
        self.error = error
        self.after_seconds = after_seconds


def _unless_ended(steps: Steps[None]) -> Steps[None]:
    with suppress(_Ended):
        yield from steps


def _is_unauthorized(answer: Answer | Lost) -> bool:
    return isinstance(answer, Answer) and answer.status == 401


class Following:
    """One job and the rules for it. `clock` gives seconds, `chance` a number from 0 to 1."""

    def __init__(
        self,
        task: str,
        policy: Policy,
        *,
        clock: Callable[[], float],
        job_id: str | None = None,
        body: Any = None,
        fresh: bool = False,
        idempotency_key: str | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.update = Update(
            task=task, job_id=job_id, state=State.POLLING if job_id else State.IDLE
        )
        self._policy = policy
        self._timing = policy.timing
        self._clock = clock
        self._chance = chance
        self._offer: PushOffer | None = None
        self._ending = threading.Lock()
        self._headers = {"content-type": "application/json"}
        if fresh:
            self._headers["cache-control"] = "no-cache"
            # Without a key, fresh work is another job each time it is asked for, and a submit
            # whose answer got lost could not be repeated.
            idempotency_key = idempotency_key or uuid.uuid4().hex
        if idempotency_key is not None:
            self._headers["idempotency-key"] = idempotency_key
        self._body = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()

    # ── Operations ────────────────────────────────────────────────────────────────────────────────

    def submit(self) -> Steps[None]:
        """Send the request, unless that is done."""
        if self._is_open and self.update.job_id is None:
            yield from _unless_ended(self._submit(self._give_up_at(None)))

    def get(self) -> Steps[None]:
        """Ask for the status once, if there is something to ask for."""
        if self._is_open and self.update.job_id is not None:
            yield from _unless_ended(self._get())

    def follow(self, deadline_seconds: float | None = None) -> Steps[None]:
        """Yield an update for every change there is, the terminal one last."""
        yield from _unless_ended(self._follow(self._give_up_at(deadline_seconds)))
        yield self.update

    def cancel(self) -> Steps[None]:
        """Cancel the job, or leave it to the others who wait for it; unless it has ended."""
        if not self._is_open:
            return
        if self.update.job_id is None:
            self._leave()  # if it is being sent right now, `_submit` sees to it
            return
        yield from _unless_ended(self._cancel(self._give_up_at(None)))

    def outcome(self) -> Update:
        """The completed job; JobFailed or JobCancelled if it ended otherwise."""
        if self.update.state is State.FAILED:
            raise JobFailed(self.update)
        if self.update.state is State.CANCELLED:
            raise JobCancelled(self.update)
        return self.update

    # ── What is known ─────────────────────────────────────────────────────────────────────────────

    @property
    def _is_open(self) -> bool:
        return not self.update.state.is_terminal

    def _take(self, update: Update) -> None:
        """Believe it, unless the job has ended; the bar never goes back."""
        with self._ending:  # a cancel may come from another thread
            if self._is_open:
                progress = max(self.update.progress, update.progress)
                self.update = replace(update, progress=progress)

    def _show(self) -> Steps[None]:
        """Yield what is known; the terminal update is for `follow` alone to yield."""
        update = self.update  # read once: a cancel may come from another thread
        if not update.state.is_terminal:
            yield update

    def _leave(self) -> None:
        self._take(
            replace(
                self.update,
                state=State.CANCELLED,
                stage="done",
                message="",
                estimated_seconds_remaining=0,
            )
        )

    # ── The order of things ───────────────────────────────────────────────────────────────────────

    def _follow(self, give_up_at: float) -> Steps[None]:
        if self._is_open and self.update.job_id is None:
            yield from self._submit(give_up_at)
        yield from self._show()
        if self._offer and self._is_open:
            offer, self._offer = self._offer, None  # what failed once is not tried again
            yield from self._listen(offer, give_up_at)
            yield Disconnect()
        while self._is_open:
            document = yield from self._get_status(give_up_at, math.inf)
            self._take(document.update)
            if self._is_open:
                yield from self._show()
                yield Sleep(min(self._pause(document), self._remaining(give_up_at)))
                self._must_be_open()
                self._remaining(give_up_at)

    def _pause(self, document: Document) -> float:
        seconds = document.poll_after_seconds
        if seconds is None:
            return self._timing.default_poll
        return min(max(seconds, self._timing.shortest_poll), self._timing.longest_poll)

    def _get(self) -> Steps[None]:
        document = yield from self._get_status(self._give_up_at(None), self._timing.tries)
        self._take(document.update)

    # ── Submit and cancel ─────────────────────────────────────────────────────────────────────────

    def _submit(self, give_up_at: float) -> Steps[None]:
        before = self.update
        self._take(replace(before, state=State.SUBMITTING))
        yield from self._show()
        try:
            update, offer = yield from self._request(
                "POST",
                "generate",
                lambda answer: read_submitted(answer.body, before.task),
                give_up_at,
                self._timing.tries,
                headers=self._headers,
                body=self._body,
            )
        except SimmerError:
            self._take(before)
            raise
        self._take(update)
        if self.update.job_id is None and not update.state.is_terminal:
            # It was left while it was being sent; now that it has a name, it can be cancelled.
            self.update = replace(self.update, job_id=update.job_id)
            with suppress(_Ended, SimmerError):  # if that fails, nobody waits for it
                yield from self._cancel(give_up_at, tries=1)
        if self._policy.push and offer and self._is_safe(offer.url):
            self._offer = offer

    def _is_safe(self, url: str) -> bool:
        return url.startswith("wss://") or (url.startswith("ws://") and not self._policy.secure)

    def _cancel(self, give_up_at: float, tries: float | None = None) -> Steps[None]:
        document = yield from self._request(
            "POST", "cancel", self._read_whole, give_up_at, tries or self._timing.tries
        )
        self._take(document.update)
        self._leave()  # still open: others wait for it, we do not

    # ── Push ──────────────────────────────────────────────────────────────────────────────────────

    def _listen(self, offer: PushOffer, give_up_at: float) -> Steps[None]:
        """Follow the job over a socket, until it has ended or the socket is not to be trusted.

        Both look the same here: an open job is polled next. So is one whose result was too large
        for a frame.
        """
        patience = min(self._timing.answer_within, self._remaining(give_up_at))
        if isinstance((yield Connect(offer.url, patience)), Lost):
            return
        job_id = self.update.job_id
        subscribe = json.dumps({"action": "subscribe", "jobId": job_id, "token": offer.token})
        is_trusted = True
        if_queued = self._timing.resubscribe_queued
        while is_trusted:
            self._must_be_open()
            if isinstance((yield Send(subscribe)), Lost):
                return
            is_trusted = yield from self._hear(if_queued, give_up_at)
            if_queued *= 2

    def _hear(self, if_queued: float, give_up_at: float) -> Steps[bool]:
        """Take what comes until it is time to subscribe again. False if it has to be polled."""
        timing, asked_at, patience = self._timing, self._clock(), self._timing.answer_within
        answered = False
        while True:
            seconds = asked_at + patience - self._clock()
            if seconds <= 0:
                return answered
            frame = yield Receive(min(seconds, self._remaining(give_up_at)))
            self._must_be_open()
            if frame is None:
                continue
            if not isinstance(frame, str):
                return False
            try:
                document = read_status(frame, self.update.task, self.update.job_id or "")
            except Malformed:  # a problem document, or nonsense
                return False
            if document.lacks_result:
                return False
            answered = True
            self._take(document.update)
            self._must_be_open()
            patience = timing.resubscribe
            if self.update.stage == "queued":
                patience = min(if_queued, patience)
            yield from self._show()

    # ── One request, as often as it takes ─────────────────────────────────────────────────────────

    def _get_status(self, give_up_at: float, tries: float) -> Steps[Document]:
        return (yield from self._request("GET", "status", self._read_whole, give_up_at, tries))

    def _read_whole(self, answer: Answer) -> Document:
        document = read_status(answer.body, self.update.task, self.update.job_id or "")
        if document.lacks_result:
            raise Malformed("it is completed and has no result")
        if document.poll_after_seconds is None:
            return replace(document, poll_after_seconds=retry_after_seconds(answer.headers))
        return document

    def _request(
        self,
        method: str,
        operation: str,
        read: Callable[[Answer], T],
        give_up_at: float,
        tries: float,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Steps[T]:
        """What `read` makes of the answer.

        Repeated is what may go better: no answer, a 5xx, a 429, nonsense. All operations are safe
        to repeat: the same submit is the same job, by its fingerprint or by its key.
        """
        path = f"/{quote(self.update.task, safe='')}/{operation}"
        if operation != "generate":
            path += f"/{quote(self.update.job_id or '', safe='')}"
        failures = malformed = 0
        has_fresh_token = fresh_token = False
        while True:
            timeout = max(1.0, min(self._timing.request_timeout, give_up_at - self._clock()))
            answer = yield Call(method, path, timeout, headers or {}, body, fresh_token)
            fresh_token = _is_unauthorized(answer) and not has_fresh_token
            if fresh_token and self._policy.can_refresh_token:
                has_fresh_token = True
                continue
            try:
                return self._judge(answer, read, f"{method} /{self.update.task}/{operation}")
            except _Again as again:
                error, pause = again.error, again.after_seconds
            self._must_be_open()
            failures += 1
            malformed += isinstance(error, ProtocolError)
            pause = max(pause or 0.0, self._backoff(failures))  # 0 would be no pause at all
            is_enough = failures >= tries or malformed >= self._timing.malformed_tries
            if is_enough or self._clock() + pause >= give_up_at:
                raise error
            yield Sleep(pause)
            self._must_be_open()

    def _judge(self, answer: Answer | Lost, read: Callable[[Answer], T], request: str) -> T:
        """What `read` makes of it. _Again for what may go better, ApiProblem for what will not."""
        if isinstance(answer, Lost):
            raise _Again(Unreachable(f"No answer from the server: {answer.reason}", self.update))
        if answer.status >= 400:
            problem = read_problem(answer, self.update)
            if answer.status == 429 or answer.status >= 500:
                raise _Again(problem, problem.retry_after_seconds)
            raise problem
        try:
            if not 200 <= answer.status < 300:
                raise Malformed(f"it has the status {answer.status}")
            return read(answer)
        except Malformed as reason:
            message = f"The answer to {request} is not what the server promises: {reason}"
            raise _Again(ProtocolError(message, self.update)) from None

    def _backoff(self, failures: int) -> float:
        """Doubling, the upper half of it by chance: clients that failed together come apart."""
        longest = min(
            self._timing.first_backoff * 2.0 ** min(failures - 1, 30), self._timing.longest_backoff
        )
        return longest * (1 + self._chance()) / 2

    # ── Time ──────────────────────────────────────────────────────────────────────────────────────

    def _give_up_at(self, deadline_seconds: float | None) -> float:
        seconds = self._policy.deadline_seconds if deadline_seconds is None else deadline_seconds
        return self._clock() + seconds

    def _remaining(self, give_up_at: float) -> float:
        """Seconds, more than none; WaitTimeout if there are none."""
        seconds = give_up_at - self._clock()
        if seconds <= 0:
            raise WaitTimeout("The job has not ended within the time for it.", self.update)
        return seconds

    def _must_be_open(self) -> None:
        if not self._is_open:
            raise _Ended
