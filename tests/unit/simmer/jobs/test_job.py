"""The properties that a job computes from its fields."""

import pytest

from simmer.jobs.job import ErrorCode, JobStatus, Usage, fingerprint
from tests.unit.clock import Clock
from tests.unit.jobs import DEADLINE_SECONDS, a_job

OPEN = [JobStatus.PENDING, JobStatus.PROCESSING]
TERMINAL = [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED]


def test_every_status_is_open_or_terminal() -> None:
    assert [status for status in JobStatus if status.is_terminal] == TERMINAL
    assert [status for status in JobStatus if not status.is_terminal] == OPEN


@pytest.mark.parametrize("status", OPEN)
def test_open_job_is_overdue_from_its_deadline_on(clock: Clock, status: JobStatus) -> None:
    job = a_job(clock, status=status)

    assert not job.is_overdue(job.deadline_at_ms - 1)
    assert job.is_overdue(job.deadline_at_ms)


@pytest.mark.parametrize("status", TERMINAL)
def test_terminal_job_is_never_overdue(clock: Clock, status: JobStatus) -> None:
    job = a_job(clock, status=status)

    assert not job.is_overdue(clock.now_ms + 2 * DEADLINE_SECONDS * 1000)


@pytest.mark.parametrize(
    ("is_shared", "user", "is_visible"),
    [(False, "alice", True), (False, "bob", False), (True, "bob", True), (False, "", False)],
)
def test_job_is_its_owners_unless_it_is_shared(
    clock: Clock, is_shared: bool, user: str, is_visible: bool
) -> None:
    assert a_job(clock, is_shared=is_shared).is_visible_to(user) is is_visible


@pytest.mark.parametrize(
    ("error_code", "is_retryable"),
    [
        (ErrorCode.INVALID_OUTPUT, True),
        (ErrorCode.REFUSED, False),
        (ErrorCode.MODEL_UNAVAILABLE, True),
        (ErrorCode.DEADLINE_EXCEEDED, True),
        (ErrorCode.BUDGET_EXCEEDED, False),
        (ErrorCode.INTERNAL, True),
    ],
)
def test_error_code_says_whether_the_same_again_may_succeed(
    error_code: ErrorCode, is_retryable: bool
) -> None:
    assert error_code.is_retryable is is_retryable


def test_error_codes_are_the_contracts() -> None:
    assert set(ErrorCode) == {
        "invalid_output",
        "refused",
        "model_unavailable",
        "deadline_exceeded",
        "budget_exceeded",
        "internal",
    }


def test_usage_adds_field_by_field() -> None:
    one = Usage(calls=1, input_tokens=2, cached_input_tokens=3, output_tokens=4, cost_microusd=5)
    ten = Usage(
        calls=10, input_tokens=20, cached_input_tokens=30, output_tokens=40, cost_microusd=50
    )

    assert one + ten == Usage(
        calls=11, input_tokens=22, cached_input_tokens=33, output_tokens=44, cost_microusd=55
    )


def test_fingerprint_is_the_same_on_every_machine_and_day() -> None:
    fixed = fingerprint("user alice", 1, {"b": ["김치", None], "a": 2})

    assert fixed == "a9de4bc7d9505f675ad1d9074299e628"


def test_fingerprint_does_not_depend_on_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b"), ("ab",)),
        (("a", "b"), ("b", "a")),
        (("1",), (1,)),
        (('a","b',), ("a", "b")),
        (({"a": None},), ({},)),
        (({"a": ["b", "c"]},), ({"a": ["b,c"]},)),
    ],
)
def test_fingerprint_keeps_its_parts_apart(one: tuple[str], other: tuple[str]) -> None:
    assert fingerprint(*one) != fingerprint(*other)
