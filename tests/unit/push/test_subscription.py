"""The answers to a client's messages on its WebSocket."""

import io
import json
from typing import Any

import pytest

from functions.push import app
from simmer.jobs.store import MAX_SUBSCRIBERS, connection_of
from simmer.web.push_tokens import GRACE_MS, KEY_MAX_AGE_MS
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import LOST_ANSWER, PUSH_KEY, Cloud, WorkerSide, refused
from tests.unit.events import document
from tests.unit.jobs import DEADLINE_SECONDS
from tests.unit.push.conftest import Push, status_in

PROBLEM = {"type", "title", "status", "detail", "code"}


def problem(frame: str) -> tuple[int, str]:
    """The status and the code of a frame that is a problem document."""
    parsed = json.loads(frame)
    assert set(parsed) == PROBLEM
    return parsed["status"], parsed["code"]


# ── Subscribing ───────────────────────────────────────────────────────────────────────────────────


def test_subscriber_of_a_waiting_job_is_answered_what_a_poll_would_be(
    api: Api, push: Push, job_id: str, token: str
) -> None:
    assert status_in(push.subscribe(job_id, token)) == api.status(job_id)["body"]


def test_subscriber_of_a_running_job_is_answered_what_a_poll_would_be(
    api: Api, push: Push, worker: WorkerSide, clock: Clock, job_id: str, token: str
) -> None:
    worker.claim(job_id)
    clock.advance(20)

    frame = push.subscribe(job_id, token)

    assert status_in(frame) == api.status(job_id)["body"]
    assert json.loads(frame)["status"] == "processing"


def test_subscriber_stands_on_the_job(push: Push, cloud: Cloud, job_id: str, token: str) -> None:
    push.subscribe(job_id, token, "phone")
    push.subscribe(job_id, token, "tablet")

    assert set(map(connection_of, cloud.job(job_id)["subscribers"])) == {"phone", "tablet"}
    assert cloud.job(job_id)["has_subscribers"] is True


def test_asking_again_is_answered_again_and_writes_nothing(
    api: Api, push: Push, cloud: Cloud, clock: Clock, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token)
    clock.advance(5)
    before = len(cloud.calls)

    frame = push.subscribe(job_id, token)

    assert cloud.calls[before:] == ["get_item", "post_to_connection"]
    assert status_in(frame) == api.status(job_id)["body"]


def test_worker_goes_on_with_a_job_that_has_subscribers(
    push: Push, cloud: Cloud, worker: WorkerSide, job_id: str, token: str
) -> None:
    held = worker.claim(job_id)
    push.subscribe(job_id, token)

    worker.leases.heartbeat(held, held.deadline_at_ms)
    assert set(map(connection_of, cloud.job(job_id)["subscribers"])) == {"phone"}


# ── A job that has ended ──────────────────────────────────────────────────────────────────────────


def test_finished_job_is_told_at_once_and_to_nobody_later(
    api: Api, push: Push, cloud: Cloud, worker: WorkerSide, job_id: str, token: str
) -> None:
    worker.complete(job_id)

    frame = push.subscribe(job_id, token)

    assert frame == api.status(job_id)["body"]
    assert json.loads(frame)["status"] == "completed"
    assert "subscribers" not in cloud.job(job_id)


