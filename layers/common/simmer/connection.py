"""Kept connections to one host, over the standard library's HTTP client.

TLS trusts what `AWS_CA_BUNDLE` (or `REQUESTS_CA_BUNDLE`) names; without them Amazon's own roots,
which every endpoint of AWS has, and where those do not verify, the machine's. To read the
machine's hundred and fifty roots takes twenty times the work of Amazon's five. A proxy is used
where `HTTPS_PROXY` and `NO_PROXY` say so, as boto3 does.
"""

import ssl
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from select import POLLIN, poll
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

AMAZON_ROOTS = f"{__file__.rpartition('/')[0]}/amazon_roots.pem"


class Answer(NamedTuple):
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Pool:
    """Connections to the host of `url`, one for each request under way; the last used is used
    first. Safe to use from several threads. A call raises `OSError` or `HTTPException`."""

    def __init__(
        self, url: str, connect_seconds: float, read_seconds: float, environment: Mapping[str, str]
    ) -> None:
        parts = urlsplit(url)
        self.path = parts.path.rstrip("/")
        self._name = parts.hostname or ""
        default = 443 if parts.scheme == "https" else 80
        self._port = parts.port or default
        shown = f"[{self._name}]" if ":" in self._name else self._name
        self.host = shown if self._port == default else f"{shown}:{self._port}"
        self._is_tls = parts.scheme == "https"
        self._seconds = connect_seconds, read_seconds
        self._environment = environment
        self._idle: list[HTTPConnection] = []  # `append` and `pop` are atomic

    def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        connection = self._kept() or self._connected()
        sent = {**headers, "accept-encoding": "identity", "content-length": str(len(body))}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        answer = HTTPResponse(connection.sock, method="POST")
        try:
            # At once: `request` sends head and body in two packets, each with a call of the system.
            connection.sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            answer.begin()
            content = answer.read()
        except BaseException:
            connection.close()
            raise
        if answer.will_close:
            connection.close()
        else:
            self._idle.append(connection)
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, named, content)

    def _kept(self) -> HTTPConnection | None:
        """An idle connection that the host has not closed meanwhile."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            ready = poll()
            ready.register(connection.sock, POLLIN)
            if not ready.poll(0):  # nothing to read: what would be there is the end
                return connection
            connection.close()

    def _connected(self) -> HTTPConnection:
        connect_seconds, read_seconds = self._seconds
        if self._is_tls:
            connection = self._secured(connect_seconds)
        else:
            connection = HTTPConnection(self._name, self._port, timeout=connect_seconds)
            connection.connect()
        connection.sock.settimeout(read_seconds)
        return connection

    def _secured(self, timeout: float) -> HTTPConnection:
        get = self._environment.get
        named = get("AWS_CA_BUNDLE") or get("REQUESTS_CA_BUNDLE")
        for roots in (named,) if named else (AMAZON_ROOTS, None):
            proxy = _proxy(self.host, self._environment)
            at = (proxy.hostname or "", proxy.port) if proxy else (self._name, self._port)
            connection = HTTPSConnection(*at, timeout=timeout, context=tls_context(roots))
            if proxy:
                connection.set_tunnel(self._name, self._port, _proxy_authorization(proxy))
            try:
                connection.connect()
                return connection
            except ssl.SSLCertVerificationError:
                connection.close()
                if roots == (named or None):
                    raise
        raise AssertionError


@cache
def tls_context(roots: str | None) -> ssl.SSLContext:
    """One for all connections; `None` trusts what the machine trusts."""
    context = ssl.create_default_context(cafile=roots)
    # As boto3: the authorities of many companies have certificates of an older form.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _proxy(host: str, environment: Mapping[str, str]) -> SplitResult | None:
    """For a host, with its port where that is another than 443: by Python's rules, as in boto3."""
    if "HTTPS_PROXY" not in map(str.upper, environment):
        return None
    from urllib.request import getproxies_environment, proxy_bypass

    address = getproxies_environment().get("https")
    if not address or proxy_bypass(host):
        return None
    return urlsplit(address if "://" in address else f"http://{address}")


def _proxy_authorization(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
