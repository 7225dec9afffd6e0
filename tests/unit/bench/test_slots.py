"""What `make bench-slots` prints."""

import pytest

from bench.slots import LONGEST_SECONDS, MEMORY_GB, SHORTEST_SECONDS, simulate


def test_with_workers_to_spare_nobody_waits_and_each_job_has_one_of_its_own() -> None:
    found = simulate(100, 50, jobs=500)

    assert found.waits[-1] == 0
    alone = (SHORTEST_SECONDS + LONGEST_SECONDS) / 2 * MEMORY_GB
    assert found.gb_seconds == pytest.approx(alone, rel=0.05)


def test_busy_worker_lets_jobs_wait_and_then_takes_ten_together() -> None:
    found = simulate(1_000_000, 1, jobs=500)

    assert found.share(0.5) > LONGEST_SECONDS
    assert found.gb_seconds < LONGEST_SECONDS * MEMORY_GB / 9  # nearly full batches


def test_larger_batches_carry_what_as_many_workers_of_ten_cannot() -> None:
    few = simulate(144_000, 5, 1, at_most=30, jobs=5_000)
    ten_each = simulate(144_000, 5, 1, jobs=5_000)

    assert few.share(0.9) < LONGEST_SECONDS < ten_each.share(0.9)
    assert few.gb_seconds < ten_each.gb_seconds


def test_more_workers_wait_less_at_the_same_load() -> None:
    waits = [simulate(35_000, workers, jobs=5_000).share(0.9) for workers in (5, 10, 20)]

    assert waits[0] > waits[1] > waits[2]


def test_window_gathers_jobs_and_lets_none_wait_longer_while_workers_are_free() -> None:
    found, without = simulate(10_000, 50, 5, jobs=5_000), simulate(10_000, 50, jobs=5_000)

    assert found.waits[-1] <= 5
    assert found.gb_seconds < without.gb_seconds