def test_job_that_ends_while_a_client_subscribes_is_told_at_once(
    api: Api,
    push: Push,
    cloud: Cloud,
    worker: WorkerSide,
    job_id: str,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = cloud.dynamodb.get_item

    def read_and_end(**key: Any) -> Any:
        item = read(**key)
        monkeypatch.delattr(cloud.dynamodb, "get_item")
        worker.complete(job_id)
        return item

    monkeypatch.setattr(cloud.dynamodb, "get_item", read_and_end, raising=False)

    frame = push.subscribe(job_id, token)

    assert json.loads(frame)["status"] == "completed"
    assert frame == api.status(job_id)["body"]
    assert "subscribers" not in cloud.job(job_id)


def test_passed_deadline_is_written_down_and_told(
    push: Push, cloud: Cloud, clock: Clock, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token)
    clock.advance(DEADLINE_SECONDS)

    frame = json.loads(push.subscribe(job_id, token))

    assert (frame["status"], frame["errorCode"]) == ("failed", "deadline_exceeded")
    assert cloud.job(job_id)["status"] == "failed"


def test_new_run_begins_without_the_old_ones_subscribers(
    api: Api, push: Push, cloud: Cloud, worker: WorkerSide, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token)
    worker.fail(job_id, "model_unavailable")

    assert document(api.submit())["jobId"] == job_id
    assert "subscribers" not in cloud.job(job_id)
    assert "has_subscribers" not in cloud.job(job_id)


# ── Who may not ───────────────────────────────────────────────────────────────────────────────────


def test_token_of_another_job_opens_nothing(api: Api, push: Push, cloud: Cloud, token: str) -> None:
    other = document(api.submit({"ingredients": ["egg"]}))["jobId"]

    assert problem(push.subscribe(other, token)) == (401, "invalid_push_token")
    assert "subscribers" not in cloud.job(other)


def test_token_of_an_earlier_run_does_not_open_the_new_one(
    api: Api, push: Push, cloud: Cloud, worker: WorkerSide, job_id: str, token: str
) -> None:
    worker.fail(job_id, "model_unavailable")
    api.submit()

    assert problem(push.subscribe(job_id, token)) == (404, "job_not_found")
    assert "subscribers" not in cloud.job(job_id)


@pytest.mark.parametrize("wrong", ["", "nonsense", "a.b", "é", "x" * 1000])
def test_token_that_is_none_is_refused(push: Push, job_id: str, wrong: str) -> None:
    assert problem(push.subscribe(job_id, wrong)) == (401, "invalid_push_token")


def test_token_is_refused_with_any_of_its_characters_changed(
    push: Push, job_id: str, token: str
) -> None:
    payload_and_dot = token.rindex(".") + 1
    for i in range(payload_and_dot):
        changed = token[:i] + ("A" if token[i] != "A" else "B") + token[i + 1 :]
        assert problem(push.subscribe(job_id, changed)) == (401, "invalid_push_token")


def test_token_of_another_key_is_refused(
    push: Push, cloud: Cloud, clock: Clock, job_id: str, token: str
) -> None:
    push.subscribe(job_id, token)
    cloud.put_push_key("another-key")
    clock.advance(KEY_MAX_AGE_MS / 1000)

    assert problem(push.subscribe(job_id, token)) == (401, "invalid_push_token")


def test_token_ends_shortly_after_the_deadline(
    push: Push, clock: Clock, job_id: str, token: str
) -> None:
    clock.advance(DEADLINE_SECONDS + GRACE_MS / 1000 - 1)
    assert json.loads(push.subscribe(job_id, token))["errorCode"] == "deadline_exceeded"

    clock.advance(1)
    assert problem(push.subscribe(job_id, token)) == (401, "invalid_push_token")


def test_job_that_is_no_more_is_not_found(
    push: Push, cloud: Cloud, clock: Clock, job_id: str, token: str
) -> None:
    cloud.edit_job(job_id, expires_at_seconds=clock.now_ms // 1000)

    assert problem(push.subscribe(job_id, token)) == (404, "job_not_found")


def test_one_connection_too_many_is_told_so_and_those_within_are_not(
    push: Push, cloud: Cloud, job_id: str
) -> None:
    *tokens, late = push.crowd(job_id, MAX_SUBSCRIBERS + 1).values()
    for number, token in enumerate(tokens):
        assert "jobId" in push.subscribe(job_id, token, f"phone-{number}")

    assert problem(push.subscribe(job_id, late, "late")) == (429, "too_many_subscribers")
    assert "jobId" in push.subscribe(job_id, tokens[0], "phone-0")
    assert len(cloud.job(job_id)["subscribers"]) == MAX_SUBSCRIBERS


# ── Messages that are none ────────────────────────────────────────────────────────────────────────

SUBSCRIBE = {"action": "subscribe", "jobId": "0" * 32, "token": "any"}


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("", (400, "malformed_json")),
        ("{", (400, "malformed_json")),
        ('{"action": "subscribe", "action": "subscribe"}', (400, "malformed_json")),
        ("[" * 5000, (400, "malformed_json")),
        ("null", (422, "invalid_request")),
        ("[]", (422, "invalid_request")),
        ({}, (422, "invalid_request")),
        (SUBSCRIBE | {"action": "cancel"}, (422, "invalid_request")),
        (SUBSCRIBE | {"jobId": 1}, (422, "invalid_request")),
        (SUBSCRIBE | {"jobId": "0" * 101}, (422, "invalid_request")),
        (SUBSCRIBE | {"token": None}, (422, "invalid_request")),
        (SUBSCRIBE | {"token": "\ud800"}, (422, "invalid_request")),
        (SUBSCRIBE | {"token": "x" * 1001}, (422, "invalid_request")),
        (SUBSCRIBE | {"more": "than that"}, (422, "invalid_request")),
    ],
)
def test_message_that_is_no_subscription_is_told_what_is_wrong(
    push: Push, cloud: Cloud, message: object, told: tuple[int, str]
) -> None:
    assert problem(push.say(message)) == told
    assert cloud.calls == ["post_to_connection"]


