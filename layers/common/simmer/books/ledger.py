"""The use of models and the durations of jobs: one item for each day (UTC), task and model.

The items stand in the jobs table, under the key `ledger#<task>#<model>#<day>`, or in as many shards
as the traffic needs, `ledger#<task>#<model>#<day>#<shard>` from the second on:
- what the calls consumed, whatever came of them: `Usage`'s fields
- `jobs`: how many jobs were completed by an answer of this model
- `took_<i>`: how many of those took so long from their first claim to their completion, by
  `simmer.waiting.durations`' buckets; `took3_<i>` of answers in three parts
- `call<n>_<i>`: how many calls for n items of the answer (0: for the outline) took so long
"""

import random
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Self

from simmer.jobs.job import Usage
from simmer.table import Table
from simmer.waiting.durations import Durations, bucket
from simmer.waiting.polling import as_kept

# Long enough to hold a month against the same month of the last year.
RETENTION_SECONDS = 400 * 24 * 3600

CONTROL = "control"  # the key
_TOOK = re.compile(r"(took|call)([0-9]*)_([0-9]+)")


@dataclass(frozen=True, slots=True)
class Entry:
    """The work of one model for one task on one day. `took_by_parts` counts durations of jobs, by
    the number of parts and the bucket; `calls_by_items` those of calls, by the items asked for."""

    usage: Usage
    jobs: int
    took_by_parts: Mapping[tuple[int, int], int]
    calls_by_items: Mapping[tuple[int, int], int] = field(default_factory=dict)


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

    def __init__(self, table: Table, shards: int = 1) -> None:
        self._table = table
        self._shards = shards

    @classmethod
    def connect(cls, table: str, shards: int, *, is_patient: bool = True) -> Self:
        return cls(Table.connect(table, is_patient=is_patient), shards)

    def add(
        self,
        task: str,
        model: str,
        usage: Usage,
        *,
        now_ms: int,
        took_seconds: float | None = None,
        parts: int = 1,
        calls: Mapping[tuple[int, int], int] | None = None,
    ) -> None:
        """Add what the model consumed, `calls` by items and bucket and, if its answer completed a
        job of so many parts, how long that took."""
        added = asdict(usage) | {f"call{n}_{i}": count for (n, i), count in (calls or {}).items()}
        if took_seconds is not None:
            added |= {"jobs": 1, f"{_took(parts)}{bucket(took_seconds)}": 1}
        self._table.update(
            _key(task, model, day_of(now_ms), random.randrange(self._shards)),
            "SET #expires_at_seconds = :expires_at_seconds ADD "
            + ", ".join(f"#{name} :{name}" for name in added),
            expires_at_seconds=now_ms // 1000 + RETENTION_SECONDS,
            **added,
        )

    def read(self, task: str, model: str, day: date) -> Entry:
        """Read an entry. It may lag behind the last additions by a moment."""
        numbers: Counter[str] = Counter()
        for shard in range(self._shards):
            item = self._table.get(_key(task, model, day, shard)) or {}
            numbers.update({name: int(value["N"]) for name, value in item.items() if "N" in value})
        took: dict[str, dict[tuple[int, int], int]] = {"took": {}, "call": {}}
        for name, count in numbers.items():
            if found := _TOOK.fullmatch(name):
                took[found[1]][int(found[2] or 1), int(found[3])] = count
        return Entry(
            usage=Usage(**{name: numbers[name] for name in asdict(Usage())}),
            jobs=numbers["jobs"],
            took_by_parts=took["took"],
            calls_by_items=took["call"],
        )

    def control(self, day: date) -> Control:
        """Read what an operator wants of that day."""
        item = self._table.get(CONTROL) or {}
        more = item.get("more_microusd") if item.get("day") == {"S": str(day)} else None
        return Control("stopped" in item, int(more["N"]) if more else 0)

    def recent(self, task: str, models: Sequence[str], day: date) -> Sequence[tuple[str, Entry]]:
        """The entries of that day and the day before, each with its model."""
        days = (day, day - timedelta(days=1))
        return [(model, self.read(task, model, each)) for model in models for each in days]


def durations_of(
    task: str, recent: Sequence[tuple[str, Entry]], parts: int | None = None
) -> Mapping[str, str]:
    """The durations of the task's jobs in those entries, as a job keeps them: of those with so many
    parts, once they are known."""
    took: Counter[int] = Counter()
    alike: Counter[int] = Counter()
    for _, entry in recent:
        for (number, i), count in entry.took_by_parts.items():
            took[i] += count
            alike[i] += count if number == parts else 0
    known = Durations(alike)
    return as_kept(task, known if known.are_known else Durations(took))


def calls_of(recent: Sequence[tuple[str, Entry]]) -> Mapping[tuple[str, int], Durations]:
    """The durations of calls in those entries, by the model and the number of items asked for."""
    counts: dict[tuple[str, int], Counter[int]] = {}
    for model, entry in recent:
        for (items, i), count in entry.calls_by_items.items():
            counts.setdefault((model, items), Counter())[i] += count
    return {kind: Durations(each) for kind, each in counts.items()}


def _took(parts: int) -> str:
    """What the names of these counts begin with; those of one call are as they always were."""
    return "took_" if parts == 1 else f"took{parts}_"


def _key(task: str, model: str, day: date, shard: int) -> str:
    return f"ledger#{task}#{model}#{day}" + (f"#{shard}" if shard else "")
