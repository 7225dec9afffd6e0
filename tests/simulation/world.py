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
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from random import Random
from types import TracebackType
from typing import Any, Self

import greenlet

from tests.simulation.faults import Fault, FaultPlan
from tests.simulation.virtual_loop import (
    Deadlock,
    Livelock,
    Process,
    ProcessKilled,
    VirtualLoop,
    current_process,
)

GRID_SECONDS = 1 / 128  # a power of two: sums of such times are exact
EPOCH_SECONDS = 1_700_000_000.0  # when every world begins


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
        """The time on the clock of the running process."""
        return EPOCH_SECONDS + self.loop.time() + self.current.skew_seconds

    def pause(self, seconds: float) -> None:
        """Suspend the plain function that runs, as a blocking call would."""
        self.loop.park(seconds)

    def fault(self, call: str) -> Fault:
        """The fault of the call that the running process makes now."""
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
        return current_process.get(self._root)

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
        """The errors of tasks that nobody awaited, in processes that live."""
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
        context.run(current_process.set, process)
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
