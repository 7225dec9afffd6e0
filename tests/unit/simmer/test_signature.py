"""Our signatures are botocore's, whatever is signed."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from simmer.signature import authorization

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
NAMES = st.sampled_from(
    ["x-amz-target", "content-type", "x-amz-content-sha256", "x-a", "x-b", "x-amz-meta-z"]
)
PATHS = st.one_of(st.just("/"), st.text(min_size=1, max_size=20).map(lambda id_: f"/p/{id_}"))
BODIES = st.one_of(
    st.binary(max_size=200),
    st.dictionaries(st.text(), st.text()).map(lambda each: json.dumps(each).encode()),
)


def theirs(
    path: str, headers: dict[str, str], body: bytes, keys: Credentials, scope: tuple[str, str]
) -> dict[str, Any]:
    """The headers of a request that botocore has signed."""
    request = AWSRequest("POST", f"https://{headers['host']}{path}", headers=headers, data=body)
    SigV4Auth(keys, scope[1], scope[0]).add_auth(request)
    return dict(request.headers.items())


@given(
    path=PATHS,
    headers=st.dictionaries(NAMES.filter(lambda name: name != "x-amz-content-sha256"), VALUES),
    body=BODIES,
    access_key=KEYS,
    secret_key=KEYS,
    token=st.one_of(st.just(""), KEYS),
    region=st.sampled_from(["us-east-1", "cn-north-1", "us-gov-west-1"]),
    service=st.sampled_from(["dynamodb", "sqs", "secretsmanager", "execute-api"]),
    at=st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2099, 1, 1)),  # noqa: DTZ001
)
def test_signature_is_botocores(
    path: str,
    headers: dict[str, str],
    body: bytes,
    access_key: str,
    secret_key: str,
    token: str,
    region: str,
    service: str,
    at: datetime,
) -> None:
    # botocore resolves dots and doubled slashes, which no address of ours has.
    is_plain = not set(path.split("/")) & {".", ".."} and "//" not in path
    path = quote(path) if is_plain else "/"
    headers = {**headers, "host": f"{service}.{region}.amazonaws.com"}
    keys = Credentials(access_key, secret_key, token or None)
    with pytest.MonkeyPatch.context() as patch:
        moment = at.replace(tzinfo=UTC, microsecond=0)
        patch.setattr("botocore.auth.get_current_datetime", lambda: moment)
        signed = theirs(path, dict(headers), body, keys, (region, service))
    ours = {**headers, "x-amz-date": moment.strftime("%Y%m%dT%H%M%SZ")}
    if token:
        ours["x-amz-security-token"] = token

    assert signed["X-Amz-Date"] == ours["x-amz-date"]
    assert signed["Authorization"] == authorization(
        path,
        ours,
        body,
        access_key=access_key,
        secret_key=secret_key,
        scope=(region, service),
    )
