"""A virtual clock and a seeded scheduler, as an event loop over several processes."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from random import Random
from typing import Any

import greenlet


class Deadlock(Exception):
    """Nothing can run and no timer is set, but the scenario has not ended."""


class Livelock(Exception):
    """The schedule took more steps than any sound one should."""


class ProcessKilled(Exception):
    """The process was killed before it answered."""


class Vanished(BaseException):
    """Raised in what is left of a closed world when it tries to reach anything."""


class Process:
    """A Lambda environment or a phone: its parts die together and share a clock."""

    __slots__ = (
        "alive",
        "is_unharmed",
        "may_crash",
        "name",
        "outcomes",
        "ready",
        "skew_seconds",
        "stalled",
        "tasks",
        "threads",
    )

    def __init__(self, name: str, skew_seconds: float = 0.0, may_crash: bool = False) -> None:
        self.name = name
        self.skew_seconds = skew_seconds
        self.may_crash = may_crash
        self.alive = True
        self.stalled = False
        self.is_unharmed = True  # none of its calls has met a fault
        self.ready: deque[asyncio.Handle] = deque()
        # All held on to, the dead too: collecting one as garbage would run its `finally`.
        self.tasks: list[asyncio.Task[Any]] = []
        self.threads: dict[greenlet.greenlet, None] = {}
        self.outcomes: dict[asyncio.Future[Any], None] = {}

    def __repr__(self) -> str:
        return f"<Process {self.name}>"


current_process: ContextVar[Process] = ContextVar("process")


class _Task(asyncio.Task[Any]):
    """A task that hashes by its number: asyncio walks sets of tasks, say to cancel them."""

    def __init__(self, number: int, *args: Any, **kwargs: Any) -> None:
        self._number = number
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class _Future(asyncio.Future[Any]):
    """A future that hashes by its number."""

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without a selector, over virtual time and over all processes."""

    def __init__(self, random: Random, root: Process, max_steps: int) -> None:
        super().__init__()
        self.steps = 0
        self.errors: list[BaseException] = []
        self.draining = False
        self.hub = greenlet.getcurrent()
        self._random = random.random
        self._root = root
        self._max_steps = max_steps
        self._now = 0.0
        self._number = 0
        self._runnable: list[Process] = []
        # (when, tie-break, order, process, handle)
        self._timers: list[tuple[float, float, int, Process, asyncio.TimerHandle]] = []

    # ------------------------------------------------------------ what asyncio asks of a loop

    def time(self) -> float:
        """Virtual seconds since the world began."""
        return self._now

    def call_soon[*Ts](
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback behind the others of its process."""
        process = (
            current_process.get(self._root)
            if context is None
            else context.get(current_process, self._root)
        )
        handle = asyncio.Handle(callback, args, self, context)
        self._queue(process, handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later[*Ts](
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Queue a callback at a later virtual time."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at[*Ts](
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Queue a callback at a virtual time. Equal times come in any order, as in asyncio."""
        process = (
            current_process.get(self._root)
            if context is None
            else context.get(current_process, self._root)
        )
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if self.draining:
            self._queue(process, handle)
        else:
            entry = (when, self._random(), self._next_number(), process, handle)
            heappush(self._timers, entry)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is passed over when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future."""
        return _Future(self._next_number(), self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        """Make a task of the process whose context it gets."""
        process = (
            current_process.get(self._root)
            if context is None
            else context.get(current_process, self._root)
        )
        number = self._next_number()
        task = _Task(
            number, coro, loop=self, name=name or f"{process.name}/{number}", context=context
        )
        process.tasks.append(task)
        return task

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run a function in a greenlet, the thread of this world."""
        if self.draining:
            raise Vanished
        future = self.create_future()
        threads = current_process.get(self._root).threads

        def body() -> None:
            try:
                result = func(*args)
            except BaseException as error:  # as a thread hands over whatever it gets
                if not future.done() and not self.draining:
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)
            finally:
                threads.pop(thread, None)

        thread = greenlet.greenlet(body, self.hub)
        thread.gr_context = copy_context()
        threads[thread] = None
        self.call_soon(thread.switch)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody else will see, for the end of `World.run`."""
        if not self.draining:
            self.errors.append(context.get("exception") or RuntimeError(context["message"]))

    def get_debug(self) -> bool:
        """Asyncio's debug mode would cost more than the simulation itself."""
        return False

    # ------------------------------------------------------------ the scheduler

    def park(self, seconds: float | None) -> None:
        """Suspend the running greenlet, for so long or for ever."""
        if self.draining:
            raise Vanished
        thread = greenlet.getcurrent()
        if thread is self.hub:
            raise RuntimeError("a blocking call on the event loop: it would stop every other job")
        if seconds is not None:
            self.call_later(seconds, thread.switch)
        self.hub.switch()

    def resume(self, process: Process) -> None:
        """Let a process run again that was stalled."""
        process.stalled = False
        if process.ready and process.alive:
            self._runnable.append(process)

    def stop_process(self, process: Process) -> None:
        """Run nothing of a process any more, without throwing away what it had to run."""
        if process in self._runnable:
            self._runnable.remove(process)

    def drain(self, processes: list[Process]) -> None:
        """Unwind everything that has not ended, the dead processes' too."""
        self.draining = True
        for process in processes:
            process.alive, process.stalled = True, False
            for thread in list(process.threads):
                if thread:  # it has begun
                    thread.throw(Vanished)
        tasks = [task for process in processes for task in process.tasks if not task.done()]
        if not tasks:
            return
        self._runnable = [process for process in processes if process.ready]
        self._max_steps = self.steps + 100_000
        for task in tasks:
            task.cancel()
        with suppress(Livelock):
            self.run_forever()
        for task in tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _queue(self, process: Process, handle: asyncio.Handle) -> None:
        if not process.ready and process.alive and not process.stalled:
            self._runnable.append(process)
        process.ready.append(handle)

    def _run_once(self) -> None:
        """Run until stopped; BaseEventLoop calls this in its loop."""
        self.hub = greenlet.getcurrent()
        runnable, timers = self._runnable, self._timers
        while not self._stopping:  # type: ignore[attr-defined]
            if timers and timers[0][0] <= self._now and not self.draining:
                self._queue_due()
            elif not runnable:
                if self.draining:
                    self.stop()
                    return
                self._jump()
                continue
            if not runnable:
                continue
            count = len(runnable)
            index = int(self._random() * count) if count > 1 else 0
            process = runnable[index]
            handle = process.ready.popleft()
            if not process.ready:
                del runnable[index]
            self.steps += 1
            if self.steps > self._max_steps:
                raise Livelock(f"more than {self._max_steps} steps, at {self._now} s")
            if not handle._cancelled:
                handle._run()

    def _jump(self) -> None:
        """Set the clock to the next timer that will do anything."""
        timers = self._timers
        while timers and (timers[0][4].cancelled() or not timers[0][3].alive):
            heappop(timers)
        if not timers or timers[0][0] == float("inf"):
            raise Deadlock(f"nothing can run any more, at {self._now} s")
        self._now = timers[0][0]

    def _queue_due(self) -> None:
        timers = self._timers
        while timers and timers[0][0] <= self._now:
            _, _, _, process, handle = heappop(timers)
            if process.alive and not handle.cancelled():
                self._queue(process, handle)
