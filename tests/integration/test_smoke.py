"""`make smoke` on a stack that works, and on stacks with mistakes in them: it names each."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.inside import Stack, look
from deploy.smoke import Smoke, user_of
from local.emulator.stack import Deployment, Emulator
from local.model.stand_in import StandIn
from tests.integration.conftest import TEMPLATE, changed_template, deploy

Named = Callable[..., str]


@pytest.fixture
def named() -> Named:
    """What smoke says of a deployment, as one text. It asks as `alice`, unless a token is given."""

    def run(deployment: Deployment, *, from_inside: bool = True, **options: object) -> str:
        smoke = Smoke(
            deployment.api_url,
            str(options.pop("token", None) or deployment.token("alice")),
            stack=_stack(deployment) if from_inside else None,
            patience_seconds=4,
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
    assert [line[6:38].strip() for line in said] == [
        "from inside",
        "401 without a token",
        "a job is accepted",
        "push lets a client subscribe",
        "the job completes",
        "push tells the end",
        "the same request is cached",
        "a job can be cancelled",
    ]
    assert all(line.startswith("ok ") and line.endswith(" s") for line in said)


def test_web_app_that_is_not_let_in_is_named(deployment: Deployment, named: Named) -> None:
    said = named(deployment, from_inside=False, origin="https://app.example")

    assert said == (
        "a web app is let in: CORS: AllowedOrigins does not name https://app.example "
        "(allowed: none)"
    )


def test_wrong_issuer_is_named(
    emulator: Emulator, model: StandIn, deployment: Deployment, named: Named
) -> None:
    other = deploy(
        emulator,
        model,
        "smoke-issuer",
        JwtIssuer="https://issuer.example/",
        JwtAudience="app",
    )
    token = deployment.token("alice")

    assert "JwtIssuer 'https://issuer.example/': they must be the same" in named(other, token=token)
    assert "JwtIssuer and JwtAudience must be these to the letter" in named(
        other, token=token, from_inside=False
    )


def test_ladder_that_cannot_be_read_is_named(
    emulator: Emulator, model: StandIn, named: Named
) -> None:
    ladder = [{"model": "m", "timeoutSeconds": 500}]
    other = deploy(emulator, model, "smoke-ladder", ModelLadder=ladder)

    said = named(other)

    assert "WorkerFunction does not start" in said
    assert "ModelLadder cannot be read, so no worker starts: " in said
    assert "timeoutSeconds" in said
    assert "the job completes: still queued after 4 s: no worker takes it" in said


def test_model_that_is_not_there_is_named(emulator: Emulator, model: StandIn, named: Named) -> None:
    ladder = [{"model": "m", "baseUrl": "http://127.0.0.1:9/v1"}]
    other = deploy(emulator, model, "smoke-model", ModelLadder=ladder, JobDeadlineSeconds=30)

    said = named(other, from_inside=False)

    assert "the job completes: failed, model_unavailable: no model of the ladder answered" in said


def test_missing_permission_is_named(
    emulator: Emulator, model: StandIn, named: Named, tmp_path: Path
) -> None:
    changed = changed_template(tmp_path, "sqs:SendMessage", "sqs:ListSendMessage", times=None)
    other = deploy(emulator, model, "smoke-permission", template=changed)

    said = named(other)

    assert "SubmitFunction may not sqs:SendMessage" in said
    assert "a job is accepted: 503: DynamoDB or SQS does not take" in said


def test_layer_of_other_code_is_named(
    emulator: Emulator, model: StandIn, named: Named, tmp_path: Path
) -> None:
    old = tmp_path / "layer"
    shutil.copytree(TEMPLATE.parent / "layers" / "common", old)
    (old / "simmer" / "web" / "view.py").unlink()
    changed = changed_template(tmp_path, f"{TEMPLATE.parent}/layers/common/", f"{old}/")
    other = deploy(emulator, model, "smoke-layer", template=changed)

    said = named(other)

    assert "SubmitFunction does not start" in said
    assert "its code and the layer do not fit each other" in said
    assert "a job is accepted: 50" in said


def test_used_up_quota_is_named(emulator: Emulator, model: StandIn, named: Named) -> None:
    other = deploy(emulator, model, "smoke-quota", DailyJobQuota=1)
    said = named(other, from_inside=False)  # its second job is one too many
    again = named(other, from_inside=False)

    assert "a job can be cancelled: DailyJobQuota is used up" in said
    assert again == (
        "a job is accepted: DailyJobQuota is used up for this user today: raise it, or wait"
    )


def test_what_somebody_took_away_is_named(emulator: Emulator, model: StandIn, named: Named) -> None:
    """One thing after the other, as the night goes on."""
    keyless = emulator.deploy(
        TEMPLATE, {"ModelLadder": model.ladder}, stack_name="smoke-taken-away"
    )
    aws, stack = emulator.client, _stack(keyless)

    def without(function: str) -> None:
        for mapping in aws("lambda").list_event_source_mappings()["EventSourceMappings"]:
            if keyless.physical_id(function) in mapping["FunctionArn"]:
                aws("lambda").delete_event_source_mapping(UUID=mapping["UUID"])

    assert look(stack) == [
        "the model's key is missing: the secret ModelKeysSecretArn still has its placeholder"
    ]
    aws("secretsmanager").put_secret_value(
        SecretId=keyless.outputs["ModelKeysSecretArn"], SecretString='{"openai": "k"}'
    )
    assert look(stack) == [
        "the model's key is missing: the secret ModelKeysSecretArn has no entry 'default'"
    ]
    keyless.put_model_key("stand-in-key")
    assert look(stack) == []

    without("PushFunction")
    assert "the table's stream has no consumer" in "\n".join(look(stack))
    assert "push tells the end: the end was not told" in named(keyless, from_inside=False)

    without("WorkerFunction")
    assert "JobsQueue has no consumer" in "\n".join(look(stack))
    assert "still queued after 4 s: no worker takes it" in named(keyless, from_inside=False)

    aws("secretsmanager").delete_secret(
        SecretId=keyless.physical_id("PushKeySecret"), ForceDeleteWithoutRecovery=True
    )
    assert "the push key is missing: PushKeySecret was deleted" in "\n".join(look(stack))
    keyless.kill_lambda("SubmitFunction")  # which has it in memory
    assert "the 202 offers no push" in named(keyless, from_inside=False)

    aws("dynamodb").delete_table(TableName=keyless.physical_id("JobsTable"))
    assert "JobsTable is missing" in "\n".join(look(stack))
    assert "a job is accepted: 503: DynamoDB or SQS" in named(keyless, from_inside=False)

    for route in aws("apigatewayv2").get_routes(ApiId=keyless.api_id)["Items"]:
        aws("apigatewayv2").delete_route(ApiId=keyless.api_id, RouteId=route["RouteId"])
    assert "401 without a token: 404: the API has no routes" in named(keyless, from_inside=False)
