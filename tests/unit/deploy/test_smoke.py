"""What smoke says of answers that a stack on the emulator does not give at will."""

import base64
import json
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from botocore.exceptions import NoCredentialsError

from deploy import smoke as command
from deploy.causes import claims_of, unreached, why_failed
from deploy.smoke import Smoke, Wrong


class Socket:
    """Says these, and then nothing."""

    def __init__(self, *frames: dict[str, Any]) -> None:
        self._frames = [json.dumps(frame) for frame in frames]

    def recv(self, timeout: float) -> str:
        if not self._frames:
            raise TimeoutError
        return self._frames.pop(0)


def told(*frames: dict[str, Any]) -> None:
    smoke = Smoke("https://api.example", "token")
    smoke._told(Socket(*frames), {"status": "completed"})  # type: ignore[arg-type]


def test_end_that_comes_is_all_that_push_must_tell() -> None:
    told({"status": "processing"}, {"status": "completed"})


def test_end_that_does_not_come_is_named() -> None:
    with pytest.raises(Wrong, match="the end was not told: PushFunction does not hear of it"):
        told({"status": "processing"})


def test_another_end_than_a_polls_is_named() -> None:
    with pytest.raises(Wrong, match="push says failed, a poll completed"):
        told({"status": "failed"})


@pytest.mark.parametrize(
    ("code", "about"),
    [
        ("model_unavailable", "the key is missing, wrong or expired"),
        ("budget_exceeded", "DailyBudgetUsd"),
        ("deadline_exceeded", "JobDeadlineSeconds"),
        ("invalid_output", "never what the task allows"),
        ("internal", "the user's sentence"),
    ],
)
def test_failed_job_says_where_to_look(code: str, about: str) -> None:
    document = {"status": "failed", "errorCode": code, "error": "the user's sentence"}

    assert about in why_failed(document)


@pytest.mark.parametrize("token", ["", "no token", "a.b.c", "a.W10.c"])
def test_what_is_no_token_claims_nothing(token: str) -> None:
    assert claims_of(token) == {}


# ── The gateway's own answers ─────────────────────────────────────────────────────────────────────


def asking(status: int, said: Any = None, token: str = "", **headers: str) -> Smoke:
    """A smoke test of a server that gives this answer to whatever is asked."""
    body = json.dumps(said) if said is not None else "<html>"
    answer = httpx2.Response(status, text=body, headers=headers)
    smoke = Smoke("https://api.example", token, say=lambda _: None)
    smoke._http = httpx2.Client(transport=httpx2.MockTransport(lambda _: answer))
    return smoke


@pytest.mark.parametrize(
    ("status", "said", "about"),
    [
        (404, {"message": "Not Found"}, "the API has no routes"),
        (403, {"message": "Forbidden"}, "a custom domain needs its ApiMapping"),
        (429, {"message": "Too Many Requests"}, "the stage's throttle to 0"),
        (401, {"code": "invalid_token"}, "the route has no authorizer"),
        (202, {"jobId": "j", "code": None}, "anybody may submit"),
        (422, {"code": "invalid_request"}, "anybody may submit"),
        (200, None, "another server is at this address"),
        (301, None, "another server is at this address"),
        (502, None, "another server is at this address"),
    ],
)
def test_answer_without_a_token_that_is_no_401_says_what_is_in_the_way(
    status: int, said: Any, about: str
) -> None:
    with pytest.raises(Wrong, match=about):
        asking(status, said)._without_a_token()


def test_gateways_401_is_what_must_come_without_a_token() -> None:
    asking(401, {"message": "Unauthorized"})._without_a_token()


NOW = 1_700_000_000
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"  # the same


def signed(**claims: Any) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"h.{middle}.s"


@pytest.mark.parametrize(
    ("token", "about"),
    [
        ("not-one", "it is no JWT"),
        (signed(iss="i", exp=NOW - 60), "it expired 60 s ago"),
        (signed(iss="i", exp=NOW + 600, iat=NOW + 90), "it is good in 90 s only: the clock of"),
        (signed(iss="i", exp=NOW + 600, nbf=NOW + 90), "it is good in 90 s only: the clock of"),
        (signed(iss="i", aud="app", exp=NOW + 60), "JwtIssuer and JwtAudience must be these"),
    ],
)
def test_token_that_is_refused_is_told_why_by_the_servers_clock(token: str, about: str) -> None:
    smoke = asking(401, {"message": "Unauthorized"}, token, date=DATE)

    with pytest.raises(Wrong, match=f"the token is refused: .*{about}"):
        smoke._submit("key")


def test_reason_that_the_gateway_gives_for_a_refused_token_is_handed_on() -> None:
    reason = "signing method RS512 is invalid"
    said = {"www-authenticate": f'Bearer error="invalid_token" error_description="{reason}"'}
    smoke = asking(401, {}, signed(iss="i", exp=NOW + 60), date=DATE, **said)

    with pytest.raises(Wrong, match=f"the gateway says: {reason}$"):
        smoke._submit("key")


def test_route_that_is_missing_is_told_from_a_job_that_is() -> None:
    with pytest.raises(Wrong, match=r"the API has no route GET /\{task\}/status/\{jobId\}"):
        asking(404, {"message": "Not Found"})._status("j")
    with pytest.raises(Wrong, match="a poll is answered 404 job_not_found"):
        asking(404, {"code": "job_not_found"})._status("j")
    with pytest.raises(Wrong, match="503 by the gateway, not by StatusFunction"):
        asking(503, {"message": "Service Unavailable"})._status("j")


def test_throttled_submit_says_which_parameter() -> None:
    with pytest.raises(Wrong, match="raise SubmitsPerSecond"):
        asking(429, {"message": "Too Many Requests"})._submit("key")


@pytest.mark.parametrize(
    ("cause", "about"),
    [
        (socket.gaierror(-2, "Name or service not known"), "a DNS record to DomainTarget"),
        (ssl.SSLCertVerificationError("hostname mismatch"), "CertificateArn must be for"),
    ],
)
def test_name_that_leads_nowhere_is_told_from_a_server_that_does_not_answer(
    cause: Exception, about: str
) -> None:
    error = httpx2.ConnectError("no")
    error.__cause__ = cause

    assert about in unreached(error)
    assert unreached(httpx2.ConnectError("refused")) == ""


# ── The command ───────────────────────────────────────────────────────────────────────────────────


def _no_credentials(service: str) -> Any:
    raise NoCredentialsError


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        (["--env", "production"], "has no [production"),
        (["--env", "dev"], "credentials"),
        ([], "nothing runs here"),
        (["--url", "https://api.example"], "say TOKEN=… of a user of its issuer"),
    ],
)
def test_command_that_cannot_begin_says_why_in_a_line(
    arguments: list[str],
    about: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    get: Callable[..., httpx2.Response] = lambda *_, **__: httpx2.Response(404)  # noqa: E731
    monkeypatch.setattr(sys, "argv", ["smoke", *arguments])
    monkeypatch.setattr("boto3.client", _no_credentials)
    monkeypatch.setattr("httpx2.get", get)
    monkeypatch.setattr(command, "URL_FILE", tmp_path / "url")
    monkeypatch.delenv("TOKEN", raising=False)

    assert command.main() == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("make smoke: ")
    assert about in line
