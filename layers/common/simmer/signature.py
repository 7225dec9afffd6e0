"""The signature of a request to AWS: Signature Version 4, with the body in it.

After "Create a signed AWS API request" in AWS's IAM user guide, as far as a POST without a query
needs it. tests/unit/simmer/test_signature.py holds it against botocore's.
"""

import hmac
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


def authorization(
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    access_key: str,
    secret_key: str,
    scope: tuple[str, str],
) -> str:
    """The `authorization` header of a POST whose `headers` have lower-case names, `host` and
    `x-amz-date` (such as 20261126T093000Z) among them. `scope` is the region and the service;
    `path` is encoded as it is sent."""
    at = headers["x-amz-date"]
    names = ";".join(sorted(headers))
    lines = [f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers)]
    # The path is encoded once more, except for S3.
    request = ["POST", quote(path, "/~"), "", *lines, "", names, sha256(body).hexdigest()]
    credential_scope = f"{at[:8]}/{scope[0]}/{scope[1]}/aws4_request"
    digest = sha256("\n".join(request).encode()).hexdigest()
    text = f"{_ALGORITHM}\n{at}\n{credential_scope}\n{digest}".encode()
    signature = hmac.digest(_key(secret_key, at[:8], *scope), text, "sha256").hex()
    return (
        f"{_ALGORITHM} Credential={access_key}/{credential_scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )


@lru_cache(maxsize=8)  # a day's, for each service
def _key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
