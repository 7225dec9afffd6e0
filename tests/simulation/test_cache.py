"""The stand-in for a Valkey, held against a real one."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from simmer.jobs.cache import FILL
from simmer.valkey import Server
from tests.simulation.cache import SHARE, Valkey
from tests.simulation.mutations import CACHE, MUTATIONS
from tests.simulation.scenario import schedule_of
from tests.valkey import ValkeyServer, needs_a_server, running

FILLS = [
    FILL,
    "if true then return redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL') end",
    "if true then return redis.call('SET', KEYS[1], ARGV[2], 'PX', 250000) end",
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    yield from running(tmp_path)


def _command(random: Random) -> tuple[str, ...]:
    """One of those that a cache sends, of few keys and values."""
    key, value = random.choice("ab"), random.choice(("1", "2", "é"))
    return random.choice(
        (
            ("SET", key, value, "NX", "GET", "PX", "250000"),
            ("SET", key, value, "PX", "250000"),
            ("EVAL", random.choice(FILLS), "1", key, random.choice(("1", "2", "é")), value),
            ("DEL", key),
            ("GET", key),
        )
    )


@needs_a_server
@pytest.mark.parametrize("seed", range(5))
def test_the_stand_in_answers_as_a_real_server(server: ValkeyServer, seed: int) -> None:
    random, stand_in, real = Random(seed), Valkey(lambda: 0.0), Server(server.url)
    for _ in range(300):
        words = _command(random)
        assert stand_in.do(*words) == real(*words), words
    for key in "ab":  # what has a time to live has it in both
        has_end = stand_in.kept.get(key, ("", float("inf")))[1] < float("inf")
        assert has_end == (int(server.ask("PTTL", key)[1:]) > 0)


def test_the_stand_in_forgets_in_time() -> None:
    now = 0.0
    stand_in = Valkey(lambda: now)
    stand_in.do("SET", "a", "mark", "NX", "GET", "PX", "250")
    now = 0.2
    stand_in.do("EVAL", FILL, "1", "a", "mark", "item")
    assert stand_in.do("GET", "a") == b"item"
    now = 0.25
    assert stand_in.do("GET", "a") is None
    stand_in.do("EVAL", FILL, "1", "a", "mark", "item")
    assert stand_in.do("GET", "a") is None


def test_a_share_of_the_schedules_has_a_cache_and_the_others_draw_nothing_for_it() -> None:
    has_cache = []
    for seed in range(200):
        with schedule_of(seed) as schedule:
            has_cache.append(schedule.cache is not None)
            if schedule.cache is None:
                assert schedule.history.late_ms == 0
    assert 0.5 * SHARE < sum(has_cache) / len(has_cache) < 1.5 * SHARE


def test_polls_are_answered_by_the_cache() -> None:
    """Else its schedules would show nothing."""
    spared = 0
    for seed in range(60):
        with schedule_of(seed) as schedule:
            if schedule.cache is not None:
                schedule.world.run(schedule.main())
                spared += schedule.cache.spared
    assert spared > 50


def test_the_cache_has_seeded_bugs_of_its_own() -> None:
    assert sum(mutation.path == CACHE for mutation in MUTATIONS) >= 6
