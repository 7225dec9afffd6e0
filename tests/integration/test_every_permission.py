"""Each action of each role is there for something: without it that fails, and with it again not.

One stack; the role's policy is changed while it runs, and the emulator holds the functions, and
Lambda itself, to it at once. A few actions in the gate, all in `make permissions`.
"""

import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from tests.integration.api import Api
from tests.integration.conftest import deploy
from tests.patience import HANG_SECONDS, until
from tests.receiver import TeamServer, team_server

# Long enough for what is allowed to happen on an idle machine. On a busy one a silence may last as
# long although all is allowed: so each is ended by giving the action back, and must end then.
SILENCE_SECONDS = 3

type Grant = tuple[str, str]  # the role's logical id, the action


@dataclass
class Stack:
    """What the probes ask."""

    deployment: Deployment
    model: StandIn
    team: TeamServer

    def __post_init__(self) -> None:
        self.emulator = self.deployment.emulator
        self.alice = Api(self.deployment.api_url, self.deployment.token("alice"))
        self.table = self.deployment.outputs["JobsTableName"]

    def logged(self, text: str) -> bool:
        return text in self.emulator.functions_log.read_text()[self.log_from :]

    log_from = 0

    def mark(self) -> None:
        """From here on the log is looked at, and deliveries are counted."""
        self.log_from = len(self.emulator.functions_log.read_text())
        self.team.deliveries.clear()

    def anew(self, function: str) -> None:
        """Keys that a process has read, it keeps."""
        self.deployment.kill_lambda(function)

        def answers() -> bool:
            with suppress(RuntimeError, ClientError):  # the emulator may still take the dead one
                self.deployment.invoke(function, {})
                return True
            return False

        until(answers)

    def submit(self) -> dict[str, Any]:
        answer = self.alice.submit(f"egg {uuid.uuid4().hex[:8]}")
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json()
        return accepted

    def done(self) -> str:
        """A job that has ended."""
        job_id = str(self.submit()["jobId"])
        assert self.alice.wait(job_id)["status"] == "completed"
        return job_id

    def reopened(self, *, overdue: bool = False) -> dict[str, Any]:
        """A 202 whose job waits again, and no message speaks of it."""
        accepted = self.submit()
        self.alice.wait(accepted["jobId"])
        self.emulator.client("dynamodb").update_item(
            TableName=self.table,
            Key={"pk": {"S": f"job#{accepted['jobId']}"}},
            UpdateExpression="SET #s = :pending" + (", deadline_at_ms = :past" if overdue else ""),
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":pending": {"S": "pending"}}
            | ({":past": {"N": "1"}} if overdue else {}),
        )
        return accepted

    def image(self, job_id: str) -> Any:
        key = {"pk": {"S": f"job#{job_id}"}}
        return self.emulator.client("dynamodb").get_item(TableName=self.table, Key=key)["Item"]

    def cancel(self, job_id: str) -> None:
        assert self.alice.request("POST", f"/recipe/cancel/{job_id}").status_code == 200

    def subscription(self, accepted: dict[str, Any]) -> str:
        push = accepted["push"]
        return json.dumps(
            {"action": "subscribe", "jobId": accepted["jobId"], "token": push["token"]}
        )


@pytest.fixture(scope="module")
def stack(emulator: Emulator, model: StandIn) -> Iterator[Stack]:
    with team_server() as team:
        deployment = deploy(
            emulator,
            model,
            "held",
            WebhookUrl=team.url,
            DailyJobQuota=100_000,
            UserJobsInFlight=999,
            WorkerMaximumConcurrency=2,
        )
        yield Stack(deployment, model, team)


@contextmanager
def taken(stack: Stack, grant: Grant) -> Iterator[Callable[[], None]]:
    """The role without the action; what is yielded gives it back."""
    role, action = stack.deployment.physical_id(grant[0]), grant[1]
    iam = stack.emulator.client("iam")
    (name,) = [
        each
        for each in iam.list_role_policies(RoleName=role)["PolicyNames"]
        if action in json.dumps(_document(iam, role, each))
    ]
    whole = _document(iam, role, name)
    narrow = json.loads(json.dumps(whole))
    for statement in narrow["Statement"]:
        statement["Action"] = [each for each in _listed(statement["Action"]) if each != action]
    narrow["Statement"] = [each for each in narrow["Statement"] if each["Action"]]
    assert narrow != whole

    def put(document: Any) -> None:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    put(narrow)
    try:
        yield lambda: put(whole)
    finally:
        put(whole)


