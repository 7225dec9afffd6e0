"""The promises of `make bench-progress`, on a few histories."""

import pytest

from bench.durations import DRAWS, IN_PARTS
from bench.progress import JOBS, LEARNED_AFTER, MAX_ERROR_POINTS, Run, run


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", DRAWS)
def test_about_q_of_the_jobs_are_done_by_the_time_their_bar_stands_at_q(
    name: str, seed: int
) -> None:
    watched = run(DRAWS[name], seed)

    assert watched.error_points(LEARNED_AFTER, JOBS) < MAX_ERROR_POINTS
    assert (watched.steps_back, watched.too_early) == (0, 0)


@pytest.mark.parametrize("parts", IN_PARTS)
def test_so_it_is_with_answers_in_parts(parts: int) -> None:
    watched = run(IN_PARTS[parts], 1, parts=parts)

    assert watched.error_points(LEARNED_AFTER, JOBS) < MAX_ERROR_POINTS
    assert (watched.steps_back, watched.too_early) == (0, 0)


def test_a_bar_that_is_always_half_way_when_the_job_is_done_is_far_off() -> None:
    assert Run([52] * 200, 0, 0).error_points(1, 200) == pytest.approx(25, abs=1)


def test_a_bar_that_stands_anywhere_equally_often_is_right() -> None:
    assert Run(range(10, 95), 0, 0).error_points(1, 85) == pytest.approx(0)
