"""The simulation's time and order: timers, threads, tasks and their errors."""

import asyncio
from contextvars import ContextVar

import pytest

from tests.simulation.quiet import run
from tests.simulation.virtual_loop import Deadlock, Livelock
from tests.simulation.world import EPOCH_SECONDS, World

pytestmark = pytest.mark.filterwarnings("error")

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
