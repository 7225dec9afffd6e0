"""The ends of jobs, told to EventBridge: all that happened, and no word of what it was about."""

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.backends import get_backend

from functions.events import app
from simmer import aws
from tests.unit.api import Api
from tests.unit.cloud import LOST_ANSWER, Cloud, FlakyClient, WorkerSide, refused
from tests.unit.events import document
from tests.unit.odd_records import ANYTHING, MALFORMED, TRIED, Record, changed, places

BUS = "simmer-dev"


class Events:
    """The deployed function, given records as the jobs table's stream has them, and its bus."""

    def __init__(self, cloud: Cloud, client: FlakyClient, refusals: list[dict[str, Any]]) -> None:
        self.cloud, self.client, self.refusals = cloud, client, refusals

    def tell_ends(self, *job_ids: str) -> None:
        records = [
            {"dynamodb": {"NewImage": self.cloud.image(job_id), "SequenceNumber": job_id}}
            for job_id in job_ids
        ]
        assert app.handler({"Records": records}, None) == {}


@pytest.fixture
def put(cloud: Cloud) -> list[dict[str, Any]]:
    """The entries that the bus has taken."""
    return []


@pytest.fixture
def events(
    api: Api, cloud: Cloud, put: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Events]:
    class Bus:
        """EventBridge through moto, which checks names and limits; and what it was given."""

        def __init__(self) -> None:
            self._moto = boto3.Session("testing", "testing", region_name="us-east-1").client(
                "events"
            )
            get_backend("events")["123456789012"]["us-east-1"].reset()
            self._moto.create_event_bus(Name=BUS)
            self.refusals: list[dict[str, Any]] = []

        def put_events(self, **arguments: Any) -> Any:
            if self.refusals:
                return self.refusals.pop()
            put.extend(arguments["Entries"])
            return self._moto.put_events(**arguments)

    bus = Bus()
    client = FlakyClient(bus, cloud.calls)
    monkeypatch.setenv("EVENT_BUS", BUS)
    monkeypatch.setattr(
        aws,
        "client",
        lambda service, *_: client if service == "events" else cloud.client(service),
    )
    app._bus.cache_clear()
    yield Events(cloud, client, bus.refusals)
    app._bus.cache_clear()


@pytest.fixture
def job_id(api: Api) -> str:
    return str(document(api.submit())["jobId"])


ENDS: dict[str, Callable[[Api, WorkerSide, str], object]] = {
    "completed": lambda _, worker, job_id: worker.complete(job_id),
    "failed": lambda _, worker, job_id: worker.fail(job_id, "refused"),
    "cancelled": lambda api, _, job_id: api.cancel(job_id),
}


@pytest.mark.parametrize("status", ENDS)
def test_every_end_is_told_in_the_words_of_a_poll(
    api: Api,
    events: Events,
    put: list[dict[str, Any]],
    worker: WorkerSide,
    job_id: str,
    status: str,
) -> None:
    ENDS[status](api, worker, job_id)

    events.tell_ends(job_id)

    [entry] = put
    polled = document(api.status(job_id))
    detail = json.loads(entry.pop("Detail"))
    assert entry == {"EventBusName": BUS, "Source": "simmer", "DetailType": "job.ended"}
    told = ("jobId", "status", "createdAt", "completedAt", *(["errorCode"] * (status == "failed")))
    assert {name: detail.pop(name) for name in told} == {name: polled[name] for name in told}
    assert detail == {
        "id": f"{events.cloud.job(job_id)['run_id']}-ended",
        "task": "recipe",
        "owner": "alice",
        "usage": {
            "calls": int(status != "cancelled"),
            "unreportedCalls": 0,
            "inputTokens": 0,
            "cachedInputTokens": 0,
            "outputTokens": 0,
            "costMicrousd": 0,
        },
    }


def test_no_word_of_the_request_or_the_answer_is_told(
    api: Api, events: Events, put: list[dict[str, Any]], worker: WorkerSide
) -> None:
    job_id = document(api.submit({"ingredients": ["durian"], "dietary": ["halal"]}))["jobId"]
    worker.complete(job_id, '{"recipes": [{"name": "SECRET-DISH"}]}')

    events.tell_ends(job_id)

    image = json.dumps(events.cloud.image(job_id))
    for word in ("durian", "halal", "SECRET-DISH", "recipes"):
        assert word in image
        assert word not in json.dumps(put)


