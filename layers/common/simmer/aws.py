"""A light client of the AWS services whose protocol is JSON over HTTP.

`client("dynamodb", CLIENT_CONFIG)` answers `get_item(TableName=…)` as boto3's client does, for any
operation; binary values are returned in base64. Importing boto3 and making its client costs a cold
start three times what all the rest does, and three quarters of a warm poll. What boto3 does for a
call, this does: the signature, keys that end, one connection after the other, time-outs, retries,
DynamoDB's checksum, errors with all that the service said.
tests/unit/simmer/test_aws_like_boto3.py holds both against the same faults.

    AwsError
    ├── ClientError   the service refused; `response` is what boto3 has there
    └── Unanswered    it was not reached, or its answer was lost: the call may have taken effect
"""

import json
import random
import re
import time
import uuid
import zlib
from binascii import b2a_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException, responses
from typing import Any
from urllib.parse import quote

from simmer import clock
from simmer.connection import Answer, Pool
from simmer.credentials import Keyring
from simmer.settings import SettingsError, aws_environment, trace_header
from simmer.signature import authorization


@dataclass(frozen=True, slots=True)
class Config:
    """The patience of a client."""

    connect_timeout: float
    read_timeout: float
    attempts: int


# A handler that waits costs money and patience: fail soon, and let the caller's retry do the rest.
CLIENT_CONFIG = Config(connect_timeout=2, read_timeout=4, attempts=3)

# For reads that the caller can do without.
IMPATIENT_CONFIG = Config(connect_timeout=0.5, read_timeout=0.5, attempts=1)

# The service: its name in a signature, in `x-amz-target`, and its version of the JSON protocol.
_TARGETS = {
    "dynamodb": ("DynamoDB_20120810", "1.0"),
    "sqs": ("AmazonSQS", "1.0"),
    "secretsmanager": ("secretsmanager", "1.1"),
    "events": ("AWSEvents", "1.1"),
}
# What a service is called in `AWS_ENDPOINT_URL_…`, where that is another name.
_VARIABLES = {"secretsmanager": "SECRETS_MANAGER", "events": "EVENTBRIDGE"}

# As in botocore's standard mode (botocore/retries/standard.py), throttles first.
_THROTTLES = {
    *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException"),
    *("RequestThrottled", "TooManyRequestsException", "ProvisionedThroughputExceededException"),
    *("RequestLimitExceeded", "TransactionInProgressException", "BandwidthLimitExceeded"),
    *("LimitExceededException", "SlowDown", "PriorRequestNotComplete", "EC2ThrottledException"),
}
_PASSING = {"RequestTimeout", "RequestTimeoutException"}
_PASSING_STATUSES = {500, 502, 503, 504}
_WRONG_CLOCK = {
    *("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"),
    *("InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure"),
}
# The regions of the partition `aws`, after botocore/data/partitions.json.
_REGION_OF_AWS = re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+")
_SKEW_SECONDS = 4 * 60  # AWS allows five minutes
# The first pause is up to this long, each further one up to twice as long as the one before.
_THROTTLED_PAUSE_SECONDS, _PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 0.05, 20.0


class AwsError(Exception):
    """A call failed. `response` is what the service said, empty if it said nothing."""

    response: Mapping[str, Any] = {}

    @property
    def code(self) -> str:
        """The service's own word for what went wrong."""
        return str(self.response.get("Error", {}).get("Code", ""))


class ClientError(AwsError):
    """The service refused the call. `response` has boto3's form: {"Error": {"Code", "Message"}},
    and beside "Error" what else the service said, such as the `Item` of a refused condition."""

    def __init__(self, response: Mapping[str, Any], operation: str) -> None:
        error = response["Error"]
        super().__init__(f"{error['Code']} from {operation}: {error['Message']}")
        self.response = response


class Unanswered(AwsError):
    """No answer that can be read. The call may have taken effect."""


def client(service: str, config: Config = CLIENT_CONFIG, endpoint: str | None = None) -> Any:
    """A client of a service in `_TARGETS`; its methods are the service's operations. For
    "execute-api", API Gateway's, it has `post_to_connection` alone, at the `endpoint`."""
    return Client(service, config, endpoint)


