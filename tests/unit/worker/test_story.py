"""A job's story in the log: its events in order, joined by the job's id, without a user's word."""

import asyncio
import dataclasses
import io
import json
import logging
import threading
from types import SimpleNamespace
from typing import Any

import pytest

import app
from complaints import kinds
from functions.status import app as status_app
from functions.submit import app as submit_app
from providers.outcomes import Throttled
from simmer.errors import DependencyUnavailable
from simmer.jobs.job import Job
from simmer.jobs.leases import LeaseStore
from simmer.jobs.story import Event
from simmer.task import find_task
from tests.patience import HANG_SECONDS
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, refused
from tests.unit.events import document, status_event, submit_event
from tests.unit.worker.fakes import RECIPE, RECIPES, VALID, FakeProvider, truncated
from tests.unit.worker.workshop import BEATING, Context, Workshop

MISFIT = json.dumps({"recipes": [{**RECIPE, "ingredients": ["snail"], "servings": 7}, RECIPES[1]]})
MISTYPED = json.dumps({"recipes": [{**RECIPE, "servings": "2", "snailCount": 1}]})


def story(records: list[logging.LogRecord], job_id: str) -> list[dict[str, Any]]:
    """The events of one job, oldest first."""
    lines = [vars(record) for record in records if record.msg in set(Event)]
    return [line for line in lines if line["jobId"] == job_id]


def events(records: list[logging.LogRecord], job_id: str) -> list[str]:
    return [str(line["msg"]) for line in story(records, job_id)]


