"""The ledger on the deployed stack, with the worker's own permissions: cost, durations, budget."""

import uuid
from collections import Counter
from typing import Any

from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from simmer import clock
from simmer.books.ledger import Ledger
from simmer.jobs.job import Usage
from simmer.table import Table
from tests.integration.api import Api
from tests.integration.conftest import deploy

PRICE = {"input": 1000, "cachedInput": 100, "output": 5000}  # dollars go fast here


def test_a_job_is_on_the_books_and_the_budget_stops_the_next(
    emulator: Emulator, model: StandIn
) -> None:
    ladder = [{**rung, "price": PRICE} for rung in model.ladder]
    deployment = deploy(emulator, model, "ledger", ModelLadder=ladder, DailyBudgetUsd=0.01)
    alice = Api(deployment.api_url, deployment.token("alice"))
    egg, leek = (f"{name} {uuid.uuid4().hex[:8]}" for name in ("egg", "leek"))

    paid, stopped = alice.run(egg), alice.run(leek)

    assert paid["status"] == "completed"
    assert (stopped["status"], stopped["errorCode"]) == ("failed", "budget_exceeded")
    assert (len(model.calls(egg)), model.calls(leek)) == (1, [])
    items = emulator.client("dynamodb").scan(TableName=deployment.outputs["JobsTableName"])["Items"]
    kinds = Counter(item["pk"]["S"].partition("#")[0] for item in items)
    assert kinds == {"job": 2, "quota": 1, "ledger": 1}
    [entry] = [item for item in items if item["pk"]["S"].startswith("ledger#")]
    [job] = [item for item in items if item["pk"]["S"] == f"job#{paid['jobId']}"]
    spent = ("calls", "input_tokens", "cached_input_tokens", "output_tokens", "cost_microusd")
    assert [_number(entry, name) for name in spent] == [_number(job, name) for name in spent]
    assert _number(entry, "cost_microusd") >= 10_000
    assert _number(entry, "jobs") == 1
    assert sum(_number(entry, name) for name in entry if name.startswith("took_")) == 1
    [later] = [item for item in items if item["pk"]["S"] == f"job#{stopped['jobId']}"]
    assert job["durations"] == {"M": {}}, "nothing was known yet"
    assert _number(later, "calls") == 0


def test_a_job_in_the_queue_is_measured_by_past_jobs_with_the_submits_own_permissions(
    emulator: Emulator, model: StandIn
) -> None:
    deployment = deploy(emulator, model, "history")
    ledger = Ledger(Table(emulator.client("dynamodb"), deployment.outputs["JobsTableName"]))
    rung, now_ms = model.ladder[0]["model"], clock.now_ms()
    for _ in range(10):
        ledger.add("recipe", rung, Usage(calls=1), now_ms=now_ms, took_seconds=200)

    answer = Api(deployment.api_url, deployment.token("alice")).submit(uuid.uuid4().hex)

    assert answer.status_code == 202
    assert int(answer.headers["retry-after"]) > 2, "as without history"


def _number(item: dict[str, Any], name: str) -> int:
    return int(item[name]["N"])
