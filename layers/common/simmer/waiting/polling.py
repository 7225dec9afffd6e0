"""The times of the polls: few while the job can hardly be done, many where its end is likely.

The hazard of a job is the chance that it ends in the next moment, given that it has not ended yet.
The density of the polls goes with the hazard to the power of 2/3. (With 1/2 the mean delay from
stored to seen would be the smallest for this number of polls; 2/3 gives a little of the mean away
for a smaller median.) The number of polls is a share of those of a poller that asks every 2 s.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, compress, pairwise
from operator import add

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

DENSITY = "poll density"  # no task's name

_HAZARD_POWER = 2 / 3
_DENSITIES = (0.05, 50.0)  # wider than the bounds above allow
_HALVINGS = 10


class PollSchedule:
    """The times of the polls of a job that takes as long as past jobs did.

    It keeps nothing of a job: a client that asks early or late is told the next good moment.
    `density` is what a schedule of the same durations has found; without it, it is looked for,
    which takes as long as five whole polls.
    """

    def __init__(self, durations: Durations, density: float | None = None) -> None:
        self._edges, weights = durations.histogram()
        self._weights = [*_smoothed(weights), 0.0]  # past the last edge
        # The weight of the jobs that are done, at each edge; of all, at the last one.
        self._done = list(accumulate(self._weights[:-1], initial=0.0))
        self._end_seconds = self._edges[max(compress(range(1, len(self._done)), self._weights))]
        self._hazards: dict[int, float] = {}  # by bucket, as they are asked for
        self.density = density or self._worthwhile_density()

    def gap_seconds(self, elapsed_seconds: float) -> float:
        """The pause before the next poll of a job that has taken so long and is not done."""
        if elapsed_seconds >= self._end_seconds:
            return FIXED_SECONDS  # longer than any: it may be done any moment, or never
        i = bisect_right(self._edges, elapsed_seconds) - 1
        at, wanted = elapsed_seconds, 1.0
        while at < elapsed_seconds + LONGEST_SECONDS:
            rate = self.density * self._hazard(i)
            polls = rate * (self._edges[i + 1] - at)
            if polls >= wanted:
                at += wanted / rate
                break
            wanted -= polls
            i += 1
            at = self._edges[i]
            if rate and not self._weights[i]:
                break  # for the jobs that have just ended, where no more are likely to
        return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, at - elapsed_seconds))

    def _hazard(self, i: int) -> float:
        """What the density of the polls in a bucket goes with; 0 where no job is done."""
        if i not in self._hazards:
            width = self._edges[i + 1] - self._edges[i]
            # One job is added that is longer than all others: it keeps the hazard finite.
            alive = self._done[-1] - (self._done[i] + self._done[i + 1]) / 2 + 4
            self._hazards[i] = (self._weights[i] / width / alive) ** _HAZARD_POWER
        return self._hazards[i]

    def _worthwhile_density(self) -> float:
        """The lowest density that is worth its polls, found by halving."""
        # Within a bucket every duration is as likely as another.
        all_seconds = sum(
            (after - before) * (start + end) / 2
            for (before, after), (start, end) in zip(
                pairwise(self._done), pairwise(self._edges), strict=True
            )
        )
        mean_seconds = all_seconds / self._done[-1]
        fixed_polls, fixed_seconds = self._expect(lambda _: FIXED_SECONDS)
        low, high = _DENSITIES
        for _ in range(_HALVINGS):
            self.density = (low * high) ** 0.5
            polls, seconds = self._expect(self.gap_seconds)
            has_polls_left = polls <= POLLS_RATIO * fixed_polls
            is_late = seconds - mean_seconds > DELAY_RATIO * (fixed_seconds - mean_seconds)
            if has_polls_left or is_late:
                low = self.density
            else:
                high = self.density
        return float(f"{low:.4g}")

    def _expect(self, gap_seconds: Callable[[float], float]) -> tuple[float, float]:
        """For polls at such gaps, how many a job has, and after how many seconds its end is seen:
        the averages."""
        at, polls, seen_seconds = 0.0, 1.0, 0.0
        while at < self._end_seconds:
            i = bisect_right(self._edges, at) - 1
            still_open = 1 - _between(self._edges, self._done, i, at) / self._done[-1]
            gap = gap_seconds(at)
            polls += still_open
            seen_seconds += still_open * gap
            at += gap
        return polls, seen_seconds


parsed = lru_cache(maxsize=256)(Durations.parse)  # one text serves many polls


@lru_cache(maxsize=256)
def poll_schedule(text: str, density: str = "") -> PollSchedule:
    """The schedule by `Durations` and its density as they are stored."""
    return PollSchedule(parsed(text), float(density) if density else None)


def as_kept(task: str, durations: Durations) -> Mapping[str, str]:
    """What a job keeps of the durations: by task, beside what they say of the polls."""
    text = str(durations)
    kept = {task: text} if text else {}
    if durations.are_known:  # else the polls go by other rules
        kept[DENSITY] = f"{PollSchedule(durations).density:.4g}"
    return kept


def _smoothed(weights: Sequence[float]) -> list[float]:
    """A smoother histogram, in quarters of jobs: one of each bucket to either neighbour. With few
    jobs a histogram has holes, and ends that the next job passes."""
    pairs = list(map(add, [0.0, *weights], [*weights, 0.0]))
    return list(map(add, pairs, pairs[1:]))


def _between(xs: Sequence[float], ys: Sequence[float], i: int, x: float) -> float:
    """The value at `x` on the line between the points `i` and `i + 1`."""
    return ys[i] + (ys[i + 1] - ys[i]) * (x - xs[i]) / (xs[i + 1] - xs[i])
