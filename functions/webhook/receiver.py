"""The team's own server, and a message to it as Standard Webhooks 1.0 has it.

The address is resolved once, looked at, and connected to: a name that leads to another address a
moment later leads nowhere. A redirect is a failure like any other.
"""

import binascii
import hmac
import json
import socket
import ssl
from base64 import b64decode, b64encode
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from simmer import clock
from simmer.settings import WebhookSettings

TIMEOUT_SECONDS = 5  # for the connection, and for each part of the answer
SECRET_MAX_AGE_SECONDS = 60

# What IPv6 addresses are in use on the internet, without those that stand for one of IPv4.
_UNICAST, _6TO4 = IPv6Network("2000::/3"), IPv6Network("2002::/16")


class NotDelivered(Exception):
    """The receiver has not taken the message. The text is for the log: no address, no answer."""

    def __init__(self, why: str, *, is_final: bool = False, pause_seconds: int = 0) -> None:
        super().__init__(why)
        self.is_final = is_final  # it wants no message any more
        self.pause_seconds = pause_seconds  # what it asked for


class Receiver:
    """The server at the settings' URL. Safe to use from several threads."""

    def __init__(self, settings: WebhookSettings, secrets: parameters.SecretsProvider) -> None:
        self._url = urlsplit(settings.webhook_url)
        self._target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        self._secret_id = settings.webhook_secret
        self._secrets = secrets
        self._may_be_loopback = settings.webhook_loopback

    def send(self, event: str) -> None:
        """Send an event, as EventBridge writes it, or raise `NotDelivered`."""
        told = json.loads(event)
        detail = told["detail"]
        message = {"type": told["detail-type"], "timestamp": detail["completedAt"], "data": detail}
        body = json.dumps(message, separators=(",", ":")).encode()
        signed = signature(self._secret(), detail["id"], clock.now_ms() // 1000, body)
        status, retry_after = self._post(body, {"content-type": "application/json", **signed})
        if not 200 <= status < 300:
            pause = _seconds_of(retry_after)
            raise NotDelivered(f"status {status}", is_final=status == 410, pause_seconds=pause)

    def _secret(self) -> str:
        try:
            return str(self._secrets.get(self._secret_id, max_age=SECRET_MAX_AGE_SECONDS))
        except GetParameterError:
            raise NotDelivered("secret out of reach") from None

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        """The answer's status, and its Retry-After."""
        connection = _Pinned(self._url, self._address())
        try:
            connection.request("POST", self._target, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheader("retry-after", "")
        except TimeoutError:
            raise NotDelivered("no answer in time") from None
        except (OSError, HTTPException) as error:
            raise NotDelivered(f"no answer: {type(error).__name__}") from None
        finally:
            connection.close()

    def _address(self) -> str:
        """An address of the receiver, if all of them are on the internet."""
        try:
            found = socket.getaddrinfo(self._url.hostname, None, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise NotDelivered("name not resolved") from None
        addresses = [ip_address(str(each[4][0])) for each in found]
        if not all(self._may_be_told(address) for address in addresses):
            raise NotDelivered("address not allowed")
        return str(addresses[0])

    def _may_be_told(self, address: IPv4Address | IPv6Address) -> bool:
        if self._may_be_loopback and address.is_loopback:
            return True
        return self._url.scheme == "https" and is_public(address)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """True for an address on the internet; false for any that leads, or may lead, inside."""
    if isinstance(address, IPv6Address) and (address not in _UNICAST or address in _6TO4):
        return False
    return address.is_global and not address.is_multicast


def signature(secret: str, message_id: str, now_seconds: int, body: bytes) -> dict[str, str]:
    """The headers. `secret` may hold several, the old one beside the new: one signature for each,
    so that the receiver may change when it likes."""
    signed = f"{message_id}.{now_seconds}.".encode() + body
    try:
        keys = [b64decode(key.removeprefix("whsec_"), validate=True) for key in secret.split()]
    except binascii.Error:
        raise NotDelivered("secret is not base64") from None
    if not keys:
        raise NotDelivered("secret is empty")
    signatures = [b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now_seconds),
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
    }


def _seconds_of(retry_after: str) -> int:
    """Either form of the header; 0 for what is neither."""
    if retry_after.isascii() and retry_after.isdigit():
        return int(retry_after[:9])
    try:
        return int(parsedate_to_datetime(retry_after).timestamp()) - clock.now_ms() // 1000
    except (ValueError, OverflowError):
        return 0


class _Pinned(HTTPConnection):
    """A connection to that address, and to no other, under the URL's name."""

    def __init__(self, url: SplitResult, address: str) -> None:
        self._is_tls = url.scheme == "https"
        self.default_port = 443 if self._is_tls else 80
        super().__init__(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)
        self._address = address

    def connect(self) -> None:
        self.sock: Any = socket.create_connection((self._address, self.port), self.timeout)
        if self._is_tls:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host)