def printed(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is really written from now on, with what stands on every line."""
    stream = io.StringIO()
    for handler in logging.getLogger("simmer").handlers:
        monkeypatch.setattr(handler, "stream", stream)
    return stream


@pytest.fixture
def shop(cloud: Cloud, clock: Clock) -> Workshop:
    return Workshop(cloud, clock)


def test_a_job_that_climbs_tells_its_whole_story(
    shop: Workshop, clock: Clock, records: list[logging.LogRecord]
) -> None:
    job = shop.admit()
    clock.now_ms += 1500
    shop.run(FakeProvider([MISFIT, MISTYPED, VALID]))

    told = story(records, job.job_id)
    assert [line["msg"] for line in told] == [
        "job claimed",
        *("model call", "answer rejected", "asked again", "model call", "answer rejected"),
        *("climbed", "model call", "result stored"),
    ]
    assert {(line["runId"], line["task"]) for line in told} == {(job.run_id, job.task)}
    assert told[0]["queueSeconds"] == 1.5
    assert (told[2]["model"], told[2]["complaints"]) == ("small", 2)
    assert told[2]["kinds"] == ["recipes.0.ingredients check", "recipes.0.servings check"]
    assert told[5]["kinds"] == ["recipes.0.* extra_forbidden", "recipes.0.servings int_type"]
    assert told[3]["model"] == "small"
    assert told[6]["model"] == told[7]["model"] == "large"
    assert told[8]["seconds"] == 1.5


def test_a_throttled_job_is_given_back_and_claimed_again(
    shop: Workshop, records: list[logging.LogRecord]
) -> None:
    job = shop.admit()
    shop.run(FakeProvider([Throttled("status 429", 0), Throttled("status 429", 0)]))

    told = story(records, job.job_id)
    assert [line["msg"] for line in told][-1] == "job given back"
    assert told[-1]["delaySeconds"] >= 1


def test_a_failed_job_says_its_code(shop: Workshop, records: list[logging.LogRecord]) -> None:
    job = shop.admit()
    shop.run(FakeProvider([truncated()] * 4))

    last = story(records, job.job_id)[-1]
    assert (last["msg"], last["code"]) == ("job failed", "invalid_output")


def test_a_job_whose_worker_died_is_taken_over(
    shop: Workshop, clock: Clock, records: list[logging.LogRecord]
) -> None:
    job = shop.admit()
    [record] = shop.receive()

    def die() -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _handle(shop, record, FakeProvider([die]))
    clock.now_ms += 30_000
    again = {**record, "attributes": {"ApproximateReceiveCount": "2"}}
    _handle(shop, again, FakeProvider([VALID]))

    taken = [line for line in story(records, job.job_id) if line["msg"] == "job taken over"]
    assert [line["receiveCount"] for line in taken] == [2]


def _handle(shop: Workshop, record: dict[str, Any], provider: FakeProvider) -> None:
    asyncio.run(app.process({"Records": [record]}, Context(), shop.worker(provider)))


def test_a_cancelled_job_loses_the_lease(
    shop: Workshop, clock: Clock, records: list[logging.LogRecord]
) -> None:
    job = shop.admit()

    def cancel() -> str:
        shop.store.cancel(job.job_id, task=job.task, user=job.owner, now_ms=clock.now_ms)
        return VALID

    shop.run(FakeProvider([cancel]))

    assert events(records, job.job_id)[-2:] == ["model call", "lease lost"]
    assert "job cancelled" in events(records, job.job_id)


def test_an_end_that_a_heartbeat_sees_before_its_writer_hears_of_it_loses_no_lease(
    shop: Workshop, records: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = shop.admit()
    complete, look = LeaseStore.complete, LeaseStore.look
    is_seen = threading.Event()

    def slowly_answered(*given: Any, **more: Any) -> Job:
        written = complete(*given, **more)
        is_seen.clear()
        assert is_seen.wait(HANG_SECONDS)
        return written

    def seen(*given: Any) -> None:
        try:
            look(*given)
        finally:
            is_seen.set()

    monkeypatch.setattr(LeaseStore, "complete", slowly_answered)
    monkeypatch.setattr(LeaseStore, "look", seen)

    shop.run(FakeProvider([VALID]), **BEATING)

    assert events(records, job.job_id)[-1] == "result stored"
    assert "lease lost" not in events(records, job.job_id)


def test_every_line_of_a_worker_says_of_which_job_and_run_it_is_though_ten_run_side_by_side(
    shop: Workshop, cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = {job.job_id: job.run_id for job in (shop.admit(), shop.admit())}
    lines = printed(monkeypatch)
    cloud.sqs.fail("change_message_visibility", refused("InternalError"), times=9)
    cloud.dynamodb.fail("update_item", refused("InternalError"), times=9, about="ledger#")
    shop.run(FakeProvider([VALID, VALID], waits_for=2))

    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert {"message not hidden", "ledger not written", "result stored"} <= {
        line["message"] for line in told
    }
    assert [(jobs.get(line["jobId"]), line["message"]) for line in told] == [
        (line["runId"], line["message"]) for line in told
    ]
    assert {line["jobId"] for line in told} == set(jobs)


def test_the_lines_of_a_request_have_the_ids_of_gateway_and_lambda_and_the_job(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(monkeypatch)
    context = SimpleNamespace(aws_request_id="lambda-1")
    job_id = document(submit_app.handler(submit_event(), context))["jobId"]
    status_app.handler(status_event(job_id), context)
    status_app.handler(status_event("no id of ours, but a client's text"), context)

    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [(line["message"], line.get("jobId")) for line in told] == [
        ("job admitted", job_id),
        ("request", None),  # its request id is the line's before
        ("request", job_id),
        ("request", None),
    ]
    assert told[0]["requestId"] == told[1]["requestId"]
    assert {line["lambdaRequestId"] for line in told} == {"lambda-1"}


def test_the_submit_tells_whether_a_job_was_admitted_joined_or_there_already(
    api: Api, shop: Workshop, records: list[logging.LogRecord]
) -> None:
    body = {"ingredients": ["두부", "Tofu", "crème fraîche"], "count": 2, "locale": "en"}
    job_id = document(api.submit(body))["jobId"]
    api.submit(body)
    shop.run(FakeProvider([VALID]))
    assert document(api.submit(body))["status"] == "completed"

    assert events(records, job_id) == [
        *("job admitted", "job joined"),
        *("job claimed", "model call", "result stored"),
        "job cached",
    ]


def test_a_submit_whose_message_was_not_sent_tells_of_no_job(
    api: Api, cloud: Cloud, records: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise DependencyUnavailable("The queue did not take the job.")

    monkeypatch.setattr("simmer.jobs.queue.JobQueue.send", refuse)

    assert api.submit()["statusCode"] == 503
    assert [record.msg for record in records if record.msg in set(Event)] == []


def test_a_job_that_nobody_ran_says_that_it_is_over(
    api: Api, clock: Clock, records: list[logging.LogRecord]
) -> None:
    job_id = document(api.submit())["jobId"]
    clock.now_ms += 301_000
    for _ in range(2):
        assert document(api.status(job_id))["errorCode"] == "deadline_exceeded"

    told = story(records, job_id)
    assert [(line["msg"], line.get("code")) for line in told] == [
        ("job admitted", None),
        ("job failed", "deadline_exceeded"),
    ]


# ── Complaints ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("logs_complaints", [False, True])
def test_a_complaint_in_words_is_logged_only_where_that_is_asked_for(
    shop: Workshop, records: list[logging.LogRecord], logs_complaints: bool
) -> None:
    job = shop.admit()
    shop.run(FakeProvider([MISFIT, VALID]), log_complaints=logs_complaints)

    [rejected] = [line for line in story(records, job.job_id) if line["msg"] == "answer rejected"]
    if logs_complaints:
        assert rejected["because"][1] == "recipes.0.servings: must be 2"
    assert ("because" in rejected) == logs_complaints
    assert ("snail" in str([vars(record) for record in records])) == logs_complaints


@pytest.mark.parametrize(
    ("complaint", "kind"),
    [
        ("recipes.0.servings: must be 2", "recipes.0.servings check"),
        ("recipes: there must be exactly 2", "recipes check"),
        ("snails.3.shell: must be broken", "*.3.* check"),
        ("the answer is not one JSON object: Expecting value", "answer"),
        ("snails", "answer"),
    ],
)
def test_of_a_complaint_only_the_place_is_told_in_names_of_the_schema(
    complaint: str, kind: str
) -> None:
    assert kinds("recipe", [complaint], []) == [kind]


def test_a_model_is_given_no_more_room_than_the_task_needs(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = dataclasses.replace(find_task("recipe"), max_output_tokens=700)
    monkeypatch.setattr("climb.find_task", lambda _: task)
    shop.admit()
    provider = FakeProvider([truncated(), VALID])
    shop.run(provider)

    assert [asked.max_output_tokens for asked in provider.asked] == [700, 1400]
