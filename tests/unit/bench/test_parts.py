"""The bench of answers in parts, in short, and the bounds that it holds."""

from bench.parts import HELD_OF_SLOW, SLOW, broken_bounds, measured
from bench.parts_jobs import Seen, jobs_in_a_world

ROW = {"first title": 4.0, "whole, median": 20.0, "whole, 95 %": 40.0, "$ / 1,000": 1.0}


def test_three_parts_are_told_sooner_and_cost_no_more_than_one_call() -> None:
    rows = [
        measured([seen for seed in range(6) for seen in jobs_in_a_world(seed, 3, 0.1, way)])
        for way in (False, True)
    ]

    one_call, in_parts = rows
    assert broken_bounds(one_call, in_parts) == []
    assert rows[1]["first part"] < rows[1]["whole, median"]


def test_asking_once_more_beside_slow_calls_is_sooner_and_costs_no_more_than_waiting() -> None:
    rows = [
        measured(
            [
                seen
                for seed in range(6)
                for seen in jobs_in_a_world(
                    seed, 3, 0.1, in_parts=True, slow=SLOW, knows_calls=knows_calls
                )
            ]
        )
        for knows_calls in (False, True)
    ]

    waits, asks = rows
    assert broken_bounds(waits, asks, HELD_OF_SLOW) == []


def test_one_part_is_one_call() -> None:
    assert jobs_in_a_world(1, 1, 0.1, in_parts=True) == jobs_in_a_world(1, 1, 0.1, in_parts=False)


def test_a_broken_bound_is_named() -> None:
    slow = ROW | {"whole, median": 30.0, "first title": 7.0}

    assert broken_bounds(ROW, slow) == [
        "whole, median: 1.50 of one call's, more than 0.55",
        "whole, 95 %: 1.00 of one call's, more than 0.5",
        "first title: after 7.0 s",
    ]


def test_a_job_that_failed_comes_last() -> None:
    def seen(whole_seconds: float | None) -> Seen:
        return Seen(1.0, 2.0, whole_seconds, output_tokens=1, dollars=0.001, calls=1, polls=1)

    assert measured([seen(None), seen(3.0), seen(4.0)])["whole, median"] == 4.0
