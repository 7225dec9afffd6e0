"""The use of models and the durations of jobs: one item for each day (UTC), task and model.

The items stand in the jobs table, under the key `ledger#<task>#<model>#<day>`:
- what the calls consumed, whatever came of them: `Usage`'s fields
- `jobs`: how many jobs were completed by an answer of this model
- `took_<i>`: how many of those took so long from their first claim to their completion, by
  `simmer.waiting.durations`' buckets; `took3_<i>` of answers in three parts
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from simmer.jobs.job import Usage
from simmer.table import Table
from simmer.waiting.durations import Durations, bucket
from simmer.waiting.polling import as_kept

# Long enough to hold a month against the same month of the last year.
RETENTION_SECONDS = 400 * 24 * 3600

CONTROL = "control"  # the key
_TOOK = re.compile(r"took([0-9]*)_([0-9]+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """The work of one model for one task on one day. `took_by_parts` counts durations, by the
    number of parts and the bucket."""

    usage: Usage
    jobs: int
    took_by_parts: Mapping[tuple[int, int], int]

    @property
    def took(self) -> Mapping[int, int]:
        """The durations of all, by bucket."""
        return _of_all(self.took_by_parts)


@dataclass(frozen=True, slots=True)
class Control:
    """The word of an operator to all workers, as `simmer-admin` writes it."""

    is_stopped: bool = False  # no model is to be asked
    more_microusd: int = 0  # what may be spent today beyond the day's budget


def day_of(now_ms: int) -> date:
    """The day (UTC) that an entry at `now_ms` belongs to."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()


class Ledger:
    """The ledger in a table.

    Every method raises `DependencyUnavailable` when DynamoDB fails. An addition may have taken
    effect even so: added again it counts twice.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    @classmethod
    def connect(cls, table: str, *, is_patient: bool = True) -> Self:
        return cls(Table.connect(table, is_patient=is_patient))

    def add(
        self,
        task: str,
        model: str,
        usage: Usage,
        *,
        now_ms: int,
        took_seconds: float | None = None,
        parts: int = 1,
    ) -> None:
        """Add what the model consumed and, if its answer completed a job of so many parts, how long
        that took."""
        added = counts(usage, took_seconds, parts)
        self.add_counts(task, model, day_of(now_ms), added, now_ms=now_ms)

    def add_counts(
        self, task: str, model: str, day: date, added: Mapping[str, Any], *, now_ms: int
    ) -> None:
        """Add the sum of many `counts` to that day's item, in one write."""
        self._table.update(
            _key(task, model, day),
            "SET #expires_at_seconds = :expires_at_seconds ADD "
            + ", ".join(f"#{name} :{name}" for name in added),
            expires_at_seconds=now_ms // 1000 + RETENTION_SECONDS,
            **added,
        )

    def read(self, task: str, model: str, day: date) -> Entry:
        """Read an entry. It may lag behind the last additions by a moment."""
        item = self._table.get(_key(task, model, day)) or {}
        numbers = {name: int(value["N"]) for name, value in item.items() if "N" in value}
        return Entry(
            usage=Usage(**{name: numbers.get(name, 0) for name in asdict(Usage())}),
            jobs=numbers.get("jobs", 0),
            took_by_parts={
                (int(found[1] or 1), int(found[2])): count
                for name, count in numbers.items()
                if (found := _TOOK.fullmatch(name))
            },
        )

    def control(self, day: date) -> Control:
        """Read what an operator wants of that day."""
        item = self._table.get(CONTROL) or {}
        more = item.get("more_microusd") if item.get("day") == {"S": str(day)} else None
        return Control("stopped" in item, int(more["N"]) if more else 0)

    def durations(
        self, task: str, models: Sequence[str], day: date, parts: int | None = None
    ) -> Mapping[str, str]:
        """The durations of the task's jobs on that day and the day before, on these models, as a
        job keeps them: of those with so many parts, once they are known."""
        took: Counter[tuple[int, int]] = Counter()
        for model in models:
            for each in (day, day - timedelta(days=1)):
                took.update(self.read(task, model, each).took_by_parts)
        alike = Durations({i: count for (number, i), count in took.items() if number == parts})
        return as_kept(task, alike if alike.are_known else Durations(_of_all(took)))


def counts(usage: Usage, took_seconds: float | None = None, parts: int = 1) -> Counter[str]:
    """The attributes that a job adds to; `took_seconds` if its answer completed it."""
    added = Counter(asdict(usage))
    if took_seconds is not None:
        added |= {"jobs": 1, f"{_took(parts)}{bucket(took_seconds)}": 1}
    return added


def _of_all(took: Mapping[tuple[int, int], int]) -> Mapping[int, int]:
    counts: Counter[int] = Counter()
    for (_, i), count in took.items():
        counts[i] += count
    return counts


def _took(parts: int) -> str:
    """What the names of these counts begin with; those of one call are as they always were."""
    return "took_" if parts == 1 else f"took{parts}_"


def _key(task: str, model: str, day: date) -> str:
    return f"ledger#{task}#{model}#{day}"
