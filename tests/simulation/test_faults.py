"""The simulation's faults: each does to a call as its name says."""

import asyncio
from random import Random
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.simulation.faults import Fault, FaultPlan
from tests.simulation.quiet import KEY, counting, run
from tests.simulation.remote import CallErrors, remote_async
from tests.simulation.virtual_loop import ProcessKilled
from tests.simulation.world import World

pytestmark = pytest.mark.filterwarnings("error")


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
