"""The bound on a user's jobs under way."""

import pytest

from simmer.jobs.job import ErrorCode
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, WorkerSide
from tests.unit.events import document
from tests.unit.jobs import DEADLINE_SECONDS

ANOTHER = {"ingredients": ["tofu"]}


@pytest.fixture
def under_way(api: Api, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Alice's two jobs: she may have no more."""
    monkeypatch.setenv("JOBS_IN_FLIGHT", "2")
    ids = [document(api.submit({"ingredients": [name]}))["jobId"] for name in ("egg", "ham")]
    cloud.messages()
    return ids


@pytest.mark.usefixtures("under_way")
def test_job_too_many_is_429_and_leaves_nothing_behind(api: Api, cloud: Cloud) -> None:
    response = api.submit(ANOTHER)

    assert (response["statusCode"], document(response)["code"]) == (429, "too_many_jobs")
    assert document(response)["detail"].startswith("2 of your jobs are under way.")
    assert response["headers"]["retry-after"] == "10"
    assert len(cloud.jobs()) == 2
    assert cloud.messages() == []
    assert cloud.quota_counts() == {"alice#2026-11-22": 2}


@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "expire", "delete"])
def test_one_that_has_ended_makes_room_for_one(
    api: Api, cloud: Cloud, worker: WorkerSide, clock: Clock, under_way: list[str], end: str
) -> None:
    match end:
        case "complete":
            worker.complete(under_way[0])
        case "fail":
            worker.fail(under_way[0], ErrorCode.REFUSED)
        case "cancel":
            api.cancel(under_way[0])
        case "expire":
            cloud.edit_job(under_way[0], deadline_at_ms=clock.now_ms)
        case "delete":
            cloud.delete_job(under_way[0])

    assert api.submit(ANOTHER)["statusCode"] == 202
    assert document(api.submit({"ingredients": ["leek"]}))["code"] == "too_many_jobs"


def test_all_that_have_ended_are_forgotten_at_once(
    api: Api, cloud: Cloud, clock: Clock, under_way: list[str]
) -> None:
    clock.advance(DEADLINE_SECONDS)
    before = len(cloud.calls)

    assert api.submit(ANOTHER)["statusCode"] == 202
    assert cloud.calls[before:].count("transact_write_items") == 2
    before = len(cloud.calls)
    assert api.submit({"ingredients": ["leek"]})["statusCode"] == 202
    assert cloud.calls[before:].count("transact_write_items") == 1


@pytest.mark.usefixtures("under_way")
def test_a_job_under_way_is_still_joined(api: Api) -> None:
    assert api.submit({"ingredients": ["egg"]})["statusCode"] == 202


@pytest.mark.usefixtures("under_way")
def test_other_users_have_room_of_their_own(api: Api) -> None:
    assert api.submit(ANOTHER, user="bob")["statusCode"] == 202


def test_an_answer_that_was_given_before_is_given_again(
    api: Api, worker: WorkerSide, under_way: list[str]
) -> None:
    worker.complete(under_way[0])
    api.submit(ANOTHER)

    assert api.submit({"ingredients": ["egg"]})["statusCode"] == 200
