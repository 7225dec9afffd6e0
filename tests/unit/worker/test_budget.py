"""A day's budget: when it is spent, no worker calls a model until the day is over."""

import asyncio
import json
import logging
import threading
from datetime import date
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

import app
from books import (
    BLIND_SECONDS,
    CONTROL_MAX_AGE_SECONDS,
    LEDGER_SECONDS,
    SPENT_MAX_AGE_SECONDS,
    Books,
    Budget,
)
from prices import UnpricedRung, known_price
from provider import Provider
from providers.outcomes import Throttled
from simmer.books.ledger import CONTROL, Ledger, day_of
from simmer.errors import DependencyUnavailable
from simmer.jobs.job import ErrorCode, Usage
from simmer.settings import WorkerSettings
from tests.unit.clock import Clock
from tests.unit.cloud import TABLE, Cloud, refused, table_of
from tests.unit.worker.fakes import VALID, FakeProvider
from tests.unit.worker.workshop import LARGE_MICROUSD, SMALL_MICROUSD, Context, Workshop

A_DAY = 24 * 3600


def usd(microusd: int) -> float:
    return microusd / 1_000_000


def shop_of(cloud: Cloud, clock: Clock, budget_microusd: int) -> Workshop:
    return Workshop(cloud, clock, usd(budget_microusd))


def spent(record: logging.LogRecord) -> bool:
    return record.msg == "daily budget spent"


# --- An operator's word ---------------------------------------------------------------------------


def say(cloud: Cloud, **attributes: Any) -> None:
    serialized = {name: TypeSerializer().serialize(value) for name, value in attributes.items()}
    cloud.dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": CONTROL}, **serialized})


@pytest.mark.parametrize("budget_microusd", [0, 100 * SMALL_MICROUSD])
def test_while_spending_is_stopped_jobs_wait_without_a_call_and_then_go_on(
    cloud: Cloud, clock: Clock, budget_microusd: int, records: list[logging.LogRecord]
) -> None:
    shop = shop_of(cloud, clock, budget_microusd)
    assert shop.job(FakeProvider([VALID]))["status"] == "completed"
    say(cloud, stopped=True)
    clock.advance(CONTROL_MAX_AGE_SECONDS)

    waiting = shop.job(FakeProvider([]))
    assert (waiting["status"], waiting.get("error_code")) == ("pending", None)
    assert not any(spent(record) for record in records)

    say(cloud)
    clock.advance(SPENT_MAX_AGE_SECONDS + 20)
    job_id = waiting["pk"].removeprefix("job#")
    job = shop.store.get(job_id, task="recipe", user=waiting["owner"], now_ms=clock.now_ms)
    shop.queue.send(job)  # its own message is delayed by a clock that no test moves
    shop.run(FakeProvider([VALID]))
    assert cloud.job(job_id)["status"] == "completed"


def test_a_stop_is_noticed_well_within_ten_seconds() -> None:
    assert CONTROL_MAX_AGE_SECONDS + WorkerSettings.heartbeat_seconds < 10


def test_a_budget_that_is_raised_is_raised_for_that_day(cloud: Cloud, clock: Clock) -> None:
    shop = shop_of(cloud, clock, SMALL_MICROUSD)
    shop.job(FakeProvider([VALID]))
    assert shop.job(FakeProvider([]))["error_code"] == ErrorCode.BUDGET_EXCEEDED
    today = str(day_of(clock.now_ms))
    say(cloud, more_microusd=SMALL_MICROUSD, day=today)
    clock.advance(CONTROL_MAX_AGE_SECONDS)
    assert shop.job(FakeProvider([VALID]))["status"] == "completed"
    assert shop.job(FakeProvider([]))["error_code"] == ErrorCode.BUDGET_EXCEEDED

    clock.advance(A_DAY)
    assert shop.job(FakeProvider([VALID]))["status"] == "completed"
    assert shop.job(FakeProvider([]))["error_code"] == ErrorCode.BUDGET_EXCEEDED


# --- Jobs -----------------------------------------------------------------------------------------


