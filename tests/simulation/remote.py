"""Calls that leave a process: each takes time, and meets the fault that the plan drew for it."""

import asyncio
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)

from tests.as_ours import BOTO3_ERRORS, as_ours
from tests.simulation.faults import Fault
from tests.simulation.services.aws_errors import client_error
from tests.simulation.services.dynamodb import transaction_cancelled
from tests.simulation.virtual_loop import Vanished
from tests.simulation.world import GRID_SECONDS, World

_SLOW_SECONDS = (0.5, 1.0, 2.0, 4.0)  # shorter than a time-out: else it is a lost answer
_STALL_SECONDS = (1.0, 10.0, 30.0, 60.0, 120.0)
_LATE_SECONDS = (0.125, 0.5, 2.0, 8.0)
_LOOK_SECONDS = 0.25  # how often a long poll looks


@dataclass(frozen=True, slots=True)
class CallErrors:
    """The errors that a caller sees of a fault, new ones each time."""

    unreachable: Callable[[], Exception]
    timed_out: Callable[[], Exception]
    throttled: Callable[[], Exception]


def remote[T](
    world: World,
    name: str,
    effect: Callable[[], T],
    errors: CallErrors,
    timeout_seconds: float,
    **waiting: Any,
) -> T:
    """Make a blocking call, in a plain function; `name` is its name in plans and traces."""
    steps = _Call(world, name, effect, errors, timeout_seconds, **waiting).steps()
    while True:
        try:
            seconds = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        world.loop.park(seconds)


async def remote_async[T](
    world: World,
    name: str,
    effect: Callable[[], T],
    errors: CallErrors,
    timeout_seconds: float,
    work_seconds: float = 0.0,
) -> T:
    """Make an awaited call, such as to the model, which works so long on its answer.

    Its effect is when the request arrives: who gives up waiting has still caused it.
    """
    steps = _Call(world, name, effect, errors, timeout_seconds, work_seconds).steps()
    while True:
        try:
            seconds = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        if seconds is None:
            await world.loop.create_future()
        else:
            await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class _Call[T]:
    """One call on its way there and back."""

    world: World
    name: str
    effect: Callable[[], T]
    errors: CallErrors
    timeout_seconds: float
    work_seconds: float = 0.0
    is_ready: Callable[[], bool] | None = None  # what a long poll waits for, and for how long
    poll_seconds: float = 0.0

    def steps(self) -> Generator[float | None, None, T]:
        """Yield the seconds to wait at each step (None: for ever), and return the answer."""
        world = self.world
        if world.loop.draining:
            raise Vanished
        fault = world.fault(self.name)
        made_at = world.loop.time()
        # Slow or stalled between the decision to call and the call, or before the answer.
        is_first = world.random.random() < 0.5
        yield from self._sending(fault, is_first, made_at)
        ends_at = world.loop.time() + self.poll_seconds
        while self.is_ready and world.loop.time() < ends_at and not self.is_ready():
            yield _LOOK_SECONDS
        answer, error = self._arrive(fault, made_at)
        if fault is Fault.RETRIED:
            yield self.timeout_seconds + self._travel()
            answer, error = self._arrive(fault, made_at)
        yield from self._answering(fault, is_first)
        if error is not None:
            raise error
        return answer  # type: ignore[return-value]

    def _sending(self, fault: Fault, is_first: bool, made_at: float) -> Generator[float | None]:
        world = self.world
        match fault:
            case Fault.CRASHED_BEFORE:
                world.record(self.name, fault.value)
                world.kill(world.current)
                yield None
            case Fault.STALLED if is_first:
                world.stall(world.current, world.random.choice(_STALL_SECONDS))
            case Fault.SLOW if is_first:
                yield world.random.choice(_SLOW_SECONDS)
        yield self._travel()
        match fault:
            case Fault.UNREACHABLE:
                world.record(self.name, fault.value)
                raise self.errors.unreachable()
            case Fault.THROTTLED:
                world.record(self.name, fault.value)
                raise self.errors.throttled()
            case Fault.LATE:
                late_by = self.timeout_seconds + world.random.choice(_LATE_SECONDS)
                world.later(late_by, self._arrive, fault, made_at)
                yield self.timeout_seconds
                raise self.errors.timed_out()

    def _arrive(self, fault: Fault, made_at: float) -> tuple[T | None, Exception | None]:
        """Do what the call does; an error is an answer too, and travels back like one."""
        answer, error = None, None
        self.world.request_age_seconds = self.world.loop.time() - made_at
        outcome = "done"
        try:
            answer = self.effect()
        except ClientError as refusal:
            error, outcome = refusal, refusal.response["Error"]["Code"]
        self.world.record(self.name, fault.value, outcome)
        return answer, error

    def _answering(self, fault: Fault, is_first: bool) -> Generator[float | None]:
        world = self.world
        match fault:
            case Fault.CRASHED_AFTER:
                yield world.random.random() * self.work_seconds
                world.kill(world.current)
                yield None
            case Fault.STALLED if not is_first:
                world.stall(world.current, world.random.choice(_STALL_SECONDS))
            case Fault.SLOW if not is_first:
                yield world.random.choice(_SLOW_SECONDS)
        if fault is Fault.LOST_ANSWER or self.work_seconds >= self.timeout_seconds:
            yield self.timeout_seconds
            raise self.errors.timed_out()
        yield self.work_seconds + self._travel()

    def _travel(self) -> float:
        return GRID_SECONDS * (1 + int(self.world.random.random() ** 3 * 8))  # mostly short


