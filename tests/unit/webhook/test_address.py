"""No address inside a network is told anything, under whatever name it goes."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from receiver import NotDelivered, is_public
from tests.unit.webhook.conftest import DETAIL, Webhook, record

INSIDE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "198.18.0.1"),
    *("192.0.0.8", "192.0.2.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "fec0::1"),
    # Addresses of IPv4 in those of IPv6: mapped, compatible, translated, 6to4, Teredo.
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1"),
    *("2002:7f00:1::", "2002:a00:1::1", "2001:0:7f00:1::"),
]
PUBLIC = ["93.184.215.14", "8.8.8.8", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450:4001::1"]


@pytest.mark.parametrize("address", INSIDE)
def test_address_inside_is_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_address_on_the_internet_is_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that somebody tried to connect to; nobody gets through."""
    tried: list[str] = []

    def create_connection(address: tuple[str, int], *_: Any) -> socket.socket:
        tried.append(f"{address[0]} {address[1]}")
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    return tried


type Leads = Callable[..., None]


@pytest.fixture
def leads(monkeypatch: pytest.MonkeyPatch) -> Leads:
    """What every name leads to, lookup by lookup; the last one for ever."""

    def set_answers(*answers: list[str]) -> None:
        left = list(answers)
        resolve = socket.getaddrinfo

        def getaddrinfo(host: str, *arguments: Any, **options: Any) -> list[Any]:
            if not host.endswith(".example"):
                return list(resolve(host, *arguments, **options))  # an address, to connect to
            found = left.pop(0) if len(left) > 1 else left[0]
            return [(None, None, None, "", (address, 0)) for address in found]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    return set_answers


@pytest.mark.enable_socket  # the system's resolver reads these itself
@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "[::1]", "localhost"),
        *("[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "10.0.0.1", "3232235777", "169.254.169.254"),
        *("0", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]"),
    ],
)
def test_address_inside_is_not_connected_to_however_it_is_written(
    webhook: Webhook, connections: list[str], host: str
) -> None:
    server = webhook.receiver(f"https://{host}/jobs", loopback=False)

    assert webhook.deliver(server) == ["message-0"]
    assert connections == []


@pytest.mark.parametrize("address", INSIDE)
def test_name_that_leads_inside_is_not_connected_to(
    webhook: Webhook, connections: list[str], leads: Leads, address: str
) -> None:
    leads([address])

    assert webhook.deliver(webhook.receiver("https://hooks.example/", loopback=False))
    assert connections == []


def test_name_with_one_address_inside_is_not_connected_to_at_all(
    webhook: Webhook, connections: list[str], leads: Leads
) -> None:
    leads([PUBLIC[0], "10.0.0.1"])

    assert webhook.deliver(webhook.receiver("https://hooks.example/", loopback=False))
    assert connections == []


def test_name_that_leads_inside_a_moment_later_leads_to_what_was_looked_at(
    webhook: Webhook, connections: list[str], leads: Leads
) -> None:
    leads([PUBLIC[0]], ["127.0.0.1"])

    webhook.deliver(webhook.receiver("https://hooks.example/", loopback=False))

    assert connections == [f"{PUBLIC[0]} 443"]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://hooks.example/", PUBLIC[0]),  # not in the clear
        ("http://hooks.example/", "10.0.0.1"),
        ("https://hooks.example/", "10.0.0.1"),
        ("https://hooks.example/", "169.254.169.254"),
    ],
)
def test_setting_for_loopback_allows_nothing_else(
    webhook: Webhook, connections: list[str], leads: Leads, url: str, address: str
) -> None:
    leads([address])

    assert webhook.deliver(webhook.receiver(url, loopback=True)) == ["message-0"]
    assert connections == []


def test_name_that_leads_nowhere_is_tried_again(
    webhook: Webhook, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    assert webhook.deliver(webhook.receiver("https://hooks.example/")) == ["message-0"]
    with pytest.raises(NotDelivered, match="name not resolved"):
        webhook.receiver("https://hooks.example/")._address()


# ── TLS ───────────────────────────────────────────────────────────────────────────────────────────


def _certificate(folder: Path, name: str) -> Path:
    """A certificate for that name, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = folder / f"{name}.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pem


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[str]]]:
    """A server under hooks.example, which this process trusts: its port, and the Host headers."""
    pem = _certificate(tmp_path, "hooks.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    hosts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            hosts.append(self.headers["host"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    yield server.server_port, hosts
    server.shutdown()
    server.server_close()
    serving.join()


@pytest.mark.enable_socket
def test_certificate_is_checked_against_the_name_and_not_the_address(
    webhook: Webhook, leads: Leads, tls: tuple[int, list[str]]
) -> None:
    port, hosts = tls
    leads(["127.0.0.1"])

    assert webhook.deliver(webhook.receiver(f"https://hooks.example:{port}/")) == []
    assert hosts == [f"hooks.example:{port}"]
    assert webhook.deliver(webhook.receiver(f"https://other.example:{port}/")) == ["message-0"]
    assert len(hosts) == 1


@pytest.mark.enable_socket
def test_server_with_a_certificate_that_nobody_trusts_is_told_nothing(
    webhook: Webhook,
    leads: Leads,
    tls: tuple[int, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, hosts = tls
    leads(["127.0.0.1"])
    monkeypatch.delenv("SSL_CERT_FILE")

    with pytest.raises(NotDelivered, match="SSLCertVerificationError"):
        webhook.receiver(f"https://hooks.example:{port}/").send(str(record(0, DETAIL)["body"]))
    assert hosts == []
