"""`make smoke` on a stack that works, and on stacks with mistakes in them: it names each."""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from books import CONTROL_MAX_AGE_SECONDS
from deploy import inside
from deploy.inside import Stack, user_of
from deploy.smoke import Smoke
from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from simmer.jobs.queue import LONG_POLL_SECONDS
from tests.integration.api import Api
from tests.integration.conftest import ARCHITECTURE, TEMPLATE, changed_template, deploy

Named = Callable[..., str]


@pytest.fixture
def named() -> Named:
    """What smoke says of a deployment, as a client, in one text. It asks as `alice`, unless a token
    is given."""

    def run(deployment: Deployment, **options: object) -> str:
        smoke = Smoke(
            deployment.api_url,
            str(options.pop("token", None) or deployment.token("alice")),
            say=lambda _: None,
            **options,  # type: ignore[arg-type]
        )
        return "\n".join(smoke.run())

    return run


def _stack(deployment: Deployment) -> Stack:
    return Stack(deployment.emulator.client, deployment.stack_name)


def test_stack_that_works_is_found_to_work(deployment: Deployment) -> None:
    said: list[str] = []
    with user_of(_stack(deployment)) as token:
        smoke = Smoke(deployment.api_url, token, stack=_stack(deployment), say=said.append)
        wrong = smoke.run()

    assert wrong == []
    tried = [line[6:38].strip() for line in said]
    assert [each for each in tried if each != "push tells the end"] == [
        "from inside",
        "401 without a token",
        "a job is accepted",
        "push lets a client subscribe",
        "the job completes",
        "the same request is cached",
        "a job can be cancelled",
    ]
    assert all(line.startswith("ok ") and line.endswith(" s") for line in said)


def test_web_app_that_is_not_let_in_is_named(deployment: Deployment, named: Named) -> None:
    assert named(deployment, origin="https://app.example") == (
        "a web app is let in: CORS: AllowedOrigins does not name https://app.example "
        "(allowed: none)"
    )


def test_wrong_issuer_is_named(
    emulator: Emulator, model: StandIn, deployment: Deployment, named: Named
) -> None:
    issuer = "https://issuer.example/"
    other = deploy(emulator, model, "smoke-issuer", JwtIssuer=issuer, JwtAudience="app")
    token = deployment.token("alice")
    claims = {"iss": "https://issuer.example", "aud": "app"}

    assert "JwtIssuer and JwtAudience must be these to the letter" in named(other, token=token)
    assert inside.refused_token(_stack(other), claims) == (
        f"the token's issuer is 'https://issuer.example' and JwtIssuer {issuer!r}: they must be "
        "the same to the letter, a slash at the end included"
    )
    foreign = {"iss": issuer, "client_id": "another"}
    assert "another" in inside.refused_token(_stack(other), foreign)
    assert "is it expired" in inside.refused_token(_stack(other), {**claims, "iss": issuer})


def test_ladder_that_cannot_be_read_is_named(emulator: Emulator, model: StandIn) -> None:
    ladder = [{"model": "m", "timeoutSeconds": 500}]
    other = deploy(emulator, model, "smoke-ladder", ModelLadder=ladder)

    [said] = inside.ladder(_stack(other))

    assert said.startswith("ModelLadder cannot be read, so no worker starts: ")
    assert "timeoutSeconds" in said


def test_model_that_is_not_there_is_named(emulator: Emulator, model: StandIn, named: Named) -> None:
    address = model.ladder[0]["baseUrl"].replace("/v1", "/nowhere")
    ladder = [{"model": "m", "baseUrl": address}]
    other = deploy(emulator, model, "smoke-model", ModelLadder=ladder, JobDeadlineSeconds=30)

    said = named(other)

    assert "the job completes: failed, model_unavailable: no model of the ladder answered" in said


