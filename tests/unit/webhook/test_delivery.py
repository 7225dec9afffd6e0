"""What the team's server gets, and what happens when it does not take it."""

import io
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Library
from standardwebhooks.webhooks import WebhookVerificationError

import delivery
import receiver
from delivery import deliver, pause_seconds
from functions.webhook import app
from simmer.errors import DependencyUnavailable
from tests.receiver import DRIP, SILENCE, TeamServer
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, refused
from tests.unit.test_monitoring import heard_by
from tests.unit.webhook.conftest import DETAIL, SECRET, SECRET_ID, Webhook, record

pytestmark = pytest.mark.enable_socket

OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
SECONDS_A_DAY = 24 * 3600


@pytest.fixture
def now(webhook: Webhook) -> None:
    """The library looks at the real clock, and refuses what is older than five minutes."""
    webhook.clock.now_ms = time.time_ns() // 1_000_000


# ── What is sent ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("now")
def test_published_library_takes_the_signature(webhook: Webhook, team: TeamServer) -> None:
    assert webhook.deliver(webhook.receiver(team.url)) == []

    [sent] = team.deliveries
    assert Library(SECRET).verify(sent.body, sent.headers) == {
        "type": "job.ended",
        "timestamp": DETAIL["completedAt"],
        "data": DETAIL,
    }
    assert sent.headers["webhook-id"] == DETAIL["id"]
    assert sent.headers["content-type"] == "application/json"
    assert sent.path == "/jobs?team=1"


@pytest.mark.usefixtures("now")
def test_library_refuses_what_somebody_else_wrote_signed_or_replayed(
    webhook: Webhook, team: TeamServer
) -> None:
    webhook.deliver(webhook.receiver(team.url))
    [sent] = team.deliveries

    for secret, body, changed in [
        (OTHER_SECRET, sent.body, {}),
        (SECRET, sent.body.replace(b"alice", b"mallory"), {}),
        (SECRET, sent.body, {"webhook-id": "another"}),
        (SECRET, sent.body, {"webhook-timestamp": str(int(time.time()) - SECONDS_A_DAY)}),
    ]:
        with pytest.raises(WebhookVerificationError):
            Library(secret).verify(body, sent.headers | changed)


@pytest.mark.usefixtures("now")
def test_while_the_secret_is_changed_either_opens_it(webhook: Webhook, team: TeamServer) -> None:
    webhook.put_secret(f"{OTHER_SECRET} {SECRET}\n")

    webhook.deliver(webhook.receiver(team.url))

    [sent] = team.deliveries
    for secret in (SECRET, OTHER_SECRET):
        Library(secret).verify(sent.body, sent.headers)


@pytest.mark.usefixtures("now")
def test_secret_as_the_template_draws_it_works_with_and_without_its_prefix(
    webhook: Webhook, team: TeamServer
) -> None:
    drawn = "Az09" * 11
    webhook.put_secret(drawn)

    webhook.deliver(webhook.receiver(team.url))

    [sent] = team.deliveries
    for secret in (drawn, f"whsec_{drawn}"):
        Library(secret).verify(sent.body, sent.headers)


def test_message_that_is_sent_again_is_the_same_under_the_same_id(
    webhook: Webhook, team: TeamServer, clock: Clock
) -> None:
    server = webhook.receiver(team.url)
    webhook.deliver(server)
    clock.advance(60)
    webhook.deliver(server, tries=2)

    first, second = team.deliveries
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    stamps = [int(each.headers["webhook-timestamp"]) for each in team.deliveries]
    assert stamps[1] - stamps[0] == 60  # or the receiver would take it for a replay


@pytest.mark.parametrize("secret", ["", "   ", "whsec_not base64", "whsec_%%%%"])
def test_nothing_is_sent_with_a_secret_that_cannot_be_used(
    webhook: Webhook, team: TeamServer, secret: str
) -> None:
    if secret:  # Secrets Manager takes no empty one
        webhook.put_secret(secret)
    else:
        webhook.cloud.secrets.fail("get_secret_value", refused("AccessDeniedException"))

    assert webhook.deliver(webhook.receiver(team.url)) == ["message-0"]
    assert team.deliveries == []