def _document(iam: Any, role: str, name: str) -> Any:
    found = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return json.loads(found) if isinstance(found, str) else found


def _listed(action: Any) -> list[str]:
    return [action] if isinstance(action, str) else list(action)


# ── What is asked at once: the outcome with the action, and without it ────────────────────────────


def _submits(stack: Stack) -> str:
    stack.anew("SubmitFunction")
    answer = stack.alice.submit(f"egg {uuid.uuid4().hex[:8]}")
    return f"{answer.status_code}{' with push' * ('push' in answer.json())}"


def _asks_overdue(stack: Stack) -> str:
    answer = stack.alice.status(_before["overdue"])
    return f"{answer.status_code} {answer.json().get('status')}"


def _cancels(stack: Stack) -> str:
    answer = stack.alice.request("POST", f"/recipe/cancel/{_before['open']}")
    return f"{answer.status_code} {answer.json().get('status')}"


def _subscribes(stack: Stack) -> str:
    stack.anew("PushFunction")
    accepted = json.loads(_before["accepted"])
    try:
        with connect(accepted["push"]["url"], proxy=None, open_timeout=HANG_SECONDS) as socket:
            socket.send(stack.subscription(accepted))
            frame = socket.recv(timeout=HANG_SECONDS)  # or, on the emulator, a sentence
    except InvalidStatus:
        return "refused"
    return str(f'"jobId":"{accepted["jobId"]}"' in str(frame))


def _tells_the_bus(stack: Stack) -> str:
    record = {"dynamodb": {"NewImage": stack.image(_before["done"]), "SequenceNumber": "1"}}
    try:
        return str(stack.deployment.invoke("EventsFunction", {"Records": [record]}))
    except RuntimeError:
        return "raised"


def _signs(stack: Stack) -> str:
    stack.anew("WebhookFunction")
    detail = {"id": "x", "completedAt": "2026-11-26T00:00:00.000Z", "owner": "alice"}
    record = {
        "messageId": "m", "receiptHandle": "r", "attributes": {"ApproximateReceiveCount": "1"},
        "body": json.dumps({"detail-type": "job.ended", "detail": detail}),
    }  # fmt: skip
    said = stack.deployment.invoke("WebhookFunction", {"Records": [record]})
    return str(len(said["batchItemFailures"]))


def _runs(stack: Stack) -> str:
    stack.anew("WorkerFunction")
    ended = stack.alice.wait(str(stack.submit()["jobId"]))
    return str(ended.get("errorCode", ended["status"]))


_before: dict[str, str] = {}


def _prepare(stack: Stack) -> None:
    """Jobs in the states that the probes want; made while every action is there."""
    accepted = stack.reopened()
    _before.update(
        done=stack.done(),
        overdue=stack.reopened(overdue=True)["jobId"],
        open=stack.reopened()["jobId"],
        accepted=json.dumps(accepted),
    )


def _asks_done(stack: Stack) -> str:
    return str(stack.alice.status(_before["done"]).status_code)


SUBMIT, STATUS, CANCEL = "SubmitFunctionRole", "StatusFunctionRole", "CancelFunctionRole"
PUSH, EVENTS = "PushFunctionRole", "EventsFunctionRole"
WEBHOOK, WORKER = "WebhookFunctionRole", "WorkerFunctionRole"

AT_ONCE: dict[Grant, tuple[Callable[[Stack], str], str, str]] = {
    (SUBMIT, "dynamodb:PutItem"): (_submits, "202 with push", "503"),
    (SUBMIT, "dynamodb:UpdateItem"): (_submits, "202 with push", "503"),
    (SUBMIT, "dynamodb:GetItem"): (_submits, "202 with push", "503"),
    (SUBMIT, "sqs:SendMessage"): (_submits, "202 with push", "503"),
    (SUBMIT, "secretsmanager:GetSecretValue"): (_submits, "202 with push", "202"),
    (STATUS, "dynamodb:GetItem"): (_asks_done, "200", "503"),
    (STATUS, "dynamodb:UpdateItem"): (_asks_overdue, "200 failed", "503 503"),
    (CANCEL, "dynamodb:GetItem"): (_cancels, "200 cancelled", "503 503"),
    (CANCEL, "dynamodb:UpdateItem"): (_cancels, "200 cancelled", "503 503"),
    (PUSH, "dynamodb:GetItem"): (_subscribes, "True", "False"),
    (PUSH, "dynamodb:UpdateItem"): (_subscribes, "True", "False"),
    (PUSH, "secretsmanager:GetSecretValue"): (_subscribes, "True", "refused"),
    (PUSH, "execute-api:ManageConnections"): (_subscribes, "True", "False"),
    (EVENTS, "events:PutEvents"): (_tells_the_bus, "{}", "raised"),
    (WEBHOOK, "secretsmanager:GetSecretValue"): (_signs, "0", "1"),
    (WORKER, "secretsmanager:GetSecretValue"): (_runs, "completed", "model_unavailable"),
}


