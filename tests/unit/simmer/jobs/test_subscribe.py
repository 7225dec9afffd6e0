"""Subscribe: an open job keeps its subscribers until the stream has told them its end."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from simmer.errors import JobNotFound, TooManySubscribers
from simmer.jobs.item import job_of
from simmer.jobs.job import ErrorCode, Job, JobStatus, mark_of
from simmer.jobs.store import MAX_PLACES_A_USER, MAX_SUBSCRIBERS, connection_of
from tests.unit.jobs import DEADLINE_SECONDS
from tests.unit.simmer.jobs.walk import (
    Walk,
    abandoned,
    absent,
    admitted_anew,
    cancelled,
    completed,
    expired,
    failed,
    leased,
    name_of,
    overdue_waiting,
    overdue_working,
    released,
    taken_over,
    waiting,
)


def who(job: Job) -> set[str]:
    """The connections that have a place."""
    return set(map(connection_of, job.subscribers))


@pytest.mark.parametrize("state", [waiting, leased, abandoned, taken_over, released], ids=name_of)
def test_open_job_takes_subscribers_and_stays_as_it_is(
    walk: Walk, state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.look()

    job = walk.subscribe()

    assert who(job) == {"phone"}
    assert replace(job, subscribers=frozenset()) == before
    assert walk.look() == job
    assert who(walk.subscribe("tablet")) == {"phone", "tablet"}


@pytest.mark.parametrize("state", [completed, failed, cancelled, expired], ids=name_of)
def test_job_that_has_ended_is_shown_and_takes_no_subscriber(
    walk: Walk, state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.stored()

    assert walk.subscribe() == walk.look()
    assert walk.stored() == before


@pytest.mark.parametrize("state", [overdue_waiting, overdue_working], ids=name_of)
def test_subscriber_to_an_overdue_job_ends_it(walk: Walk, state: Callable[[Walk], None]) -> None:
    state(walk)

    job = walk.subscribe()

    assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.DEADLINE_EXCEEDED)
    assert job.subscribers == frozenset()
    assert walk.look() == job


@pytest.mark.parametrize("state", [absent, admitted_anew], ids=name_of)
def test_there_is_no_subscribing_to_a_run_that_is_not_there(
    walk: Walk, state: Callable[[Walk], None]
) -> None:
    state(walk)
    before = walk.stored()

    with pytest.raises(JobNotFound):
        walk.subscribe()
    assert walk.stored() == before


@pytest.mark.parametrize(
    ("meanwhile", "outcome"),
    [
        (Walk.complete, JobStatus.COMPLETED),
        (Walk.fail, JobStatus.FAILED),
        (Walk.cancel, JobStatus.CANCELLED),
    ],
)
def test_end_in_the_moment_of_a_subscription_is_shown(
    walk: Walk,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Walk], Job],
    outcome: JobStatus,
) -> None:
    leased(walk)
    _once_after_the_look(walk, monkeypatch, lambda: meanwhile(walk))

    job = walk.subscribe()

    assert (job.status, job.subscribers) == (outcome, frozenset())


def test_run_that_is_replaced_in_the_moment_of_a_subscription_is_not_found(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    leased(walk)

    def replaced() -> None:
        walk.fail()
        walk.job = replace(walk.job, run_id="run-2")
        walk.admit()

    _once_after_the_look(walk, monkeypatch, replaced)

    with pytest.raises(JobNotFound):
        walk.subscribe()
    assert walk.look().subscribers == frozenset()


def wanted_by(walk: Walk, *users: str) -> None:
    marks = frozenset(map(mark_of, users))
    walk.job = replace(walk.job, is_shared=True, wanted_by=marks)
    walk.admit()


def test_subscribers_are_counted_and_those_within_may_ask_again(walk: Walk) -> None:
    users = [f"user-{number}" for number in range(MAX_SUBSCRIBERS)]
    wanted_by(walk, *users, "late")
    for user in users:
        walk.subscribe(f"phone of {user}".replace(" ", "-"), user=user)

    with pytest.raises(TooManySubscribers):
        walk.subscribe("late", user="late")
    assert len(walk.subscribe("phone-of-user-0", user="user-0").subscribers) == MAX_SUBSCRIBERS


def test_phone_that_comes_back_takes_the_place_of_its_oldest_connection(walk: Walk) -> None:
    wanted_by(walk, "alice", "bob")
    walk.subscribe("bobs", user="bob")
    for number in range(MAX_PLACES_A_USER + 3):
        walk.clock.advance(1)
        job = walk.subscribe(f"phone-{number}")

    own = {f"phone-{number}" for number in range(3, MAX_PLACES_A_USER + 3)}
    assert who(job) == {"bobs"} | own


def test_nobody_fills_the_places_of_a_job_alone(walk: Walk) -> None:
    wanted_by(walk, "alice", "mallory")
    for number in range(3 * MAX_SUBSCRIBERS):
        walk.subscribe(f"socket-{number}", user="mallory")

    assert "phone" in who(walk.subscribe("phone"))


def test_only_who_waits_for_the_job_has_a_place(walk: Walk) -> None:
    wanted_by(walk, "alice", "bob")
    walk.store.cancel(walk.job.job_id, task="recipe", user="bob", now_ms=walk.clock.now_ms)

    for user in ("bob", "stranger", ""):
        with pytest.raises(JobNotFound):
            walk.subscribe("phone", user=user)
    assert who(walk.subscribe("phone")) == {"phone"}


def test_where_many_wait_each_of_them_may_have_a_place(walk: Walk) -> None:
    walk.job = replace(walk.job, is_shared=True, wanted_by=frozenset({"many"}))
    walk.admit()

    assert who(walk.subscribe("phone", user="anybody")) == {"phone"}


def test_place_that_is_given_back_is_another_ones(walk: Walk) -> None:
    users = [f"user-{number}" for number in range(MAX_SUBSCRIBERS)]
    wanted_by(walk, *users, "late")
    for user in users:
        job = walk.subscribe(user, user=user)
    [place] = [each for each in job.subscribers if connection_of(each) == "user-3"]

    walk.store.unsubscribe(job, place)

    assert who(walk.subscribe("late", user="late")) == {*users, "late"} - {"user-3"}


def test_two_who_come_at_once_both_have_a_place(
    walk: Walk, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted_by(walk, "alice", "bob")
    _once_after_the_look(walk, monkeypatch, lambda: walk.subscribe("bobs", user="bob"))

    assert who(walk.subscribe("phone")) == {"phone", "bobs"}


@pytest.mark.parametrize("end", [Walk.complete, Walk.fail, Walk.cancel, Walk.look], ids=name_of)
def test_end_of_a_job_keeps_its_subscribers_for_the_stream(
    walk: Walk, end: Callable[[Walk], Job]
) -> None:
    leased(walk)
    walk.subscribe()
    if end is Walk.look:
        walk.clock.advance(DEADLINE_SECONDS)
    end(walk)

    image = walk.cloud.image(walk.job.job_id)

    assert job_of(image) == walk.look()
    assert who(job_of(image)) == {"phone"}
    assert image["has_subscribers"] == {"BOOL": True}  # the stream's filter asks for it


def _once_after_the_look(
    walk: Walk, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]
) -> None:
    """Let that happen between the next read and the write that follows it."""
    read = walk.cloud.dynamodb.get_item

    def read_and_then(**key: Any) -> Any:
        item = read(**key)
        monkeypatch.delattr(walk.cloud.dynamodb, "get_item")
        meanwhile()
        return item

    monkeypatch.setattr(walk.cloud.dynamodb, "get_item", read_and_then, raising=False)
