"""Cancel: it stops the cost of a job, and leaves other users' jobs alone."""

import time
import uuid

import pytest

from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from tests.integration.api import Api
from tests.integration.conftest import deploy
from tests.patience import until

# A heartbeat of 6 s and what it takes to get there.
ABORTED_WITHIN_SECONDS = 15


@pytest.fixture(scope="module")
def shared(emulator: Emulator, model: StandIn) -> Deployment:
    """Whose users share answers and jobs under way."""
    return deploy(emulator, model, "shared", CacheScope="shared", WorkerMaximumConcurrency=2)


def _user(deployment: Deployment, name: str) -> Api:
    return Api(deployment.api_url, deployment.token(name))


def _cancel(user: Api, job_id: str) -> dict[str, object]:
    answer = user.request("POST", f"/recipe/cancel/{job_id}")
    assert answer.status_code == 200, answer.text
    document: dict[str, object] = answer.json()
    return document


def _stored(deployment: Deployment, job_id: str) -> dict[str, str]:
    """The numbers on the job's item."""
    item = deployment.emulator.client("dynamodb").get_item(
        TableName=deployment.outputs["JobsTableName"], Key={"pk": {"S": f"job#{job_id}"}}
    )["Item"]
    return {name: value["N"] for name, value in item.items() if "N" in value}


def test_one_of_two_cancels_and_the_other_gets_the_result(
    shared: Deployment, model: StandIn
) -> None:
    leek = f"leek {uuid.uuid4().hex[:8]}"
    model.script("slow:4", match=leek)
    ann, ben = _user(shared, "ann"), _user(shared, "ben")
    job_id = ann.submit(leek).json()["jobId"]
    assert ben.submit(leek).json()["jobId"] == job_id

    assert _cancel(ann, job_id)["status"] in ("pending", "processing")

    assert ben.wait(job_id)["status"] == "completed"
    assert len(model.calls(leek)) == 1


def test_the_only_one_cancels_and_the_model_call_is_broken_off_and_booked(
    shared: Deployment, model: StandIn
) -> None:
    leek = f"leek {uuid.uuid4().hex[:8]}"
    model.script("prose", "slow:60", match=leek)
    ann = _user(shared, "ann")
    job_id = ann.submit(leek).json()["jobId"]
    until(lambda: len(model.calls(leek)) == 2)

    cancelled = _cancel(ann, job_id)

    assert cancelled["status"] == "cancelled"
    assert _cancel(ann, job_id) == cancelled == ann.status(job_id).json()
    until(lambda: model.calls(leek)[1]["closedEarly"], ABORTED_WITHIN_SECONDS)
    until(lambda: _stored(shared, job_id)["unreported_calls"] == "1")
    stored = _stored(shared, job_id)
    assert stored["calls"] == "1"
    assert int(stored["input_tokens"]) > 0
    assert ann.status(job_id).json() == cancelled


def test_a_job_that_waits_is_cancelled_and_never_reaches_the_model(
    alice: Api, model: StandIn, deployment: Deployment
) -> None:
    """It waits for the provider to have room."""
    leek = f"leek {uuid.uuid4().hex[:8]}"
    throttled = "429:3"
    model.script(throttled, throttled, match=leek)
    job_id = alice.submit(leek).json()["jobId"]
    until(lambda: model.calls(leek) and alice.status(job_id).json()["status"] == "pending")
    calls = len(model.calls(leek))

    assert _cancel(alice, job_id)["status"] == "cancelled"

    time.sleep(8)  # by then its message has come back
    assert len(model.calls(leek)) == calls <= 2


def test_a_foreign_job_is_a_404_to_cancel_and_goes_on(alice: Api, bob: Api) -> None:
    job_id = alice.submit(f"leek {uuid.uuid4().hex[:8]}").json()["jobId"]

    answer = bob.request("POST", f"/recipe/cancel/{job_id}")

    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    assert alice.wait(job_id)["status"] == "completed"