# ── What comes by itself: it stays out, and comes when the action is given back ───────────────────


def _end_of_a_job_is_pushed(stack: Stack) -> Callable[[], object]:
    accepted = stack.reopened()
    socket = connect(accepted["push"]["url"], proxy=None, open_timeout=HANG_SECONDS)
    socket.send(stack.subscription(accepted))
    socket.recv(timeout=HANG_SECONDS)
    heard: list[object] = []

    def is_told() -> bool:
        with suppress(TimeoutError):
            heard.append(socket.recv(timeout=0.1))
        return bool(heard)

    stack.cancel(accepted["jobId"])
    return is_told


def _team_is_told(stack: Stack) -> Callable[[], object]:
    stack.cancel(stack.reopened()["jobId"])
    return stack.team.is_told


def _job_is_run(stack: Stack) -> Callable[[], object]:
    job_id = stack.submit()["jobId"]
    return lambda: stack.alice.status(job_id).json()["status"] == "completed"


def _failure_is_put_aside(stack: Stack) -> Callable[[], object]:
    """A batch that EventBridge does not take, and that is soon given up."""
    queue = stack.deployment.physical_id("EventsDeadLetterQueue")
    sqs = stack.emulator.client("sqs")
    sqs.purge_queue(QueueUrl=queue)
    stack.cancel(stack.reopened()["jobId"])

    def is_there() -> bool:
        got = sqs.get_queue_attributes(
            QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return str(got["Attributes"]["ApproximateNumberOfMessages"]) != "0"

    return is_there


def _is_logged(function: str) -> Callable[[Stack], Callable[[], object]]:
    """The function's own log group gets what it says."""

    def called(stack: Stack) -> Callable[[], object]:
        logs = stack.emulator.client("logs")
        group = stack.deployment.physical_id(function.replace("Function", "LogGroup"))

        def streams() -> int:
            pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
            return sum(len(page["logStreams"]) for page in pages)

        before = streams()
        stack.deployment.invoke(function, {})

        def more() -> bool:
            if streams() == before:
                stack.deployment.invoke(function, {})
            return streams() > before

        return more

    return called


_LATER_STREAM = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
_LATER_QUEUE = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
_LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")

LATER: dict[Grant, Callable[[Stack], Callable[[], object]]] = {
    **{(PUSH, f"dynamodb:{each}"): _end_of_a_job_is_pushed for each in _LATER_STREAM},
    **{(EVENTS, f"dynamodb:{each}"): _team_is_told for each in _LATER_STREAM},
    **{(WEBHOOK, f"sqs:{each}"): _team_is_told for each in _LATER_QUEUE},
    **{(WORKER, f"sqs:{each}"): _job_is_run for each in _LATER_QUEUE},
    (WORKER, "dynamodb:UpdateItem"): _job_is_run,
    **{
        (f"{name}Role", each): _is_logged(name)
        for name in (
            *("SubmitFunction", "StatusFunction", "CancelFunction", "PushFunction"),
            *("EventsFunction", "WebhookFunction", "WorkerFunction"),
        )
        for each in _LOGS
    },
}


# ── The rest ──────────────────────────────────────────────────────────────────────────────────────


def _worker_heeds_a_stop(stack: Stack) -> bool:
    """`simmer-admin stop`: an item that the worker reads before a call."""
    stack.anew("WorkerFunction")
    item = {"pk": {"S": "control"}, "stopped": {"BOOL": True}}
    dynamodb = stack.emulator.client("dynamodb")
    dynamodb.put_item(TableName=stack.table, Item=item)
    try:
        job_id = stack.submit()["jobId"]
        until(
            lambda: (
                stack.logged("job given back")
                or stack.alice.status(job_id).json()["status"] == "completed"
            )
        )
        return stack.logged("job given back")
    finally:
        dynamodb.delete_item(TableName=stack.table, Key={"pk": item["pk"]})


def _throttled_job_gets_another_message(stack: Stack) -> bool:
    name = f"egg {uuid.uuid4().hex[:8]}"
    stack.model.script("429:1", "429:1", match=name)  # each rung
    job_id = stack.alice.submit(name).json()["jobId"]
    until(lambda: stack.logged("job given back"))
    assert stack.alice.wait(job_id)["status"] == "completed"
    told = [
        json.loads(line)
        for line in stack.emulator.functions_log.read_text()[stack.log_from :].splitlines()
        if line.startswith("{")
    ]
    claims = [each for each in told if each.get("jobId") == job_id]
    return not any(each["message"] == "job taken over" for each in claims)


def _taken_message_is_hidden(stack: Stack) -> bool:
    stack.alice.wait(stack.submit()["jobId"])
    return not stack.logged("message not hidden")


def _failed_delivery_is_hidden(stack: Stack) -> bool:
    stack.team.answers[:] = [503]
    stack.cancel(stack.reopened()["jobId"])
    until(lambda: stack.logged("webhook not delivered") and stack.team.is_told(1))
    until(lambda: stack.logged("message not hidden") or stack.team.is_told(2))
    return not stack.logged("message not hidden")


CHECKED: dict[Grant, Callable[[Stack], bool]] = {
    (WORKER, "dynamodb:GetItem"): _worker_heeds_a_stop,
    (WORKER, "sqs:SendMessage"): _throttled_job_gets_another_message,
    (WORKER, "sqs:ChangeMessageVisibility"): _taken_message_is_hidden,
    (WEBHOOK, "sqs:ChangeMessageVisibility"): _failed_delivery_is_hidden,
}
PUT_ASIDE: Grant = (EVENTS, "sqs:SendMessage")
# What the emulator has no service for: X-Ray's two actions, and only with `Tracing`.


ALL = bool(os.environ.get("EVERY_PERMISSION"))


def _some(grants: Any, few: int = 2) -> list[Grant]:
    """All of them, or the first ones."""
    return list(grants)[: None if ALL else few]


def _name(grant: Grant) -> str:
    return " ".join(grant)


def test_each_action_of_each_role_has_a_probe(stack: Stack) -> None:
    iam = stack.emulator.client("iam")
    granted = set()
    for logical_id, (kind, role) in stack.deployment.resources.items():
        if kind != "AWS::IAM::Role":
            continue
        assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            for statement in _document(iam, role, name)["Statement"]:
                granted |= {(logical_id, each) for each in _listed(statement["Action"])}

    assert granted == {*AT_ONCE, *LATER, *CHECKED, PUT_ASIDE}


@pytest.mark.parametrize("grant", _some(AT_ONCE), ids=_name)
def test_without_it_the_answer_is_another_at_once(stack: Stack, grant: Grant) -> None:
    probe, usual, otherwise = AT_ONCE[grant]
    _prepare(stack)
    with taken(stack, grant):
        assert probe(stack) == otherwise

    _prepare(stack)
    assert probe(stack) == usual


@pytest.mark.parametrize("grant", _some(LATER), ids=_name)
def test_without_it_nothing_comes_until_it_is_given_back(stack: Stack, grant: Grant) -> None:
    stack.mark()
    with taken(stack, grant) as give_back:
        has_come = LATER[grant](stack)
        with pytest.raises(AssertionError):
            until(has_come, within_seconds=SILENCE_SECONDS)
        give_back()
        until(has_come)


@pytest.mark.parametrize("grant", _some(CHECKED, 1), ids=_name)
def test_without_it_the_worker_goes_another_way(stack: Stack, grant: Grant) -> None:
    stack.mark()
    with taken(stack, grant):
        assert not CHECKED[grant](stack)

    stack.mark()
    assert CHECKED[grant](stack)


@pytest.mark.skipif(not ALL, reason="in `make permissions`")
def test_without_it_what_failed_is_not_put_aside(stack: Stack) -> None:
    client = stack.emulator.client("lambda")
    events = stack.deployment.physical_id("EventsFunction")
    (mapping,) = [
        each
        for each in client.list_event_source_mappings()["EventSourceMappings"]
        if f":{events}" in each["FunctionArn"]
    ]
    # The emulator counts no tries here, so a record is given up by its age.
    client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=1)
    try:
        with taken(stack, (EVENTS, "events:PutEvents")):
            with taken(stack, PUT_ASIDE):
                stack.mark()
                is_there = _failure_is_put_aside(stack)
                until(lambda: stack.logged("events not put"))
                with pytest.raises(AssertionError):
                    until(is_there, within_seconds=SILENCE_SECONDS)
            until(_failure_is_put_aside(stack))
    finally:
        client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=3600)
