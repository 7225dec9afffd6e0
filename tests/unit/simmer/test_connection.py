"""Where a client connects, and whom it trusts there."""

import re
import ssl
import threading
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest
from botocore.session import get_session
from botocore.utils import get_environ_proxies

from simmer import aws
from simmer.connection import AMAZON_ROOTS, Pool, _proxy, tls_context
from simmer.settings import SettingsError, aws_environment
from tests.unit.simmer.certificates import Authority

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
PARTITIONS = get_session().get_available_partitions()
REGIONS = sorted(
    region
    for partition in PARTITIONS
    for region in get_session().get_available_regions("dynamodb", partition)
)
VARIABLES: list[dict[str, str]] = [
    {},
    {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
    {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:2"},
    {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:3"},
    {"AWS_ENDPOINT_URL_EVENTBRIDGE": "http://127.0.0.1:4"},
    {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    {"AWS_USE_FIPS_ENDPOINT": "true"},
    {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
]


def ours(service: str) -> str:
    pool = aws.client(service)._pool
    return f"{'https' if pool._is_tls else 'http'}://{pool.host}"


def theirs(service: str) -> str:
    make: Any = boto3.client
    return str(make(service).meta.endpoint_url)


@pytest.mark.parametrize("service", ["dynamodb", "sqs", "secretsmanager", "events"])
def test_address_is_boto3s_in_every_region(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(REGIONS) > 30
    for region in REGIONS:
        monkeypatch.setenv("AWS_DEFAULT_REGION", region)
        assert ours(service) == theirs(service)


@pytest.mark.parametrize("variables", VARIABLES, ids=str)
@pytest.mark.parametrize("service", ["dynamodb", "sqs", "secretsmanager", "events"])
def test_address_is_boto3s_whatever_is_configured(
    service: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert ours(service) == theirs(service)


def test_region_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SettingsError, match="AWS_REGION"):
        aws.client("dynamodb")


# ── Trust ─────────────────────────────────────────────────────────────────────────────────────────


def test_our_roots_are_amazons_and_botocore_trusts_each() -> None:
    """A root that botocore's list no longer has is not ours either."""
    known = PEM.findall((Path(botocore.__file__).parent / "cacert.pem").read_text())
    found = PEM.findall(Path(AMAZON_ROOTS).read_text())
    names = re.findall(r"^# (.+)$", Path(AMAZON_ROOTS).read_text(), re.MULTILINE)

    assert set(found) <= set(known)
    assert len(found) == 5
    assert all(re.match("Amazon Root CA|Starfield Services Root", name) for name in names)


class Host:
    """A host with TLS, and a proxy in front of it if somebody asks with CONNECT."""

    def __init__(self, context: ssl.SSLContext) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response_only(200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:  # a client that does not trust us
                pass

        self.http = Server(("127.0.0.1", 0), Handler)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.port = self.http.server_port


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def host(authority: Authority) -> Any:
    host = Host(authority.context("localhost"))
    yield host
    host.http.shutdown()
    host.http.server_close()


def ask(host: Host, name: str = "localhost") -> int:
    pool = Pool(f"https://{name}:{host.port}", 5, 5, aws_environment())
    return pool.post("/", {"content-length": "2"}, b"{}").status


@pytest.mark.enable_socket
@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_private_authority_is_trusted_where_it_is_named(
    host: Host, authority: Authority, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(host)
    monkeypatch.setenv(variable, str(authority.file))
    assert ask(host) == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(host, "127.0.0.1")  # the certificate names another host


@pytest.mark.enable_socket
def test_machines_roots_serve_where_amazons_do_not(
    host: Host, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    tls_context.cache_clear()
    try:
        assert ask(host) == 200
    finally:
        tls_context.cache_clear()


def test_roots_are_read_once() -> None:
    assert tls_context(AMAZON_ROOTS) is tls_context(AMAZON_ROOTS)
    assert tls_context(AMAZON_ROOTS).verify_mode == ssl.CERT_REQUIRED
    assert tls_context(AMAZON_ROOTS).check_hostname


PROXIES: list[dict[str, str]] = [
    {},
    {"https_proxy": "http://lower:1"},
    {"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:1"},
    {"HTTPS_PROXY": "http://upper:1", "https_proxy": ""},
    {"Https_Proxy": "http://mixed:1"},
    {"HTTP_PROXY": "http://other:1", "ALL_PROXY": "http://all:1"},
    *(
        {"HTTPS_PROXY": "http://upper:1", "NO_PROXY": spared}
        for spared in (
            *("", "*", " * ", "amazonaws.com", ".amazonaws.com", "AmazonAWS.com", "aws.com"),
            *("dynamodb.us-east-1.amazonaws.com", "x, amazonaws.com ,y", "dynamodb", "10.0.0.0/8"),
            *("dynamodb.us-east-1.amazonaws.com:443", "dynamodb.us-east-1.amazonaws.com:8443"),
        )
    ),
    {"HTTPS_PROXY": "http://upper:1", "NO_PROXY": "amazonaws.com", "no_proxy": "elsewhere"},
]


@pytest.mark.parametrize("variables", PROXIES, ids=str)
@pytest.mark.parametrize("port", ["", ":8443"])
def test_proxy_is_boto3s(
    variables: dict[str, str], port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in {name for each in PROXIES for name in each}:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    host = f"dynamodb.us-east-1.amazonaws.com{port}"
    ours = _proxy(host, aws_environment())

    assert (ours.geturl() if ours else None) == get_environ_proxies(f"https://{host}").get("https")


@pytest.mark.enable_socket
@pytest.mark.parametrize("spared", ["", "example.com", "localhost", "*", ".localhost"])
def test_proxy_is_asked_unless_the_host_is_spared(
    host: Host, authority: Authority, spared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connects: list[tuple[str, str | None]] = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            connects.append((self.path, self.headers["proxy-authorization"]))
            self.send_error(407)

        def log_message(self, *_: Any) -> None:
            pass

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:pa%3As@127.0.0.1:{proxy.server_port}")
    monkeypatch.setenv("NO_PROXY", spared)
    try:
        if spared in ("", "example.com"):
            with pytest.raises((OSError, HTTPException)):
                ask(host)
            assert connects == [(f"localhost:{host.port}", "Basic dXNlcjpwYTpz")]
        else:
            assert ask(host) == 200
            assert connects == []
    finally:
        proxy.shutdown()
        proxy.server_close()
