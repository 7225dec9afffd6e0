"""Another user's job, by its id and by what goes with it."""

import uuid
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from local.emulator.deployment import Deployment
from tests.integration.api import Api


@pytest.fixture(scope="module")
def hers(deployment: Deployment) -> dict[str, Any]:
    """What alice was answered for a job of hers."""
    alice = Api(deployment.api_url, deployment.token("alice"))
    answer = alice.submit(f"egg {uuid.uuid4().hex[:8]}")
    assert answer.status_code == 202, answer.text
    accepted: dict[str, Any] = answer.json()
    return accepted


def _variants(job_id: str) -> list[str]:
    return [
        job_id, job_id.upper(), job_id[:-1], f"{job_id}0", f"job%23{job_id}", f"job#{job_id}",
        f"{job_id}%00", f"{job_id}%20", f"%20{job_id}", f"{job_id}%2F", f"{job_id}%23x", "..%2F",
        f"..%2Fstatus%2F{job_id}", "quota%23alice", "%00", "0" * 32, "x", "a" * 3000,
        f"{job_id}?user=alice", f"{job_id};sub=alice", "%F0%9F%A5%9A",
    ]  # fmt: skip


@pytest.mark.parametrize(("method", "what"), [("GET", "status"), ("POST", "cancel")])
def test_foreign_job_is_the_same_404_as_none_in_every_spelling(
    mallory: Api, hers: dict[str, Any], method: str, what: str
) -> None:
    unknown = mallory.request(method, f"/recipe/{what}/{'f' * 32}")

    for variant in _variants(hers["jobId"]):
        answer = mallory.request(method, f"/recipe/{what}/{variant}")
        assert answer.status_code == 404, variant
        if answer.headers["content-type"] == unknown.headers["content-type"]:  # not the gateway's
            assert answer.json() == unknown.json(), variant


def test_same_request_of_another_user_is_another_job(alice: Api, mallory: Api) -> None:
    egg = f"egg {uuid.uuid4().hex[:8]}"

    assert alice.submit(egg).json()["jobId"] != mallory.submit(egg).json()["jobId"]


def test_claims_in_headers_and_body_are_nobody(
    mallory: Api, hers: dict[str, Any], deployment: Deployment
) -> None:
    path = f"/recipe/status/{hers['jobId']}"
    names = ("x-user", "x-user-id", "x-amzn-oidc-identity", "x-forwarded-user", "x-sub", "cookie")
    subject = str(deployment.subject("alice"))
    for headers in (
        *({name: who} for name in names for who in ("alice", subject, f"sub={subject}")),
        {"x-apigateway-event": "{}"}, {"x-original-url": path}, {"x-http-method-override": "PUT"},
    ):  # fmt: skip
        assert mallory.request("GET", path, headers=headers).status_code == 404, headers
        asked = mallory.request("GET", f"{path}?sub={subject}&user=alice", headers=headers)
        assert asked.status_code == 404, headers


def test_push_token_of_ones_own_opens_no_other_job(mallory: Api, hers: dict[str, Any]) -> None:
    own = mallory.submit(f"egg {uuid.uuid4().hex[:8]}").json()
    token = own["push"]["token"]
    payload, _, signature = token.partition(".")

    with connect(own["push"]["url"], proxy=None) as socket:
        for forged in (
            token, hers["push"]["token"][:-3] + "AAA", f"{payload}.", payload, "", "x" * 900,
            f".{signature}", own["push"]["url"].partition("ticket=")[2],
        ):  # fmt: skip
            socket.send(
                f'{{"action": "subscribe", "jobId": "{hers["jobId"]}", "token": "{forged}"}}'
            )
            assert '"invalid_push_token"' in socket.recv(timeout=60) or forged in ("", "x" * 900)


@pytest.mark.parametrize("ticket", ["", "ticket=", "ticket=x", "ticket=WzFd.AAAA"])
def test_without_a_ticket_no_socket_opens(hers: dict[str, Any], ticket: str) -> None:
    url = hers["push"]["url"].partition("?")[0]

    with pytest.raises((InvalidStatus, ConnectionClosed)), connect(f"{url}?{ticket}", proxy=None):
        pass
