"""What is no record of a job fails alone: the others of its batch are told, and nothing raises."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.push import app
from tests.unit.api import Api
from tests.unit.cloud import Cloud, WorkerSide
from tests.unit.events import document
from tests.unit.odd_records import ANYTHING, MALFORMED, TRIED, Record, changed, places
from tests.unit.push.conftest import Push


def _ended(
    api: Api, push: Push, cloud: Cloud, worker: WorkerSide, name: str, number: str
) -> Record:
    job = document(api.submit({"ingredients": [name]}))
    push.subscribe(job["jobId"], job["push"]["token"], name)
    worker.complete(job["jobId"])
    change = {"NewImage": cloud.image(job["jobId"]), "SequenceNumber": number}
    return {"eventName": "MODIFY", "dynamodb": change}


@pytest.fixture
def record(api: Api, push: Push, cloud: Cloud, worker: WorkerSide) -> Record:
    return _ended(api, push, cloud, worker, "egg", "1")


@pytest.fixture
def good(api: Api, push: Push, cloud: Cloud, worker: WorkerSide) -> Record:
    return _ended(api, push, cloud, worker, "rice", "2")


@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize("is_first", [True, False])
def test_malformed_record_is_left_out_and_the_other_is_told(
    cloud: Cloud, record: Record, good: Record, log: io.StringIO, kind: str, is_first: bool
) -> None:
    odd = MALFORMED[kind](record)
    batch = [odd, good] if is_first else [good, odd]

    assert app.handler({"Records": batch}, None) == {"batchItemFailures": []}

    assert len(cloud.sockets.frames["rice"]) == 2, "the answer to the subscription, and the end"
    [line] = [
        each
        for each in map(json.loads, log.getvalue().splitlines())
        if each["message"] == "unexpected error"
    ]
    assert line["at"]
    for word in ("egg", "alice", "yesterday"):
        assert word not in json.dumps(line)


@pytest.mark.parametrize(
    ("name", "value"), [("subscribers", {"SS": [None, False]}), ("run_id", {"L": []})]
)
def test_odd_value_in_a_record_keeps_nothing_from_the_other(
    cloud: Cloud, record: Record, good: Record, name: str, value: dict[str, object]
) -> None:
    odd = changed(record, ("dynamodb", "NewImage", name), value)

    assert app.handler({"Records": [odd, good]}, None) == {"batchItemFailures": []}

    assert len(cloud.sockets.frames["rice"]) == 2


@TRIED
@given(data=st.data())
def test_whatever_stands_in_a_record_the_other_is_told(
    cloud: Cloud, record: Record, good: Record, data: st.DataObject
) -> None:
    odd = changed(record, data.draw(st.sampled_from(places(record))), data.draw(ANYTHING))
    before = len(cloud.sockets.frames["rice"])

    answer = app.handler({"Records": [odd, good]}, None)

    assert {each["itemIdentifier"] for each in answer["batchItemFailures"]} <= {"1"}
    assert len(cloud.sockets.frames["rice"]) == before + 1


@pytest.mark.usefixtures("push")
@TRIED
@given(records=ANYTHING)
def test_whatever_is_no_batch_at_all_is_answered(records: object) -> None:
    answer = app.handler({"Records": records}, None)

    assert answer in ({"statusCode": 204}, {"batchItemFailures": []})


def _connected(kind: str) -> Record:
    about = {
        "routeKey": kind, "eventType": "CONNECT" if kind == "$connect" else "MESSAGE",
        "connectionId": "phone", "requestId": "request-1",
    }  # fmt: skip
    return {"requestContext": about, "body": "{}", "queryStringParameters": {"ticket": "x"}}


@TRIED
@given(data=st.data(), kind=st.sampled_from(["$connect", "subscribe", "$default"]))
def test_whatever_stands_in_a_message_is_answered(
    push: Push, cloud: Cloud, data: st.DataObject, kind: str
) -> None:
    event = _connected(kind)
    if "phone" not in cloud.sockets.frames:
        cloud.sockets.open("phone")
    odd = changed(event, data.draw(st.sampled_from(places(event))), data.draw(ANYTHING))

    assert app.handler(odd, None)["statusCode"] < 500
    assert not any('"status": 500' in frame for frame in cloud.sockets.frames["phone"])
