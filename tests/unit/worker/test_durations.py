"""The durations of past jobs reach the next job's bar, which later durations do not move."""

import asyncio
import logging
from typing import Any

import pytest

from books import DURATIONS_MAX_AGE_SECONDS, Books
from providers.outcomes import Throttled
from simmer.books.ledger import Ledger
from simmer.jobs.job import CLOCK_SKEW_MS, Job, JobStatus, Lease, Usage
from simmer.waiting.durations import Durations, bucket
from simmer.waiting.progress import estimated_seconds_remaining, progress
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, refused, table_of
from tests.unit.worker.fakes import VALID, FakeProvider
from tests.unit.worker.workshop import Workshop

A_DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def shop(cloud: Cloud, clock: Clock) -> Workshop:
    return Workshop(cloud, clock)


def learn(ledger: Ledger, seconds: float, jobs: int, at_ms: int, model: str = "small") -> None:
    for _ in range(jobs):
        ledger.add("recipe", model, Usage(calls=1), now_ms=at_ms, took_seconds=seconds)


def answering_after(clock: Clock, seconds: float) -> FakeProvider:
    def meanwhile() -> str:
        clock.advance(seconds)
        return VALID

    return FakeProvider([meanwhile])


def claim(shop: Workshop, job: Job, durations: dict[str, str] | None = None) -> Job:
    lease = Lease(token="t", expires_at_ms=shop.clock.now_ms + 20_000, message_id="m")
    return shop.leases.claim(job.job_id, job.run_id, lease, shop.clock.now_ms, durations)


# --- What is learned ------------------------------------------------------------------------------


def test_a_jobs_time_from_its_first_claim_to_its_result_is_counted(shop: Workshop) -> None:
    admitted = shop.admit()
    shop.clock.advance(100)  # in the queue: no part of it
    shop.run(answering_after(shop.clock, 12.0))
    assert shop.cloud.job(admitted.job_id)["status"] == "completed"
    assert shop.entry("small").took_by_parts == {(1, bucket(12.0)): 1}


def test_the_wait_for_a_throttling_provider_is_part_of_a_jobs_time(shop: Workshop) -> None:
    admitted = shop.admit()
    both = FakeProvider([Throttled("status 429", 3.0)] * 2)
    shop.run(both)
    shop.clock.advance(30)
    shop.queue.send(admitted)
    shop.run(answering_after(shop.clock, 5.0))
    assert shop.entry("small").took_by_parts == {(1, bucket(35.0)): 1}


def test_a_failed_job_tells_nothing_about_how_long_an_answer_takes(shop: Workshop) -> None:
    shop.job(FakeProvider(["nonsense"] * 4))
    assert shop.entry("small").took_by_parts == shop.entry("large").took_by_parts == {}


# --- What a job is told ---------------------------------------------------------------------------


def test_a_claim_takes_along_how_long_jobs_took_today_and_yesterday_on_every_rung(
    shop: Workshop,
) -> None:
    now_ms = shop.clock.now_ms
    learn(shop.ledger, 5, 3, now_ms)
    learn(shop.ledger, 40, 2, now_ms, model="large")
    learn(shop.ledger, 5, 1, now_ms - A_DAY_MS)
    learn(shop.ledger, 70, 9, now_ms - 2 * A_DAY_MS)
    learn(shop.ledger, 70, 9, now_ms, model="no rung of the ladder")
    stored = shop.job(FakeProvider([VALID]))
    assert stored["durations"] == {"recipe": f"{bucket(5)}:4 {bucket(40)}:2"}


def test_without_history_a_job_has_the_prior(shop: Workshop) -> None:
    assert shop.job(FakeProvider([VALID]))["durations"] == {}


def test_a_ledger_that_cannot_be_read_is_no_history_and_stops_no_job(
    shop: Workshop, records: list[logging.LogRecord]
) -> None:
    learn(shop.ledger, 5, 3, shop.clock.now_ms)
    shop.cloud.dynamodb.fail("get_item", refused("InternalServerError"), times=9, about="ledger#")
    stored = shop.job(FakeProvider([VALID]))
    assert (stored["status"], stored["durations"]) == ("completed", {})
    assert [record for record in records if record.msg == "ledger not read"]


def test_a_worker_reads_the_histories_once_a_minute(cloud: Cloud, clock: Clock) -> None:
    ledger = Ledger(table_of(cloud.dynamodb))

    async def ask() -> list[Any]:
        books = Books(ledger, ["small", "large"])
        answers = []
        for seconds in (0, DURATIONS_MAX_AGE_SECONDS - 1, 1):
            clock.advance(seconds)
            learn(ledger, 5, 1, clock.now_ms)
            answers.append(await books.durations("recipe"))
        return answers

    assert asyncio.run(ask()) == [{"recipe": f"{bucket(5)}:{n}"} for n in (1, 1, 3)]
    assert cloud.calls.count("get_item") == 2 * 4


# --- The bar --------------------------------------------------------------------------------------


def test_history_moves_the_bar_and_the_estimate(shop: Workshop) -> None:
    history = str(Durations({bucket(10.0): 500}))
    slow, quick = shop.admit(), shop.admit()
    slow, quick = claim(shop, slow), claim(shop, quick, {"recipe": history})
    now_ms = shop.clock.now_ms
    assert (estimated_seconds_remaining(slow, now_ms), progress(slow, now_ms + 20_000)) == (45, 28)
    assert (estimated_seconds_remaining(quick, now_ms), progress(quick, now_ms + 20_000)) == (
        10,
        95,
    )


def test_another_tasks_history_is_not_ours(shop: Workshop) -> None:
    job = claim(shop, shop.admit(), {"other": str(Durations({bucket(1): 500}))})
    assert progress(job, shop.clock.now_ms + 45_000) == 52


@pytest.mark.parametrize("first", [{}, {"recipe": "30:200"}])
def test_a_takeover_keeps_the_history_that_the_first_claim_had(
    shop: Workshop, first: dict[str, str]
) -> None:
    admitted = shop.admit()
    before = claim(shop, admitted, first)
    shop.clock.advance(20 + CLOCK_SKEW_MS / 1000)
    after = claim(shop, admitted, {"recipe": "80:1000"})
    assert before.durations == after.durations == first


def test_the_bar_never_goes_back_while_history_grows_and_workers_change(shop: Workshop) -> None:
    admitted = shop.admit()
    seen: list[int] = []
    for attempt in range(4):
        learn(shop.ledger, (3, 200, 20, 1000)[attempt], 150, shop.clock.now_ms)
        histories = asyncio.run(Books(shop.ledger, ["small"]).durations("recipe"))
        job = claim(shop, admitted, dict(histories))
        for _ in range(230):
            shop.clock.advance(0.1)
            seen.append(progress(job, shop.clock.now_ms))
    assert seen == sorted(seen)
    assert max(seen) <= 95


def test_a_new_run_of_a_job_learns_anew(shop: Workshop) -> None:
    admitted = shop.admit()
    claimed = claim(shop, admitted, {"recipe": "30:200"})
    shop.leases.fail(claimed, "internal", Usage(), retention_seconds=60, now_ms=shop.clock.now_ms)  # type: ignore[arg-type]
    again = shop.store.admit(
        admitted, daily_quota=100, most_in_flight=1000, now_ms=shop.clock.now_ms
    ).job
    assert again.status is JobStatus.PENDING
    assert claim(shop, again, {"recipe": "40:7"}).durations == {"recipe": "40:7"}
