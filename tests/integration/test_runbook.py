"""docs/runbook.md, word by word: its commands on the local stack, in the trouble they are for."""

import json
import os
import re
import subprocess
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from deploy import inside
from local.emulator.deployment import Deployment
from local.emulator.stack import REGION, Emulator
from local.model.stand_in import StandIn
from local.toolchain import REPOSITORY
from tests.integration.api import Api
from tests.integration.conftest import deploy
from tests.patience import HANG_SECONDS, until

PAGES: dict[str, list[str]] = {
    title: re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for title, text in re.findall(
        r"^## ([^\n]+)\n(.*?)(?=^#|\Z)",
        (REPOSITORY / "docs" / "runbook.md").read_text(),
        re.DOTALL | re.MULTILINE,
    )
}
STOPPED_WITHIN_SECONDS = 10  # as promised there


class Operator:
    """Who follows the runbook, a stack's own credentials in a file as `make run` writes them."""

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        emulator = deployment.emulator
        variables = {
            **emulator.credentials,
            "AWS_ENDPOINT_URL": emulator.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "SIMMER_STACK": deployment.stack_name,
        }
        file = folder / "aws.env"
        file.write_text("".join(f"export {name}={text}\n" for name, text in variables.items()))
        self._environment = {**os.environ, "SIMMER_LOCAL": str(file), "SIMMER_ENV": "local"}

    def run(self, commands: str, **placeholders: str) -> str:
        """What the commands of one block say; they must all succeed."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=REPOSITORY,
            env={**self._environment, **placeholders},
            capture_output=True,
            text=True,
            timeout=2 * HANG_SECONDS,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def stack(emulator: Emulator, model: StandIn) -> Deployment:
    nobody = "https://webhook.invalid/jobs"
    return deploy(emulator, model, "runbook", WorkerMaximumConcurrency=4, WebhookUrl=nobody)


@pytest.fixture
def operator(stack: Deployment, tmp_path: Path) -> Operator:
    return Operator(stack, tmp_path)


@pytest.fixture
def ann(stack: Deployment) -> Api:
    return Api(stack.api_url, stack.token("ann"))


@pytest.fixture(autouse=True)
def _calm(model: StandIn) -> Iterator[None]:
    yield
    model.reset()


def unique(name: str) -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


def test_a_killed_workers_job_is_found_and_run_again_at_once(
    stack: Deployment, operator: Operator, ann: Api, model: StandIn
) -> None:
    find, redrive, cancel = PAGES["Find a job and run it again"]
    ingredient = unique("survivor")
    model.script("slow:60", match=ingredient)
    job_id = ann.submit(ingredient).json()["jobId"]
    until(lambda: model.calls(ingredient))
    stack.kill_lambda("WorkerFunction")

    said = operator.run(find, NAME="ann", JOB=job_id)
    assert re.search(rf"{job_id} .* processing", said)
    assert "job claimed" in said
    assert ingredient not in said
    assert "taken from its worker" in operator.run(redrive, JOB=job_id)

    assert ann.wait(job_id)["status"] == "completed"
    assert "completed already" in operator.run(cancel, JOB=job_id)


def test_a_failed_job_is_run_again_under_its_id(
    operator: Operator, ann: Api, model: StandIn
) -> None:
    redrive = PAGES["Find a job and run it again"][1]
    ingredient = unique("unlucky")
    model.script(*["refusal"] * 4, match=ingredient)
    accepted = ann.submit(ingredient).json()
    assert ann.wait(accepted["jobId"])["errorCode"] == "refused"
    model.reset()

    assert "a new run" in operator.run(redrive, JOB=accepted["jobId"])

    until(lambda: ann.status(accepted["jobId"]).json()["status"] == "completed")


def test_all_spending_is_stopped_within_ten_seconds_and_goes_on_without_a_loss(
    operator: Operator, ann: Api, model: StandIn
) -> None:
    stop, go = PAGES["Stop all spending"]
    name = unique("spender")
    model.script(*["slow:90"] * 3, match=name)
    jobs = [ann.submit(f"{name} {i}").json()["jobId"] for i in range(3)]
    until(lambda: len(model.calls(name)) == 3)

    stopped_at = time.time()
    operator.run(stop.splitlines()[0])
    until(lambda: all(call["closedEarly"] for call in model.calls(name)))
    assert time.time() - stopped_at < STOPPED_WITHIN_SECONDS
    operator.run(stop)
    time.sleep(STOPPED_WITHIN_SECONDS)
    assert not [call for call in model.calls(name) if call["at"] > stopped_at + 10]
    assert {ann.status(job_id).json()["status"] for job_id in jobs} <= {"pending", "processing"}
    assert "STOPPED" in operator.run("./simmer-admin budget")

    operator.run(go)
    assert {ann.wait(job_id)["status"] for job_id in jobs} == {"completed"}


def test_a_key_is_rotated_without_a_failed_job(
    stack: Deployment, operator: Operator, ann: Api
) -> None:
    [rotate] = PAGES["Rotate a key"]
    with ThreadPoolExecutor(1) as threads:
        rotating = threads.submit(operator.run, rotate, NEW_KEY="sk-new")
        ended = [ann.run(unique("egg"))["status"]]
        while not rotating.done():
            ended.append(ann.run(unique("egg"))["status"])
        said = rotating.result()

    assert set(ended) == {"completed"}
    assert len(ended) > 5
    assert "default" in said
    assert "sk-new" not in said
    secret = stack.emulator.client("secretsmanager").get_secret_value(
        SecretId=stack.outputs["ModelKeysSecretArn"]
    )
    assert json.loads(secret["SecretString"]) == {"default": "sk-new"}


def test_a_spent_budget_is_raised_and_its_jobs_go_on(
    emulator: Emulator, model: StandIn, tmp_path: Path
) -> None:
    ladder = [
        {**rung, "price": {"input": 1000, "cachedInput": 100, "output": 1000}}
        for rung in model.ladder
    ]
    stack = deploy(emulator, model, "spent", ModelLadder=ladder, DailyBudgetUsd="0.1")
    ann, operator = Api(stack.api_url, stack.token("ann")), Operator(stack, tmp_path)
    assert ann.run(unique("egg"))["status"] == "completed"
    failed = ann.run(unique("egg"))
    assert failed["errorCode"] == "budget_exceeded"

    look, more = PAGES["Budget spent"]
    assert re.search(r"spent [\d.]+ USD of 0.1\n", operator.run(look))
    assert f"{failed['jobId']}: a new run" in operator.run(more)

    until(lambda: ann.status(failed["jobId"]).json()["status"] == "completed")
    assert "0.1 + 5 for today" in operator.run("./simmer-admin budget")


def test_dead_letters_are_listed_run_again_and_dropped(
    stack: Deployment, operator: Operator, ann: Api, model: StandIn
) -> None:
    look, redrive = PAGES["Dead letters"]
    sqs, queue = stack.emulator.client("sqs"), stack.outputs["JobsDeadLetterQueueUrl"]
    ingredient = unique("victim")
    model.script(*["refusal"] * 4, match=ingredient)
    job_id = ann.submit(ingredient).json()["jobId"]
    ann.wait(job_id)
    model.reset()
    late = ann.run(unique("egg"))["jobId"]
    _let_its_time_be_over(stack, late)
    for each in (job_id, late):
        body = json.dumps({"jobId": each, "runId": "r", "task": "recipe"})
        sqs.send_message(QueueUrl=queue, MessageBody=body)
    sqs.send_message(QueueUrl=queue, MessageBody="nonsense")

    said = operator.run(look)
    assert re.search(rf"{job_id} +failed +refused", said)
    assert re.search(rf"{late} +failed +deadline_exceeded", said)
    assert "unreadable" in said
    time.sleep(31)  # what is looked at is hidden for that long
    redriven = operator.run(redrive)
    for each in (job_id, late):
        assert f"{each}: a new run" in redriven
        until(lambda: ann.status(each).json()["status"] == "completed")  # noqa: B023
    until(lambda: _in(sqs, queue) == 0)


def test_ends_that_the_webhooks_server_never_took_are_told_again(
    stack: Deployment, operator: Operator, ann: Api
) -> None:
    look, redrive = PAGES["Webhook dead letters"]
    sqs = stack.emulator.client("sqs")
    queue, dead = (stack.physical_id(f"Webhook{each}Queue") for each in ("", "DeadLetter"))
    assert inside.look(inside.Stack(stack.emulator.client, stack.stack_name)) == []
    ann.run(unique("egg"))
    until(lambda: _in(sqs, queue) > 0)  # there is no such server
    before = _in(sqs, queue)
    sqs.send_message(QueueUrl=dead, MessageBody='{"detail-type": "job.ended", "detail": {}}')

    assert re.search(r"WebhookDeadLetterQueue +1 +0", operator.run(look))
    assert "webhook not delivered" in operator.run(look)
    assert "an end is told again" in operator.run(redrive)
    assert (_in(sqs, dead), _in(sqs, queue)) == (0, before + 1)


def test_ends_that_lambda_put_aside_are_told_again(
    stack: Deployment, operator: Operator, ann: Api
) -> None:
    look, redrive = PAGES["Events dead letters"]
    sqs, dead = stack.emulator.client("sqs"), stack.physical_id("EventsDeadLetterQueue")
    webhook = stack.physical_id("WebhookQueue")  # where a rule of the bus leads
    ann.run(unique("egg"))
    until(lambda: _in(sqs, webhook) > 0)
    before, now = _in(sqs, webhook), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    about = {f"approximateArrivalOf{each}Record": now for each in ("First", "Last")}
    sqs.send_message(QueueUrl=dead, MessageBody=json.dumps({"DDBStreamBatchInfo": about}))

    assert re.search(r"EventsDeadLetterQueue +1 +0", operator.run(look))
    told = re.search(r"(\d+) ends of jobs are told again", operator.run(redrive))
    assert told
    assert int(told[1]) > 0
    until(lambda: _in(sqs, webhook) == before + int(told[1]))
    assert _in(sqs, dead) == 0


def _let_its_time_be_over(stack: Deployment, job_id: str) -> None:
    """As of a job that killed each of its workers, and that nobody has asked for since."""
    past_ms = round(time.time() * 1000) - 1000
    stack.emulator.client("dynamodb").update_item(
        TableName=stack.outputs["JobsTableName"],
        Key={"pk": {"S": f"job#{job_id}"}},
        UpdateExpression="SET #status = :open, created_at_ms = :then, deadline_at_ms = :past"
        " REMOVE #result",
        ExpressionAttributeNames={"#status": "status", "#result": "result"},
        ExpressionAttributeValues={
            ":open": {"S": "pending"},
            ":then": {"N": str(past_ms - 300_000)},
            ":past": {"N": str(past_ms)},
        },
    )


def _in(sqs: Any, queue: str) -> int:
    known = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
    return int(known["ApproximateNumberOfMessages"]) + int(
        known["ApproximateNumberOfMessagesNotVisible"]
    )


def test_what_is_known_of_a_user_is_deleted(
    stack: Deployment, operator: Operator, ann: Api
) -> None:
    [users] = PAGES["Users and tokens"]
    [purge] = PAGES["Delete a user's data"]
    token = re.findall(r"^ey\S+$", operator.run(users, NAME="eve"), re.MULTILINE)[0]
    eve = Api(stack.api_url, token)
    hers, his = eve.run("egg")["jobId"], ann.run(unique("egg"))["jobId"]

    assert re.search(
        r"eve-2: 1 jobs, 1 days of quota, the account", operator.run(purge, NAME="eve")
    )

    assert eve.status(hers).status_code == 404
    assert ann.status(his).status_code == 200
    assert "eve-2" not in operator.run("./simmer-admin users list")


@pytest.mark.parametrize("title", PAGES)
def test_the_first_look_of_every_page_works(
    stack: Deployment, operator: Operator, ann: Api, title: str
) -> None:
    tried_above = {"Rotate a key", "Stop all spending", "Delete a user's data", "Users and tokens"}
    if title in tried_above:
        return
    job_id = ann.submit("egg").json()["jobId"]
    assert operator.run(PAGES[title][0], NAME="ann", JOB=job_id)


def test_every_block_is_run_by_a_test_here() -> None:
    more = {title: len(blocks) for title, blocks in PAGES.items() if len(blocks) > 1}

    assert more == {
        "Find a job and run it again": 3,
        "Stop all spending": 2,
        "Dead letters": 2,
        "Budget spent": 2,
        "Events dead letters": 2,
        "Webhook dead letters": 2,
    }
    assert all(PAGES.values())
