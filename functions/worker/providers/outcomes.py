"""The outcome of a call: an `Answer`, or a failure of one of these kinds.

ProviderFailure
├── Throttled       the provider has no room now
├── Misconfigured   an operator must act: model, address, rights
│   ├── Misfit      our request is not what the endpoint takes: a parameter, or its value
│   ├── Barred      no call to this rung can succeed: no credit, or no good key
│   └── Paused      there was no call, for the rung was barred a moment ago
└── Down            a fault that may pass: 5xx, time-out, connection, a body that is no answer
"""

from dataclasses import dataclass
from typing import Literal

from simmer.jobs.job import Usage

# How a model came to stop:
# - stop        by itself
# - truncated   at the output cap
# - exhausted   at the cap, which reasoning had used up
# - looping     at the cap, after writing the same, mostly white space, over and over
# - refused     it, or a filter, turned the request down
# - malformed   the endpoint itself found its model's answer to be none, and kept it
type Ending = Literal["stop", "truncated", "exhausted", "looping", "refused", "malformed"]

# The model was at work, and nobody told what that took.
UNREPORTED = Usage(unreported_calls=1)


@dataclass(frozen=True, slots=True)
class Answer:
    """The text of a model, out of its wrapper and not yet checked, and the way it ended."""

    text: str
    ending: Ending
    usage: Usage


class ProviderFailure(Exception):
    """The call gave no answer. `kind` is for the log, and `parameter` the name of the one of ours
    that was refused; nothing of the exchange is in them. `usage` is what the call consumed all the
    same, as far as the provider said so."""

    is_alarming = False

    def __init__(
        self, kind: str, usage: Usage | None = None, *, parameter: str | None = None
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.usage = usage or Usage()
        self.parameter = parameter


class Throttled(ProviderFailure):
    """No room now. `retry_after_seconds` is the provider's own word, if it gave one."""

    def __init__(
        self, kind: str, retry_after_seconds: float | None, usage: Usage | None = None
    ) -> None:
        super().__init__(kind, usage)
        self.retry_after_seconds = retry_after_seconds


class Misconfigured(ProviderFailure):
    """No call of this kind can succeed before an operator has changed something."""

    is_alarming = True


class Misfit(Misconfigured):
    """The endpoint does not take our request as it is: a parameter, or its value."""


class Barred(Misconfigured):
    """No call to this rung can: the account is out of credit, or the key is none."""


class Paused(Misconfigured):
    """There was no call: the rung was barred a moment ago, and somebody has been told."""

    is_alarming = False


class Down(ProviderFailure):
    """The provider failed; another may not, and this one may be back soon."""
