"""The keys that requests are signed with: the environment's, or those of Lambda's own endpoint.

Under SnapStart the environment has no keys, for a snapshot would outlive them, but names an
endpoint (`AWS_CONTAINER_CREDENTIALS_FULL_URI`) that gives keys with an end. As in boto3, keys are
fetched again a quarter of an hour before their end; while that fails, the old ones serve.
"""

import http.client
import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import NamedTuple
from urllib.parse import urlsplit

from simmer import clock
from simmer.settings import SettingsError

REFRESH_SECONDS = 15 * 60
TIMEOUT_SECONDS = 2
TRIES = 3
# Keys go over the wire in the clear to these alone: the machine itself, and what Amazon's container
# services have on it. (Documented with boto3's container provider.)
_OWN_HOSTS = {"localhost", "127.0.0.1", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"}


class Credentials(NamedTuple):
    """`ends_at` is in seconds since the epoch."""

    access_key: str
    secret_key: str
    token: str = ""
    ends_at: float = math.inf


class Keyring:
    """The credentials in use. Safe to use from several threads.

    `environment` gives the variables as they are now. `SettingsError` when no keys are named.
    """

    def __init__(self, environment: Callable[[], Mapping[str, str]]) -> None:
        self._environment = environment
        self._held: Credentials | None = None
        self._lock = Lock()

    def credentials(self) -> Credentials:
        """Good for the next request, or `OSError`, if they could not be had."""
        if (held := self._held) and not _ends_within(REFRESH_SECONDS, held):
            return held
        with self._lock:
            held = self._held
            if held is None or _ends_within(REFRESH_SECONDS, held):  # nobody was quicker
                try:
                    held = self._held = _read(self._environment())
                except OSError:
                    if held is None or _ends_within(0, held):
                        raise
            return held


def _ends_within(seconds: int, credentials: Credentials) -> bool:
    return clock.now_ms() / 1000 >= credentials.ends_at - seconds


def _read(environment: Mapping[str, str]) -> Credentials:
    get = environment.get
    if get("AWS_ACCESS_KEY_ID") and get("AWS_SECRET_ACCESS_KEY"):
        return Credentials(
            environment["AWS_ACCESS_KEY_ID"],
            environment["AWS_SECRET_ACCESS_KEY"],
            get("AWS_SESSION_TOKEN", ""),
            _ends_at(get("AWS_CREDENTIAL_EXPIRATION")),
        )
    address = get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if relative := get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        address = f"http://169.254.170.2{relative}"
    if not address:
        raise SettingsError("missing or unusable: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY")
    token = get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    if file := get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        token = Path(file).read_text().strip()
    for tried in range(TRIES):
        try:
            return _fetch(address, {"authorization": token} if token else {})
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            if tried == TRIES - 1:
                raise OSError("no credentials from the container's endpoint") from error
        clock.sleep(0.1 * 2**tried)
    raise AssertionError


def _fetch(address: str, headers: Mapping[str, str]) -> Credentials:
    url = urlsplit(address)
    if url.scheme != "https" and url.hostname not in _OWN_HOSTS:
        raise SettingsError("missing or unusable: AWS_CONTAINER_CREDENTIALS_FULL_URI")
    kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", f"{url.path}?{url.query}".rstrip("?"), headers=dict(headers))
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
        keys = json.loads(answer.read())
    finally:
        connection.close()
    return Credentials(
        keys["AccessKeyId"],
        keys["SecretAccessKey"],
        keys.get("Token") or "",
        _ends_at(keys.get("Expiration")),
    )


def _ends_at(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else math.inf
