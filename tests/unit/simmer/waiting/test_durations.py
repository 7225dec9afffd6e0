"""The distribution of durations: its prior, its learning, and that it never goes back."""

import math
import random
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import pytest

from simmer.waiting.durations import _EDGES, BUCKETS, PRIOR_LONGEST_SECONDS, Durations, bucket

Draw = Callable[[random.Random], float]

DISTRIBUTIONS: dict[str, Draw] = {
    "lognormal": lambda chance: chance.lognormvariate(2.5, 0.6),
    "of two models": lambda chance: (
        chance.gauss(6, 1) if chance.random() < 0.8 else chance.gauss(40, 5)
    ),
    "narrow": lambda chance: chance.gauss(45, 3),
    "quick": lambda chance: chance.lognormvariate(0.5, 0.3),
}


def histogram(seconds: list[float]) -> Durations:
    return Durations(Counter(bucket(each) for each in seconds))


# ── Buckets ───────────────────────────────────────────────────────────────────────────────────────


def test_buckets_reach_from_a_tenth_of_a_second_to_an_hour() -> None:
    assert len(_EDGES) == BUCKETS + 1
    assert _EDGES[0] == 0
    assert 0.05 < _EDGES[1] < 0.2
    assert _EDGES[-1] > 3600
    assert PRIOR_LONGEST_SECONDS in _EDGES
    ratios = [high / low for low, high in pairwise(_EDGES[1:])]
    assert max(ratios) == pytest.approx(min(ratios)) == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("seconds", "index"), [(-3, 0), (0, 0), (0.01, 0), (1e9, BUCKETS - 1), (math.inf, BUCKETS - 1)]
)
def test_what_lies_outside_is_in_the_first_or_last_bucket(seconds: float, index: int) -> None:
    assert bucket(seconds) == index


def test_every_duration_lies_between_the_edges_of_its_bucket() -> None:
    chance = random.Random(1)
    for seconds in (chance.uniform(0, 100) for _ in range(1000)):
        i = bucket(seconds)
        assert _EDGES[i] <= seconds < _EDGES[i + 1]


# ── Without history ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("seconds", "share"),
    [(-1, 0), (0, 0), (9, 0.1), (45, 0.5), (81, 0.9), (90, 1), (91, 1), (10_000, 1)],
)
def test_the_prior_is_any_duration_up_to_ninety_seconds(seconds: float, share: float) -> None:
    assert Durations({}).share_done(seconds) == pytest.approx(share, abs=1e-12)
    assert Durations.parse("").share_done(seconds) == Durations({}).share_done(seconds)


def test_the_prior_is_over_exactly_at_its_end() -> None:
    assert Durations({}).share_done(90.0) == 1.0


@pytest.mark.parametrize(("elapsed", "left"), [(0, 45), (30, 30), (88, 1), (90, 0)])
def test_half_of_what_remains_is_the_estimate(elapsed: float, left: float) -> None:
    assert Durations({}).median_remaining_seconds(elapsed) == pytest.approx(left)


# ── With history ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("draw", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS.keys())
def test_from_the_hundredth_job_on_the_bar_is_calibrated(draw: Draw) -> None:
    """A share q of new jobs is done when the bar stands at q, to five points on average."""
    chance = random.Random(2)
    fresh = sorted(draw(chance) for _ in range(5000))
    for past in (100, 200, 500):
        errors = []
        for _ in range(10):
            known = histogram([draw(chance) for _ in range(past)])
            for q in (i / 20 for i in range(1, 20)):
                at = known.seconds_until(q)
                errors.append(abs(sum(each <= at for each in fresh) / len(fresh) - q))
        assert sum(errors) / len(errors) < 0.05, past


def test_the_prior_gives_way_little_by_little_and_is_gone_at_the_hundredth_job() -> None:
    ten_seconds = bucket(10)
    shares = [Durations({ten_seconds: n}).share_done(20) for n in range(120)]
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(20 / 90)
    assert 0.5 < shares[10] < 0.7
    assert shares[99] < 1
    assert set(shares[100:]) == {1.0}


@pytest.mark.parametrize("jobs", [0, 1, 3, 50, 99, 100, 1000])
def test_the_share_never_falls_as_time_passes_and_never_leaves_nought_to_one(jobs: int) -> None:
    chance = random.Random(jobs)
    for _ in range(20):
        known = histogram([chance.lognormvariate(2, 1) for _ in range(jobs)])
        times = [chance.uniform(0, 200) for _ in range(500)]
        for edge in _EDGES:
            times += [edge, math.nextafter(edge, 0), math.nextafter(edge, math.inf)]
        shares = [known.share_done(seconds) for seconds in sorted(times)]
        assert shares == sorted(shares)
        assert shares[0] == 0
        assert shares[-1] == 1


@pytest.mark.parametrize("jobs", [0, 5, 500])
def test_until_when_a_share_is_done_is_the_share_turned_round(jobs: int) -> None:
    chance = random.Random(jobs)
    known = histogram([chance.lognormvariate(2, 0.5) for _ in range(jobs)])
    for share in (i / 100 for i in range(101)):
        assert known.share_done(known.seconds_until(share)) == pytest.approx(share)


def test_the_estimate_of_two_models_jumps_once_the_first_is_past() -> None:
    known = histogram([5.0] * 160 + [40.0] * 40)
    assert known.median_remaining_seconds(0) == pytest.approx(5, abs=0.5)
    assert known.median_remaining_seconds(10) == pytest.approx(30, abs=2)


def test_past_everything_that_ever_was_nothing_is_known_of_what_remains() -> None:
    assert histogram([5.0] * 200).median_remaining_seconds(60) <= 0


# ── As it is stored ───────────────────────────────────────────────────────────────────────────────


def test_it_is_stored_in_little_and_read_back_the_same() -> None:
    chance = random.Random(3)
    known = histogram([chance.lognormvariate(2.5, 0.6) for _ in range(100_000)])
    text = str(known)
    assert len(text) < 500
    again = Durations.parse(text)
    assert str(again) == text
    assert [again.share_done(s / 7) for s in range(1000)] == [
        known.share_done(s / 7) for s in range(1000)
    ]


def test_no_history_is_no_text() -> None:
    assert str(Durations({})) == ""
