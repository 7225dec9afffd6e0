"""A virtual clock, a seeded scheduler and processes that can be killed: one world a schedule.

A scenario runs the shipped handlers in it and is written like this:

    with World(seed) as world:
        sqs = Sqs(now=world.clock, random=world.random)
        dynamodb = DynamoDb({"jobs": {"jobId": "S"}}, now=world.clock)

        async def main() -> None:
            worker = world.process("worker-1", skew_seconds=0.5, may_crash=True)
            client = FaultyClient(world, dynamodb, "dynamodb")    # given to the shipped store
            try:
                answer = await world.start(worker, worker_app.handler, event, context)
            except ProcessKilled:
                ...                                # what Lambda would do: nothing, or try again
            await asyncio.sleep(30)                # takes no time at all

        world.run(main())
        assert check(history), world.trace

- Time stands still while anything can run, and jumps to the next timer when nothing can. The
  shipped code must read `world.now()` (the clock of the process that asks, skewed) and
  take its random numbers and ids from `world.random`.
- A plain function runs in a greenlet, also behind `asyncio.to_thread`. A call to AWS suspends it
  (`world.pause`), and everything else runs on. A plain handler that calls `asyncio.run` gets
  `world.run_blocking` in its place.
- Within a process callbacks run in the order that asyncio promises; which process runs next is
  drawn at every step. Latencies lie on a grid, so that ties between timers happen and
  are drawn too.
- `world.kill` is a SIGKILL: nothing of the process runs any more, no `finally` either, and who
  waits for it gets ProcessKilled. Its remains are unwound when the world is closed, and can
  call nothing any more.
- The same seed gives the same `world.trace_hash()`, in any interpreter. Code under test must not
  order things by `id()` or `hash()` of strings.
"""

import asyncio
import hashlib
import inspect
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from random import Random
from types import TracebackType
from typing import Any, Self

import greenlet

from tests.simulation.faults import Fault, FaultPlan

GRID_SECONDS = 1 / 128  # a power of two: sums of such times are exact
EPOCH_SECONDS = 1_700_000_000.0  # when every world begins


class Deadlock(Exception):
    """Nothing can run and no timer is set, but the scenario has not ended."""


class Livelock(Exception):
    """The schedule took more steps than any sound one should."""


class ProcessKilled(Exception):
    """The process was killed before it answered."""


class Vanished(BaseException):
    """Raised in what is left of a closed world when it tries to reach anything."""


class Process:
    """What dies together and shares a clock: a Lambda environment, a phone."""

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


_current: ContextVar[Process] = ContextVar("process")


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
        process = _current.get(self._root) if context is None else context.get(_current, self._root)
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
        process = _current.get(self._root) if context is None else context.get(_current, self._root)
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
        process = _current.get(self._root) if context is None else context.get(_current, self._root)
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
        threads = _current.get(self._root).threads

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