# ── What fails ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("operation", ["get_item", "update_item"])
@pytest.mark.parametrize("error", [refused("ThrottlingException"), LOST_ANSWER])
def test_table_that_fails_is_told(
    push: Push, cloud: Cloud, job_id: str, token: str, operation: str, error: Exception
) -> None:
    cloud.dynamodb.fail(operation, error)

    assert problem(push.subscribe(job_id, token)) == (503, "dependency_unavailable")
    assert "jobId" in push.subscribe(job_id, token)


def test_key_that_cannot_be_read_is_told(push: Push, cloud: Cloud, job_id: str, token: str) -> None:
    cloud.secrets.fail("get_secret_value", refused("AccessDeniedException"))

    assert problem(push.subscribe(job_id, token)) == (503, "dependency_unavailable")


def test_bug_is_told_as_such_and_logged_without_its_words(
    push: Push, cloud: Cloud, log: io.StringIO, job_id: str, token: str
) -> None:
    cloud.dynamodb.fail("get_item", ValueError("alice wants tofu"))

    assert problem(push.subscribe(job_id, token)) == (500, "internal")
    assert "ValueError" in log.getvalue()
    assert "tofu" not in log.getvalue()


def test_client_that_has_gone_before_it_is_answered_is_no_error(
    push: Push, cloud: Cloud, job_id: str, token: str
) -> None:
    message = {"action": "subscribe", "jobId": job_id, "token": token}
    event = {"requestContext": {"connectionId": "gone"}, "body": json.dumps(message)}

    assert app.handler(event, None) == {"statusCode": 200}


def test_log_has_neither_the_token_nor_the_key_and_the_job_only_where_the_token_proves_it(
    push: Push, log: io.StringIO, job_id: str, token: str
) -> None:
    at_submit = log.getvalue()  # where the job is named: it was admitted
    push.subscribe(job_id, token)
    push.subscribe(job_id, token + "x")
    push.say(f"{job_id} {token}")

    since = log.getvalue().removeprefix(at_submit)
    assert since.count('"message":"message"') == 3
    named = [json.loads(line).get("jobId") for line in since.splitlines()]
    assert named == [job_id, None, None]
    for secret in (token, PUSH_KEY):
        assert secret not in log.getvalue()
