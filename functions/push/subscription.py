"""Who may connect, and the answers to a client's messages on its WebSocket."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from frame import job_frame
from simmer.errors import InternalError, InvalidRequest, MalformedJson, SimmerError
from simmer.jobs.store import JobStore
from simmer.text import strict_json
from simmer.web.http import Event, logger, part, problem_document, whereabouts
from simmer.web.push_tokens import TICKET, PushTokens


class Subscription(BaseModel):
    """The one thing a client may say."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    action: Literal["subscribe"]
    job_id: Annotated[str, Field(max_length=100)]
    token: Annotated[str, Field(max_length=1000)]


def admitted(event: Event, tokens: PushTokens, now_ms: int) -> int:
    """The HTTP status that a client is let in with, or refused: its address needs a ticket."""
    ticket = part(event, "queryStringParameters", TICKET) or ""
    return _logged(event, lambda: tokens.check_ticket(str(ticket), now_ms))[1]


def answer(event: Event, store: JobStore, tokens: PushTokens, now_ms: int) -> str:
    """The frame to send back: the status document, or a problem document."""
    return _logged(event, lambda: _subscribe(event, store, tokens, now_ms))[0]


def _logged[T](event: Event, act: Callable[[], T]) -> tuple[T | str, int]:
    """What `act` returns, or the problem document of what it raises, and the HTTP status.

    Logs one line: the route, the status, the code. Tokens, tickets and jobs stay out.
    """
    status, code = 200, None
    logger.thread_safe_clear_keys()  # those of the message before
    frame: T | str
    try:
        frame = act()
    except SimmerError as error:
        frame, status, code = problem_document(error), error.http_status, error.code
    except Exception as error:
        logger.error("unexpected error", extra=whereabouts(error))
        problem = InternalError("Please poll.")
        frame, status, code = problem_document(problem), problem.http_status, problem.code
    logger.info(
        "message",
        extra={
            "route": part(event, "requestContext", "routeKey"),
            "status": status,
            "code": code,
            "requestId": part(event, "requestContext", "requestId"),
        },
    )
    return frame, status


def _subscribe(event: Event, store: JobStore, tokens: PushTokens, now_ms: int) -> str:
    said = _parse(str(event.get("body") or ""))
    run_id, mark = tokens.run(said.token, said.job_id, now_ms)
    logger.thread_safe_append_keys(jobId=said.job_id, runId=run_id)  # ours, as the token proves
    job = store.subscribe(
        said.job_id,
        run_id=run_id,
        mark=mark,
        connection_id=event["requestContext"]["connectionId"],
        now_ms=now_ms,
    )
    return job_frame(job, now_ms)


def _parse(body: str) -> Subscription:
    try:
        return Subscription.model_validate(strict_json.loads(body))
    except strict_json.NotStrictJson as error:
        raise MalformedJson(f"The message is not JSON: {error}.") from None
    except ValidationError:
        raise InvalidRequest(
            'Send {"action": "subscribe", "jobId": …, "token": …}, as the 202 has them.'
        ) from None