class Client:
    """A client of one service; `endpoint` if it is not where the environment says. Safe to use from
    several threads."""

    def __init__(self, service: str, config: Config, endpoint: str | None = None) -> None:
        environment = aws_environment()
        self._region = environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION") or ""
        if not self._region:
            raise SettingsError("missing or unusable: AWS_REGION")
        self._service, self._config = service, config
        url = endpoint or _endpoint(service, self._region, environment)
        self._pool = Pool(url, config.connect_timeout, config.read_timeout, environment)
        self._skew_seconds = 0.0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        operation = name.title().replace("_", "")
        target, version = _TARGETS[self._service]
        headers = {
            "content-type": f"application/x-amz-json-{version}",
            "x-amz-target": f"{target}.{operation}",
        }

        def call(**arguments: Any) -> Any:
            if operation == "TransactWriteItems":  # so that a second sending does nothing
                arguments.setdefault("ClientRequestToken", str(uuid.uuid4()))
            return self.send(operation, headers, _json(arguments).encode())

        setattr(self, name, call)  # the next call finds it without coming here
        return call

    def post_to_connection(self, *, ConnectionId: str, Data: bytes) -> None:  # noqa: N803
        """Send a frame to a client of a WebSocket API."""
        self.send("PostToConnection", {}, Data, f"/@connections/{quote(ConnectionId)}")

    def send(self, operation: str, headers: Mapping[str, str], body: bytes, path: str = "") -> Any:
        """POST the body and read the answer, or `AwsError`; again, where that may help."""
        for attempt in range(1, self._config.attempts + 1):
            failure, pause_seconds = self._try(operation, headers, body, path)
            if not isinstance(failure, AwsError):
                return failure
            if pause_seconds is None or attempt == self._config.attempts:
                raise failure
            longest = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 2 ** (attempt - 1))
            clock.sleep(random.uniform(0, longest))
        raise AssertionError

    def _try(
        self, operation: str, headers: Mapping[str, str], body: bytes, path: str
    ) -> tuple[Any, float | None]:
        """The answer or an error, and the pause after which another try is worth it."""
        try:
            path = f"{self._pool.path}{path}" or "/"
            signed = self._signed(headers, body, path)
            answer = self._pool.post(path, signed, body)
        except (OSError, HTTPException) as error:
            lost = Unanswered(f"{operation}: {type(error).__name__}")
            lost.__cause__ = error
            return lost, _PAUSE_SECONDS
        checksum = answer.headers.get("x-amz-crc32")
        if checksum not in (None, str(zlib.crc32(answer.body))):
            return Unanswered(f"{operation}: wrong checksum"), _PAUSE_SECONDS
        document = _document(answer.body)
        if answer.status < 300 and document is None:
            return Unanswered(f"{operation}: no JSON"), _PAUSE_SECONDS
        if answer.status < 300:
            return document, None
        refusal = ClientError(_refusal(answer, document), operation)
        return refusal, self._pause(refusal.code, answer)

    def _pause(self, code: str, answer: Answer) -> float | None:
        if code in _THROTTLES:
            return _THROTTLED_PAUSE_SECONDS
        if code in _PASSING or answer.status in _PASSING_STATUSES:
            return _PAUSE_SECONDS
        if code in _WRONG_CLOCK and (date := answer.headers.get("date")):
            ahead = parsedate_to_datetime(date).timestamp() - clock.now_ms() / 1000
            if abs(ahead - self._skew_seconds) > _SKEW_SECONDS:
                self._skew_seconds = ahead  # our clock is wrong, not our key
                return 0.0
        return None

    def _signed(self, headers: Mapping[str, str], body: bytes, path: str) -> dict[str, str]:
        keys = _keyring.credentials()
        now = time.gmtime(clock.now_ms() / 1000 + self._skew_seconds)
        signed = {
            **headers,
            "host": self._pool.host,
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", now),
        }
        if keys.token:
            signed["x-amz-security-token"] = keys.token
        signed["authorization"] = authorization(
            path,
            signed,
            body,
            access_key=keys.access_key,
            secret_key=keys.secret_key,
            scope=(self._region, self._service),
        )
        return signed | {"user-agent": "simmer"} | trace_header()


_json = json.JSONEncoder(default=lambda binary: b2a_base64(binary, newline=False).decode()).encode
_keyring = Keyring(aws_environment)


def _document(body: bytes) -> dict[str, Any] | None:
    """The JSON object that a body is; None if it is none."""
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _refusal(answer: Answer, document: Mapping[str, Any] | None) -> dict[str, Any]:
    """The answer of a service that refused, in boto3's form."""
    text = {"message": answer.body.decode("utf-8", "replace")}
    body = dict(text if document is None else document)
    if answer.status >= 500 and (not answer.body or answer.body.startswith(b"<html>")):
        body = {"message": responses.get(answer.status, "")}  # a proxy's page
    kind = answer.headers.get("x-amzn-errortype") or body.get("__type") or str(answer.status)
    code = str(kind).partition(":")[0].rpartition("#")[2]
    error = {"Message": body.pop("message", None) or body.pop("Message", ""), "Code": code}
    # SQS has its older codes here, which are the ones that boto3 gives.
    older, _, fault = answer.headers.get("x-amzn-query-error", "").partition(";")
    if older and fault:
        error |= {"Code": older, "QueryErrorCode": code, "Type": fault}
    body.pop("__type", None)
    return {**body, "Error": error, "ResponseMetadata": {"HTTPStatusCode": answer.status}}


def _endpoint(service: str, region: str, environment: Mapping[str, str]) -> str:
    """The address of a service, by the same variables as boto3's."""
    own = _VARIABLES.get(service, service.upper())
    is_ignored = environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
    for name in (f"AWS_ENDPOINT_URL_{own}", "AWS_ENDPOINT_URL"):
        if environment.get(name) and not is_ignored:
            return environment[name]
    wants = (environment.get(f"AWS_USE_{kind}_ENDPOINT") for kind in ("FIPS", "DUALSTACK"))
    is_plain = "true" not in [str(want).lower() for want in wants]
    if is_plain and _REGION_OF_AWS.fullmatch(region):
        return f"https://{service}.{region}.amazonaws.com"
    # What is rarer than a region of AWS's own botocore knows, in return for its import.
    from botocore.session import get_session

    made = get_session().create_client(service, region_name=region)
    return str(made.meta.endpoint_url)
