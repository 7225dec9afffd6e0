"""The HTTP side of a handler: an API Gateway event in (payload format 2.0), an answer out."""

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from traceback import walk_tb
from typing import Any

from aws_lambda_powertools import Logger

from simmer import clock
from simmer.errors import (
    FieldError,
    InternalError,
    InvalidToken,
    JobNotFound,
    MalformedJson,
    RequestTooLarge,
    SimmerError,
    UnsupportedMediaType,
)
from simmer.settings import SettingsError

type Event = Mapping[str, Any]
type Response = dict[str, Any]
type Handler = Callable[[Event, Any], Response]

MAX_BODY_BYTES = 16 * 1024
MAX_SUBJECT_CHARACTERS = 255  # OpenID Connect Core 1.0, section 2, allows no more

# A 404 takes so long, far longer than any read: else its time would tell another user's job, which
# is read first, from none.
NOT_FOUND_MS = 50

# The answer to a call that keeps a function warm.
PONG: Response = {"statusCode": 204}

# The parent of all our loggers. CloudWatch takes a line whose time it cannot read for level INFO.
# With a higher log level it would drop our errors, and the alarms would miss them.
logger = Logger(service="simmer", use_rfc3339=True)


def http_endpoint(handler: Handler) -> Handler:
    """Turn a raised `SimmerError` into its problem document, and anything else into a plain 500.

    Logs one line a request: the route, the status, the code. Bodies, tokens and users stay out.
    Every line that is logged meanwhile has the request's ids, the gateway's and Lambda's, and the
    job's if the path names one.
    """

    @wraps(handler)
    def endpoint(event: Event, context: Any) -> Response:
        if not begins(event, context, "requestContext"):
            return PONG
        code = None
        job_id = path_parameter(event, "jobId")
        started_at_ms = clock.now_ms()
        with logger.append_context_keys(
            requestId=part(event, "requestContext", "requestId"),
            jobId=job_id if re.fullmatch("[0-9a-f]{32}", job_id) else None,  # else a client's text
        ):
            try:
                response = handler(event, context)
            except SimmerError as error:
                response, code = _problem(error), error.code
                if isinstance(error, JobNotFound):
                    clock.sleep(max(0, started_at_ms + NOT_FOUND_MS - clock.now_ms()) / 1000)
            except Exception as error:
                # Only the type and the place: an exception's own text may quote the request.
                logger.error("unexpected error", extra=whereabouts(error))
                response, code = _problem(InternalError("Please try again.")), InternalError.code
            status = response["statusCode"]
            logger.info(
                "request", extra={"route": event.get("routeKey"), "status": status, "code": code}
            )
        return response

    return endpoint


def begins(event: Any, context: Any, *parts: str) -> bool:
    """Whether a call has one of the parts that our triggers send. Schedules that keep functions
    warm make calls without, each in its own form. Lambda's id of the call is in all its lines."""
    logger.append_keys(lambdaRequestId=getattr(context, "aws_request_id", None))
    return any(isinstance(part(event, name), Mapping | list) for name in parts)


def to_come_again(identifiers: Iterable[Any]) -> Response:
    """The answer to a batch: these of its records must be brought again. One without a name cannot
    be told apart, and would bring all of them again."""
    named = [each for each in identifiers if each and isinstance(each, str)]
    return {"batchItemFailures": [{"itemIdentifier": each} for each in named]}


def json_response(status: int, body: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer whose body is JSON text already."""
    return {
        "statusCode": status,
        "headers": {
            "content-type": "application/json; charset=utf-8",
            "cache-control": "no-store",
            **(headers or {}),
        },
        "body": body,
    }


def retry_after(milliseconds: int) -> dict[str, str]:
    """The `Retry-After` header, in whole seconds, rounded up."""
    return {"retry-after": str(math.ceil(milliseconds / 1000))}


def part(event: Any, *names: str) -> Any:
    """What stands there in the event, or None: whoever may invoke a function may send anything."""
    for name in names:
        if not isinstance(event, Mapping):
            return None
        event = event.get(name)
    return event


def header(event: Event, name: str) -> str | None:
    """A request header by its lower-case name."""
    headers = part(event, "headers")
    for key, value in headers.items() if isinstance(headers, Mapping) else ():
        if key.lower() == name:
            return str(value)
    return None


def path_parameter(event: Event, name: str) -> str:
    return str(part(event, "pathParameters", name) or "")


def caller(event: Event) -> str:
    """The user, as the authorizer that API Gateway ran before us has it: the token's `sub`.

    `InvalidToken` when it has none, which issuers allow and the authorizer does not look at.
    """
    subject = part(event, "requestContext", "authorizer", "jwt", "claims", "sub")
    is_name = isinstance(subject, str) and subject.strip() and subject.isprintable()
    if not is_name or len(subject) > MAX_SUBJECT_CHARACTERS:
        raise InvalidToken("The token must have a `sub` of 1 to 255 characters.")
    return str(subject)


def json_body(event: Event) -> str:
    """The body as text, after checks of its media type, size and encoding."""
    # After a comma it stands once more: a header that was sent twice is joined on its way.
    media_type = re.split("[,;]", header(event, "content-type") or "")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType("Send the body with Content-Type: application/json.")
    encoding = (header(event, "content-encoding") or "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaType("Send the body uncompressed, without Content-Encoding.")
    body = str(event.get("body") or "")
    try:
        is_base64 = event.get("isBase64Encoded")
        raw = base64.b64decode(body) if is_base64 else body.encode(errors="surrogatepass")
    except ValueError:
        raise MalformedJson("The body is marked as Base64, and is none.") from None
    if len(raw) > MAX_BODY_BYTES:
        raise RequestTooLarge(f"The body may have at most {MAX_BODY_BYTES} bytes.")
    text = raw.decode(errors="replace")
    # API Gateway, too, hands on bytes that are not UTF-8 as U+FFFD.
    if "\ufffd" in text:
        raise MalformedJson("The body must be UTF-8, and not compressed.")
    return text.removeprefix("\ufeff")  # RFC 8259, 8.1: a byte order mark may be ignored


def problem_document(error: SimmerError) -> str:
    """The problem document of RFC 9457, as JSON text."""
    document: dict[str, str | int | list[FieldError]] = {
        "type": "about:blank",
        "title": error.title,
        "status": error.http_status,
        "detail": error.detail,
        "code": error.code,
    }
    if error.errors:
        document["errors"] = error.errors
    # ASCII: a field's name comes from the client and may hold what UTF-8 cannot.
    return json.dumps(document)


def _problem(error: SimmerError) -> Response:
    headers = {"content-type": "application/problem+json", "cache-control": "no-store"}
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(error.retry_after_seconds)
    if isinstance(error, InvalidToken):
        headers["www-authenticate"] = 'Bearer error="invalid_token"'
    return {"statusCode": error.http_status, "headers": headers, "body": problem_document(error)}


def whereabouts(error: BaseException) -> dict[str, object]:
    """The parts of an unexpected error for the log. Its text may quote a user's request."""
    places = [
        f"{frame.f_code.co_filename.rpartition('/')[2]}:{line} {frame.f_code.co_name}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    known = {"settings": str(error)} if isinstance(error, SettingsError) else {}
    return {"type": type(error).__name__, "at": places[-6:], **known}
