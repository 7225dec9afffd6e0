"""What the blocking and the asyncio client have in common: all that is no input or output."""

import re
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import httpx2

from simmer_client.effects import Call, Lost
from simmer_client.network import Network
from simmer_client.rules import Following, Policy, Timing
from simmer_client.update import State, Update

# API Gateway's own limit; a result measures far less.
MAX_BODY_BYTES = 10 * 1024**2

GiveToken = TypeVar("GiveToken")


class Caller(Generic[GiveToken]):
    """Where the API is and who asks. `token` is one, or a function that returns one: it is called
    when a token is first needed, and again, once for all requests under way, when one of them is
    answered 401. That it raises, or returns none within 15 s, is as passing as a lost connection.
    `proxy` and `ca_file` stand in for the environment's settings: see network.py.
    `deadline_seconds` is when to give a job up; None leaves that to the server's own deadline."""

    def __init__(
        self,
        base_url: str,
        token: str | GiveToken | None = None,
        *,
        push: bool = True,
        deadline_seconds: float | None = None,
        proxy: str | None = None,
        ca_file: str | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._base_url = _checked(base_url)
        self._give_token = None if isinstance(token, str) else token
        self._token = token if isinstance(token, str) else None
        self._renewals = 0  # which token it is: a request is refused with the one it was sent with
        self._network = Network(proxy, ca_file)
        self._clock: Callable[[], float] = time.monotonic
        self._policy = Policy(
            push=push,
            secure=httpx2.URL(base_url).scheme == "https",
            can_refresh_token=self._give_token is not None,
            deadline_seconds=deadline_seconds,
            address=_shown(self._base_url) + self._network.way_to(self._base_url),
            timing=timing or Timing(),
        )

    def _following(self, task: str, **what: Any) -> Following:
        return Following(task, self._policy, clock=self._clock, **what)

    def _needs_token(self, refused: int | None) -> bool:
        """`refused`: `_renewals` as it was when a token was refused; another one may be here."""
        return self._token is None or refused == self._renewals

    def _take_token(self, token: str) -> None:
        self._token = token
        self._renewals += 1

    def _http_options(self) -> dict[str, Any]:
        """How this machine reaches the API. Raises network.Unusable."""
        tls = self._network.tls_for(self._base_url)
        return {
            "trust_env": False,
            "proxy": self._network.proxy_for(self._base_url),
            **({"verify": tls} if tls else {}),
        }

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
    if url.scheme not in ("http", "https") or not url.host or (url.port or 1) > 65535:
        raise ValueError("the base URL must be an http:// or https:// address")
    return base_url.rstrip("/")


def _shown(base_url: str) -> str:
    """Without what may be secret: a name and a password, a query."""
    url = httpx2.URL(base_url)
    return str(url.copy_with(username=None, password=None, query=None, fragment=None)).rstrip("/")


def lost(error: Exception) -> Lost:
    """Without the text of what was wrong with our own request, which may quote it."""
    if isinstance(error, httpx2.LocalProtocolError):
        return Lost(type(error).__name__)
    words = re.sub(
        r"^\[[^]]*\]\s*", "", str(error)
    )  # [Errno 111], [SSL: CERTIFICATE_VERIFY_FAILED]
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        words += "; SSL_CERT_FILE, or ca_file, names authorities to trust instead of the system's"
    return Lost(words or type(error).__name__)


def no_token(error: Exception) -> Lost:
    """Passing: what a new token is asked of is on the same network. The text may hold a token."""
    how = "no token in time" if isinstance(error, TimeoutError) else "no token to be had"
    return Lost(f"{how} ({type(error).__name__})", error)
