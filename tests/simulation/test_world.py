"""The simulation's own engine: time, order, death and faults, on stand-ins it can see through."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from random import Random
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.simulation.faults import Fault, FaultPlan
from tests.simulation.remote import CallErrors, FaultyClient, remote_async
from tests.simulation.services.dynamodb import DynamoDb
from tests.simulation.services.sqs import Sqs
from tests.simulation.world import EPOCH_SECONDS, Deadlock, Livelock, ProcessKilled, World

pytestmark = pytest.mark.filterwarnings("error")

REPOSITORY = Path(__file__).parents[2]
KEY = {"pk": {"S": "a"}}


def quiet_world(seed: int = 0) -> World:
    return World(seed, faults=FaultPlan(Random(seed)))


def run[T](main: Callable[[World], Awaitable[T]], seed: int = 0) -> T:
    """Run a coroutine function in a world where only scripted faults happen."""
    with quiet_world(seed) as world:

        async def whole() -> T:
            return await main(world)

        return world.run(whole())  # type: ignore[no-any-return]


def counting(world: World) -> tuple[DynamoDb, FaultyClient, Callable[[], dict[str, Any]]]:
    """A table, a client that reaches it over the network, and a plain handler that counts."""
    dynamodb = DynamoDb({"jobs": {"pk": "S"}}, now=world.clock)
    client = FaultyClient(world, dynamodb, "dynamodb", timeout_seconds=4.0)

    def count() -> dict[str, Any]:
        answer = client.update_item(
            TableName="jobs",
            Key=KEY,
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="ALL_NEW",
        )
        attributes: dict[str, Any] = answer["Attributes"]
        return attributes

    return dynamodb, client, count


# ---------------------------------------------------------------- time


def test_a_day_of_sleep_takes_no_time_and_timers_fire_in_their_order() -> None:
    async def main(world: World) -> list[str]:
        woken: list[str] = []

        async def sleeper(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            woken.append(f"{name} at {world.clock() - EPOCH_SECONDS}")

        await asyncio.gather(sleeper("b", 86_400), sleeper("a", 60), sleeper("c", 86_401))
        return woken

    assert run(main) == ["a at 60.0", "b at 86400.0", "c at 86401.0"]


def test_each_process_has_its_own_clock() -> None:
    async def main(world: World) -> list[float]:
        async def read() -> float:
            return await asyncio.to_thread(world.now)

        ahead = world.process("ahead", skew_seconds=1.5)
        return [
            await world.start(ahead, world.now),
            await world.start(ahead, read),
            world.now(),
        ]

    assert run(main) == [EPOCH_SECONDS + 1.5, EPOCH_SECONDS + 1.5, EPOCH_SECONDS]


def test_wait_for_and_timeout_cut_off_at_their_time() -> None:
    async def main(world: World) -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(10), 3)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(4):
                await asyncio.to_thread(world.pause, 100)
        return world.loop.time()

    assert run(main) == 7


def test_a_scenario_that_waits_for_nothing_is_a_deadlock() -> None:
    async def main(world: World) -> None:
        await world.loop.create_future()

    with pytest.raises(Deadlock):
        run(main)


def test_a_scenario_that_never_ends_is_a_livelock() -> None:
    async def main() -> None:
        while True:
            await asyncio.sleep(1)

    with World(0, max_steps=1000) as world, pytest.raises(Livelock):
        world.run(main())


# ---------------------------------------------------------------- threads, tasks, contexts


def test_plain_functions_overlap_and_context_follows_them() -> None:
    user: ContextVar[str] = ContextVar("user")

    async def main(world: World) -> tuple[list[str], float]:
        def handler(name: str) -> str:
            user.set(name)
            world.pause(5)
            return user.get()

        async def as_user(name: str) -> str:
            user.set(name)
            return await asyncio.to_thread(later)

        def later() -> str:
            world.pause(2)
            return user.get()

        calls = [world.call(handler, name) for name in "ab"] + [as_user(name) for name in "cd"]
        answers: list[str] = await asyncio.gather(*calls)
        return answers, world.loop.time()

    assert run(main) == (["a", "b", "c", "d"], 5)


def test_a_blocking_call_on_the_event_loop_is_an_error() -> None:
    async def main(world: World) -> None:
        with pytest.raises(RuntimeError, match="blocking call"):
            world.pause(1)

    run(main)


def test_a_task_group_cancels_its_tasks_and_shield_keeps_its_own() -> None:
    async def main(world: World) -> list[str]:
        ended: list[str] = []

        async def task(name: str, seconds: float) -> None:
            try:
                await asyncio.sleep(seconds)
                ended.append(f"{name} done")
            except asyncio.CancelledError:
                ended.append(f"{name} cancelled")
                raise

        async def fail() -> None:
            await asyncio.sleep(1)
            raise ValueError("no")

        kept = asyncio.create_task(task("kept", 5))

        async def group_of_tasks() -> None:
            async with asyncio.TaskGroup() as group:
                for name in "abc":
                    group.create_task(task(name, 9))
                group.create_task(asyncio.wait_for(asyncio.shield(kept), 8))
                group.create_task(fail())

        with pytest.raises(ExceptionGroup):
            await group_of_tasks()
        await kept
        return ended

    first = run(main)
    assert sorted(first) == ["a cancelled", "b cancelled", "c cancelled", "kept done"]
    assert run(main) == first


def test_cancelling_the_wait_leaves_the_thread_running() -> None:
    async def main(world: World) -> list[str]:
        done: list[str] = []

        def handler() -> None:
            world.pause(10)
            done.append("effect")

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(handler), 1)
        await asyncio.sleep(20)
        return done

    assert run(main) == ["effect"]


def test_run_blocking_is_asyncio_run_for_a_plain_handler() -> None:
    async def main(world: World) -> tuple[str, list[str]]:
        seen: list[str] = []

        async def heartbeat() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                seen.append("cancelled at the end")

        async def work() -> str:
            task = asyncio.create_task(heartbeat())
            await asyncio.to_thread(world.pause, 2)
            return f"done, heartbeat {'ended' if task.done() else 'running'}"

        def handler() -> str:
            answer: str = world.run_blocking(work())
            return answer

        answer = await world.start(world.process("worker"), handler)
        return answer, list(seen)

    assert run(main) == ("done, heartbeat running", ["cancelled at the end"])


def test_callbacks_of_one_process_keep_their_order_and_processes_mix() -> None:
    async def main(world: World) -> str:
        order: list[str] = []

        async def steps(name: str) -> None:
            for number in range(4):
                order.append(f"{name}{number}")
                await asyncio.sleep(0)

        await asyncio.gather(*(world.start(world.process(name), steps, name) for name in "ab"))
        return "".join(order)

    orders = {run(main, seed) for seed in range(30)}
    assert len(orders) > 10
    for order in orders:
        names, numbers = order[::2], order[1::2]
        for name in "ab":
            assert [n for n, whose in zip(numbers, names, strict=True) if whose == name] == [
                *"0123"
            ]


def test_an_error_in_a_task_that_nobody_awaits_surfaces() -> None:
    async def main(world: World) -> None:
        async def fail() -> None:
            raise ValueError("lost in a task")

        task = asyncio.create_task(fail())
        await asyncio.sleep(1)
        assert task.done()

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert caught.group_contains(ValueError, match="lost in a task")


def test_an_error_that_blocks_the_scenario_is_shown_with_the_deadlock() -> None:
    async def main(world: World) -> None:
        answer = world.loop.create_future()

        async def answerer() -> None:
            raise ValueError("before answering")

        task = asyncio.create_task(answerer())
        await answer
        await task

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert caught.group_contains(ValueError)
    assert caught.group_contains(Deadlock)


# ---------------------------------------------------------------- death


def test_a_killed_process_runs_nothing_more_and_its_caller_is_told() -> None:
    effects: list[str] = []

    async def main(world: World) -> float:
        worker = world.process("worker")
        dynamodb, _, count = counting(world)

        async def work() -> None:
            try:
                await asyncio.sleep(100)
                effects.append("body")
            except BaseException:
                effects.append("except")
                raise
            finally:
                effects.append("finally")
                await asyncio.to_thread(effects.append, "a thread of the dead")

        def handler() -> None:
            try:
                world.pause(100)
            finally:
                effects.append("finally of a thread")
                count()

        pending = [world.start(worker, work), world.start(worker, handler)]
        await asyncio.sleep(1)
        world.kill(worker)
        for answer in pending:
            with pytest.raises(ProcessKilled):
                await answer
        with pytest.raises(ProcessKilled):
            await world.start(worker, handler)
        await asyncio.sleep(1000)
        assert effects == []
        assert dynamodb.items("jobs") == []
        return world.loop.time()

    with quiet_world() as world:
        assert world.run(main(world)) == 1001
        trace, coverage = list(world.trace), dict(world.faults.coverage)
    # Closing the world unwound the remains, out of reach of everything.
    assert sorted(effects) == ["except", "finally", "finally of a thread"]
    assert (world.trace, world.faults.coverage) == (trace, coverage)


def test_a_process_killed_before_its_turn_does_nothing() -> None:
    async def main(world: World) -> list[str]:
        done: list[str] = []

        async def work() -> None:
            done.append("work")

        pending = []
        for name in "abc":
            process = world.process(name)
            pending += [world.start(process, work), world.start(process, done.append, "thread")]
            world.kill(process)
        await asyncio.sleep(10)
        assert all(isinstance(each.exception(), ProcessKilled) for each in pending)
        return list(done)

    assert run(main) == []


def test_a_kill_in_mid_call_leaves_the_effect_and_no_answer() -> None:
    async def main(world: World) -> list[Any]:
        dynamodb, _, count = counting(world)
        seen = []
        for fault in (Fault.CRASHED_BEFORE, Fault.CRASHED_AFTER):
            world.faults.script("dynamodb.update_item", fault)
            with pytest.raises(ProcessKilled):
                await world.start(world.process("worker", may_crash=True), count)
            seen.append(dynamodb.items("jobs"))
        return seen

    assert run(main) == [[], [{**KEY, "n": {"N": "1"}}]]


def test_a_process_that_may_not_crash_does_not() -> None:
    async def main(world: World) -> Any:
        _, _, count = counting(world)
        world.faults.script("dynamodb.update_item", Fault.CRASHED_AFTER)
        return await world.start(world.process("phone"), count)

    assert run(main)["n"] == {"N": "1"}


def test_a_stalled_process_stands_still_and_goes_on() -> None:
    async def main(world: World) -> tuple[int, int, float]:
        ticks = 0

        async def ticking() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(1)
                ticks += 1

        worker = world.process("worker")
        world.start(worker, ticking)
        await asyncio.sleep(10.5)
        world.stall(worker, 60)
        await asyncio.sleep(50)
        before = ticks
        await asyncio.sleep(20)
        return before, ticks, world.loop.time()

    # It wakes at 70.5 s to one timer that is long due, and counts on from there.
    assert run(main) == (10, 20, 80.5)


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fault", "stored", "error"),
    [
        (Fault.OK, 1, None),
        (Fault.SLOW, 1, None),
        (Fault.STALLED, 1, None),
        (Fault.LOST_ANSWER, 1, BotoCoreError),
        (Fault.LATE, 1, BotoCoreError),
        (Fault.RETRIED, 2, None),
        (Fault.UNREACHABLE, 0, BotoCoreError),
        (Fault.THROTTLED, 0, ClientError),
    ],
)
def test_each_fault_does_what_it_says(
    fault: Fault, stored: int, error: type[Exception] | None
) -> None:
    async def main(world: World) -> None:
        dynamodb, _, count = counting(world)
        world.faults.script("dynamodb.update_item", fault)
        outcome = world.start(world.process("worker", may_crash=True), count)
        if error:
            with pytest.raises(error):
                await outcome
        else:
            assert (await outcome)["n"] == {"N": str(stored)}
        if fault is Fault.LATE:
            assert dynamodb.items("jobs") == []
        await asyncio.sleep(1000)
        items = dynamodb.items("jobs")
        assert items == ([{**KEY, "n": {"N": str(stored)}}] if stored else [])
        assert world.faults.coverage == {("dynamodb.update_item", fault): 1}

    for seed in range(10):
        run(main, seed)


def test_a_transaction_that_the_sdk_sends_again_happens_once() -> None:
    async def main(world: World) -> Any:
        dynamodb, client, _ = counting(world)
        update = {
            "TableName": "jobs",
            "Key": KEY,
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
        world.faults.script("dynamodb.transact_write_items", Fault.RETRIED)
        await world.call(lambda: client.transact_write_items(TransactItems=[{"Update": update}]))
        return dynamodb.items("jobs")

    assert run(main) == [{**KEY, "n": {"N": "1"}}]


def test_a_throttled_transaction_may_be_a_conflict() -> None:
    async def main(world: World) -> set[str]:
        _, client, _ = counting(world)
        check = {
            "TableName": "jobs",
            "Key": KEY,
            "ConditionExpression": "attribute_not_exists(pk)",
        }
        codes = set()
        for _ in range(100):
            world.faults.script("dynamodb.transact_write_items", Fault.THROTTLED)
            with pytest.raises(ClientError) as caught:
                await world.call(
                    lambda: client.transact_write_items(TransactItems=[{"ConditionCheck": check}])
                )
            codes.add(caught.value.response["Error"]["Code"])
        return codes

    assert {"TransactionCanceledException", "ThrottlingException"} < run(main)


def test_an_awaited_call_meets_faults_too_and_is_billed_when_aborted() -> None:
    errors = CallErrors(ConnectionError, TimeoutError, lambda: RuntimeError("429"))

    async def main(world: World) -> tuple[int, float]:
        billed = 0

        def answer() -> str:
            nonlocal billed
            billed += 1
            return "{}"

        async def ask() -> str:
            return await remote_async(world, "model", answer, errors, 60, work_seconds=20)

        assert await ask() == "{}"
        world.faults.script("model", Fault.THROTTLED)
        with pytest.raises(RuntimeError, match="429"):
            await ask()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(), 5)
        with pytest.raises(TimeoutError):
            await remote_async(world, "model", answer, errors, 3, work_seconds=20)
        return billed, world.loop.time()

    billed, seconds = run(main)
    assert billed == 3
    assert 28 < seconds < 29


def test_a_kill_comes_at_any_time_of_the_models_work() -> None:
    errors = CallErrors(ConnectionError, TimeoutError, ConnectionError)

    async def main(world: World) -> float:
        async def ask() -> str:
            return await remote_async(world, "model", str, errors, 60, work_seconds=20)

        world.faults.script("model", Fault.CRASHED_AFTER)
        with pytest.raises(ProcessKilled):
            await world.start(world.process("worker", may_crash=True), ask)
        return world.loop.time()

    times = [run(main, seed) for seed in range(40)]
    assert min(times) < 4
    assert 16 < max(times) < 21


def test_a_fault_plan_is_calm_for_some_seeds_and_wild_for_others() -> None:
    totals = [sum(FaultPlan.drawn(Random(seed)).rates.values()) for seed in range(300)]
    assert totals.count(0) > 30
    assert sum(0 < total <= 0.05 for total in totals) > 60
    assert sum(total > 0.25 for total in totals) > 15


# ---------------------------------------------------------------- determinism

_SCENARIO = """
from tests.simulation.test_world import busy_schedule
print([busy_schedule(seed) for seed in range(20)])
"""


def busy_schedule(seed: int) -> str:
    """Five workers and three senders in a faulty world; return what happened as a hash."""
    with World(seed) as world:
        sqs = Sqs(now=world.clock, random=world.random)
        dynamodb = DynamoDb({"jobs": {"pk": "S"}}, now=world.clock)
        url = sqs.create_queue("jobs", visibility_seconds=20)

        async def work() -> None:
            client = FaultyClient(world, sqs, "sqs")
            table = FaultyClient(world, dynamodb, "dynamodb")
            while True:
                received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3)
                try:
                    async with asyncio.TaskGroup() as group:
                        for message in received.get("Messages", []):
                            group.create_task(one(client, table, message))
                except* (ClientError, BotoCoreError):
                    pass
                await asyncio.sleep(1)

        async def one(client: FaultyClient, table: FaultyClient, message: dict[str, Any]) -> None:
            await asyncio.to_thread(
                table.update_item,
                TableName="jobs",
                Key={"pk": {"S": message["Body"]}},
                UpdateExpression="ADD n :one, who :me",
                ExpressionAttributeValues={
                    ":one": {"N": "1"},
                    ":me": {"SS": [world.current.name]},
                },
            )
            receipt = message["ReceiptHandle"]
            await asyncio.to_thread(client.delete_message, QueueUrl=url, ReceiptHandle=receipt)

        async def main() -> None:
            for name in ("worker-1", "worker-2", "worker-3", "worker-4", "worker-5"):
                world.start(world.process(name, may_crash=name != "worker-1"), work)
            await asyncio.gather(
                *(
                    world.start(world.process(name), send, FaultyClient(world, sqs, "sqs"), url)
                    for name in ("phone-1", "phone-2", "phone-3")
                )
            )
            await asyncio.sleep(300)

        world.run(main())
        world.record("items", dynamodb.items("jobs"))
        return world.trace_hash()


def send(client: FaultyClient, url: str) -> None:
    for number in range(3):
        with suppress(ClientError, BotoCoreError):
            client.send_message(QueueUrl=url, MessageBody=str(number))


def test_the_same_seed_is_the_same_schedule_in_any_interpreter() -> None:
    answers = {
        subprocess.run(
            [sys.executable, "-c", _SCENARIO],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(REPOSITORY)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for hash_seed in ("1", "2")
    }
    assert answers == {str([busy_schedule(seed) for seed in range(20)])}
    assert len({busy_schedule(seed) for seed in range(20)}) == 20