class FaultyClient:
    """A stand-in's client as a process has it: over a network that fails."""

    def __init__(
        self, world: World, client: Any, service: str, *, timeout_seconds: float = 4.0
    ) -> None:
        """Wrap `client`; its calls are named `service.operation` in plans and traces, with `.end`
        behind the writes of a job's end and `.ledger` behind those of what was spent."""
        self.exceptions = client.exceptions
        self._world = world
        self._client = client
        self._service = service
        self._timeout_seconds = timeout_seconds

    def __getattr__(self, operation: str) -> Any:
        method = getattr(self._client, operation)
        world, call = self._world, f"{self._service}.{operation}"
        url = f"https://{self._service}.test"

        def invoke(**request: Any) -> Any:
            if operation == "transact_write_items" and "ClientRequestToken" not in request:
                # As boto3 does, so that its own second sending of a transaction is harmless.
                request["ClientRequestToken"] = f"{world.random.getrandbits(64):016x}"
            errors = CallErrors(
                unreachable=lambda: world.random.choice(
                    (EndpointConnectionError, ConnectTimeoutError)
                )(endpoint_url=url),
                timed_out=lambda: ReadTimeoutError(endpoint_url=url),
                throttled=lambda: _throttled(world, self._service, operation, request),
            )
            name = call + _kind_of(request)
            waiting = self._long_poll(request) if "WaitTimeSeconds" in request else {}
            try:
                return remote(
                    world, name, lambda: method(**request), errors, self._timeout_seconds, **waiting
                )
            except BOTO3_ERRORS as error:
                raise as_ours(error) from None

        setattr(self, operation, invoke)  # the next call finds it without coming here
        return invoke

    def _long_poll(self, request: dict[str, Any]) -> dict[str, Any]:
        """A receive that waits for a message: the stand-in itself never waits."""

        def is_ready() -> bool:
            next_at = self._client.next_visible_at(request["QueueUrl"])
            return next_at is not None and next_at <= self._world.clock()

        return {"is_ready": is_ready, "poll_seconds": request["WaitTimeSeconds"]}


def _kind_of(request: dict[str, Any]) -> str:
    """What a plan tells apart beyond the operation: writes that few faults would meet by chance."""
    if "completed_at_ms = " in request.get("UpdateExpression", ""):
        return ".end"
    key = request.get("Key", {}).get("pk", {}).get("S", "")
    return ".ledger" if "UpdateExpression" in request and key.startswith("ledger#") else ""


def _throttled(world: World, service: str, operation: str, request: dict[str, Any]) -> Exception:
    name = operation.title().replace("_", "")
    if service == "sqs":
        return client_error(name, "RequestThrottled", "Request is throttled.")
    code = world.random.choice(
        (
            "ProvisionedThroughputExceededException",
            "ThrottlingException",
            "RequestLimitExceeded",
            "InternalServerError",
            "TransactionConflictException",
        )
    )
    if code != "TransactionConflictException":
        return client_error(name, code, "Rate exceeded")
    if operation == "transact_write_items":
        reasons: list[dict[str, Any]] = [{"Code": "None"} for _ in request["TransactItems"]]
        world.random.choice(reasons).update(
            Code="TransactionConflict", Message="Transaction is ongoing for the item"
        )
        return transaction_cancelled(reasons)
    if operation == "get_item":  # a single read never meets a transaction
        return client_error(name, "ThrottlingException", "Rate exceeded")
    return client_error(name, code, "Transaction is ongoing for the item")
