"""The cost bench: what it meters, and that it counts what the code does."""

from collections import Counter
from dataclasses import replace

import pytest

from bench.cost import bill
from bench.cost.deployed import Deployed, alarms, shipped
from bench.cost.meters import MeteredDynamoDb, item_bytes
from bench.cost.recording import SHORTEST_SECONDS, Recording, record
from tests.simulation.services.dynamodb import DynamoDb

JOBS = 4


@pytest.fixture(scope="module", params=["polls", "push"])
def recorded(request: pytest.FixtureRequest) -> tuple[str, Recording]:
    alone = replace(shipped(), workers=JOBS)
    return request.param, record(1, alone, jobs=JOBS, follow=request.param)


def test_item_is_as_large_as_dynamodb_says() -> None:
    item = {"pk": {"S": "é"}, "n": {"N": "-1234.5"}, "yes": {"BOOL": True}, "set": {"SS": ["ab"]}}

    assert item_bytes(item) == (2 + 2) + (1 + 4) + (3 + 1) + (3 + 3 + 1 + 2)


@pytest.mark.parametrize(("characters", "units"), [(900, 1), (1500, 2), (3000, 3)])
def test_write_costs_the_larger_of_before_and_after(characters: int, units: int) -> None:
    tally: Counter[str] = Counter()
    table = DynamoDb({"jobs": {"pk": "S"}}, now=lambda: 0.0)
    items = {"job#1": {"pk": {"S": "job#1"}, "text": {"S": "x" * characters}}}
    table.put_item(TableName="jobs", Item=items["job#1"])
    metered = MeteredDynamoDb(table, tally, items.get)

    metered.update_item(
        TableName="jobs",
        Key={"pk": {"S": "job#1"}},
        UpdateExpression="REMOVE #text",
        ExpressionAttributeNames={"#text": "text"},
    )

    assert tally["written_units"] == units
    assert tally["written_units of jobs"] == units


def test_each_job_is_run_once_and_its_calls_are_counted(recorded: tuple[str, Recording]) -> None:
    follow, recording = recorded

    assert recording.failed == 0
    assert len(recording.waits) == JOBS
    assert recording.a_job("worker invocations") == recording.a_job("submit invocations") == 1
    assert recording.a_job("sqs send_message") == 1
    assert recording.worker_seconds > JOBS * SHORTEST_SECONDS
    beats = recording.a_job("sqs change_message_visibility") - 1
    assert 2 <= beats <= 5  # of a job of 30 to 60 s: one each time half of the lease is over
    # Two for a put and two for its count, one for the claim, one a beat, three for the end with a
    # result of 4 KB, one for the ledger; one where somebody subscribes.
    others = recording.a_job("written_units") - beats
    assert others == pytest.approx(9 if follow == "polls" else 10, abs=0.8)
    assert recording.a_job("written_units") <= (12 if follow == "polls" else 13)
    by_polls = recording.a_job("status invocations")
    assert (by_polls > 5) == (follow == "polls")
    assert (recording.a_job("websocket_messages") > 5) == (follow == "push")
    # To connect, two an ask (at once, while it is queued, every 30 s), and the end.
    assert recording.a_job("websocket_messages") <= 1 + 2 * 4 + 1
    assert recording.a_job("log_bytes") > 1000
    assert 8 <= recording.counts["metrics"] <= 40


def test_bill_is_prices_times_counts(recorded: tuple[str, Recording]) -> None:
    _, recording = recorded
    deployed = shipped()
    lines = bill.per_1000_jobs(recording, deployed)
    half = bill.per_1000_jobs(recording, replace(deployed, worker_mb=deployed.worker_mb // 2))

    assert all(usd >= 0 for usd in lines.values())
    assert half["worker's GB-seconds"] == pytest.approx(lines["worker's GB-seconds"] / 2)
    assert lines["DynamoDB written"] == pytest.approx(
        1000 * recording.a_job("written_units") * bill.USD["dynamodb_written_unit"]
    )
    assert bill.at_rest_usd()["alarms"] == pytest.approx(alarms() * 0.10)


def test_full_worker_costs_a_tenth_of_ten_alone() -> None:
    deployed: Deployed = replace(shipped(), workers=1)
    together = record(600, deployed, jobs=10)

    assert together.counts["worker invocations"] == 1
    assert together.worker_seconds < 1.4 * 60
