"""What `make bench-slots` prints."""

import pytest

from bench.slots import LONGEST_SECONDS, MEMORY_GB, NOT_AT_ALL, SHORTEST_SECONDS, simulate


def test_with_workers_to_spare_nobody_waits_and_each_job_has_one_of_its_own() -> None:
    found = simulate(100, 50, jobs=500)

    assert found.waits[-1] == 0
    alone = (SHORTEST_SECONDS + LONGEST_SECONDS) / 2 * MEMORY_GB
    assert found.gb_seconds == pytest.approx(alone, rel=0.05)


def test_busy_worker_lets_jobs_wait_and_then_takes_ten_together() -> None:
    found = simulate(1_000_000, 1, receives_seconds=NOT_AT_ALL, jobs=500)

    assert found.share(0.5) > LONGEST_SECONDS
    assert found.gb_seconds < LONGEST_SECONDS * MEMORY_GB / 9  # nearly full batches


def test_workers_that_receive_carry_what_as_many_others_cannot() -> None:
    receiving = simulate(144_000, 5, jobs=5_000)
    brought = simulate(144_000, 5, receives_seconds=NOT_AT_ALL, jobs=5_000)
    of_ten = simulate(144_000, 5, room=10, jobs=5_000)

    assert receiving.share(0.9) < 15
    assert min(brought.share(0.9), of_ten.share(0.9)) > LONGEST_SECONDS
    assert receiving.gb_seconds < brought.gb_seconds


def test_more_workers_wait_less_at_the_same_load() -> None:
    waits = [
        simulate(35_000, workers, receives_seconds=NOT_AT_ALL, jobs=5_000).share(0.9)
        for workers in (5, 10, 20)
    ]

    assert waits[0] > waits[1] > waits[2]


def test_worker_that_receives_makes_nobody_wait_and_costs_less() -> None:
    found = simulate(10_000, 5, jobs=5_000)
    without = simulate(10_000, 5, receives_seconds=NOT_AT_ALL, jobs=5_000)

    assert found.share(0.9) < 1 < without.share(0.9)
    assert found.gb_seconds < without.gb_seconds
