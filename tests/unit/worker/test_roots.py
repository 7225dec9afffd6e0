"""Whom the worker trusts to be the model's host."""

import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import provider
from tests.unit.simmer.certificates import Authority

ASK = """
import asyncio, sys, openai, provider

async def ask():
    client = provider._client(sys.argv[1], "key").with_options(max_retries=0)
    try:
        print([model.id async for model in client.models.list()])
    except openai.APIConnectionError as error:
        print("not trusted" if "CERTIFICATE_VERIFY_FAILED" in str(error.__cause__) else error)

asyncio.run(ask())
"""


class Models(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"object": "list", "data": [{"id": "one", "object": "model"}]}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def url(authority: Authority) -> Iterator[str]:
    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:  # a client that does not trust us
            pass

    server = Server(("127.0.0.1", 0), Models)
    context = authority.context("localhost")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://localhost:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def asked(url: str, **variables: str) -> str:
    """What a new process is told, for the roots are read while it starts."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}
    run = [sys.executable, "-c", ASK, url]
    return subprocess.run(run, env=environment, capture_output=True, text=True).stdout.strip()


@pytest.mark.enable_socket
def test_host_without_a_certificate_of_known_roots_is_not_asked(url: str) -> None:
    assert asked(url) == "not trusted"


@pytest.mark.enable_socket
def test_teams_own_roots_are_taken(url: str, authority: Authority) -> None:
    assert asked(url, SSL_CERT_FILE=str(authority.file)) == "['one']"


def test_no_client_reads_the_roots_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", refused)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", refused)

    for key in ("one", "another"):
        provider._client.__wrapped__("https://models.example/v1", key)
