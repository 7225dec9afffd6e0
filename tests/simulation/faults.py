"""The faults, how often they happen, and how often each call met each fault."""

import enum
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random


class Fault(enum.StrEnum):
    """The fault of one call to AWS or to the model."""

    OK = "ok"
    SLOW = "slow"  # some seconds more, before or after its effect
    STALLED = "stalled"  # the whole process stops for a while, longer than any lease
    CRASHED_BEFORE = "crashed before"  # the process is killed, nothing was sent
    CRASHED_AFTER = "crashed after"  # the effect happened, then the process was killed
    LOST_ANSWER = "lost answer"  # the effect happened, the caller gets a time-out
    LATE = "late"  # the caller gets a time-out, the effect happens after that
    RETRIED = "retried"  # the answer was lost; the SDK sent it again and answers the second
    UNREACHABLE = "unreachable"  # an error, no effect
    THROTTLED = "throttled"  # refused by the service's own limits

    @property
    def is_of_process(self) -> bool:
        """True if the fault befalls the whole process, with all its other work."""
        return self in _OF_PROCESS


_OF_PROCESS = frozenset({Fault.STALLED, Fault.CRASHED_BEFORE, Fault.CRASHED_AFTER})
FAULTS: tuple[Fault, ...] = tuple(fault for fault in Fault if fault is not Fault.OK)

# Many schedules with few faults, for bugs that need one at the right place, and some with many.
_INTENSITIES = (0.0, 0.01, 0.03, 0.03, 0.1, 0.1, 0.3)
_SERVICES = ("", "", "", "dynamodb", "sqs", "model")


@dataclass(frozen=True, slots=True)
class Single:
    """Exactly one fault: at the call of this name that is the `number`th by such a process."""

    process: str  # how its name begins
    call: str
    number: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Outage:
    """One service meets every caller so, for a while. Times are the world's seconds."""

    service: str
    fault: Fault
    begins_at: float
    ends_at: float


class FaultPlan:
    """Says for every call what it meets, and counts that."""

    def __init__(
        self,
        random: Random,
        rates: Mapping[Fault, float] | None = None,
        only: str = "",
        *,
        single: Single | None = None,
        outage: Outage | None = None,
    ) -> None:
        """Draw at `rates` (fault -> probability) for calls whose name begins with `only`."""
        self.random = random
        self.rates = dict(rates or {})
        self.only = only
        self.coverage: Counter[tuple[str, Fault]] = Counter()
        self._single, self._seen = single, 0
        self._outage = outage
        shares = [f"{fault} {rate:.2%}" for fault, rate in self.rates.items()]
        self._description = (
            str(outage) if outage else f"at {only or 'all'} calls {', '.join(shares) or 'nothing'}"
        )
        self._scripts: dict[str, deque[Fault]] = {}

    @classmethod
    def drawn(cls, random: Random) -> "FaultPlan":
        """Draw the rates themselves: how much goes wrong in this schedule, what, and where."""
        intensity = random.choice(_INTENSITIES)
        weights = {fault: random.random() for fault in FAULTS if random.random() < 0.5}
        total = sum(weights.values()) or 1.0
        rates = {fault: intensity * weight / total for fault, weight in weights.items()}
        return cls(random, rates, random.choice(_SERVICES))

    def script(self, call: str, *faults: Fault) -> None:
        """Have the next calls of this name meet exactly these, whatever the rates."""
        self._scripts.setdefault(call, deque()).extend(faults)

    def describe(self) -> str:
        """For people: what it held before all was calm."""
        return self._description

    def calm(self) -> None:
        """Let nothing go wrong from now on, so that a schedule can be seen to end well."""
        self.rates.clear()
        self._scripts.clear()
        self._single = self._outage = None

    @property
    def met(self) -> int:
        """The number of faults."""
        return sum(count for (_, fault), count in self.coverage.items() if fault is not Fault.OK)

    def draw(self, call: str, *, crashable: bool, process: str = "", at: float = 0.0) -> Fault:
        """Return what this call meets; only a crashable process is stopped or killed."""
        fault = self._draw(call, process, at)
        if fault in _OF_PROCESS and not crashable:
            fault = Fault.OK
        self.coverage[call, fault] += 1
        return fault

    def _draw(self, call: str, process: str, at: float) -> Fault:
        if self._scripts and (script := self._scripts.get(call)):
            return script.popleft()
        single, outage = self._single, self._outage
        if single and call == single.call and process.startswith(single.process):
            self._seen += 1
            if self._seen == single.number:
                return single.fault
        if outage and call.startswith(outage.service) and outage.begins_at <= at < outage.ends_at:
            return outage.fault
        if not self.rates or not call.startswith(self.only):
            return Fault.OK
        roll = self.random.random()
        for fault, rate in self.rates.items():
            roll -= rate
            if roll < 0:
                return fault
        return Fault.OK