class World:
    """One schedule: its time, its chance, its processes and what happened in it."""

    def __init__(
        self, seed: int, *, faults: FaultPlan | None = None, max_steps: int = 1_000_000
    ) -> None:
        """Begin a world; without `faults` the seed draws how much goes wrong in it."""
        self.seed = seed
        self.random = Random(seed)
        self.faults = faults or FaultPlan.drawn(self.random)
        self.trace: list[tuple[Any, ...]] = []
        self.request_age_seconds = 0.0  # of the one that arrives now, since its caller made it
        self._root = Process("world")
        self._processes = [self._root]
        self.loop = VirtualLoop(self.random, self._root, max_steps)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------ time

    def clock(self) -> float:
        """The true time, which AWS keeps, in seconds since the Unix epoch."""
        return EPOCH_SECONDS + self.loop.time()

    def now(self) -> float:
        """What the clock of the running process shows."""
        return EPOCH_SECONDS + self.loop.time() + self.current.skew_seconds

    def pause(self, seconds: float) -> None:
        """Suspend the plain function that runs, as a blocking call would."""
        self.loop.park(seconds)

    def fault(self, call: str) -> Fault:
        """What the call that the running process makes now meets."""
        process = self.current
        fault = self.faults.draw(
            call, crashable=process.may_crash, process=process.name, at=self.loop.time()
        )
        process.is_unharmed &= fault is Fault.OK
        return fault

    def later(self, seconds: float, function: Callable[..., object], *args: Any) -> None:
        """Call a function at a later time, outside all processes."""
        self.loop.call_later(seconds, function, *args, context=self._context_of(self._root))

    # ------------------------------------------------------------ processes

    @property
    def current(self) -> Process:
        """The process that runs."""
        return _current.get(self._root)

    def process(self, name: str, *, skew_seconds: float = 0.0, may_crash: bool = False) -> Process:
        """Make a process whose clock is so far ahead, and that faults may kill or not."""
        process = Process(name, skew_seconds, may_crash)
        self._processes.append(process)
        return process

    def start(
        self, process: Process, function: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run a plain or coroutine function in a process; its answer crosses to the caller.

        The future raises ProcessKilled when the process dies first. Cancelling it (a caller that
        gives up) leaves the function running.
        """
        outcome = self.loop.create_future()
        if not process.alive:
            outcome.set_exception(ProcessKilled(process.name))
            return outcome
        context = self._context_of(process)
        work: asyncio.Future[Any]
        if inspect.iscoroutinefunction(function):
            work = self.loop.create_task(function(*args), context=context)
        else:
            work = context.run(self.loop.run_in_executor, None, function, *args)
        process.outcomes[outcome] = None

        def cross(work: asyncio.Future[Any]) -> None:
            process.outcomes.pop(outcome, None)
            if outcome.done():
                return  # nobody waits any more: an error of the work surfaces by itself
            if work.cancelled():
                outcome.cancel()
            elif error := work.exception():
                outcome.set_exception(error)
            else:
                outcome.set_result(work.result())

        work.add_done_callback(cross)
        return outcome

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function in the process that runs, and return its answer."""
        return await self.start(self.current, function, *args)

    def run_blocking(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Do what `asyncio.run` does, in a plain function of this world."""
        thread, tasks = greenlet.getcurrent(), self.current.tasks

        async def whole() -> Any:
            try:
                return await main
            finally:
                mine = asyncio.current_task()
                rest = [task for task in tasks[first:] if not task.done() and task is not mine]
                for task in rest:
                    task.cancel()
                await asyncio.gather(*rest, return_exceptions=True)

        first = len(tasks)
        task = self.loop.create_task(whole())
        task.add_done_callback(lambda _: thread.switch())
        self.loop.park(None)
        return task.result()

    def kill(self, process: Process) -> None:
        """Make a process vanish, as SIGKILL would, and fail whoever waits for it."""
        process.alive = False
        self.loop.stop_process(process)
        self.record("killed", process.name)
        for outcome in process.outcomes:
            if not outcome.done():
                outcome.set_exception(ProcessKilled(process.name))
                outcome.exception()  # a caller who does not look is no error
        process.outcomes.clear()

    def stall(self, process: Process, seconds: float) -> None:
        """Stop a process for a while; it notices nothing but the time."""
        if process.alive and not process.stalled:
            process.stalled = True
            self.loop.stop_process(process)
            self.later(seconds, self.loop.resume, process)

    # ------------------------------------------------------------ the run

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run a scenario to its end; errors that nobody saw are raised together."""
        task = self.loop.create_task(main, context=self._context_of(self._root))
        try:
            result = self.loop.run_until_complete(task)
        except (Deadlock, Livelock) as error:
            if errors := self._unseen_errors():  # most likely why nothing went on
                raise BaseExceptionGroup(str(error), [error, *errors]) from None
            raise
        if errors := self._unseen_errors():
            raise BaseExceptionGroup("errors that nobody saw", errors)
        return result

    def _unseen_errors(self) -> list[BaseException]:
        """What ended a task that nobody awaited; the dead are beyond asking."""
        tasks = [task for process in self._processes if process.alive for task in process.tasks]
        return self.loop.errors + [
            error
            for task in tasks
            if task.done() and not task.cancelled() and task._log_traceback
            if (error := task.exception())
        ]

    @staticmethod
    def _context_of(process: Process) -> Context:
        context = copy_context()
        context.run(_current.set, process)
        return context

    def close(self) -> None:
        """Unwind what still runs, with everything out of its reach."""
        if self.loop.is_closed():
            return
        self.loop.drain(self._processes)
        for process in self._processes:
            process.tasks.clear()
            process.ready.clear()
        self.loop.close()

    def record(self, *event: Any) -> None:
        """Add to the trace what the running process does now."""
        if not self.loop.draining:
            self.trace.append((self.loop.time(), self.current.name, *event))

    def trace_hash(self) -> str:
        """Return a short hash of all that happened, steps of the scheduler included."""
        whole = repr((self.loop.steps, self.trace))
        return hashlib.blake2b(whole.encode(), digest_size=8).hexdigest()
