"""Tokens that nobody issued, in every form that has worked somewhere."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.emulator.deployment import Deployment
from tests.integration.api import Api

ROUTES = (
    ("POST", "/recipe/generate"),
    ("GET", f"/recipe/status/{'0' * 32}"),
    ("POST", f"/recipe/cancel/{'0' * 32}"),
)


def _part(document: object) -> str:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def _read(part: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return document


def _forged(token: str, keys: str) -> Iterator[tuple[str, str]]:
    """Kinds and tokens, made of a good one and of the issuer's public keys."""
    head, body, signature = token.split(".")
    header, claims = _read(head), _read(body)
    own = rsa.generate_private_key(65537, 2048)

    def signed(header: object, claims: object) -> str:
        said = f"{_part(header)}.{_part(claims)}"
        return f"{said}.{_part(own.sign(said.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def by_secret(header: object, secret: bytes) -> str:
        said = f"{_part(header)}.{body}"
        return f"{said}.{_part(hmac.digest(secret, said.encode(), hashlib.sha256))}"

    for name in ("none", "None", "NONE", "nOnE"):
        yield f"alg {name}", f"{_part(header | {'alg': name})}.{body}."
        yield f"alg {name}, signature kept", f"{_part(header | {'alg': name})}.{body}.{signature}"
    yield "HS256 with the public keys", by_secret(header | {"alg": "HS256"}, keys.encode())
    yield "HS256 with nothing", by_secret(header | {"alg": "HS256"}, b"")
    yield "HS256 with the key's id", by_secret(header | {"alg": "HS256"}, header["kid"].encode())
    yield "another key", signed(header, claims)
    yield "another key that it brings", signed(header | {"jwk": _jwk(own)}, claims)
    yield "a key elsewhere", signed(header | {"jku": "https://evil.example/jwks"}, claims)
    yield "a certificate elsewhere", signed(header | {"x5u": "https://evil.example/x"}, claims)
    yield "a key in a file", signed(header | {"kid": "../../../../dev/null"}, claims)
    yield "a key by a query", signed(header | {"kid": "x' UNION SELECT 'k"}, claims)
    yield "no key id", signed({"alg": "RS256"}, claims)
    yield "an id that is no text", signed(header | {"kid": 1}, claims)
    later = claims | {"exp": int(time.time()) + 10**6}
    for kind, changed in {
        "another user": claims | {"sub": "root", "username": "root"},
        "a later end": later,
        "no end": {name: value for name, value in claims.items() if name != "exp"},
        "an end that is no number": claims | {"exp": "never"},
        "another issuer": claims | {"iss": "https://evil.example"},
        "another audience": claims | {"client_id": "evil", "aud": "evil"},
        "claims that are a list": [claims],
    }.items():
        yield f"{kind}, signature kept", f"{head}.{_part(changed)}.{signature}"
        yield f"{kind}, another key", signed(header, changed)
    yield "a signature cut short", token[:-10]
    yield "a signature of zeros", f"{head}.{body}.{_part(bytes(256))}"
    yield "no signature", f"{head}.{body}"
    yield "an empty one", f"{head}.{body}."
    yield "a part too many", f"{token}.{signature}"
    yield "two tokens", f"{token},{token[:-4]}"
    yield "claims alone", body
    yield "nothing", ""
    yield "a text", "token"
    yield "blanks", "   "
    yield "a very long one", "a" * 7000
    yield "critical and unknown", signed(header | {"crit": ["exp2"], "exp2": 1}, claims)
    yield "compressed", signed(header | {"zip": "DEF"}, claims)
    yield "no type", signed({k: v for k, v in header.items() if k != "typ"}, claims)


def _jwk(key: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    encoded = {
        name: _part(number.to_bytes((number.bit_length() + 7) // 8))
        for name, number in (("n", numbers.n), ("e", numbers.e))
    }
    return {"kty": "RSA", "alg": "RS256", "use": "sig", **encoded}


@pytest.fixture(scope="module")
def forged(deployment: Deployment) -> list[tuple[str, str]]:
    token = deployment.token("alice")
    pool = _read(token.split(".")[1])["iss"].rpartition("/")[2]
    address = f"{deployment.emulator.endpoint}/{pool}/.well-known/jwks.json"
    keys = httpx2.get(address, trust_env=False)
    assert keys.status_code == 200
    return list(_forged(token, keys.text))


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda value: value.split("/")[-1][:8])
def test_no_forged_token_opens_a_route(
    deployment: Deployment, forged: list[tuple[str, str]], method: str, path: str
) -> None:
    api = Api(deployment.api_url)
    body = {"ingredients": ["egg"], "count": 1}
    answers = {}
    for kind, token in forged:
        for scheme in ("Bearer ", ""):
            headers = {"authorization": f"{scheme}{token}".strip()}
            answer = api.request(method, path, json=body, headers=headers)
            answers[f"{kind} ({scheme})"] = (answer.status_code, answer.json())

    assert len(forged) >= 34
    # In the gateway's own words: ours would mean that the token had come to the function.
    refused = (401, {"message": "Unauthorized"})
    assert {kind: answer for kind, answer in answers.items() if answer != refused} == {}


def test_the_good_one_opens_them(alice: Api) -> None:
    """Else the test above could not fail."""
    assert alice.submit("egg").status_code in (200, 202)


def test_other_schemes_open_nothing(deployment: Deployment) -> None:
    token = deployment.token("alice")
    api = Api(deployment.api_url)

    for value in (f"Basic {token}", f"Token {token}", f"bearer: {token}", f"Bearer{token}"):
        answer = api.request("GET", ROUTES[1][1], headers={"authorization": value})
        assert answer.status_code == 401, value.split()[0]
    assert api.request("GET", f"{ROUTES[1][1]}?access_token={token}").status_code == 401
    assert api.request("GET", ROUTES[1][1], headers={"cookie": f"token={token}"}).status_code == 401
