"""A job through API Gateway, Lambda, SQS, Lambda and DynamoDB, with its errors."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.emulator.deployment import Deployment
from local.model.stand_in import StandIn
from tests.integration.api import Api


def unique(name: str) -> str:
    """An ingredient nobody else asks for, so that scripts and counts are this test's own."""
    return f"{name} {uuid.uuid4().hex[:8]}"


def test_a_job_ends_with_recipes_that_fit_the_request(alice: Api, model: StandIn) -> None:
    tofu = unique("tofu")

    accepted = alice.submit(tofu, "rice", count=2, servings=3, locale="en")

    assert accepted.status_code == 202
    document = accepted.json()
    assert document["status"] == "submitted"
    assert f"/recipe/{accepted.headers['location']}" == document["statusUrl"]
    assert int(accepted.headers["retry-after"]) >= 1
    ended = alice.wait(document["jobId"])
    assert (ended["status"], ended["progress"], ended["stage"]) == ("completed", 100, "done")
    recipes = ended["result"]["recipes"]
    assert len(recipes) == 2
    assert all(recipe["servings"] == 3 for recipe in recipes)
    assert {name for recipe in recipes for name in recipe["ingredients"]} <= {tofu, "rice"}
    assert len(model.calls(tofu)) == 3, "an outline, and each recipe"


def test_the_same_request_is_answered_at_once_afterwards(alice: Api, model: StandIn) -> None:
    egg = unique("egg")
    ended = alice.run(egg, "kimchi")

    again = alice.submit(" KIMCHI", egg.upper(), egg)

    assert again.status_code == 200
    assert again.json()["cached"] is True
    assert again.json()["result"] == ended["result"]
    assert len(model.calls(egg)) == 1


@pytest.mark.parametrize("words", ["<img src=x onerror=alert(1)>", "fish &amp; chips", "a<b"])
def test_what_a_request_may_say_an_answer_may_copy(alice: Api, model: StandIn, words: str) -> None:
    ingredient = unique(words)

    ended = alice.wait(alice.submit(ingredient, count=1).json()["jobId"])

    assert ended["status"] == "completed"
    assert len(model.calls(ingredient[-8:])) == 1, "and no other was asked for"
    assert ended["result"]["recipes"][0]["ingredients"] == [ingredient]


def test_twenty_clients_with_one_request_reach_the_model_once(alice: Api, model: StandIn) -> None:
    leek = unique("leek")
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda _: alice.submit(leek), range(20)))

    assert {answer.status_code for answer in answers} <= {200, 202}
    (job_id,) = {answer.json()["jobId"] for answer in answers}
    assert alice.wait(job_id)["status"] == "completed"
    assert alice.submit(leek).status_code == 200
    assert len(model.calls(leek)) == 1


def test_a_foreign_and_an_unknown_job_are_the_same_404(alice: Api, bob: Api) -> None:
    job_id = alice.submit(unique("egg")).json()["jobId"]

    foreign, unknown = bob.status(job_id), bob.status("0" * 32)

    assert foreign.status_code == unknown.status_code == 404
    assert foreign.json() == unknown.json()
    assert foreign.json()["code"] == "job_not_found"
    assert foreign.headers["content-type"] == "application/problem+json"


def test_without_a_good_token_the_gateway_answers_401(
    nobody: Api, alice: Api, deployment: Deployment
) -> None:
    header, payload, signature = deployment.token("alice").split(".")
    tampered = f"{header}.{payload}.{signature[:-8]}AAAAAAAA"
    forged = Api(deployment.api_url, tampered)

    assert nobody.submit("egg").status_code == 401
    assert forged.submit("egg").status_code == 401
    assert forged.status("0" * 32).status_code == 401


LONG = b'{"ingredients": ["' + b"e" * 20_000 + b'"]}'
MANY = b'{"ingredients": ["' + b'","'.join([b"e"] * 31) + b'"]}'


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b'{"ingredients": ["egg"]', "application/json", 400, "malformed_json"),
        (b'{"ingredients": ["\xff\xfe"]}', "application/json", 400, "malformed_json"),
        (b'{"ingredients": ["egg"]}', "text/plain", 415, "unsupported_media_type"),
        (b'{"ingredients": ["egg"]}', None, 415, "unsupported_media_type"),
        (LONG, "application/json", 413, "request_too_large"),
        (b'{"ingredients": [1]}', "application/json", 422, "invalid_request"),
        (b'{"ingredients": ["egg"], "colour": "red"}', "application/json", 422, "invalid_request"),
        (MANY, "application/json", 422, "invalid_request"),
        (b'{"ingredients": [""]}', "application/json", 422, "invalid_request"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_bad_request_is_refused_through_the_gateway(
    alice: Api, content: bytes, content_type: str | None, status: int, code: str
) -> None:
    headers = {"content-type": content_type} if content_type else {}

    answer = alice.request("POST", "/recipe/generate", content=content, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_unknown_task_is_a_404(alice: Api) -> None:
    answer = alice.request("POST", "/poem/generate", json={"ingredients": ["egg"]})

    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_task")


MISBEHAVIOUR = {
    "prose": "invalid_output",
    "truncated": "invalid_output",
    "truncated_stop": "invalid_output",
    "wrong_types": "invalid_output",
    "unknown_field": "invalid_output",
    "foreign_ingredient": "invalid_output",
    "empty": "invalid_output",
    "refusal": "refused",
    "content_filter": "refused",
    "html": "model_unavailable",
    "broken_json": "model_unavailable",
    "nothing": "model_unavailable",
    # Not 401: a dead key takes the rung from everybody's jobs for a minute.
    "404": "model_unavailable",
}


def test_whatever_the_model_says_the_job_ends_with_a_name(alice: Api, model: StandIn) -> None:
    jobs = {}
    for kind in MISBEHAVIOUR:
        ingredient = unique(kind)
        model.script(*[kind] * 4, match=ingredient)
        jobs[kind] = (ingredient, alice.submit(ingredient).json()["jobId"])

    ended = {kind: alice.wait(job_id) for kind, (_, job_id) in jobs.items()}

    assert {kind: document.get("errorCode") for kind, document in ended.items()} == MISBEHAVIOUR
    assert all(document["status"] == "failed" for document in ended.values())
    assert not any("result" in document for document in ended.values())
    assert all(len(model.calls(ingredient)) <= 4 for ingredient, _ in jobs.values())


@pytest.mark.parametrize(
    "kind",
    [
        *("fenced", "prose,ok", "foreign_ingredient,ok", "500,ok"),
        # Neither rung answers: the job waits, and asks again.
        *("500,500,ok", "drop,drop,ok", "500,drop,503,500,ok"),
    ],
)
def test_a_model_that_mends_its_answer_is_delivered(alice: Api, model: StandIn, kind: str) -> None:
    ingredient = unique("leek")
    model.script(*kind.split(","), match=ingredient)

    ended = alice.run(ingredient)

    assert ended["status"] == "completed"
    assert len(model.calls(ingredient)) == len(kind.split(","))
