"""A task's `version` is raised: what was answered under the old one is served to nobody."""

from dataclasses import replace

import pytest

from simmer.jobs import admission
from simmer.task import find_task
from tests.unit.api import Api
from tests.unit.cloud import RESULT, WorkerSide
from tests.unit.events import document

EGG = {"ingredients": ["egg"]}
KEYS = [{}, {"idempotency-key": "k1"}]


def _raise_version(monkeypatch: pytest.MonkeyPatch) -> None:
    task = find_task("recipe")
    raised = replace(task, version=task.version + 1)
    monkeypatch.setattr(admission, "find_task", {"recipe": raised}.__getitem__)


@pytest.mark.parametrize("headers", KEYS, ids=["plain", "with a key"])
def test_an_answer_of_another_version_is_not_served(
    api: Api, worker: WorkerSide, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    old = document(api.submit(EGG, headers=headers))["jobId"]
    worker.complete(old, RESULT)
    assert api.submit(EGG, headers=headers)["statusCode"] == 200
    _raise_version(monkeypatch)

    asked_again = api.submit(EGG, headers=headers)

    assert asked_again["statusCode"] == 202
    assert document(asked_again)["jobId"] != old


@pytest.mark.parametrize("headers", KEYS, ids=["plain", "with a key"])
def test_who_holds_a_job_of_the_old_version_still_sees_its_end(
    api: Api, worker: WorkerSide, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    old = document(api.submit(EGG, headers=headers))["jobId"]
    _raise_version(monkeypatch)
    api.submit(EGG, headers=headers)

    worker.complete(old, RESULT)

    assert document(api.status(old))["status"] == "completed"
