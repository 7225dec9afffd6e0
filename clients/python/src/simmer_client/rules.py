"""The rules of following a job, without any input or output.

A `Following` is a job and what is known of it. Its operations (`submit`, `get`, `follow`, `cancel`)
are generators: each yields an effect, and is sent what came of it (effects.py). client.py and
aio.py carry effects out, one blocking and one on asyncio; they decide nothing.

The rules are written down in docs/client-rules.md, and held by clients/vectors. In short: the
socket is asked first, when one is offered. Whatever is wrong with it, the status is asked at once
and from then on. Of the terminal states the first to arrive is the job's, and it is yielded last
and once. Only what is safe to repeat is repeated, and all ends by its deadline, after a last look.
"""

import json
import random
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import quote

from simmer_client.effects import (
    Call,
    Connect,
    Disconnect,
    Lost,
    Receive,
    Send,
    Sleep,
    Steps,
    Unset,
)
from simmer_client.errors import (
    JobCancelled,
    JobFailed,
    ProtocolError,
    SetupError,
    SimmerError,
    Unreachable,
    WaitTimeout,
)
from simmer_client.parts import Part, Parts, complete
from simmer_client.update import State, Update
from simmer_client.wire import (
    Ahead,
    Answer,
    Deadline,
    Document,
    Malformed,
    PushOffer,
    is_refusal,
    read_problem,
    read_status,
    read_submitted,
    retry_after_seconds,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds, and how often. The defaults are what the server is made for."""

    request_timeout: float = 15.0
    default_poll: float = 2.0  # where the server does not say
    shortest_poll: float = 0.25
    longest_poll: float = 30.0
    resubscribe: float = 10.0  # where the server does not say
    shortest_resubscribe: float = 1.0
    longest_resubscribe: float = 60.0
    resubscribe_queued: float = 1.0  # doubles up to that: an older server tells no turn
    answer_within: float = 5.0  # a socket that is silent for longer is dead
    first_backoff: float = 1.0  # doubles
    longest_backoff: float = 10.0
    tries: int = 5  # of a single request; a wait tries until its deadline
    longest_retry_after: float = 30.0  # of a single request: past this it is refused
    default_deadline: float = 330.0  # where the server does not say
    grace: float = 30.0  # after the server's own deadline, for a network that is away just then


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a client was told once, for all its jobs."""

    push: bool = True
    secure: bool = False  # the API is https, so push is wss or not used
    can_refresh_token: bool = False
    deadline_seconds: float | None = None  # None: until the server's own deadline
    address: str = "the server"  # for people
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


@dataclass(frozen=True, slots=True)
class Wait:
    """One operation: when it began, and the caller's own limit, if there is one."""

    began_at: float
    limit_seconds: float | None


def _is_unauthorized(answer: Answer | Lost | Unset) -> bool:
    return isinstance(answer, Answer) and answer.status == 401 and is_refusal(answer)


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
        self._parts = Parts()
        self._handed: set[int] = set()  # the positions of parts that were given to the caller
        self._offer: PushOffer | None = None
        self._known_at: float | None = None  # when the server first said something of it
        self._until: float | None = None  # when to give up, by the server's own deadline
        self._ending = threading.Lock()
        self._headers = {"content-type": "application/json"}
        if fresh:  # a new key is fresh work, and the same one at every try is the same job
            idempotency_key = idempotency_key or str(uuid.uuid4())
        if idempotency_key is not None:
            self._headers["idempotency-key"] = idempotency_key
        try:
            self._body = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        except UnicodeEncodeError:  # half of a pair of UTF-16, or bytes of another encoding
            raise ValueError("the request has a text that is not Unicode") from None

    # ── Operations ────────────────────────────────────────────────────────────────────────────────

    def submit(self) -> Steps[None]:
        """Send the request, unless that is done."""
        if self._is_open and self.update.job_id is None:
            yield from _unless_ended(self._submit(self._begin()))

    def get(self) -> Steps[None]:
        """Ask for the status once, if there is something to ask for."""
        if self._is_open and self.update.job_id is not None:
            yield from _unless_ended(self._get())

    def follow(self, deadline_seconds: float | None = None) -> Steps[None]:
        """Yield an update for every change there is, the terminal one last."""
        yield from _unless_ended(self._follow(self._begin(deadline_seconds)))
        yield self.update

    def cancel(self) -> Steps[None]:
        """Cancel the job, or leave it to the others who wait for it; unless it has ended."""
        if not self._is_open:
            return
        if self.update.job_id is None:
            self._leave()  # if it is being sent right now, `_submit` sees to it
            return
        yield from _unless_ended(self._cancel(self._begin()))

    def outcome(self) -> Update:
        """The completed job; JobFailed or JobCancelled if it ended otherwise."""
        if self.update.state is State.FAILED:
            raise JobFailed(self.update)
        if self.update.state is State.CANCELLED:
            raise JobCancelled(self.update)
        return self.update

    def new_parts(self) -> Iterator[Part]:
        """The parts that are known and were not given before."""
        parts, update = self._parts, self.update
        if update.state is State.CANCELLED:  # nobody wants them
            return
        for part in parts.seen() if update.result is None else parts.all_of(update.result):
            if part.position not in self._handed:
                self._handed.add(part.position)
                yield part

    # ── What is known ─────────────────────────────────────────────────────────────────────────────

    @property
    def _is_open(self) -> bool:
        return not self.update.state.is_terminal

    def _take(self, update: Update, parts: Parts | None = None) -> None:
        """Believe it, unless the job has ended; the bar never goes back, and no part goes away."""
        with self._ending:  # a cancel may come from another thread
            if not self._is_open:
                return
            before, self._parts = self._parts, self._parts.grown_by(parts or Parts())
            if before.run_at is not None and before.run_at != self._parts.run_at:
                self._handed.clear()  # another run
            outline, has_result = self._parts.outline, update.state is State.COMPLETED
            is_partial = not (has_result or update.state is State.CANCELLED)
            self.update = replace(
                update,
                progress=max(self.update.progress, update.progress),
                outline=complete(outline) if has_result else outline,
                partial_result=self._parts.partial_result if is_partial else None,
            )

    def _heed_document(self, document: Document) -> None:
        self._heed(document.deadline)
        self._take(document.update, document.parts)

    def _show(self) -> Steps[None]:
        """Yield what is known; the terminal update is for `follow` alone to yield."""
        update = self.update  # read once: a cancel may come from another thread
        if not update.state.is_terminal:
            yield update

    def _leave(self, *, goes_on: bool = False) -> None:
        self._take(
            replace(
                self.update,
                state=State.CANCELLED,
                stage="done",
                message="",
                estimated_seconds_remaining=0,
                goes_on=goes_on,
            )
        )

    # ── The order of things ───────────────────────────────────────────────────────────────────────

    def _follow(self, wait: Wait) -> Steps[None]:
        if self._is_open and self.update.job_id is None:
            yield from self._submit(wait)
        yield from self._show()
        if self._offer and self._is_open:
            offer, self._offer = self._offer, None  # what failed once is not tried again
            yield from self._listen(offer, wait)
            yield Disconnect()
        while self._is_open:  # a deadline never strikes before a last look
            document = yield from self._get_status(wait, is_wait=True)
            self._heed_document(document)
            if self._is_open:
                yield from self._show()
                yield Sleep(min(self._pause(document), self._remaining(wait)))
                self._must_be_open()

    def _pause(self, document: Document) -> float:
        seconds = document.poll_after_seconds
        if seconds is None:
            return self._timing.default_poll
        return min(max(seconds, self._timing.shortest_poll), self._timing.longest_poll)

    def _get(self) -> Steps[None]:
        self._heed_document((yield from self._get_status(self._begin(), is_wait=False)))

    # ── Submit and cancel ─────────────────────────────────────────────────────────────────────────

    def _submit(self, wait: Wait) -> Steps[None]:
        before = self.update
        self._take(replace(before, state=State.SUBMITTING))
        yield from self._show()
        try:
            update, offer, deadline = yield from self._request(
                "POST",
                "generate",
                lambda answer: read_submitted(answer, before.task),
                wait,
                headers=self._headers,
                body=self._body,
            )
        except SimmerError:
            self._take(before)
            raise
        self._heed(deadline)
        self._take(update)
        if self.update.job_id is None and not update.state.is_terminal:
            # It was left while it was being sent; now that it has a name, it can be cancelled.
            self.update = replace(self.update, job_id=update.job_id)
            with suppress(_Ended, SimmerError):  # if that fails, nobody waits for it
                yield from self._cancel(wait, tries=1)
        if self._policy.push and offer and self._is_safe(offer.url):
            self._offer = offer

    def _is_safe(self, url: str) -> bool:
        return url.startswith("wss://") or (url.startswith("ws://") and not self._policy.secure)

    def _cancel(self, wait: Wait, tries: int | None = None) -> Steps[None]:
        document = yield from self._request("POST", "cancel", self._read_whole, wait, tries=tries)
        self._take(document.update, document.parts)
        self._leave(goes_on=True)  # still open: others wait for it, we do not

    # ── Push ──────────────────────────────────────────────────────────────────────────────────────

    def _listen(self, offer: PushOffer, wait: Wait) -> Steps[None]:
        """Follow the job over a socket, until it has ended or the socket is not to be trusted.

        Both look the same here: an open job is polled next. So is one whose result was too large
        for a frame.
        """
        patience = min(self._timing.answer_within, self._left(wait))
        if patience <= 0:
            return
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
            is_trusted = yield from self._hear(if_queued, wait)
            if_queued *= 2

    def _hear(self, if_queued: float, wait: Wait) -> Steps[bool]:
        """Take what comes until it is time to subscribe again, and show what is ahead meanwhile.
        False if it has to be polled."""
        ask_at, answered = self._clock() + self._timing.answer_within, False
        ahead: list[tuple[float, Ahead]] = []  # when to show it; the next one last
        while True:
            now, left = self._clock(), self._left(wait)
            if left <= 0:
                return False  # the last look is a poll
            if ahead and ahead[-1][0] <= now:
                self._take(replace(self.update, **ahead.pop()[1].fields))
                yield from self._show()
                self._must_be_open()
                continue
            if ask_at <= now:
                return answered
            frame = yield Receive(min(ahead[-1][0] if ahead else ask_at, now + left) - now)
            self._must_be_open()
            if frame is None:
                continue
            if not isinstance(frame, str):
                return False
            try:
                document = read_status(frame, self.update.task, self.update.job_id or "")
            except Malformed:  # a problem document, or nonsense
                return False
            if document.lacks_result or self._lacks_parts_at_end(document):
                return False
            answered = True
            self._heed_document(document)
            self._must_be_open()
            now = self._clock()
            ask_at = now + self._ask_after(document, if_queued)
            moments = [(now + entry.after_seconds, entry) for entry in document.ahead]
            ahead = [moment for moment in reversed(moments) if moment[0] < ask_at]
            yield from self._show()
            if self._parts.lacks_some:
                yield from self._fetch_parts(wait)

    def _ask_after(self, document: Document, if_queued: float) -> float:
        timing, seconds = self._timing, document.ask_after_seconds
        if seconds and timing.shortest_resubscribe <= seconds <= timing.longest_resubscribe:
            return seconds
        is_queued = document.update.stage == "queued"
        return min(if_queued, timing.resubscribe) if is_queued else timing.resubscribe

    def _lacks_parts_at_end(self, document: Document) -> bool:
        has_failed = document.update.state is State.FAILED
        return has_failed and self._parts.grown_by(document.parts).lacks_some

    def _fetch_parts(self, wait: Wait) -> Steps[None]:
        """Parts that were too large for a frame. If that fails, the next frame asks again."""
        with suppress(SimmerError):
            request = self._request("GET", "status", self._read_whole, wait, tries=1)
            self._heed_document((yield from request))
        self._must_be_open()
        yield from self._show()

    # ── One request, as often as it takes ─────────────────────────────────────────────────────────

    def _get_status(self, wait: Wait, *, is_wait: bool) -> Steps[Document]:
        return (yield from self._request("GET", "status", self._read_whole, wait, is_wait=is_wait))

    def _read_whole(self, answer: Answer) -> Document:
        job_id = self.update.job_id or ""
        document = read_status(answer.body, self.update.task, job_id, answer.headers)
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
        wait: Wait,
        *,
        tries: int | None = None,
        is_wait: bool = False,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Steps[T]:
        """What `read` makes of the answer.

        Repeated is what may go better: no answer, 408, 425, 429, a 5xx, and whatever is not the
        API's own. All operations are safe to repeat: the same submit is the same job, by its
        fingerprint or by its key. A wait (`is_wait`) repeats until its deadline, others `tries`
        times.
        """
        path = f"/{quote(self.update.task, safe='')}/{operation}"
        if operation != "generate":
            path += f"/{quote(self.update.job_id or '', safe='')}"
        failures = 0
        has_fresh_token = fresh_token = False
        while True:
            timeout = self._timing.request_timeout
            if wait.limit_seconds is not None:
                timeout = min(timeout, max(1.0, wait.limit_seconds))
            answer = yield Call(method, path, timeout, headers or {}, body, fresh_token)
            fresh_token = _is_unauthorized(answer) and not has_fresh_token
            if fresh_token and self._policy.can_refresh_token:
                has_fresh_token = True
                continue
            if isinstance(answer, Lost):
                has_fresh_token = False  # a new one may not have come
            try:
                return self._judge(answer, read, f"{method} /{self.update.task}/{operation}")
            except _Again as again:
                error, asked_for = again.error, again.after_seconds or 0.0
            self._must_be_open()
            failures += 1
            pause = max(asked_for, self._backoff(failures))  # 0 would be no pause at all
            left = self._left(wait) if is_wait else self._limit_of(wait) - self._clock()
            if is_wait:
                is_enough = left <= 0
            else:
                is_enough = failures >= (tries or self._timing.tries) or pause >= left
                is_enough |= asked_for > self._timing.longest_retry_after
            if is_enough:
                raise error
            yield Sleep(min(pause, left))
            self._must_be_open()

    def _judge(self, answer: Answer | Lost | Unset, read: Callable[[Answer], T], request: str) -> T:
        """What `read` makes of it. _Again for what may go better, ApiProblem for what will not."""
        if isinstance(answer, Unset):
            raise SetupError(answer.reason, self.update)
        if isinstance(answer, Lost):
            message = f"No answer from {self._policy.address}: {answer.reason}"
            unreachable = Unreachable(message, self.update)
            unreachable.__cause__ = answer.cause
            raise _Again(unreachable)
        if answer.status >= 400:
            problem, is_own = read_problem(answer, self.update), is_refusal(answer)
            if answer.status in (408, 425, 429) or answer.status >= 500 or not is_own:
                raise _Again(problem, problem.retry_after_seconds if is_own else None)
            raise problem
        try:
            if answer.status not in (200, 202):
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

    def _begin(self, deadline_seconds: float | None = None) -> Wait:
        limit = self._policy.deadline_seconds if deadline_seconds is None else deadline_seconds
        if limit is not None and not limit >= 0:  # NaN, too: it would wait for ever
            raise ValueError("deadline_seconds is a number of seconds, from 0")
        return Wait(self._clock(), limit)

    def _give_up_at(self, wait: Wait) -> float:
        if wait.limit_seconds is None and self._until is not None:
            return self._until
        return self._limit_of(wait)

    def _limit_of(self, wait: Wait) -> float:
        """Without the job's own deadline, which is nothing to a single request."""
        seconds = wait.limit_seconds
        return wait.began_at + (self._timing.default_deadline if seconds is None else seconds)

    def _heed(self, deadline: Deadline) -> None:
        """The server's deadline, by the answer's own clock and ours, which counts and never jumps.

        A wrong `Date` may bring a moment too early, so the latest one holds; and none later than
        a job that was as good as new when it became known.
        """
        now = self._clock()
        self._known_at = now if self._known_at is None else self._known_at
        moments = []
        if deadline.by_date is not None:
            moments.append(now + deadline.by_date)
        if deadline.by_creation is not None:
            moments.append(self._known_at + deadline.by_creation)
        if moments:
            self._until = max(self._until or 0.0, min(moments) + self._timing.grace)

    def _left(self, wait: Wait) -> float:
        return self._give_up_at(wait) - self._clock()

    def _remaining(self, wait: Wait) -> float:
        """Seconds, more than none; WaitTimeout if there are none."""
        seconds = self._left(wait)
        if seconds <= 0:
            raise WaitTimeout("The job has not ended within the time for it.", self.update)
        return seconds

    def _must_be_open(self) -> None:
        if not self._is_open:
            raise _Ended
