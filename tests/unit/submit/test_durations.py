"""Past durations measure a queued job; no submit waits or fails because of them."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from simmer.aws import IMPATIENT_CONFIG
from simmer.books.history import HISTORY_MAX_AGE_SECONDS
from simmer.books.ledger import Ledger
from simmer.jobs.job import Lease, Usage
from simmer.waiting.durations import Durations, bucket
from simmer.waiting.polling import PollSchedule, poll_schedule
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, Cloud, WorkerSide, refused, table_of
from tests.unit.events import document

A_DAY_MS = 24 * 3600 * 1000
DAYS = ("today", "yesterday")
LOOK = 1  # a submit's, for what stands there already
LADDER = [{"model": "small"}, {"model": "large", "maxOutputTokens": 10}, {"model": "small"}]


@pytest.fixture(autouse=True)
def _ladder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_LADDER", json.dumps(LADDER))


@pytest.fixture
def ledger(cloud: Cloud) -> Ledger:
    return Ledger(table_of(cloud.dynamodb))


def learn(
    ledger: Ledger,
    clock: Clock,
    seconds: float,
    jobs: int,
    *,
    model: str = "small",
    ago_ms: int = 0,
) -> None:
    for _ in range(jobs):
        ledger.add(
            "recipe", model, Usage(calls=1), now_ms=clock.now_ms - ago_ms, took_seconds=seconds
        )


def submit(api: Api, name: str = "egg") -> dict[str, Any]:
    response = api.submit({"ingredients": [name]})
    assert response["statusCode"] == 202
    return response


def stored_durations(cloud: Cloud, response: dict[str, Any]) -> Mapping[str, str] | None:
    found: Mapping[str, str] | None = cloud.job(document(response)["jobId"]).get("durations")
    return found


def test_new_job_has_what_jobs_took_today_and_yesterday_on_every_rung(
    api: Api, cloud: Cloud, clock: Clock, ledger: Ledger
) -> None:
    learn(ledger, clock, 5, 3)
    learn(ledger, clock, 40, 2, model="large")
    learn(ledger, clock, 5, 1, ago_ms=A_DAY_MS)
    learn(ledger, clock, 70, 9, ago_ms=2 * A_DAY_MS)
    learn(ledger, clock, 70, 9, model="no rung of the ladder")

    history = f"{bucket(5)}:4 {bucket(40)}:2"
    assert stored_durations(cloud, submit(api)) == {"recipe": history}


def test_job_in_the_queue_is_told_when_past_jobs_were_done(
    api: Api, clock: Clock, ledger: Ledger
) -> None:
    learn(ledger, clock, 10, 100)

    accepted = submit(api)
    waiting = document(api.status(document(accepted)["jobId"]))

    assert waiting["estimatedSecondsRemaining"] == 10
    assert waiting["estimateIsMeasured"] is True
    assert 8000 < waiting["pollAfterMs"] < 10_500
    assert accepted["headers"]["retry-after"] == str(-(-waiting["pollAfterMs"] // 1000))


def test_first_poll_of_durations_new_to_a_process_looks_for_no_schedule(
    api: Api, clock: Clock, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    learn(ledger, clock, 10, 100)
    job_id = document(submit(api))["jobId"]
    poll_schedule.cache_clear()
    monkeypatch.delattr(PollSchedule, "_worthwhile_density")

    assert 8000 < document(api.status(job_id))["pollAfterMs"] < 10_500


def test_first_claim_keeps_what_the_admission_knew(
    api: Api, cloud: Cloud, clock: Clock, ledger: Ledger, worker: WorkerSide
) -> None:
    learn(ledger, clock, 10, 100)
    job_id = document(submit(api))["jobId"]
    known = cloud.job(job_id)["durations"]
    lease = Lease(token="t", expires_at_ms=clock.now_ms + 20_000, message_id="m")

    claimed = worker.leases.claim(
        job_id, cloud.job(job_id)["run_id"], lease, clock.now_ms, {"recipe": "80:1000"}
    )

    assert claimed.durations == known


def test_job_admitted_without_history_takes_that_of_its_first_claim(
    api: Api, cloud: Cloud, clock: Clock, worker: WorkerSide
) -> None:
    job_id = document(submit(api))["jobId"]
    assert "durations" not in cloud.job(job_id)
    lease = Lease(token="t", expires_at_ms=clock.now_ms + 20_000, message_id="m")

    claimed = worker.leases.claim(
        job_id, cloud.job(job_id)["run_id"], lease, clock.now_ms, {"recipe": "80:1000"}
    )

    assert claimed.durations == {"recipe": "80:1000"}


def test_history_is_read_once_a_minute(
    api: Api, cloud: Cloud, clock: Clock, ledger: Ledger
) -> None:
    seen = []
    for i, seconds in enumerate((0, HISTORY_MAX_AGE_SECONDS - 1, 1)):
        clock.advance(seconds)
        learn(ledger, clock, 5, 1)
        seen.append(stored_durations(cloud, submit(api, f"egg {i}")))

    assert seen == [{"recipe": str(Durations({bucket(5): n}))} for n in (1, 1, 3)]
    assert cloud.calls.count("get_item") == 3 * LOOK + 2 * len({"small", "large"}) * len(DAYS)


def test_request_that_is_refused_reads_no_history(api: Api, cloud: Cloud) -> None:
    assert api.submit({"ingredients": []})["statusCode"] == 422

    assert cloud.calls == []


@pytest.mark.parametrize("error", [refused("AccessDeniedException"), LOST_ANSWER])
def test_ledger_that_cannot_be_read_is_asked_once_a_minute_and_stops_no_submit(
    api: Api, cloud: Cloud, clock: Clock, ledger: Ledger, error: Exception
) -> None:
    learn(ledger, clock, 5, 3)
    cloud.dynamodb.fail("get_item", error, about="ledger#")

    first, second = submit(api), submit(api, "ham")
    assert cloud.calls.count("get_item") == 2 * LOOK + 1
    clock.advance(HISTORY_MAX_AGE_SECONDS)
    third = submit(api, "tofu")

    assert stored_durations(cloud, first) is stored_durations(cloud, second) is None
    assert stored_durations(cloud, third) == {"recipe": f"{bucket(5)}:3"}


def test_history_that_cannot_be_read_again_is_the_last_one(
    api: Api, cloud: Cloud, clock: Clock, ledger: Ledger
) -> None:
    learn(ledger, clock, 5, 3)
    before = stored_durations(cloud, submit(api))
    clock.advance(HISTORY_MAX_AGE_SECONDS)
    cloud.dynamodb.fail("get_item", LOST_ANSWER, about="ledger#")

    assert stored_durations(cloud, submit(api, "ham")) == before


def test_reading_gives_up_soon_and_is_not_tried_again() -> None:
    config: Any = IMPATIENT_CONFIG

    assert config.connect_timeout + config.read_timeout <= 1
    assert config.attempts == 1


def test_reader_of_the_history_is_the_impatient_one(
    api: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs: list[Any] = []

    def connect(service: Any, config: Any = None) -> Any:
        configs.append((service, config))
        return cloud.client(service)

    monkeypatch.setattr("simmer.aws.client", connect)

    submit(api)

    assert configs.count(("dynamodb", IMPATIENT_CONFIG)) == 1