# ── Pauses ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503, 304])
def test_any_other_answer_than_2xx_is_tried_again_after_a_pause(
    webhook: Webhook, team: TeamServer, status: int
) -> None:
    team.answers = [status]
    server = webhook.receiver(team.url)

    assert webhook.deliver(server) == ["message-0"]
    assert 4 <= webhook.pauses[0] <= 5
    assert webhook.deliver(server, tries=2) == []


def test_server_that_is_down_for_a_minute_gets_the_event_then(
    webhook: Webhook, team: TeamServer, clock: Clock
) -> None:
    """On a clock of the test's own: a try, then the pause that the queue was told, and so on."""
    server, began_ms, tries = webhook.receiver(team.url), clock.now_ms, 1
    while True:
        down = (clock.now_ms - began_ms) / 1000 < 60
        team.answers = [503] if down else []
        if not webhook.deliver(server, tries):
            break
        clock.advance(webhook.pauses[-1])
        tries += 1

    took_seconds = (clock.now_ms - began_ms) / 1000
    assert 60 <= took_seconds <= 60 + 40
    assert tries <= 6
    assert len({each.headers["webhook-id"] for each in team.deliveries}) == 1


NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("120", 120, 120),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 89, 91),
        ("1", 4, 5),  # not sooner than of our own
        ("86400", 3600, 3600),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 3600, 3600),
        ("9" * 400, 3600, 3600),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 4, 5),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 4, 3600),
        ("-5", 4, 5),
        ("soon", 4, 5),
        ("", 4, 5),
    ],
)
def test_server_that_says_when_is_asked_then_within_an_hour(
    webhook: Webhook, team: TeamServer, clock: Clock, asked: str, least: int, most: int
) -> None:
    clock.now_ms = int(NOW.timestamp() * 1000)
    team.answers, team.headers = [503], {"retry-after": asked}

    webhook.deliver(webhook.receiver(team.url))

    assert least <= webhook.pauses[0] <= most


def test_pauses_grow_to_an_hour_and_all_of_them_to_most_of_a_day() -> None:
    pauses = [pause_seconds(count) for count in range(1, 30)]

    assert all(4 * 2**number <= pause for number, pause in enumerate(pauses[:9]))
    assert max(pauses) <= 3600
    assert 15 * 3600 < sum(pauses) < 23 * 3600


