"""The times of the polls, with every kind of past jobs."""

import random
from collections import Counter
from itertools import pairwise

import pytest

from simmer.waiting.durations import BUCKETS, Durations, bucket
from simmer.waiting.polling import (
    DENSITY,
    FIXED_SECONDS,
    LONGEST_SECONDS,
    SHORTEST_SECONDS,
    PollSchedule,
    as_kept,
    poll_schedule,
)

HISTORIES = {
    "one job": {bucket(30): 1},
    "ten at once": {bucket(0.01): 10},
    "always the same": {bucket(30): 5000},
    "two models": {bucket(8): 80, bucket(40): 20},
    "far apart": {bucket(1): 100, bucket(3000): 1},
    "none below an hour": {BUCKETS - 1: 200},
    "every bucket": dict.fromkeys(range(BUCKETS), 3),
    "every other bucket": dict.fromkeys(range(0, BUCKETS, 2), 3),
    "no job at all": {},
}


def schedule(counts: dict[int, int]) -> PollSchedule:
    return PollSchedule(Durations(counts))


def polls(asked: PollSchedule, until_seconds: float) -> list[float]:
    """The times of the polls of a job that never ends."""
    at = [0.0]
    while at[-1] < until_seconds:
        at.append(at[-1] + asked.gap_seconds(at[-1]))
    return at


@pytest.mark.parametrize("counts", HISTORIES.values(), ids=HISTORIES.keys())
def test_gap_is_always_within_its_bounds(counts: dict[int, int]) -> None:
    asked = schedule(counts)
    chance = random.Random(1)
    edges, _ = Durations(counts).histogram()
    moments = [0.0, *edges, *(edge - 1e-9 for edge in edges[1:]), *(edge + 1e-9 for edge in edges)]
    moments += [chance.uniform(0, 5000) for _ in range(2000)]

    assert all(SHORTEST_SECONDS <= asked.gap_seconds(each) <= LONGEST_SECONDS for each in moments)


def test_gap_is_within_its_bounds_after_any_history() -> None:
    chance = random.Random(2)
    for _ in range(100):
        counts = Counter(chance.randrange(BUCKETS) for _ in range(chance.choice((1, 5, 50, 200))))
        asked = schedule(counts)
        for each in (chance.uniform(0, 4000) for _ in range(50)):
            assert SHORTEST_SECONDS <= asked.gap_seconds(each) <= LONGEST_SECONDS


@pytest.mark.parametrize("counts", HISTORIES.values(), ids=HISTORIES.keys())
def test_job_that_takes_longer_than_any_is_asked_for_every_two_seconds(
    counts: dict[int, int],
) -> None:
    asked = schedule(counts)

    assert [asked.gap_seconds(each) for each in (6000, 6000.1, 10**6)] == [FIXED_SECONDS] * 3


def test_polls_are_rare_where_nothing_can_be_done_and_dense_where_it_is_likely() -> None:
    asked = polls(schedule({bucket(8): 80, bucket(40): 20}), 60)
    near_8 = [at for at in asked if 7 <= at <= 9.5]
    between = [at for at in asked if 11 <= at <= 34]
    near_40 = [at for at in asked if 36 <= at <= 46]

    assert len([at for at in asked if 0 < at < 6]) <= 1
    assert len(near_8) >= 3
    assert len(between) <= 2
    assert len(near_40) >= 4


def test_last_of_a_stretch_are_told_at_its_end() -> None:
    """Not as late as the next stretch begins."""
    edges, _ = Durations({}).histogram()
    end = edges[bucket(8) + 2]  # a bucket further than any was, for the next job may be

    asked = polls(schedule({bucket(8): 160, bucket(40): 40}), 60)

    assert any(at == pytest.approx(end) for at in asked)


def test_whoever_asks_at_another_time_than_told_meets_the_next_good_moment() -> None:
    asked = schedule({bucket(30): 500})
    [(before, first)] = [
        (before, after) for before, after in pairwise(polls(asked, 40)) if before < 26 <= after
    ]

    late, early = first + 0.05, before + 1.0
    assert late < late + asked.gap_seconds(late) < first + 2
    assert early + asked.gap_seconds(early) == pytest.approx(first, abs=1.5)


def test_next_poll_is_the_same_for_the_same_history() -> None:
    text = str(Durations({bucket(8): 80, bucket(40): 20}))
    gaps = [schedule({bucket(40): 20, bucket(8): 80}).gap_seconds(i / 7) for i in range(400)]

    assert poll_schedule(text) is poll_schedule(text)
    assert gaps == [poll_schedule(text).gap_seconds(i / 7) for i in range(400)]


# ── As a job keeps it ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("counts", HISTORIES.values(), ids=HISTORIES.keys())
def test_poll_by_what_a_job_keeps_is_the_same_and_looks_for_nothing(
    counts: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_for = schedule(counts)
    kept = as_kept("recipe", Durations(counts))
    if not Durations(counts).are_known:
        assert DENSITY not in kept
        return

    monkeypatch.delattr(PollSchedule, "_worthwhile_density")
    asked = poll_schedule.__wrapped__(kept["recipe"], kept[DENSITY])

    assert [asked.gap_seconds(i / 7) for i in range(400)] == [
        looked_for.gap_seconds(i / 7) for i in range(400)
    ]


def test_density_is_that_of_the_durations() -> None:
    """Where jobs scatter the polls must be more, so the kept densities differ."""
    narrow, wide = Durations({bucket(30): 500}), Durations(dict.fromkeys(range(30, 80), 10))

    assert as_kept("a", narrow)[DENSITY] != as_kept("a", wide)[DENSITY]
    assert as_kept("a", wide) == {"a": str(wide), DENSITY: f"{PollSchedule(wide).density:g}"}
