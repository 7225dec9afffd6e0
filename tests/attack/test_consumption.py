"""What one user may have: races, resubmits, bombs."""

import json
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.emulator.deployment import Deployment
from local.model.stand_in import StandIn
from tests.attack.conftest import ATTACKS, IN_FLIGHT
from tests.integration.api import Api


def test_fifty_at_once_are_as_many_as_may_be_under_way(
    deployment: Deployment, model: StandIn
) -> None:
    name = f"racer-{uuid.uuid4().hex[:8]}"
    racer = Api(deployment.api_url, deployment.token(name))
    model.script(*["hang"] * 50, match=name)

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda i: racer.submit(f"{name} {i}"), range(50)))

    statuses = Counter(answer.status_code for answer in answers)
    accepted = [answer.json()["jobId"] for answer in answers if answer.status_code == 202]
    assert set(statuses) <= {202, 429, 503}, statuses
    assert 1 <= statuses[202] <= IN_FLIGHT
    for job_id in accepted:
        racer.request("POST", f"/recipe/cancel/{job_id}")
    model.reset()
    assert racer.submit(f"{name} after").status_code == 202


def _bombs() -> dict[str, bytes]:
    deep = b"[" * 8000 + b"]" * 8000
    return {
        "deep lists": deep,
        "deeper, and left open": b"[" * 16_000,
        "objects, left open": b'{"a":' * 3200,
        "deep objects": b'{"a":' * 2500 + b"1" + b"}" * 2500,
        "deep in a field": b'{"ingredients": ' + deep[:6000] + b"]" * 3000 + b"}",
        "digits": b'{"ingredients": ["egg"], "servings": ' + b"9" * 15_000 + b"}",
        "an exponent": b'{"ingredients": ["egg"], "servings": 1e999999}',
        "a tiny exponent": b'{"ingredients": ["egg"], "servings": 1e-999999}',
        "misordered marks": json.dumps(
            {"ingredients": ["e" + "\u0323\u0307" * 4000]}, ensure_ascii=False
        ).encode()[:16_000]
        + b'"]}',
        "escaped surrogates": b'{"ingredients": ["\\ud800"]}',
        "a million keys' worth": b"{" + b",".join(b'"%d":1' % i for i in range(1800)) + b"}",
        "one key, often": b"{" + b",".join([b'"ingredients":["egg"]'] * 600) + b"}",
        "nul": b'{"ingredients": ["\\u0000"]}',
        "no text at all": bytes(range(256)) * 8,
        "utf-16": '{"ingredients": ["egg"]}'.encode("utf-16"),
        "empty": b"",
        "blanks": b" " * 16_000,
        "nan": b'{"ingredients": ["egg"], "servings": NaN}',
        "not quite ended": b'{"ingredients": ["egg"' * 100,
        "prototype": b'{"__proto__": {"admin": true}, "ingredients": ["egg"]}',
        "too long": b'{"ingredients": ["' + b"e" * 200_000 + b'"]}',
    }


@pytest.mark.parametrize("kind", _bombs())
def test_bomb_is_refused_by_name(alice: Api, kind: str) -> None:
    for _ in range(ATTACKS):
        answer = alice.request(
            "POST",
            "/recipe/generate",
            content=_bombs()[kind],
            headers={"content-type": "application/json"},
        )
        assert 400 <= answer.status_code < 500, answer.status_code
        assert answer.json().get("code"), "a refusal has a code"