def test_record_that_is_delivered_twice_is_the_same_event(
    events: Events, put: list[dict[str, Any]], worker: WorkerSide, job_id: str
) -> None:
    worker.complete(job_id)

    events.tell_ends(job_id)
    events.tell_ends(job_id)

    assert len(put) == 2
    assert put[0] == put[1]


def test_next_run_of_the_same_request_is_another_event(
    api: Api, events: Events, put: list[dict[str, Any]], worker: WorkerSide, job_id: str
) -> None:
    worker.fail(job_id, "refused")
    events.tell_ends(job_id)
    assert document(api.submit())["jobId"] == job_id
    worker.complete(job_id)
    events.tell_ends(job_id)

    first, second = (json.loads(entry["Detail"]) for entry in put)
    assert first["jobId"] == second["jobId"]
    assert first["id"] != second["id"]


def _refuses_one(events: Events) -> None:
    entries = [{"ErrorCode": "ThrottlingException"}]
    events.refusals.append({"FailedEntryCount": 1, "Entries": entries})


@pytest.mark.parametrize(
    "trouble",
    [
        lambda events: events.client.fail("put_events", refused("AccessDeniedException")),
        lambda events: events.client.fail("put_events", LOST_ANSWER),
        lambda events: events.client.fail("put_events", KeyError("durian")),
        _refuses_one,
    ],
)
def test_batch_that_was_not_told_whole_is_brought_again_and_then_told(
    events: Events,
    put: list[dict[str, Any]],
    worker: WorkerSide,
    log: io.StringIO,
    job_id: str,
    trouble: Callable[[Events], None],
) -> None:
    worker.complete(job_id)
    trouble(events)

    with pytest.raises(app.NotPut) as failed:
        events.tell_ends(job_id)
    assert put == []
    events.tell_ends(job_id)

    assert len(put) == 1
    assert str(failed.value) == ""  # Lambda logs it
    assert failed.value.__suppress_context__
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert {"events not put", "unexpected error"} & {line["message"] for line in lines}
    for word in ("durian", "alice"):
        assert word not in log.getvalue()


def test_ping_and_an_empty_batch_put_nothing(events: Events, put: list[dict[str, Any]]) -> None:
    assert app.handler({}, None)["statusCode"] == 204
    assert app.handler({"Records": []}, None) == {}
    assert put == []


# ── What is no record of a job ────────────────────────────────────────────────────────────────────


@pytest.fixture
def record(api: Api, worker: WorkerSide, cloud: Cloud) -> Record:
    job_id = document(api.submit({"ingredients": ["durian"]}))["jobId"]
    worker.complete(job_id)
    return {"dynamodb": {"NewImage": cloud.image(job_id), "SequenceNumber": "1"}}


@pytest.fixture
def good(worker: WorkerSide, cloud: Cloud, job_id: str) -> Record:
    worker.complete(job_id)
    return {"dynamodb": {"NewImage": cloud.image(job_id), "SequenceNumber": "2"}}


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize("kind", MALFORMED)
@pytest.mark.parametrize("is_first", [True, False])
def test_malformed_record_is_left_out_and_the_other_is_told(
    put: list[dict[str, Any]],
    record: Record,
    good: Record,
    job_id: str,
    log: io.StringIO,
    kind: str,
    is_first: bool,
) -> None:
    odd = MALFORMED[kind](record)

    assert app.handler({"Records": [odd, good] if is_first else [good, odd]}, None) == {}

    assert [json.loads(entry["Detail"])["jobId"] for entry in put] == [job_id]
    assert '"message":"unexpected error"' in log.getvalue()
    assert "durian" not in log.getvalue()


@pytest.mark.usefixtures("events")
@TRIED
@given(data=st.data())
def test_whatever_stands_in_a_record_the_other_is_told(
    put: list[dict[str, Any]], record: Record, good: Record, job_id: str, data: st.DataObject
) -> None:
    odd = changed(record, data.draw(st.sampled_from(places(record))), data.draw(ANYTHING))
    before = len(put)

    assert app.handler({"Records": [odd, good]}, None) == {}

    assert job_id in {json.loads(entry["Detail"])["jobId"] for entry in put[before:]}


@TRIED
@given(event=ANYTHING)
def test_whatever_is_no_event_at_all_is_answered(event: Any) -> None:
    assert app.handler(event, None)["statusCode"] == 204
