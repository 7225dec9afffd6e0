"""The status cache of some schedules: a server on a network that fails, and clients in a hurry.

A cached status may be late: the promises are then those of a client that asks `LATE_MS` after an
answer came, to whomever. What is drawn here comes from a chance of its own, so that the schedules
without a cache are what they would be if there were none in any.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn

from simmer.jobs.cache import CachedItems
from simmer.jobs.item import JobItems, job_of
from simmer.jobs.job import Job
from simmer.table import Table
from tests.simulation.phones import poll
from tests.simulation.virtual_loop import Vanished
from tests.simulation.world import GRID_SECONDS

if TYPE_CHECKING:
    from tests.simulation.scenario import Schedule

SHARE = 0.15  # of the schedules
LATE_MS = 250
_PATIENCE_SECONDS = 0.125
_LATE_SECONDS = (0.125, 0.5, 2.0, 8.0)
_STALLS_SECONDS = (0.125, 0.25, 1.0, 2.0)
_PAUSES_SECONDS = (0.0, 0.0625, 0.125, 0.25)


class Valkey:
    """A server with the commands that a cache needs, by its own clock, `now` in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.kept: dict[str, tuple[str, float]] = {}  # what, and until when

    def do(self, *words: str) -> bytes | None:
        command, *rest = words
        match command:
            case "SET":
                found = self._set(*rest)
            case "GET":
                found = self._get(rest[0])
            case "DEL":
                found = self.kept.pop(rest[0], None) and None
            case "EVAL":
                found = self._run(*rest)
            case _:
                raise ValueError(command)
        return None if found is None else found.encode()

    def _get(self, key: str) -> str | None:
        value, until = self.kept.get(key, ("", 0.0))
        return value if self._now() < until else None

    def _set(self, key: str, value: str, *options: str) -> str | None:
        found, until = self._get(key), self.kept.get(key, ("", 0.0))[1]
        if "PX" in options:
            until = self._now() + int(options[options.index("PX") + 1]) / 1000
        elif "KEEPTTL" not in options or found is None:
            until = float("inf")
        if found is None or "NX" not in options:
            self.kept[key] = value, until
        return found if "GET" in options else None

    def _run(self, script: str, _: str, key: str, *arguments: str) -> str | None:
        """As much Lua as the script of a cache needs: `if … == … then return redis.call(…) end`."""
        names = {"KEYS[1]": key} | {f"ARGV[{i}]": each for i, each in enumerate(arguments, 1)}

        def called(words: str) -> str | None:
            command, *rest = (
                word[1:-1] if word[0] == "'" else names.get(word, word)
                for word in re.findall(r"'[^']*'|[\w\[\]]+", words)
            )
            return self._set(*rest) if command == "SET" else self._get(*rest)

        found = re.fullmatch(
            r"if (?:true|redis\.call\((.*)\) == (\S+)) then return redis\.call\((.*)\) end", script
        )
        assert found, script
        if found[1] is None or called(found[1]) == names[found[2]]:
            called(found[3])
        return None


class Cache:
    """The cache of one schedule."""

    def __init__(self, schedule: "Schedule", random: Random) -> None:
        self._schedule, self._world, self._random = schedule, schedule.world, random
        self._server = Valkey(self._world.clock)
        self._rate = random.choice((0.0, 0.02, 0.1, 0.4))
        self._away_from = random.choice((1e9, random.uniform(0, 100)))
        self._away_until = self._away_from + random.uniform(5, 60)
        # By the name of a job's key: each item that the table had, and from when.
        self._versions: dict[str, list[tuple[float, Any]]] = {}
        self.spared = 0  # reads of the table

    def sandboxes(self, table: Table, *, is_read: bool) -> list[JobItems]:
        """What reads or writes jobs: several functions, each with a breaker of its own."""
        return [WatchedItems(self, table, is_read=is_read) for _ in range(3)]

    def one_of[T](self, these: list[T]) -> T:
        return self._random.choice(these)

    def changed(self, key: str, item: Any) -> None:
        self._versions.setdefault(key, []).append((self._world.clock(), item))

    def check(self, job: Job, asked_at: float) -> None:
        """A job that was read is one that the table had, so long ago at the most."""
        versions = self._versions[f"job#{job.job_id}"]
        ends = [*(begun for begun, _ in versions[1:]), float("inf")]
        told = _as_kept(job)
        if not any(
            end >= asked_at - LATE_MS / 1000 and _as_kept(job_of(item)) == told
            for (_, item), end in zip(versions, ends, strict=True)
        ):
            self._schedule.history.violated(
                "a cached status is late by no more than the bound",
                f"{job.status} of run {job.run_id[:6]} was told at {asked_at % 1000:.3f}",
            )

    def ask_after_a_stall(self, *words: str) -> bytes | None:
        """The same for a reader, which may have been stopped since it read."""
        if self._random.random() < 0.1 and not self._world.loop.draining:
            self._world.pause(self._random.choice(_STALLS_SECONDS))
        return self.ask(*words)

    def ask(self, *words: str) -> bytes | None:
        """The call of a function, over the network."""
        if self._world.loop.draining:
            raise Vanished
        random, now = self._random, self._world.loop.time()
        is_away = self._away_from <= now < self._away_until
        if is_away or random.random() < self._rate:
            self._fault(*words)
        self._world.pause(self._travel())
        if random.random() < 0.005:  # it was full, or restarted
            self._server.kept.clear()
        answer = self._server.do(*words)
        self.spared += answer is not None and answer.startswith(b"{")
        self._world.pause(self._travel())
        return answer

    def _fault(self, *words: str) -> NoReturn:
        self._world.pause(self._travel())
        match self._random.choice(("refused", "nobody", "lost answer", "late", "dropped")):
            case "refused" | "nobody":
                raise ConnectionError
            case "lost answer":
                self._server.do(*words)
            case "late":
                late_by = _PATIENCE_SECONDS + self._random.choice(_LATE_SECONDS)
                self._world.later(late_by, self._server.do, *words)
        self._world.pause(_PATIENCE_SECONDS)
        raise TimeoutError

    def _travel(self) -> float:
        return GRID_SECONDS * self._random.choice((1, 1, 1, 2, 8))

    async def hurry(self) -> None:
        """Clients that ask again and again, side by side, of jobs that were accepted."""
        random, history = self._random, self._schedule.history
        while True:
            await asyncio.sleep(random.uniform(0, 3))
            if not history.accepted:
                continue
            job_id, users = random.choice([*history.accepted.items()])
            user = random.choice([*users])
            asking = []
            for _ in range(random.randint(2, 16)):
                asking.append(asyncio.create_task(poll(self._schedule, user, job_id)))
                await asyncio.sleep(random.choice(_PAUSES_SECONDS))
            await asyncio.gather(*asking)


class WatchedItems(CachedItems):
    """Has each read checked, from outside."""

    def __init__(self, cache: Cache, table: Table, *, is_read: bool) -> None:
        ask = cache.ask_after_a_stall if is_read else cache.ask
        super().__init__(ask, is_read, table)  # type: ignore[arg-type]
        self._cache = cache

    def read(self, job_id: str) -> Job | None:
        asked_at = self._cache._world.clock()
        job = super().read(job_id)
        if self._is_read and job:
            self._cache.check(job, asked_at)
        return job


def _as_kept(job: Job) -> Job:
    return replace(job, request="", lease=None)
