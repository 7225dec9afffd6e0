"""The keys that requests are signed with, from the environment and from Lambda's endpoint."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from simmer import clock as simmer_clock
from simmer.credentials import REFRESH_SECONDS, Keyring
from simmer.settings import SettingsError, aws_environment
from tests.unit.clock import Clock

pytestmark = pytest.mark.enable_socket


class Endpoint:
    """Lambda's endpoint under SnapStart: keys that are good for an hour."""

    def __init__(self, clock: Clock) -> None:
        self.tokens: list[str] = []
        self.statuses: list[int] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                endpoint.tokens.append(self.headers["authorization"])
                status = endpoint.statuses.pop(0) if endpoint.statuses else 200
                end = datetime.fromtimestamp(clock.now_ms / 1000 + 3600, UTC)
                keys = {
                    "AccessKeyId": f"key-{len(endpoint.tokens)}",
                    "SecretAccessKey": "secret",
                    "Token": "session",
                    "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
                text = json.dumps(keys).encode()
                self.send_response_only(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1/credentials"


@pytest.fixture
def endpoint(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    endpoint = Endpoint(clock)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "sesame")
    yield endpoint
    endpoint.http.shutdown()
    endpoint.http.server_close()


def keys() -> Keyring:
    return Keyring(aws_environment)


def test_environment_names_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")

    assert keys().credentials()[:3] == ("testing", "testing", "session")


def test_endpoint_gives_keys_for_its_token(endpoint: Endpoint) -> None:
    assert keys().credentials()[:3] == ("key-1", "secret", "session")
    assert endpoint.tokens == ["sesame"]


def test_token_may_stand_in_a_file(
    endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("in a file\n")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))
    keys().credentials()

    assert endpoint.tokens == ["in a file"]


def test_keys_are_kept_and_fetched_again_before_their_end(endpoint: Endpoint, clock: Clock) -> None:
    ring = keys()
    ring.credentials()
    clock.advance(3600 - REFRESH_SECONDS - 5)
    assert ring.credentials().access_key == "key-1"
    clock.advance(10)
    assert ring.credentials().access_key == "key-2"


def test_old_keys_serve_while_new_ones_cannot_be_had(endpoint: Endpoint, clock: Clock) -> None:
    ring = keys()
    ring.credentials()
    clock.advance(3600 - REFRESH_SECONDS + 5)
    endpoint.statuses = [500] * 3
    assert ring.credentials().access_key == "key-1"
    clock.advance(REFRESH_SECONDS)
    endpoint.statuses = [500] * 3
    with pytest.raises(OSError, match="no credentials"):
        ring.credentials()
    assert ring.credentials().access_key == "key-8"


def test_endpoint_that_fails_once_is_asked_again(endpoint: Endpoint) -> None:
    endpoint.statuses = [503, 500]

    assert keys().credentials().access_key == "key-3"


def test_threads_fetch_the_keys_once(endpoint: Endpoint) -> None:
    ring = keys()
    threads = [threading.Thread(target=ring.credentials) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(endpoint.tokens) == 1


def test_keys_go_to_no_other_machine_in_the_clear(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://192.0.2.1/keys")
    with pytest.raises(SettingsError, match="AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        keys().credentials()
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    with pytest.raises(SettingsError, match="AWS_ACCESS_KEY_ID"):
        keys().credentials()


def test_keys_of_the_environment_may_have_an_end(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = datetime.fromtimestamp(simmer_clock.now_ms() / 1000 + 3600, UTC)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", end.isoformat())
    ring = keys()
    ring.credentials()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "newer")
    assert ring.credentials().access_key == "testing"
    clock.advance(3600)
    assert ring.credentials().access_key == "newer"