def test_pause_that_cannot_be_set_is_left_to_the_queue(
    webhook: Webhook, team: TeamServer, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hide(receipt_handle: str, seconds: int) -> None:
        raise DependencyUnavailable("not hidden")

    team.answers = [503]
    monkeypatch.setattr(webhook, "hide", hide)

    assert webhook.deliver(webhook.receiver(team.url)) == ["message-0"]
    assert "message not hidden" in log.getvalue()


# ── Servers that misbehave ────────────────────────────────────────────────────────────────────────


def test_server_that_is_gone_for_good_is_not_asked_again(
    webhook: Webhook, team: TeamServer, log: io.StringIO
) -> None:
    team.answers = [410]

    assert webhook.deliver(webhook.receiver(team.url)) == []
    assert webhook.pauses == []
    assert '"why":"status 410"' in log.getvalue()  # somebody is told


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed(webhook: Webhook, team: TeamServer, status: int) -> None:
    team.answers, team.headers = [status], {"location": team.url}

    assert webhook.deliver(webhook.receiver(team.url)) == ["message-0"]
    assert len(team.deliveries) == 1


@pytest.mark.parametrize("answer", [SILENCE, DRIP])
def test_server_that_never_answers_holds_up_no_other_message_of_the_batch(
    webhook: Webhook,
    team: TeamServer,
    log: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    answer: int,
) -> None:
    monkeypatch.setattr(receiver, "TIMEOUT_SECONDS", 0.5 if answer == SILENCE else 600)
    monkeypatch.setattr(delivery, "BATCH_SECONDS", 600 if answer == SILENCE else 3)
    team.answers = [answer]
    details = [DETAIL | {"id": f"run-{number}-ended"} for number in range(3)]

    failed = webhook.deliver(webhook.receiver(team.url), details=details)

    assert len(team.deliveries) == 3
    assert len(failed) == 1
    [told] = [json.loads(line) for line in log.getvalue().splitlines() if "not delivered" in line]
    assert told["why"] == "no answer in time"
    assert heard_by(told) == {"WebhookFailures"}


def test_server_that_is_not_there_is_tried_again(webhook: Webhook, log: io.StringIO) -> None:
    nobody = webhook.receiver("http://127.0.0.1:9/")

    assert webhook.deliver(nobody) == ["message-0"]
    assert '"why":"no answer: ConnectionRefusedError"' in log.getvalue()


def test_one_message_that_cannot_be_read_hurts_no_other(
    webhook: Webhook, team: TeamServer, log: io.StringIO
) -> None:
    failed = webhook.deliver(webhook.receiver(team.url), details=[DETAIL, {}, DETAIL])

    assert failed == ["message-1"]
    assert "unexpected error" in log.getvalue()


def test_log_holds_no_address_no_user_and_no_secret(
    webhook: Webhook, team: TeamServer, log: io.StringIO
) -> None:
    team.answers = [500]
    webhook.deliver(webhook.receiver(team.url))

    line = json.loads(log.getvalue().splitlines()[-1])
    assert (line["message"], line["why"], line["tries"]) == (
        "webhook not delivered",
        "status 500",
        1,
    )
    assert line["jobId"] == DETAIL["jobId"]  # by which all functions' lines are joined
    for word in ("127.0.0.1", "alice", SECRET):
        assert word not in log.getvalue()


# ── The handler ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def deployed(
    webhook: Webhook, team: TeamServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TeamServer]:
    monkeypatch.setenv("WEBHOOK_URL", team.url)
    monkeypatch.setenv("WEBHOOK_QUEUE_URL", webhook.cloud.queue_url)
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET_ID)
    app._wiring.cache_clear()
    yield team
    app._wiring.cache_clear()


def test_handler_names_the_messages_that_must_come_again(
    deployed: TeamServer, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEBHOOK_LOOPBACK", "true")
    deployed.answers = [500]
    cloud.sqs.send_message(QueueUrl=cloud.queue_url, MessageBody=record(0, DETAIL)["body"])
    [message] = cloud.sqs.receive_message(QueueUrl=cloud.queue_url)["Messages"]
    one = record(0, DETAIL) | {"receiptHandle": message["ReceiptHandle"]}

    answer = app.handler({"Records": [one]}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert "change_message_visibility" in cloud.calls
    assert app.handler({"Records": [one]}, None) == {"batchItemFailures": []}


def test_loopback_is_refused_unless_a_setting_allows_it(deployed: TeamServer) -> None:
    answer = app.handler({"Records": [record(0, DETAIL)]}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert deployed.deliveries == []


def test_ping_and_an_empty_batch_send_nothing(deployed: TeamServer) -> None:
    assert app.handler({}, None)["statusCode"] == 204
    assert app.handler({"Records": []}, None) == {"batchItemFailures": []}


ODD_MESSAGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "nothing": lambda _: None,
    "empty": lambda _: {},
    "no id": lambda message: {k: v for k, v in message.items() if k != "messageId"},
    "no body": lambda message: {k: v for k, v in message.items() if k != "body"},
    "a body that is no JSON": lambda message: message | {"body": "{"},
    "a body without a detail": lambda message: message | {"body": "{}"},
    "a detail that is none": lambda message: message | {"body": '{"detail": [1]}'},
    "no attributes": lambda message: {k: v for k, v in message.items() if k != "attributes"},
    "a count that is none": lambda message: (
        message | {"attributes": {"ApproximateReceiveCount": "x"}}
    ),
}


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("kind", ODD_MESSAGES)
def test_odd_message_fails_alone(webhook: Webhook, team: TeamServer, kind: str) -> None:
    odd = ODD_MESSAGES[kind](record(0, DETAIL))
    good = record(1, DETAIL | {"id": "run-2-ended"})

    failed = deliver([odd, good], webhook.receiver(team.url), webhook)  # type: ignore[arg-type]

    assert "message-1" not in failed
    assert "run-2-ended" in {each.headers["webhook-id"] for each in team.deliveries}
