"""What the blocking and the asyncio client have in common: all that is no input or output."""

import logging
import re
import time
from typing import Any, Generic, TypeVar

import httpx2
from websockets.exceptions import WebSocketException

from simmer_client.rules import Call, Following, Policy, Timing
from simmer_client.update import State, Update

# API Gateway's own limit; a result measures far less.
MAX_BODY_BYTES = 10 * 1024**2

# What may go wrong with a socket; a name that cannot be a host's is a ValueError.
SOCKET_ERRORS = (OSError, WebSocketException, ValueError)

# At DEBUG, websockets logs every frame, and with it the token.
SOCKET_LOG = logging.getLogger("simmer_client.socket")
SOCKET_LOG.setLevel(logging.INFO)

GiveToken = TypeVar("GiveToken")


class Caller(Generic[GiveToken]):
    """Where the API is and who asks. `token` is one, or a function that returns one: it is called
    when a token is first needed, and again when a request is answered 401."""

    def __init__(
        self,
        base_url: str,
        token: str | GiveToken | None = None,
        *,
        push: bool = True,
        deadline_seconds: float = 330.0,
        timing: Timing | None = None,
    ) -> None:
        self._base_url = _checked(base_url)
        self._give_token = None if isinstance(token, str) else token
        self._token = token if isinstance(token, str) else None
        self._policy = Policy(
            push=push,
            secure=httpx2.URL(base_url).scheme == "https",
            can_refresh_token=self._give_token is not None,
            deadline_seconds=deadline_seconds,
            timing=timing or Timing(),
        )

    def _following(self, task: str, **what: Any) -> Following:
        return Following(task, self._policy, clock=time.monotonic, **what)

    def _needs_token(self, call: Call) -> bool:
        return call.fresh_token or self._token is None

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {"accept": "application/json", **call.headers}
        if self._token:
            if not re.fullmatch(r"[\x21-\x7e]+", self._token):  # or h11 quotes it in its complaint
                raise ValueError("the token has characters that no token has")
            headers["authorization"] = f"Bearer {self._token}"
        return headers


class Known:
    """A job, as far as one can tell without asking."""

    def __init__(self, following: Following) -> None:
        self._following = following

    @property
    def last(self) -> Update:
        return self._following.update

    @property
    def task(self) -> str:
        return self.last.task

    @property
    def job_id(self) -> str | None:
        return self.last.job_id

    @property
    def state(self) -> State:
        return self.last.state


def _checked(base_url: str) -> str:
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        url = httpx2.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("the base URL must be an http:// or https:// address")
    return base_url.rstrip("/")


def reason_of(error: Exception) -> str:
    """Without the text of what was wrong with our own request, which may quote it."""
    if isinstance(error, httpx2.LocalProtocolError):
        return type(error).__name__
    return str(error) or type(error).__name__
