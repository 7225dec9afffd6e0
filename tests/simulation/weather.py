"""The faults in the schedule of a seed, and the promises that hold with such faults.

A third of the schedules have exactly one fault, at a worker's call: the seeds enumerate which
fault, at which call, the how manieth. Every second of them runs while the provider also turns
everybody away for a while. A third have a service out for up to three quarters of a minute, or
one kind of fault at a low rate at one service. In the last third anything may happen, any number
of times.
"""

import enum
from dataclasses import dataclass
from random import Random

from tests.simulation.faults import FAULTS, Fault, FaultPlan, Outage, Single


class Trouble(enum.Enum):
    """The degree of trouble, by the promises that hold even so."""

    ONE_FAULT = "one fault costs no job"
    THROTTLES = "a throttled job is tried again"
    OUTAGE = "an outage costs no job"
    ANYTHING = "every job ends"

    @property
    def is_mild(self) -> bool:
        """True if every accepted job must complete."""
        return self is not Trouble.ANYTHING


@dataclass(frozen=True, slots=True)
class Weather:
    """One schedule's."""

    trouble: Trouble
    plan: FaultPlan
    single: Single | None = None

    def describe(self) -> str:
        """For people."""
        if self.single:
            call, fault = self.single.call, self.single.fault
            return f"{self.trouble.value}: {fault} at a worker's {call} number {self.single.number}"
        return f"{self.trouble.value}: {self.plan.describe()}"

    @property
    def is_hiccup(self) -> bool:
        """True if no worker is harmed, so that no call may be paid for twice."""
        return (
            self.trouble in (Trouble.ONE_FAULT, Trouble.THROTTLES)
            and self.single is not None
            and not self.single.fault.is_of_process
        )


# How many of a worker's calls of each name are worth a fault: a job makes about so many.
_CALLS = {
    "dynamodb.update_item": 8,
    "dynamodb.update_item.end": 2,
    "dynamodb.update_item.ledger": 2,
    "dynamodb.get_item": 2,
    "sqs.change_message_visibility": 6,
    "sqs.delete_message": 2,
    "sqs.receive_message": 3,
    "model": 3,
}
SINGLES = (
    *(
        Single("worker", call, number, fault)
        for call, count in _CALLS.items()
        for number in range(1, count + 1)
        for fault in FAULTS
    ),
    *(Single("world", "lambda.delete", number, Fault.LOST_ANSWER) for number in (1, 2)),
)
# Only a job that is put back makes a worker send.
SINGLES_OF_RELEASE = tuple(
    Single("worker", "sqs.send_message", number, fault) for number in (1, 2) for fault in FAULTS
)
_STRIDE = 71  # prime to the lengths, so that neighbouring seeds try different calls


def weather_of(seed: int) -> Weather:
    """The weather of that seed's schedule."""
    random = Random(f"weather of {seed}")
    turn, kind = divmod(seed, 3)
    if kind == 0:
        return _one_fault(turn, random)
    if kind == 1 and turn % 2:
        return _outage(random)
    if kind == 1:
        rates = {random.choice(FAULTS): random.choice((0.02, 0.05))}
        only = random.choice(("dynamodb", "sqs", "model", ""))
        return Weather(Trouble.ANYTHING, FaultPlan(random, rates, only))
    return Weather(Trouble.ANYTHING, FaultPlan.drawn(random))


def _one_fault(turn: int, random: Random) -> Weather:
    if turn % 2:
        singles, trouble = SINGLES_OF_RELEASE + SINGLES, Trouble.THROTTLES
        outage = Outage("model", Fault.THROTTLED, 0.0, random.choice((15.0, 30.0)))
    else:
        singles, trouble = SINGLES, Trouble.ONE_FAULT
        outage = None
    single = singles[turn // 2 * _STRIDE % len(singles)]
    return Weather(trouble, FaultPlan(random, single=single, outage=outage), single)


def _outage(random: Random) -> Weather:
    service = random.choice(("dynamodb", "dynamodb", "sqs"))
    faults = (Fault.UNREACHABLE, Fault.THROTTLED, Fault.LOST_ANSWER, Fault.LATE)
    begins_at = random.uniform(0, 60)
    ends_at = begins_at + random.uniform(10, 45)
    outage = Outage(service, random.choice(faults), begins_at, ends_at)
    return Weather(Trouble.OUTAGE, FaultPlan(random, outage=outage))
