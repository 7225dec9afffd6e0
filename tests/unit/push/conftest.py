"""Push in one process: submit offers it, clients talk on connections, the stream brings ends."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from functions.push import app as push_app
from functions.submit import app as submit_app
from simmer.jobs.item import job_of
from simmer.jobs.job import mark_of
from tests.unit.api import Api
from tests.unit.cloud import PUSH_KEY_SECRET, Cloud
from tests.unit.events import document

PUSH_URL = "wss://push.example/push"


@pytest.fixture
def api(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """With push on."""
    monkeypatch.setenv("PUSH_URL", PUSH_URL)
    monkeypatch.setenv("PUSH_ENDPOINT", "https://push.example/push")
    monkeypatch.setenv("PUSH_KEY_SECRET", PUSH_KEY_SECRET)
    wirings = (submit_app._push_tokens, push_app._wiring)
    for wiring in wirings:
        wiring.cache_clear()
    yield api
    for wiring in wirings:
        wiring.cache_clear()


class Push:
    """The deployed function, asked as API Gateway and the jobs table's stream ask it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def connect(self, address: str) -> int:
        """The HTTP status that a client is answered who opens this address."""
        query = dict(parse_qsl(urlsplit(address).query))
        event = {
            "requestContext": {
                "routeKey": "$connect",
                "eventType": "CONNECT",
                "connectionId": "phone",
                "requestId": "request-1",
            },
            # API Gateway leaves it out when there is none.
            **({"queryStringParameters": query} if query else {}),
        }
        return int(push_app.handler(event, None)["statusCode"])

    def say(self, message: object, connection_id: str = "phone") -> str:
        """The answer to a message on the connection, opened if need be; text is sent as it is."""
        sockets = self.cloud.sockets
        if connection_id not in sockets.frames:
            sockets.open(connection_id)
        event = {
            "requestContext": {
                "routeKey": "subscribe",
                "eventType": "MESSAGE",
                "connectionId": connection_id,
                "requestId": "request-1",
            },
            "body": message if isinstance(message, str) else json.dumps(message),
            "isBase64Encoded": False,
        }
        before = len(sockets.frames[connection_id])
        # A body would be sent to the client, too, had the route a response.
        assert push_app.handler(event, None) == {"statusCode": 200}
        [frame] = sockets.frames[connection_id][before:]
        return frame

    def subscribe(self, job_id: str, token: str, connection_id: str = "phone") -> str:
        return self.say({"action": "subscribe", "jobId": job_id, "token": token}, connection_id)

    def crowd(self, job_id: str, size: int) -> dict[str, str]:
        """So many users wait for the job; the token of each."""
        users = [f"user-{number}" for number in range(size)]
        self.cloud.edit_job(job_id, wanted_by=set(map(mark_of, users)))
        job = job_of(self.cloud.image(job_id))
        tokens = submit_app._push_tokens(PUSH_KEY_SECRET)
        return {user: tokens.issue(job, user, job.created_at_ms) for user in users}

    def tell_ends(self, *job_ids: str) -> list[str]:
        """Bring the stream's records of these jobs; the numbers of those that must come again."""
        records = [
            {
                "eventName": "MODIFY",
                "dynamodb": {"NewImage": self.cloud.image(job_id), "SequenceNumber": job_id},
            }
            for job_id in job_ids
        ]
        answer = push_app.handler({"Records": records}, None)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def status_in(frame: str) -> str:
    """The status document in a frame of an open job, to the byte: what is ahead stands behind."""
    document, comma, besides = frame.partition(',"askAfterMs":')
    assert comma
    assert set(json.loads('{"askAfterMs":' + besides)) == {"askAfterMs", "ahead"}
    return document + "}"


@pytest.fixture
def push(cloud: Cloud, api: Api) -> Push:
    return Push(cloud)


@pytest.fixture
def accepted(api: Api) -> dict[str, Any]:
    """A job of alice's, as she was answered."""
    return document(api.submit())


@pytest.fixture
def job_id(accepted: dict[str, Any]) -> str:
    return str(accepted["jobId"])


@pytest.fixture
def token(accepted: dict[str, Any]) -> str:
    return str(accepted["push"]["token"])
