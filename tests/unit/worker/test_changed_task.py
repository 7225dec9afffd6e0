"""A job was admitted under an old task file, and a worker with a new one runs it."""

import json
from dataclasses import replace
from typing import Annotated, Any

import pytest
from pydantic import Field

import climb
from simmer.errors import UnknownTask
from simmer.task import TaskRequest, find_task
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud
from tests.unit.worker.fakes import VALID, FakeProvider
from tests.unit.worker.workshop import Workshop


class NewRequest(TaskRequest):
    """Of other fields than before."""

    fridge: Annotated[str, Field(min_length=1)]


def _deploy(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    task = replace(find_task("recipe"), version=2, **changes)
    monkeypatch.setattr(climb, "find_task", {"recipe": task}.__getitem__)


@pytest.fixture
def workshop(cloud: Cloud, clock: Clock) -> Workshop:
    return Workshop(cloud, clock)


def test_a_job_that_fits_the_new_file_is_completed_by_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = workshop.admit()
    _deploy(monkeypatch, check=lambda _request, _result: [])

    workshop.run(FakeProvider([VALID]))

    assert workshop.cloud.job(job.job_id)["status"] == "completed"


def test_a_request_that_the_new_file_refuses_fails_by_name_at_once(
    workshop: Workshop, clock: Clock, monkeypatch: pytest.MonkeyPatch, records: list[Any]
) -> None:
    job = workshop.admit()
    _deploy(monkeypatch, request_model=NewRequest)
    provider = FakeProvider([VALID])

    workshop.run(provider)

    _assert_failed(workshop, job.job_id, provider)
    said = json.dumps([record.__dict__ for record in records], default=str, ensure_ascii=False)
    assert "두부" not in said
    assert "ValidationError" in said


def test_a_job_of_a_task_that_is_gone_fails_by_name_once_no_newer_worker_can_have_it(
    workshop: Workshop, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = workshop.admit()

    def gone(_name: str) -> None:
        raise UnknownTask("There is no task of that name here.")

    monkeypatch.setattr(climb, "find_task", gone)
    provider = FakeProvider([VALID])

    workshop.run(provider)

    assert (provider.asked, workshop.cloud.job(job.job_id)["status"]) == ([], "pending")
    clock.advance(climb.NEW_TASK_SECONDS + 1)
    workshop.queue.send(job)  # moto's delay is in real time, so a message without one
    workshop.run(provider)
    _assert_failed(workshop, job.job_id, provider)


def test_a_worker_with_the_old_file_leaves_a_new_job_to_another(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = workshop.admit(task_version=2)
    old = FakeProvider([VALID])

    workshop.run(old)

    assert (old.asked, workshop.cloud.job(job.job_id)["status"]) == ([], "pending")
    _deploy(monkeypatch)
    workshop.queue.send(job)  # moto's delay is in real time, so a message without one
    workshop.run(FakeProvider([VALID]))
    assert workshop.cloud.job(job.job_id)["status"] == "completed"


def _assert_failed(workshop: Workshop, job_id: str, provider: FakeProvider) -> None:
    """For good: no model was asked, and no message brings the job back."""
    stored = workshop.cloud.job(job_id)
    assert (stored["status"], stored["error_code"]) == ("failed", "internal")
    assert provider.asked == []
    workshop.clock.advance(3600)
    assert workshop.receive() == []
