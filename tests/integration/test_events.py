"""Told when the app is closed: the bus, the webhook and the team's own function, deployed."""

import io
import json
import uuid
import zipfile
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import Webhook

from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from tests.integration.api import Api
from tests.integration.conftest import changed_template, deploy
from tests.integration.test_permissions import WithoutAction, template_without
from tests.integration.test_push import follow, submit
from tests.patience import until
from tests.receiver import SILENCE, TeamServer, team_server

__all__ = ["template_without"]  # a fixture


def unique(name: str) -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


def submitted(api: Api, ingredient: str) -> str:
    answer = api.submit(ingredient)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["jobId"])


def secret_of(deployment: Deployment) -> str:
    secrets = deployment.emulator.client("secretsmanager")
    answer = secrets.get_secret_value(SecretId=deployment.outputs["WebhookSecretArn"])
    return str(answer["SecretString"])


def verified(team: TeamServer, secret: str) -> list[dict[str, Any]]:
    """What the published library makes of the deliveries; it raises if a signature is wrong."""
    return [Webhook(secret).verify(each.body, each.headers) for each in team.deliveries]


def test_with_the_app_closed_the_team_gets_one_verified_event_of_the_end(
    emulator: Emulator, model: StandIn
) -> None:
    with team_server() as team:
        deployment = deploy(emulator, model, "webhook", WebhookUrl=team.url)
        alice = Api(deployment.api_url, deployment.token("alice"))
        job_id = submitted(alice, unique("egg"))  # and nobody asks for it any more

        until(team.is_told)

        [event] = verified(team, secret_of(deployment))
        polled = alice.status(job_id).json()
        data = event["data"]
        assert (event["type"], event["timestamp"]) == ("job.ended", polled["completedAt"])
        told = ("jobId", "status", "createdAt", "completedAt")
        assert {name: data[name] for name in told} == {name: polled[name] for name in told}
        assert data["usage"]["calls"] == 1
        assert data["usage"]["costMicrousd"] >= 0
        assert team.deliveries[0].headers["webhook-id"] == data["id"]
        assert team.deliveries[0].path == "/jobs?team=1"
        assert "recipes" not in json.dumps(event)


def test_server_that_was_down_gets_the_event_when_it_is_up(
    emulator: Emulator, model: StandIn
) -> None:
    """The pause is the deployed one; tests/unit/webhook goes through a whole minute of them."""
    with team_server() as team:
        team.answers = [503]
        deployment = deploy(emulator, model, "webhook-down", WebhookUrl=team.url)
        submitted(Api(deployment.api_url, deployment.token("alice")), unique("egg"))

        until(lambda: team.is_told(2))

        first, second = verified(team, secret_of(deployment))
        assert first == second
        assert "webhook not delivered" in emulator.functions_log.read_text()


def test_server_that_never_answers_holds_up_neither_jobs_nor_push_nor_polls(
    emulator: Emulator, model: StandIn
) -> None:
    with team_server() as team:
        team.answers = [SILENCE] * 100
        deployment = deploy(emulator, model, "webhook-silent", WebhookUrl=team.url)
        alice = Api(deployment.api_url, deployment.token("alice"))
        submitted(alice, unique("egg"))
        until(team.is_told)  # and from here on the webhook hangs

        ended = follow(submit(alice, unique("leek")))  # by push alone

        assert ended["status"] == "completed"
        assert alice.run(unique("rice"))["status"] == "completed"
        until(lambda: "no answer in time" in emulator.functions_log.read_text())


def test_the_teams_own_function_is_told_by_a_rule_of_its_own(
    emulator: Emulator, model: StandIn
) -> None:
    source = (
        "import json, sys\ndef handler(event, context): print(json.dumps(event), file=sys.stderr)"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", source)
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    role = emulator.client("iam").create_role(
        RoleName=unique("notify").replace(" ", "-"),
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    notify = emulator.client("lambda").create_function(
        FunctionName=unique("notify").replace(" ", "-"),
        Runtime="python3.13",
        Handler="app.handler",
        Role=role,
        Code={"ZipFile": packed.getvalue()},
    )["FunctionArn"]
    deployment = deploy(emulator, model, "notify", NotifyFunctionArn=notify)
    job_id = submitted(Api(deployment.api_url, deployment.token("alice")), unique("egg"))

    def told() -> list[dict[str, Any]]:
        lines = emulator.functions_log.read_text().splitlines()
        return [json.loads(line) for line in lines if '"detail-type": "job.ended"' in line]

    until(told)

    [event] = told()
    assert (event["source"], event["detail"]["jobId"]) == ("simmer", job_id)
    assert event["detail"]["status"] == "completed"
    policy = emulator.client("lambda").get_policy(FunctionName=notify)["Policy"]
    assert "events.amazonaws.com" in policy  # only AWS looks at it


def test_without_the_right_to_put_events_nobody_is_told(
    emulator: Emulator, model: StandIn, template_without: WithoutAction
) -> None:
    changed = template_without("events:PutEvents")
    with team_server() as team:
        deployment = deploy(emulator, model, "no-put", template=changed, WebhookUrl=team.url)
        alice = Api(deployment.api_url, deployment.token("alice"))

        assert alice.run(unique("egg"))["status"] == "completed"

        until(lambda: "events not put" in emulator.functions_log.read_text())
        assert team.deliveries == []


def test_without_the_right_to_read_the_secret_nothing_is_sent_unsigned(
    emulator: Emulator, model: StandIn, tmp_path: Path
) -> None:
    statement = "- Effect: Allow # sign\n                Action: secretsmanager:"
    changed = changed_template(tmp_path, statement, statement + "List")
    with team_server() as team:
        deployment = deploy(emulator, model, "no-secret", template=changed, WebhookUrl=team.url)
        submitted(Api(deployment.api_url, deployment.token("alice")), unique("egg"))

        until(lambda: "secret out of reach" in emulator.functions_log.read_text())
        assert team.deliveries == []
