"""The times of the polls: few while the job can hardly be done, many where its end is likely.

The hazard of a job is the chance that it ends in the next moment, given that it has not ended yet.
The density of the polls goes with the hazard to the power of 2/3. (With 1/2 the mean delay from
stored to seen would be the smallest for this number of polls; 2/3 gives a little of the mean away
for a smaller median.) The number of polls is a share of those of a poller that asks every 2 s.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import NamedTuple

from simmer.waiting.durations import Durations

FIXED_SECONDS = 2.0
# The share of the fixed interval's polls: a bit less than half, because the next jobs are not
# quite like the past jobs.
POLLS_RATIO = 0.47
# Where durations scatter widely, the mean delay would grow. It may be so many times the delay of
# the fixed interval; the schedule adds the polls that this takes.
DELAY_RATIO = 1.25

SHORTEST_SECONDS = 0.25
LONGEST_SECONDS = 15.0  # a job may end in other ways than past jobs did

_HAZARD_POWER = 2 / 3
_DENSITIES = (0.05, 50.0)  # wider than the bounds above allow
_HALVINGS = 10


class Expected(NamedTuple):
    """The averages that a schedule gives a job."""

    polls: float
    delay_seconds: float  # between done and seen


class PollSchedule:
    """The times of the polls of a job that takes as long as past jobs did.

    It keeps nothing of a job: a client that asks early or late is told the next good moment.
    """

    def __init__(self, durations: Durations) -> None:
        self._edges, weights = durations.histogram()
        weights = _smoothed(weights)
        total = sum(weights)
        # The share of jobs that are not done yet, at each edge.
        self._open = [1 - done / total for done in accumulate(weights, initial=0.0)]
        self._open[-1] = 0.0
        self._end_seconds = max(
            end for end, weight in zip(self._edges[1:], weights, strict=True) if weight
        )
        pieces = zip(weights, pairwise(self._edges), pairwise(self._open), strict=True)
        # One job is added that is longer than all others: it keeps the hazard finite.
        self._densities = [
            (weight / (end - start) / (total * (before + after) / 2 + 1)) ** _HAZARD_POWER
            for weight, (start, end), (before, after) in pieces
        ]
        # Within a bucket every duration is as likely as another.
        self._mean_seconds = sum(
            (before - after) * (start + end) / 2
            for (before, after), (start, end) in zip(
                pairwise(self._open), pairwise(self._edges), strict=True
            )
        )
        self._choose_density()

    def gap_seconds(self, elapsed_seconds: float) -> float:
        """The pause before the next poll of a job that has taken so long and is not done."""
        if elapsed_seconds >= self._end_seconds:
            return FIXED_SECONDS  # longer than any: it may be done any moment, or never
        i = bisect_right(self._moments, elapsed_seconds) - 1
        polls = min(_between(self._moments, self._polls, i, elapsed_seconds) + 1, self._polls[-1])
        i = bisect_left(self._polls, polls) - 1
        gap = _between(self._polls, self._moments, i, polls) - elapsed_seconds
        return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, gap))

    def _choose_density(self) -> None:
        """The lowest density that is worth its polls, found by halving."""
        fixed = self._expect(lambda _: FIXED_SECONDS)
        low, high = _DENSITIES
        for _ in range(_HALVINGS):
            middle = (low * high) ** 0.5
            self._lay(middle)
            ours = self._expect(self.gap_seconds)
            has_polls_left = ours.polls <= POLLS_RATIO * fixed.polls
            is_late = ours.delay_seconds > DELAY_RATIO * fixed.delay_seconds
            if has_polls_left or is_late:
                low = middle
            else:
                high = middle
        self._lay(low)

    def _lay(self, density: float) -> None:
        """The number of polls up to each moment; it grows evenly in between. Where jobs stop being
        likely, one more poll is due at once, for the jobs that have just ended."""
        self._moments, self._polls = [0.0], [0.0]
        for i, (start, end) in enumerate(pairwise(self._edges)):
            self._moments.append(end)
            self._polls.append(self._polls[-1] + density * self._densities[i] * (end - start))
            is_last = i + 1 == len(self._densities) or not self._densities[i + 1]
            if self._densities[i] and is_last:
                self._moments.append(end)
                self._polls.append(self._polls[-1] + 1)

    def _expect(self, gap_seconds: Callable[[float], float]) -> Expected:
        """The averages of polls at such gaps."""
        at, polls, seen_seconds = 0.0, 1.0, 0.0
        while at < self._end_seconds:
            i = bisect_right(self._edges, at) - 1
            still_open = _between(self._edges, self._open, i, at)
            gap = gap_seconds(at)
            polls += still_open
            seen_seconds += still_open * gap
            at += gap
        return Expected(polls, seen_seconds - self._mean_seconds)


@lru_cache(maxsize=256)  # one text serves many polls
def poll_schedule(text: str) -> PollSchedule:
    """The schedule by `Durations` as they are stored."""
    return PollSchedule(Durations.parse(text))


def _smoothed(weights: Sequence[float]) -> list[float]:
    """A smoother histogram: a quarter of each bucket goes to either neighbour. With few jobs a
    histogram has holes, and ends that the next job passes."""
    padded = [0.0, *weights, 0.0]
    return [(padded[i - 1] + 2 * padded[i] + padded[i + 1]) / 4 for i in range(1, len(padded) - 1)]


def _between(xs: Sequence[float], ys: Sequence[float], i: int, x: float) -> float:
    """The value at `x` on the line between the points `i` and `i + 1`."""
    return ys[i] + (ys[i + 1] - ys[i]) * (x - xs[i]) / (xs[i + 1] - xs[i])
