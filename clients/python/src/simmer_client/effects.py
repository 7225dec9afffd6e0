"""What the rules want done, and what may come of it.

effect        what is sent back
------        -----------------
Call          Answer, or Lost when there was none, or Unset when this machine cannot ask
Sleep         nothing; it may be cut short once the job has ended
Connect       nothing, or Lost
Send          nothing, or Lost
Receive       the text of a frame, None after the given time, or Lost
Disconnect    nothing
an Update     nothing; it is for whoever follows the job
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from simmer_client.update import Update


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request; `fresh_token`: the last token was refused, get another one."""

    method: str
    path: str
    timeout_seconds: float
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    fresh_token: bool = False


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Connect:
    url: str
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Send:
    text: str


@dataclass(frozen=True, slots=True)
class Receive:
    timeout_seconds: float


@dataclass(frozen=True, slots=True)
class Disconnect:
    pass


@dataclass(frozen=True, slots=True)
class Lost:
    """The network did not do it; `reason` is for people, `cause` for a traceback."""

    reason: str
    cause: Exception | None = None


@dataclass(frozen=True, slots=True)
class Unset:
    """A setting of this machine is wrong, so nothing was sent; `reason` is a sentence."""

    reason: str


Effect: TypeAlias = Call | Sleep | Connect | Send | Receive | Disconnect | Update
T = TypeVar("T")
Steps: TypeAlias = Generator[Effect, Any, T]
