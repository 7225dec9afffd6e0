"""`Idempotency-Key`: the same key from the same user is the same job."""

from typing import Any

import pytest

from simmer.jobs.job import ErrorCode
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, WorkerSide
from tests.unit.events import document

EGG = {"ingredients": ["egg"]}
HAM = {"ingredients": ["ham"]}


def _submit(api: Api, body: object, key: str, **options: Any) -> dict[str, Any]:
    return api.submit(body, headers={"idempotency-key": key}, **options)


def test_same_key_and_body_is_the_same_job(api: Api, cloud: Cloud) -> None:
    assert _submit(api, EGG, "k1") == _submit(api, EGG, "k1")
    assert list(cloud.quota_counts().values()) == [1]


def test_same_key_and_a_body_that_says_the_same_is_the_same_job(api: Api) -> None:
    first = _submit(api, EGG, "k1")

    assert _submit(api, {"ingredients": [" EGG"], "servings": 2}, "k1") == first


def test_key_belongs_to_its_body_whatever_language_the_phone_has_been_switched_to(
    api: Api,
) -> None:
    korean = api.submit(EGG, headers={"idempotency-key": "k1", "accept-language": "ko"})
    english = api.submit(EGG, headers={"idempotency-key": "k1", "accept-language": "en"})

    assert (english["statusCode"], document(english)["jobId"]) == (202, document(korean)["jobId"])
    assert _submit(api, {**EGG, "locale": "en"}, "k1")["statusCode"] == 422


def test_same_key_with_another_body_is_refused(api: Api, cloud: Cloud) -> None:
    _submit(api, EGG, "k1")
    cloud.messages()

    response = _submit(api, HAM, "k1")

    assert (response["statusCode"], document(response)["code"]) == (422, "idempotency_key_reused")
    assert len(cloud.jobs()) == 1
    assert cloud.messages() == []
    assert list(cloud.quota_counts().values()) == [1]


def test_key_of_a_failed_job_still_belongs_to_its_body(api: Api, worker: WorkerSide) -> None:
    worker.fail(document(_submit(api, EGG, "k1"))["jobId"], ErrorCode.REFUSED)

    assert _submit(api, HAM, "k1")["statusCode"] == 422
    assert _submit(api, EGG, "k1")["statusCode"] == 202


def test_key_of_an_expired_job_is_free_again(api: Api, clock: Clock) -> None:
    _submit(api, EGG, "k1")
    clock.advance(300 + 24 * 3600)

    assert _submit(api, HAM, "k1")["statusCode"] == 202


def test_another_key_asks_for_another_job(api: Api) -> None:
    ids = {document(_submit(api, EGG, key))["jobId"] for key in ("k1", "k2", "K1")}

    assert len(ids | {document(api.submit(EGG))["jobId"]}) == 4


def test_keys_of_two_users_do_not_meet(api: Api) -> None:
    alices = _submit(api, EGG, "k1", user="alice")
    bobs = _submit(api, HAM, "k1", user="bob")

    assert (alices["statusCode"], bobs["statusCode"]) == (202, 202)
    assert document(alices)["jobId"] != document(bobs)["jobId"]


def test_retry_with_a_key_joins_whatever_the_http_stack_adds(api: Api) -> None:
    headers = {"idempotency-key": "k1", "cache-control": "no-cache"}

    assert api.submit(EGG, headers=headers) == api.submit(EGG, headers=headers)


@pytest.mark.parametrize(
    ("quoted", "plain"), [('"k1"', "k1"), (' "k1" ', "k1"), (r'"a\"b\\c"', r'a"b\c'), ('"k', '"k')]
)
def test_quoted_key_is_what_stands_between_the_quotes(api: Api, quoted: str, plain: str) -> None:
    assert (
        document(_submit(api, EGG, quoted))["jobId"] == document(_submit(api, EGG, plain))["jobId"]
    )


@pytest.mark.parametrize("key", ["k", "~!", "a" * 255])
def test_visible_ascii_is_a_usable_key(api: Api, key: str) -> None:
    assert _submit(api, EGG, key)["statusCode"] == 202


@pytest.mark.parametrize(
    "key", ["", "a" * 256, "a b", " ", "키", "a\x7f", "a\n", "é", '""', '"a b"', '"é"']
)
def test_unusable_key_is_refused(api: Api, cloud: Cloud, key: str) -> None:
    response = _submit(api, EGG, key)

    assert (response["statusCode"], document(response)["code"]) == (400, "invalid_idempotency_key")
    assert cloud.calls == []
