"""The durations of past jobs: a histogram, read as a distribution.

The buckets grow by a tenth each, from a tenth of a second to an hour, so that a duration is
known to a few per cent wherever it lies; within a bucket every duration is as likely as another.
Without history a prior stands in, which weighs as much as ten jobs and is gone at the hundredth.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Self

# The prior: all durations up to 90 s are equally likely. So the mean is 45 s and the bar climbs
# about one point a second, as the bar of the article does (docs/glossary.md).
PRIOR_LONGEST_SECONDS = 90.0
PRIOR_JOBS = 10.0
PRIOR_GONE_AFTER_JOBS = 100

# Stored counts are by a bucket's index: a change of these edges needs new names of the counts.
BUCKETS = 110
_RATIO = 1.1
_PRIOR_BUCKETS = 71  # so that the prior ends on an edge
_EDGES = (
    0.0,
    *(PRIOR_LONGEST_SECONDS * _RATIO ** (i - _PRIOR_BUCKETS) for i in range(1, BUCKETS + 1)),
)
_PRIOR_WEIGHTS = [
    PRIOR_JOBS * (end - start) / PRIOR_LONGEST_SECONDS if i < _PRIOR_BUCKETS else 0.0
    for i, (start, end) in enumerate(pairwise(_EDGES))
]


def bucket(seconds: float) -> int:
    """The index of the bucket that a duration falls into; the last one takes all that is longer."""
    return min(BUCKETS, max(1, bisect_right(_EDGES, seconds))) - 1


class Durations:
    """The durations of past jobs, `counts` of them by bucket, together with the prior."""

    def __init__(self, counts: Mapping[int, int]) -> None:
        self._counts = dict(sorted(counts.items()))
        self._past = sum(counts.values())
        prior = max(0.0, 1 - self._past / PRIOR_GONE_AFTER_JOBS)
        self._weights = [prior * weight for weight in _PRIOR_WEIGHTS] if prior else [0.0] * BUCKETS
        for i, count in self._counts.items():
            self._weights[i] += count
        self._prior = PRIOR_JOBS * prior
        # The weight of all jobs that are done by each edge.
        self._done = (0.0, *accumulate(self._weights))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` gave; an empty text is no history."""
        pairs = (pair.split(":") for pair in text.split())
        return cls({int(i): int(count) for i, count in pairs})

    def __str__(self) -> str:
        """The shortest text to store: a few hundred bytes at most."""
        return " ".join(f"{i}:{count}" for i, count in self._counts.items() if count)

    @property
    def are_known(self) -> bool:
        """True if past jobs weigh more than the prior."""
        return self._past > self._prior

    def histogram(self) -> tuple[Sequence[float], Sequence[float]]:
        """The edges of the buckets, in seconds, and the weight of the jobs in each bucket."""
        return _EDGES, self._weights

    def share_done(self, elapsed_seconds: float) -> float:
        """The share of jobs, 0 to 1, that are done after so many seconds. It never falls as time
        passes, down to the last bit."""
        if elapsed_seconds <= 0:
            return 0.0
        i = bisect_right(_EDGES, elapsed_seconds) - 1
        if i >= BUCKETS:
            return 1.0
        part = (elapsed_seconds - _EDGES[i]) / (_EDGES[i + 1] - _EDGES[i])
        below, above = self._done[i], self._done[i + 1]
        return min(above, below + (above - below) * part) / self._done[-1]

    def seconds_until(self, share: float) -> float:
        """The number of seconds after which that share of jobs, 0 to 1, is done."""
        wanted = share * self._done[-1]
        i = bisect_left(self._done, wanted, lo=1) - 1
        below, above = self._done[i], self._done[i + 1]
        part = (wanted - below) / (above - below) if above > below else 0.0
        return _EDGES[i] + part * (_EDGES[i + 1] - _EDGES[i])

    def median_remaining_seconds(self, elapsed_seconds: float) -> float:
        """The median of the time left to jobs that have taken so long; not above 0 when no job ever
        took so long."""
        share = self.share_done(elapsed_seconds)
        return self.seconds_until((1 + share) / 2) - elapsed_seconds