def test_key_that_has_expired_is_named(
    deployment: Deployment, model: StandIn, named: Named
) -> None:
    model.script(*["401"] * 8)
    said = named(deployment, stack=_stack(deployment))
    model.reset()

    assert "the job completes: failed, model_unavailable: no model of the ladder answered" in said
    assert "the key is missing, wrong or expired" in said
    assert re.search(r"\(stand-in-small: [^)]*401", said)


def test_spending_that_somebody_stopped_is_named_to_a_client_too(
    deployment: Deployment, named: Named
) -> None:
    with Mistakes(deployment).spending_stopped():
        time.sleep(CONTROL_MAX_AGE_SECONDS)
        said = named(deployment, patience_seconds=3)

    assert "still queued after 3 s: no worker takes it" in said
    assert "or all spending is stopped (`./simmer-admin go`)" in said


def test_missing_permission_is_named(
    emulator: Emulator, model: StandIn, named: Named, tmp_path: Path
) -> None:
    changed = changed_template(tmp_path, "sqs:SendMessage", "sqs:ListSendMessage", times=None)
    other = deploy(emulator, model, "smoke-permission", template=changed)

    assert "a job is accepted: 503: DynamoDB or SQS does not take" in named(other)
    assert [said.partition(":")[0] for said in inside.permissions(_stack(other))] == [
        "SubmitFunction may not sqs",
        "WorkerFunction may not sqs",
        "EventsFunction may not sqs",
    ]


def test_layer_of_other_code_is_named(
    emulator: Emulator, model: StandIn, named: Named, tmp_path: Path
) -> None:
    old = tmp_path / "layer"
    shutil.copytree(TEMPLATE.parent / "layers" / "common", old)
    (old / "simmer" / "web" / "view.py").unlink()
    changed = changed_template(tmp_path, "The simmer package and what", "An old package and what")
    changed.write_text(changed.read_text().replace(f"{TEMPLATE.parent}/layers/common/", f"{old}/"))
    other = deploy(emulator, model, "smoke-layer", template=changed)

    said = next(iter(inside.functions(_stack(other))))

    assert said.startswith("SubmitFunction does not start")
    assert said.endswith("its code and the layer do not fit each other: build and deploy again")
    assert "a job is accepted: 50" in named(other)


def test_used_up_quota_is_named(emulator: Emulator, model: StandIn, named: Named) -> None:
    other = deploy(emulator, model, "smoke-quota", DailyJobQuota=1)
    assert Api(other.api_url, other.token("alice")).submit("egg").status_code == 202

    assert named(other) == (
        "a job is accepted: DailyJobQuota is used up for this user today: raise it, or wait"
    )


def test_what_somebody_took_away_is_named(emulator: Emulator, model: StandIn, named: Named) -> None:
    """One thing after the other, as the night goes on."""
    keyless = emulator.deploy(
        TEMPLATE,
        {"ModelLadder": model.ladder, "Architecture": ARCHITECTURE},
        stack_name="smoke-taken-away",
    )
    aws, stack = emulator.client, _stack(keyless)

    def without(function: str) -> None:
        for mapping in aws("lambda").list_event_source_mappings()["EventSourceMappings"]:
            if keyless.physical_id(function) in mapping["FunctionArn"]:
                aws("lambda").delete_event_source_mapping(UUID=mapping["UUID"])

    missing = "the model's key is missing: the secret ModelKeysSecretArn "
    assert inside.look(stack) == [f"{missing}still has its placeholder"]
    aws("secretsmanager").put_secret_value(
        SecretId=keyless.outputs["ModelKeysSecretArn"], SecretString='{"openai": "k"}'
    )
    assert list(inside.ladder(stack)) == [f"{missing}has no entry 'default'"]
    keyless.put_model_key("stand-in-key")
    assert inside.look(stack) == []

    without("PushFunction")
    assert "the table's stream has no consumer" in "\n".join(inside.look(stack))
    said = named(keyless, told_seconds=3)
    assert said == "" or said.startswith("push tells the end: the end was not told")

    without("WorkerFunction")
    assert "JobsQueue has no consumer" in "\n".join(inside.look(stack))
    time.sleep(2 * LONG_POLL_SECONDS)  # one that has just run a job may still receive
    assert "still queued after 3 s: no worker takes it" in named(keyless, patience_seconds=3)

    aws("secretsmanager").delete_secret(
        SecretId=keyless.physical_id("PushKeySecret"), ForceDeleteWithoutRecovery=True
    )
    assert list(inside.push_key(stack)) == [
        "the push key is missing: PushKeySecret was deleted; clients poll"
    ]
    keyless.kill_lambda("SubmitFunction")  # which has it in memory
    assert "the 202 offers no push" in named(keyless, patience_seconds=0)

    aws("dynamodb").delete_table(TableName=keyless.physical_id("JobsTable"))
    assert "JobsTable is missing" in "\n".join(inside.table(stack))
    assert "a job is accepted: 503: DynamoDB or SQS" in named(keyless)

    for route in aws("apigatewayv2").get_routes(ApiId=keyless.api_id)["Items"]:
        aws("apigatewayv2").delete_route(ApiId=keyless.api_id, RouteId=route["RouteId"])
    assert "401 without a token: 404: the API has no routes" in named(keyless)


