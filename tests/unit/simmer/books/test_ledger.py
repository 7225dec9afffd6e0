"""The ledger: its sums, its items, and its errors when DynamoDB fails."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from typing import Any

import pytest

from simmer.books.ledger import Entry, Ledger, day_of
from simmer.errors import DependencyUnavailable
from simmer.jobs.job import Usage
from simmer.waiting.durations import bucket
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, TABLE, Cloud, refused, table_of

TODAY = date(2026, 11, 22)
USED = Usage(
    calls=2, input_tokens=1000, cached_input_tokens=600, output_tokens=300, cost_microusd=1234
)


@pytest.fixture
def ledger(cloud: Cloud) -> Ledger:
    return Ledger(table_of(cloud.dynamodb))


def item(cloud: Cloud, key: str) -> dict[str, Any]:
    found = cloud.dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": key}})
    values: dict[str, Any] = found["Item"]
    return values


def test_an_entry_that_nobody_wrote_is_nought(ledger: Ledger) -> None:
    assert ledger.read("recipe", "m", TODAY) == Entry(Usage(), 0, {})


def test_additions_of_a_day_add_up(ledger: Ledger, clock: Clock) -> None:
    ledger.add("recipe", "m", USED, now_ms=clock.now_ms)
    ledger.add("recipe", "m", USED, now_ms=clock.now_ms, took_seconds=10.0)
    ledger.add("recipe", "m", Usage(), now_ms=clock.now_ms + 3_600_000, took_seconds=10.01)
    ledger.add("recipe", "m", Usage(), now_ms=clock.now_ms, took_seconds=50)
    entry = ledger.read("recipe", "m", TODAY)
    assert entry.usage == USED + USED
    assert entry.jobs == 3
    assert entry.took_by_parts == {(1, bucket(10.0)): 2, (1, bucket(50)): 1}


def test_a_day_a_task_and_a_model_have_entries_of_their_own(ledger: Ledger, clock: Clock) -> None:
    places = [("recipe", "m"), ("recipe", "n"), ("other", "m")]
    for i, (task, model) in enumerate(places):
        ledger.add(task, model, Usage(calls=i + 1), now_ms=clock.now_ms)
    ledger.add("recipe", "m", Usage(calls=9), now_ms=clock.now_ms + 24 * 3_600_000)
    assert [ledger.read(*place, TODAY).usage.calls for place in places] == [1, 2, 3]
    assert ledger.read("recipe", "m", date(2026, 11, 23)).usage.calls == 9


def test_shards_take_turns_and_are_read_as_one(cloud: Cloud, clock: Clock) -> None:
    table = table_of(cloud.dynamodb)
    before, sharded = Ledger(table), Ledger(table, shards=4)
    before.add("recipe", "m", USED, now_ms=clock.now_ms)
    for _ in range(40):  # that all of them fall to three of four: one run in 25,000
        sharded.add("recipe", "m", USED, now_ms=clock.now_ms, took_seconds=10.0)

    items = [f"ledger#recipe#m#2026-11-22{shard}" for shard in ("", "#1", "#2", "#3")]
    assert sum(int(item(cloud, key)["calls"]["N"]) for key in items) == 41 * USED.calls
    entry = sharded.read("recipe", "m", TODAY)
    assert (entry.usage.calls, entry.jobs, entry.took_by_parts) == (
        41 * USED.calls,
        40,
        {(1, bucket(10.0)): 40},
    )
    assert Ledger(table, shards=8).read("recipe", "m", TODAY) == entry


def test_an_addition_is_one_write(ledger: Ledger, cloud: Cloud, clock: Clock) -> None:
    ledger.add("recipe", "m", USED, now_ms=clock.now_ms, took_seconds=3)
    assert cloud.calls == ["update_item"]


def test_an_entry_is_kept_for_more_than_a_year_and_then_forgotten(
    ledger: Ledger, cloud: Cloud, clock: Clock
) -> None:
    ledger.add("recipe", "gpt-5.5", USED, now_ms=clock.now_ms)
    stored = item(cloud, "ledger#recipe#gpt-5.5#2026-11-22")
    assert int(stored["expires_at_seconds"]["N"]) == clock.now_ms // 1000 + 400 * 24 * 3600
    assert set(stored) == {"pk", "expires_at_seconds", *asdict(USED)}


@pytest.mark.parametrize(
    ("at", "day"),
    [(0, date(1970, 1, 1)), (86_399_999, date(1970, 1, 1)), (86_400_000, date(1970, 1, 2))],
)
def test_a_day_is_one_in_utc(at: int, day: date) -> None:
    assert day_of(at) == day


@pytest.mark.parametrize("error", [refused("InternalServerError"), LOST_ANSWER])
@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("update_item", lambda ledger: ledger.add("recipe", "m", USED, now_ms=0)),
        ("get_item", lambda ledger: ledger.read("recipe", "m", TODAY)),
    ],
)
def test_failure_of_dynamodb_is_one_of_ours(
    ledger: Ledger,
    cloud: Cloud,
    operation: str,
    call: Callable[[Ledger], object],
    error: Exception,
) -> None:
    cloud.dynamodb.fail(operation, error)
    with pytest.raises(DependencyUnavailable):
        call(ledger)
