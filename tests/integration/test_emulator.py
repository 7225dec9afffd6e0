"""What the emulator on a developer's machine serves, and whom: it holds the key of the model."""

import json
from collections.abc import Mapping

import httpx2
import pytest

from local.emulator.deployment import Deployment
from local.model.stand_in import StandIn
from tests.integration.api import Api

LIST_SECRETS = {"x-amz-target": "secretsmanager.ListSecrets", "content-type": "application/json"}


def signed_by(key: str) -> dict[str, str]:
    """As the emulator reads it; of the account's root it does not check the signature."""
    scope = f"{key}/20261125/us-east-1/secretsmanager/aws4_request"
    return {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
    }


def ask(deployment: Deployment, **headers: str) -> httpx2.Response:
    return httpx2.post(
        deployment.emulator.endpoint,
        headers={
            **LIST_SECRETS,
            **{name.replace("_", "-"): text for name, text in headers.items()},
        },
        content="{}",
        trust_env=False,
    )


def test_its_own_key_is_served_and_changes_with_each_start(deployment: Deployment) -> None:
    key = deployment.emulator.credentials["AWS_ACCESS_KEY_ID"]

    assert "SecretList" in ask(deployment, **signed_by(key)).json()
    assert len(key) > 20


@pytest.mark.parametrize("key", ["test", "000000000000", "123456789012", "AKIAUNKNOWN"])
def test_no_key_that_anybody_knows_is_the_root(deployment: Deployment, key: str) -> None:
    answer = ask(deployment, **signed_by(key))

    assert answer.status_code in (400, 403)
    assert "SecretList" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://attacker.example"},
        {"origin": "null"},
        {"sec-fetch-site": "same-site"},
        {"host": "attacker.example"},
        {"host": "attacker.example:80"},
    ],
)
def test_neither_pages_nor_foreign_hosts_nor_the_nameless_are_served(
    deployment: Deployment, headers: Mapping[str, str]
) -> None:
    key = deployment.emulator.credentials["AWS_ACCESS_KEY_ID"]
    signature = signed_by(key) if headers else {}

    answer = ask(deployment, **signature, **headers)

    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("key", ["test", "000000000000"])
@pytest.mark.parametrize("origin", [{}, {"origin": "https://attacker.example"}, {"origin": "null"}])
@pytest.mark.parametrize(
    "path",
    [
        *(
            "/_aws/execute-api/",
            "/_aws/execute-api/x",
            "/_aws/execute-api//",
            "/_aws/execute-api/x/",
        ),
        *(
            "/_aws/execute-api/x/push",
            "/_aws/execute-api/../",
            "/_aws/execute-api/x/%2e%2e/%2e%2e/",
        ),
        *(
            "/_ministack/health",
            "/x/.well-known/jwks.json",
            "/?x-amz-credential=test/1/us-east-1/x",
        ),
        "/?%58-Amz-Credential=test/1/us-east-1/secretsmanager/aws4_request",
    ],
)
def test_no_path_leads_a_known_key_to_the_secrets(
    deployment: Deployment, path: str, origin: Mapping[str, str], key: str
) -> None:
    for target in ("secretsmanager.ListSecrets", "AWSCognitoIdentityProviderService.InitiateAuth"):
        for signature in (signed_by(key), signed_by("AKIAUNKNOWN") if "?" in path else {}):
            answer = httpx2.post(
                f"{deployment.emulator.endpoint}{path}",
                headers={**LIST_SECRETS, "x-amz-target": target, **origin, **signature},
                content="{}",
                trust_env=False,
            )
            assert "SecretList" not in answer.text
            if signature:
                assert answer.status_code == 403, answer.text


