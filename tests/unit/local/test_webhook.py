"""The receiver of the local stack: it keeps what it can verify, each event once."""

import json
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook

from local.webhook import WebhookReceiver

OLD, NEW = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def delivery(
    secret: str, event_id: str = "run-1-ended", owner: str = "alice", **data: str
) -> tuple[dict[str, str], bytes]:
    told = {"id": event_id, "owner": owner, **data}
    body = json.dumps({"type": "job.ended", "data": told})
    now = datetime.now(UTC)
    headers = {
        "Webhook-Id": event_id,
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(secret).sign(event_id, now, body),
    }
    return headers, body.encode()


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_event_is_kept_once_whichever_secret_signed_it(secret: str) -> None:
    receiver = WebhookReceiver(lambda: f"{NEW} {OLD}")

    assert [receiver.take(*delivery(secret)) for _ in range(2)] == [204, 204]
    [event] = receiver.told("alice")
    assert (event["verified"], event["data"]["id"]) == (True, "run-1-ended")
    assert receiver.told("bob") == []


def test_what_cannot_be_verified_is_refused_and_not_kept() -> None:
    receiver = WebhookReceiver(lambda: NEW)
    headers, body = delivery(NEW)

    assert receiver.take(*delivery(OLD)) == 401
    assert receiver.take(headers, body.replace(b"alice", b"mallory")) == 401
    assert receiver.take({}, body) == 401
    assert receiver.told() == []
