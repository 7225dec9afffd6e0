"""Many corruptions, one after another: the delivered answers, and those that should not be."""

import json
import random
from collections import Counter
from dataclasses import dataclass, field

from answer import MAX_COMPLAINT_CHARACTERS, MAX_COMPLAINTS, InvalidAnswer, validated
from simmer.task import TaskRequest
from simmer.tasks.recipe import TASK
from tests.fuzz.corrupt import Case, Corrupted, cases, corrupted
from tests.fuzz.judge import Json, objections


@dataclass(frozen=True, slots=True)
class Violation:
    """An answer that was handled wrongly. `n` is its place in the campaign of its seed."""

    seed: int
    n: int
    objections: list[str]
    by: tuple[str, ...]
    said: str


@dataclass(slots=True)
class Tally:
    """The results of a number of corruptions."""

    tried: int = 0
    let_through: Counter[str] = field(default_factory=Counter)  # by the corruption's names
    tried_by: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)

    def __iadd__(self, other: "Tally") -> "Tally":
        self.tried += other.tried
        self.let_through += other.let_through
        self.tried_by += other.tried_by
        self.violations += other.violations
        return self


def run(seed: int, first: int, last: int) -> Tally:
    """The corruptions number `first` to `last` of the seed, each from a generator of its own."""
    tally = Tally()
    for n in range(first, last):
        given = corrupted(random.Random(f"{seed}/{n}"))
        delivered, found = verdict(given)
        tally.tried += 1
        tally.tried_by[" + ".join(given.by)] += 1
        if delivered is not None:
            tally.let_through[" + ".join(given.by)] += 1
        if found:
            tally.violations.append(Violation(seed, n, found, given.by, given.said))
    return tally


def verdict(given: Corrupted) -> tuple[str | None, list[str]]:
    """The delivered result, if there is one, and the flaws of how the answer was handled."""
    request, request_json = _request(given.case)
    try:
        delivered = validated(TASK, request, given.said)
    except InvalidAnswer as invalid:
        return None, _unusable(invalid.complaints)
    except Exception as error:
        return None, [f"{type(error).__name__}: {error}"]
    return delivered, objections(request_json, given.said, delivered)


def _unusable(complaints: tuple[str, ...]) -> list[str]:
    """A model must be able to read them: some, few, short, and possible to send."""
    if not 1 <= len(complaints) <= MAX_COMPLAINTS:
        return [f"{len(complaints)} complaints"]
    if any(len(complaint) > MAX_COMPLAINT_CHARACTERS for complaint in complaints):
        return ["an endless complaint"]
    try:
        "".join(complaints).encode()
    except UnicodeEncodeError:
        return ["a complaint that cannot be sent"]
    return []


_PARSED: dict[str, tuple[TaskRequest, Json]] = {}


def _request(case: Case) -> tuple[TaskRequest, Json]:
    if not _PARSED:
        _PARSED.update(
            {
                each.request: (
                    TASK.wire_model.model_validate_json(each.request),
                    json.loads(each.request),
                )
                for each in cases()
            }
        )
    return _PARSED[case.request]
