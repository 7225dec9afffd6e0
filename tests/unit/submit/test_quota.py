"""The daily quota of jobs."""

import pytest

from simmer.jobs.job import ErrorCode
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, WorkerSide
from tests.unit.events import document


@pytest.fixture(autouse=True)
def _two_jobs_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAILY_JOB_QUOTA", "2")


@pytest.fixture
def spent(api: Api, cloud: Cloud) -> list[str]:
    """Alice's two jobs of today."""
    ids = [document(api.submit({"ingredients": [name]}))["jobId"] for name in ("egg", "ham")]
    cloud.messages()
    return ids


@pytest.mark.usefixtures("spent")
def test_job_over_the_quota_is_429_until_midnight_utc(api: Api, cloud: Cloud) -> None:
    response = api.submit({"ingredients": ["tofu"]})

    assert (response["statusCode"], document(response)["code"]) == (429, "quota_exceeded")
    assert response["headers"]["content-type"] == "application/problem+json"
    assert response["headers"]["retry-after"] == str(14 * 3600 + 30 * 60)  # it is 9:30


@pytest.mark.usefixtures("spent")
def test_job_over_the_quota_leaves_nothing_behind(api: Api, cloud: Cloud) -> None:
    api.submit({"ingredients": ["tofu"]})

    assert len(cloud.jobs()) == 2
    assert cloud.messages() == []
    assert cloud.quota_counts() == {"alice#2026-11-22": 2}


@pytest.mark.usefixtures("spent")
def test_retry_after_is_at_least_a_second_just_before_midnight(api: Api, clock: Clock) -> None:
    clock.advance(14.5 * 3600 - 0.001)

    assert api.submit({"ingredients": ["tofu"]})["headers"]["retry-after"] == "1"


@pytest.mark.usefixtures("spent")
def test_next_day_has_a_quota_of_its_own(api: Api, clock: Clock) -> None:
    clock.advance(14.5 * 3600)

    assert api.submit({"ingredients": ["tofu"]})["statusCode"] == 202


@pytest.mark.usefixtures("spent")
def test_quota_is_each_users_own(api: Api) -> None:
    assert api.submit({"ingredients": ["tofu"]}, user="bob")["statusCode"] == 202


def test_with_the_quota_spent_a_running_job_is_still_joined(api: Api, spent: list[str]) -> None:
    response = api.submit({"ingredients": ["egg"]})

    assert (response["statusCode"], document(response)["jobId"]) == (202, spent[0])


def test_with_the_quota_spent_a_finished_job_still_answers(
    api: Api, spent: list[str], worker: WorkerSide
) -> None:
    worker.complete(spent[0])

    assert api.submit({"ingredients": ["egg"]})["statusCode"] == 200


def test_new_run_after_a_failure_counts(api: Api, spent: list[str], worker: WorkerSide) -> None:
    worker.fail(spent[0], ErrorCode.MODEL_UNAVAILABLE)

    assert api.submit({"ingredients": ["egg"]})["statusCode"] == 429


def test_with_the_quota_spent_a_failed_job_stays_readable(
    api: Api, spent: list[str], worker: WorkerSide
) -> None:
    worker.fail(spent[0], ErrorCode.MODEL_UNAVAILABLE)
    api.submit({"ingredients": ["egg"]})

    assert document(api.status(spent[0]))["errorCode"] == "model_unavailable"
