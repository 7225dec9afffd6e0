"""The simulation's processes: killed, killed in mid call, stalled."""

import asyncio
from typing import Any

import pytest

from tests.simulation.faults import Fault
from tests.simulation.quiet import KEY, counting, quiet_world, run
from tests.simulation.virtual_loop import ProcessKilled
from tests.simulation.world import World

pytestmark = pytest.mark.filterwarnings("error")


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