def test_without_a_budget_nothing_is_read_and_nothing_stopped(
    cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = shop_of(cloud, clock, 0)
    monkeypatch.setattr(shop.books, "_read_spent", None)
    for _ in range(3):
        assert shop.job(FakeProvider([VALID]))["status"] == "completed"


def test_at_the_budget_a_job_fails_by_name_without_a_call_and_the_operator_is_alarmed(
    cloud: Cloud, clock: Clock, records: list[logging.LogRecord]
) -> None:
    shop = shop_of(cloud, clock, 2 * SMALL_MICROUSD)
    for _ in range(2):
        assert shop.job(FakeProvider([VALID]))["status"] == "completed"
    assert not any(spent(record) for record in records)
    provider = FakeProvider([])
    stored = shop.job(provider)
    assert (stored["status"], stored["error_code"]) == ("failed", ErrorCode.BUDGET_EXCEEDED)
    assert (provider.asked, stored["calls"]) == ([], 0)
    [alarm] = [record for record in records if spent(record)]
    assert (alarm.levelname, vars(alarm)["jobId"]) == ("ERROR", stored["job_id"])


def test_a_microdollar_below_the_budget_is_below_it(cloud: Cloud, clock: Clock) -> None:
    shop = shop_of(cloud, clock, SMALL_MICROUSD + 1)
    assert shop.job(FakeProvider([VALID]))["status"] == "completed"
    assert shop.job(FakeProvider([VALID]))["status"] == "completed"
    assert shop.job(FakeProvider([]))["error_code"] == "budget_exceeded"


def test_the_budget_stops_a_job_between_its_calls_and_keeps_what_it_has_spent(
    cloud: Cloud, clock: Clock
) -> None:
    shop = shop_of(cloud, clock, 2 * SMALL_MICROUSD)
    provider = FakeProvider(["nonsense", "nonsense"])  # the next would be the larger model
    stored = shop.job(provider)
    assert stored["error_code"] == "budget_exceeded"
    assert (len(provider.asked), stored["cost_microusd"]) == (2, 2 * SMALL_MICROUSD)
    assert shop.entry("small").usage.cost_microusd == 2 * SMALL_MICROUSD


def test_a_throttled_job_does_not_wait_for_room_that_it_may_not_use(
    cloud: Cloud, clock: Clock
) -> None:
    shop = shop_of(cloud, clock, SMALL_MICROUSD)

    def meanwhile() -> Exception:
        shop.books.budget.spend(SMALL_MICROUSD)
        return Throttled("status 429", 5.0)

    assert shop.job(FakeProvider([meanwhile]))["error_code"] == "budget_exceeded"


def test_what_one_worker_spends_the_others_know_within_ten_seconds(
    cloud: Cloud, clock: Clock
) -> None:
    one, other = (shop_of(cloud, clock, SMALL_MICROUSD + LARGE_MICROUSD) for _ in range(2))
    assert other.job(FakeProvider([VALID]))["status"] == "completed"
    one.ledger.add("recipe", "large", Usage(cost_microusd=LARGE_MICROUSD), now_ms=clock.now_ms)
    clock.advance(SPENT_MAX_AGE_SECONDS - 1)
    assert other.job(FakeProvider([VALID]))["status"] == "completed"
    clock.advance(1)
    assert other.job(FakeProvider([]))["error_code"] == "budget_exceeded"
    assert one.job(FakeProvider([]))["error_code"] == "budget_exceeded"


def test_a_new_worker_reads_what_is_spent_before_its_first_call(cloud: Cloud, clock: Clock) -> None:
    assert shop_of(cloud, clock, 0).job(FakeProvider([VALID]))["status"] == "completed"
    shop = shop_of(cloud, clock, SMALL_MICROUSD)
    assert shop.job(FakeProvider([]))["error_code"] == "budget_exceeded"


def test_at_midnight_utc_there_is_money_again(cloud: Cloud, clock: Clock) -> None:
    shop = shop_of(cloud, clock, SMALL_MICROUSD)
    shop.job(FakeProvider([VALID]))
    to_midnight = A_DAY - clock.now_ms // 1000 % A_DAY
    clock.advance(to_midnight - 1)
    assert shop.job(FakeProvider([]))["error_code"] == "budget_exceeded"
    clock.advance(1)
    assert shop.job(FakeProvider([VALID]))["status"] == "completed"
    assert shop.job(FakeProvider([]))["error_code"] == "budget_exceeded"


# --- A ledger that does not answer ----------------------------------------------------------------


def test_a_ledger_that_cannot_be_read_stops_nobody_and_is_logged(
    cloud: Cloud, clock: Clock, records: list[logging.LogRecord]
) -> None:
    shop = shop_of(cloud, clock, SMALL_MICROUSD)
    cloud.dynamodb.fail("get_item", refused("InternalServerError"), times=99, about="ledger#")
    assert shop.job(FakeProvider([VALID]))["status"] == "completed"
    assert [record for record in records if record.msg == "ledger not read"]
    # What this process has spent it knows without the ledger.
    assert shop.job(FakeProvider([]))["error_code"] == "budget_exceeded"


def test_a_ledger_that_hangs_holds_no_job_up_for_long(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr("books.LEDGER_SECONDS", 0.05)
    assert 0.05 < LEDGER_SECONDS < 5

    was_asked = threading.Event()

    def hangs(day: date) -> int:
        assert was_asked.wait(60)
        return 10**12

    async def ask() -> bool:
        try:
            return await Budget(1, hangs).is_spent()
        finally:
            was_asked.set()

    assert asyncio.run(ask()) is False


def test_what_was_read_last_counts_while_the_ledger_is_away(clock: Clock) -> None:
    readings: list[int | Exception] = [400_000, DependencyUnavailable("away"), 999_999, 1_000_000]

    def read(day: date) -> int:
        reading = readings.pop(0)
        if isinstance(reading, Exception):
            raise reading
        return reading

    async def ask() -> list[bool]:
        budget, answers = Budget(1, read), []
        for _ in range(4):
            answers.append(await budget.is_spent())
            clock.advance(SPENT_MAX_AGE_SECONDS)
            if len(answers) == 1:
                budget.spend(600_000)  # and nobody books it
            if len(answers) == 2:
                budget.booked(600_000, date(2026, 11, 22))
        return answers

    # 400 read; 400 still, and 600 here; 999.999 with those 600 in it; a whole dollar.
    assert asyncio.run(ask()) == [False, True, False, True]


def away(cloud: Cloud) -> None:
    cloud.dynamodb.fail("get_item", refused("InternalServerError"), times=999, about="ledger#")


def test_a_budget_that_was_blind_for_long_lets_nothing_be_spent_and_gives_the_job_back(
    cloud: Cloud, clock: Clock, records: list[logging.LogRecord]
) -> None:
    shop = shop_of(cloud, clock, 100 * SMALL_MICROUSD)
    away(cloud)
    assert shop.job(FakeProvider([VALID]))["status"] == "completed"
    clock.advance(BLIND_SECONDS - 1)
    assert shop.job(FakeProvider([VALID]))["status"] == "completed"
    assert not [each for each in records if each.levelname == "ERROR"]
    clock.advance(SPENT_MAX_AGE_SECONDS)
    provider = FakeProvider([])
    stored = shop.job(provider)
    assert (provider.asked, stored["status"], stored["calls"]) == ([], "pending", 0)
    assert stored["awaits_capacity"] is True
    assert {each.msg for each in records if each.levelname == "ERROR"} == {"ledger not read"}
    assert not [record for record in records if spent(record)], "nobody knows that it is"


def test_a_job_that_waits_for_its_budget_to_be_read_completes_when_it_can_be(
    cloud: Cloud, clock: Clock
) -> None:
    shop = shop_of(cloud, clock, 100 * SMALL_MICROUSD)
    assert shop.job(FakeProvider([VALID]))["status"] == "completed"
    clock.advance(BLIND_SECONDS)
    error = refused("InternalServerError")
    cloud.dynamodb.fail("get_item", error, times=2, about="ledger#")  # durations, and the budget
    admitted = shop.admit()
    shop.run(FakeProvider([]))
    assert cloud.job(admitted.job_id)["status"] == "pending"
    clock.advance(SPENT_MAX_AGE_SECONDS)
    shop.queue.send(admitted)  # the one it was given back with is hidden in real time
    shop.run(FakeProvider([VALID]))
    assert [job["status"] for job in cloud.jobs()] == ["completed", "completed"]


def test_a_job_whose_budget_nobody_can_read_to_the_end_fails_so_that_it_may_be_sent_again(
    cloud: Cloud, clock: Clock
) -> None:
    shop = shop_of(cloud, clock, 100 * SMALL_MICROUSD)
    away(cloud)
    shop.job(FakeProvider([VALID]))
    clock.advance(BLIND_SECONDS)
    admitted = shop.admit()
    clock.advance((admitted.deadline_at_ms - clock.now_ms) / 1000 - 30)
    shop.run(FakeProvider([]))
    stored = cloud.job(admitted.job_id)
    assert (stored["status"], stored["error_code"]) == ("failed", "model_unavailable")
    assert ErrorCode(stored["error_code"]).is_retryable


def test_midnight_does_not_make_a_blind_budget_see(clock: Clock) -> None:
    def read(day: date) -> int:
        raise DependencyUnavailable("away")

    async def ask() -> list[bool]:
        budget, answers = Budget(1, read), []
        clock.advance(A_DAY - clock.now_ms // 1000 % A_DAY - BLIND_SECONDS / 2)
        for _ in range(2):
            answers.append(await budget.is_spent())
            clock.advance(BLIND_SECONDS)
        return answers

    assert asyncio.run(ask()) == [False, True]


# --- A model without a price ----------------------------------------------------------------------


def handled(
    scene: Workshop, monkeypatch: pytest.MonkeyPatch, ladder: list[dict[str, Any]], budget: str
) -> tuple[FakeProvider, Exception | None]:
    """The provider of a new worker that a job wakes, and the error that the worker raised."""
    environment = {
        "JOBS_TABLE": TABLE,
        "JOBS_QUEUE_URL": scene.cloud.queue_url,
        "MODEL_LADDER": json.dumps(ladder),
        "MODEL_KEYS_SECRET": "keys",
        "DAILY_BUDGET_USD": budget,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    provider = FakeProvider([VALID])
    monkeypatch.setattr(Provider, "connect", lambda keys_secret: provider)
    app._worker.cache_clear()
    scene.admit()
    try:
        app.handler({"Records": scene.receive()}, Context())
    except ValueError as error:
        return provider, error
    else:
        return provider, None
    finally:
        app._worker.cache_clear()
        app._runner().close()
        app._runner.cache_clear()


FREE = {"input": 0, "cachedInput": 0, "output": 0}


@pytest.mark.parametrize(
    ("ladder", "rung", "model"),
    [
        ([{"model": "made-up"}], 1, "made-up"),
        ([{"model": "gpt-6-luna"}, {"model": "our/own-8b"}], 2, "our/own-8b"),
        ([{"model": "a", "price": FREE}, {"model": "b"}, {"model": "c"}], 2, "b"),
        ([{"model": "openai/gpt-6-luna:free"}], 1, "openai/gpt-6-luna:free"),
    ],
)
def test_a_budget_with_an_unpriced_rung_is_refused_in_words_before_any_call(
    cloud: Cloud,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    records: list[logging.LogRecord],
    ladder: list[dict[str, Any]],
    rung: int,
    model: str,
) -> None:
    known_price.cache_clear()
    provider, refusal = handled(Workshop(cloud, clock), monkeypatch, ladder, "0.01")
    assert provider.asked == []
    assert isinstance(refusal, UnpricedRung)
    for word in (f"rung {rung}", repr(model), "DailyBudgetUsd", '"price"'):
        assert word in str(refusal)
    assert "price unknown" in {record.msg for record in records}


@pytest.mark.parametrize(
    ("ladder", "budget"),
    [
        ([{"model": "made-up"}], "0"),
        ([{"model": "made-up", "price": FREE}], "0.01"),
        ([{"model": "openrouter/openai/gpt-6-luna"}], "0.01"),
    ],
)
def test_without_a_budget_or_with_a_price_it_is_asked(
    cloud: Cloud,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    ladder: list[dict[str, Any]],
    budget: str,
) -> None:
    provider, refusal = handled(Workshop(cloud, clock), monkeypatch, ladder, budget)
    assert (len(provider.asked), refusal) == (1, None)


# --- The reading ----------------------------------------------------------------------------------


def test_ten_jobs_that_ask_at_once_read_once(clock: Clock) -> None:
    days: list[date] = []

    def read(day: date) -> int:
        days.append(day)
        return 0

    async def ask() -> None:
        budget = Budget(1, read)
        for _ in range(3):
            await asyncio.gather(*(budget.is_spent() for _ in range(10)))
            clock.advance(SPENT_MAX_AGE_SECONDS / 2)

    asyncio.run(ask())
    assert days == [date(2026, 11, 22)] * 2


def test_the_sum_is_over_all_tasks_and_each_model_once(cloud: Cloud, clock: Clock) -> None:
    ledger = Ledger(table_of(cloud.dynamodb))
    for task, model in [("recipe", "a"), ("recipe", "b"), ("recipe", "no rung"), ("other", "a")]:
        ledger.add(task, model, Usage(cost_microusd=100), now_ms=clock.now_ms)
    ledger.add("recipe", "a", Usage(cost_microusd=7000), now_ms=clock.now_ms - A_DAY * 1000)

    async def is_spent(microusd: int) -> Any:
        return await Books(ledger, ["a", "b", "a"], usd(microusd)).budget.is_spent()

    assert asyncio.run(is_spent(200)) is True
    assert asyncio.run(is_spent(201)) is False


def test_what_is_booked_counts_once(cloud: Cloud, clock: Clock) -> None:
    """In the ledger and in the process's own sum, before and after each reading."""
    shop = shop_of(cloud, clock, 10 * SMALL_MICROUSD)
    for done in range(10):
        assert shop.job(FakeProvider([VALID]))["status"] == "completed", done
        clock.advance(4)
    assert shop.job(FakeProvider([]))["error_code"] == "budget_exceeded"