# Headers of which one reader takes another key than the next, or none.
SMUGGLED: tuple[list[tuple[str, str]], ...] = (
    [("authorization", "Foo Credential=AKIAX/x")],
    [("authorization", "Bearer Credential=AKIAX/20261126/us-east-1/secretsmanager/aws4_request")],
    [
        ("authorization", signed_by("test")["authorization"]),
        ("authorization", "x Credential=AKIAX/"),
    ],
    [
        ("authorization", "x Credential=AKIAX/"),
        ("authorization", signed_by("test")["authorization"]),
    ],
    [("authorization", "AWS test:abc")],
    [("authorization", "AWS AKIAX:abc")],
    [("authorization", "AWS4-HMAC-SHA256 Credential=, Credential=AKIAX/1/2/3/aws4_request")],
    [("authorization", signed_by(" test")["authorization"])],
    [("authorization", signed_by("test,")["authorization"])],
    [("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth")],
    [],
)


@pytest.mark.parametrize("headers", SMUGGLED, ids=repr)
@pytest.mark.parametrize("query", ["", "?AWSAccessKeyId=test&Signature=x", "?Action=ListSecrets"])
def test_no_spelling_of_a_signature_is_the_roots(
    deployment: Deployment, headers: list[tuple[str, str]], query: str
) -> None:
    sent = [*LIST_SECRETS.items(), *headers]

    answer = httpx2.post(
        f"{deployment.emulator.endpoint}/{query}", headers=sent, content="{}", trust_env=False
    )

    assert answer.status_code in (400, 403)
    assert "SecretList" not in answer.text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/_ministack/sqs/messages"), ("POST", "/_ministack/config"),
        ("GET", "/_ministack/ses/messages"), ("POST", "/_ministack/reset"),
        ("GET", "/2015-03-31/functions"), ("GET", "/v2/apis"), ("PUT", "/attacked"),
    ],
)  # fmt: skip
def test_signing_in_opens_no_other_door(deployment: Deployment, method: str, path: str) -> None:
    sign_in = {"x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth"}

    for headers in (sign_in, {}, signed_by("AKIAUNKNOWN"), {**sign_in, **signed_by("AKIAUNKNOWN")}):
        answer = httpx2.request(
            method, f"{deployment.emulator.endpoint}{path}", headers=headers, trust_env=False
        )
        assert answer.status_code == 403, answer.text


@pytest.mark.parametrize("path", ["@connections/x", "%40connections/x", "a/../@connections/x"])
def test_sending_to_a_socket_is_not_among_what_pages_may_do(
    deployment: Deployment, path: str
) -> None:
    """It stands below the deployed APIs, and is AWS's own."""
    url = f"{deployment.emulator.endpoint}/_aws/execute-api/{deployment.api_id}/push/{path}"

    for headers in ({}, {"origin": "null"}, signed_by("test")):
        answer = httpx2.post(url, headers=headers, content="hello", trust_env=False)
        assert answer.status_code == 403
        assert "sign it" in answer.text or "web pages" in answer.text


def test_a_job_tells_its_story_while_it_runs(
    alice: Api, deployment: Deployment, model: StandIn
) -> None:
    """The log of an invocation that has not ended yet is there."""
    from local.trace import Trace

    ingredient = "a herb with a story"
    model.script("prose", "slow:4", match=ingredient)
    job_id = alice.submit(ingredient).json()["jobId"]
    trace = Trace(deployment.emulator.functions_log)
    while alice.status(job_id).json()["status"] in ("pending", "processing"):
        if "answer rejected" in (told := [each["event"] for each in trace.story(job_id)]):
            break
    assert "result stored" not in told

    assert alice.wait(job_id)["status"] == "completed"
    # A worker process says once that it knows no price of the stand-in's models.
    story = [each for each in trace.story(job_id) if each["event"] != "price unknown"]
    assert [each["event"] for each in story] == [
        *("job admitted", "job claimed", "model call", "answer rejected", "asked again"),
        *("model call", "result stored"),
    ]
    assert "because" not in json.dumps(story), "by default no complaint is logged in words"
    assert len({each["runId"] for each in story}) == 1
    assert story[0]["requestId"]
