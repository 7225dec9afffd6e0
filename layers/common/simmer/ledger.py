"""What models were used for, and how long jobs took: an item a day (UTC), task and model.

The items stand in the jobs table, under the key `ledger#<task>#<model>#<day>`:
- what the calls consumed, whatever came of them: `Usage`'s fields
- `jobs`: how many jobs were completed by an answer of this model
- `took_<i>`: how many of those took so long from their first claim to their completion, by
  `simmer.durations`' buckets
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Self

import boto3

from simmer.aws import AWS_ERRORS, CLIENT_CONFIG, IMPATIENT_CONFIG
from simmer.durations import Durations, bucket
from simmer.errors import DependencyUnavailable
from simmer.job import Usage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# Long enough to hold a month against the same month of the last year.
RETENTION_SECONDS = 400 * 24 * 3600

_TOOK = "took_"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one model did for one task on one day. `took` counts durations, by bucket."""

    usage: Usage
    jobs: int
    took: Mapping[int, int]


def day_of(now_ms: int) -> date:
    """The day (UTC) that an entry at `now_ms` belongs to."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()


class Ledger:
    """The ledger in the jobs table called `table`.

    Every method raises `DependencyUnavailable` when DynamoDB fails. An addition may have taken
    effect even so: added again it counts twice.
    """

    def __init__(self, dynamodb: "DynamoDBClient", table: str) -> None:
        self._dynamodb = dynamodb
        self._table = table

    @classmethod
    def connect(cls, table: str, *, is_patient: bool = True) -> Self:
        config = CLIENT_CONFIG if is_patient else IMPATIENT_CONFIG
        return cls(boto3.client("dynamodb", config=config), table)

    def add(
        self, task: str, model: str, usage: Usage, *, now_ms: int, took_seconds: float | None = None
    ) -> None:
        """Add what the model consumed and, if its answer completed a job, how long that took."""
        added = asdict(usage)
        if took_seconds is not None:
            added |= {"jobs": 1, f"{_TOOK}{bucket(took_seconds)}": 1}
        values = {**added, "expires_at_seconds": now_ms // 1000 + RETENTION_SECONDS}
        try:
            self._dynamodb.update_item(
                TableName=self._table,
                Key=_key(task, model, day_of(now_ms)),
                UpdateExpression="SET #expires_at_seconds = :expires_at_seconds ADD "
                + ", ".join(f"#{name} :{name}" for name in added),
                ExpressionAttributeNames={f"#{name}": name for name in values},
                ExpressionAttributeValues={f":{name}": {"N": str(n)} for name, n in values.items()},
            )
        except AWS_ERRORS as error:
            raise _unavailable() from error

    def read(self, task: str, model: str, day: date) -> Entry:
        """What stands there, which may lag behind the last additions by a moment."""
        try:
            answer = self._dynamodb.get_item(TableName=self._table, Key=_key(task, model, day))
        except AWS_ERRORS as error:
            raise _unavailable() from error
        item = answer.get("Item", {})
        numbers = {name: int(value["N"]) for name, value in item.items() if "N" in value}
        return Entry(
            usage=Usage(**{name: numbers.get(name, 0) for name in asdict(Usage())}),
            jobs=numbers.get("jobs", 0),
            took={
                int(name.removeprefix(_TOOK)): count
                for name, count in numbers.items()
                if name.startswith(_TOOK)
            },
        )

    def durations(self, task: str, models: Sequence[str], day: date) -> str:
        """How long the task's jobs took on that day and the one before, on these models, as
        `simmer.durations` writes it."""
        took: Counter[int] = Counter()
        for model in models:
            for each in (day, day - timedelta(days=1)):
                took.update(self.read(task, model, each).took)
        return str(Durations(took))


def _key(task: str, model: str, day: date) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"ledger#{task}#{model}#{day}"}}


def _unavailable() -> DependencyUnavailable:
    return DependencyUnavailable("The ledger did not answer.", retry_after_seconds=1)