# ── Mistakes, one after the other, in one stack ───────────────────────────────────────────────


class Mistakes:
    """Changes a stack as somebody with a console would, and takes the change back."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.aws = deployment.emulator.client
        self.id = deployment.physical_id

    @contextmanager
    def configured(self, function: str, **change: Any) -> Iterator[None]:
        client, name = self.aws("lambda"), self.id(function)
        about = client.get_function_configuration(FunctionName=name)
        before = {each: about[each] for each in change if each != "Layers"}
        if "Layers" in change:
            before["Layers"] = [each["Arn"] for each in about["Layers"]]
        self._publish(client, name, change)
        yield
        self._publish(client, name, before)

    def _publish(self, client: Any, name: str, change: dict[str, Any]) -> None:
        client.update_function_configuration(FunctionName=name, **change)
        version = client.publish_version(FunctionName=name)["Version"]
        client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)

    def variable(self, function: str, name: str, value: str) -> AbstractContextManager[None]:
        about = self.aws("lambda").get_function_configuration(FunctionName=self.id(function))
        variables = {**about["Environment"]["Variables"], name: value}
        return self.configured(function, Environment={"Variables": variables})

    @contextmanager
    def policy_without(self, function: str, action: str) -> Iterator[None]:
        iam, role = self.aws("iam"), self.id(f"{function}Role")
        (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        text = json.dumps(document)
        assert action in text
        less = text.replace(action, "sqs:ListQueues")
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=less)
        yield
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=text)

    @contextmanager
    def secret(self, output: str, text: str) -> Iterator[None]:
        client, secret = self.aws("secretsmanager"), self.deployment.outputs[output]
        before = client.get_secret_value(SecretId=secret)["SecretString"]
        client.put_secret_value(SecretId=secret, SecretString=text)
        yield
        client.put_secret_value(SecretId=secret, SecretString=before)

    @contextmanager
    def consumer_off(self, function: str) -> Iterator[None]:
        client = self.aws("lambda")
        (uuid,) = [
            each["UUID"]
            for each in client.list_event_source_mappings()["EventSourceMappings"]
            if self.id(function) in each["FunctionArn"]
        ]
        client.update_event_source_mapping(UUID=uuid, Enabled=False)
        yield
        client.update_event_source_mapping(UUID=uuid, Enabled=True)

    @contextmanager
    def spending_stopped(self) -> Iterator[None]:
        """As `simmer-admin stop` leaves it."""
        client, key = self.aws("dynamodb"), {"pk": {"S": "control"}}
        table = self.id("JobsTable")
        client.put_item(TableName=table, Item={**key, "stopped": {"BOOL": True}})
        yield
        client.delete_item(TableName=table, Key=key)

    @contextmanager
    def stream_off(self) -> Iterator[None]:
        client, table = self.aws("dynamodb"), self.id("JobsTable")
        client.update_table(TableName=table, StreamSpecification={"StreamEnabled": False})
        yield
        on = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        client.update_table(TableName=table, StreamSpecification=on)

    @contextmanager
    def queue(self, **change: str) -> Iterator[None]:
        client, url = self.aws("sqs"), self.deployment.outputs["JobsQueueUrl"]
        answer = client.get_queue_attributes(QueueUrl=url, AttributeNames=[*change])
        client.set_queue_attributes(QueueUrl=url, Attributes=change)
        yield
        client.set_queue_attributes(QueueUrl=url, Attributes=answer["Attributes"])

    def old_layer(self) -> AbstractContextManager[None]:
        client = self.aws("lambda")
        about = client.get_function_configuration(FunctionName=self.id("StatusFunction"))
        arn = about["Layers"][0]["Arn"]
        name = arn.split(":")[6]
        where = client.get_layer_version_by_arn(Arn=arn)
        assert where["LayerVersionArn"] == arn
        content = {"ZipFile": b"PK\x05\x06" + bytes(18)}  # an empty archive
        older = client.publish_layer_version(LayerName=name, Content=content)
        return self.configured("StatusFunction", Layers=[older["LayerVersionArn"]])


MISTAKES: dict[str, tuple[Callable[[Mistakes], AbstractContextManager[None]], str]] = {
    "missing key": (
        lambda stack: stack.secret("ModelKeysSecretArn", "{}"),
        "the model's key is missing: the secret ModelKeysSecretArn has no entry 'default'",
    ),
    "key that is no JSON": (
        lambda stack: stack.secret("ModelKeysSecretArn", "sk-1234"),
        "the secret ModelKeysSecretArn is no JSON object",
    ),
    "no permission": (
        lambda stack: stack.policy_without("SubmitFunction", "sqs:SendMessage"),
        "SubmitFunction may not sqs:SendMessage",
    ),
    "wrong ladder": (
        lambda stack: stack.variable("WorkerFunction", "MODEL_LADDER", '[{"model": 7}]'),
        "ModelLadder cannot be read, so no worker starts",
    ),
    "queue without consumer": (
        lambda stack: stack.consumer_off("WorkerFunction"),
        "JobsQueue has no consumer",
    ),
    "old layer": (
        Mistakes.old_layer,
        "the functions do not use the same layer",
    ),
    "push to another address": (
        lambda stack: stack.variable("PushFunction", "PUSH_ENDPOINT", "https://other.example/push"),
        "PUSH_ENDPOINT of PushFunction is 'https://other.example/push', and not PushApi's",
    ),
    "stream of the table off": (Mistakes.stream_off, "the stream of JobsTable is off"),
    "stream without consumer": (
        lambda stack: stack.consumer_off("PushFunction"),
        "the table's stream has no consumer",
    ),
    "all spending stopped": (
        Mistakes.spending_stopped,
        "all spending is stopped, so jobs wait: `./simmer-admin go`",
    ),
    "events without consumer": (
        lambda stack: stack.consumer_off("EventsFunction"),
        "the event bus hears of no end",
    ),
    "events not permitted": (
        lambda stack: stack.policy_without("EventsFunction", "events:PutEvents"),
        "EventsFunction may not events:PutEvents",
    ),
    "messages shown too early": (
        lambda stack: stack.queue(VisibilityTimeout="30"),
        "JobsQueue hides a message for 30 s and a worker may run for",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_in_a_stack_is_named_and_nothing_else(seeded: Deployment, mistake: str) -> None:
    make, sentence = MISTAKES[mistake]
    stack = _stack(seeded)
    assert inside.look(stack) == []

    with make(Mistakes(seeded)):
        said = inside.look(Stack(stack.aws, stack.name))

    assert sentence in "\n".join(said)
    assert len(said) <= 2  # of an old layer also that its function does not start
    assert inside.look(stack) == []


@pytest.fixture(scope="module")
def seeded(emulator: Emulator, model: StandIn) -> Deployment:
    return deploy(emulator, model, "smoke-seeded")
