"""What `make bench-poll` calls, with which budgets. The jobs are those of the recipe task."""

import json
import logging
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.instructions.services import Services
from simmer import clock
from simmer.connection import AMAZON_ROOTS
from simmer.jobs.job import Job, JobStatus, Usage, mark_of
from simmer.waiting.durations import Durations
from simmer.waiting.polling import as_kept
from tests.unit.worker.fakes import RECIPE, REQUEST

M, K = 10**6, 10**3

MACHINE_ROOTS = Path(ssl.get_default_verify_paths().cafile or AMAZON_ROOTS)

# The environment of a function on Lambda, with a session's token.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "t" * 600,
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "JOBS_TABLE": "jobs",
    "MODEL_KEYS_SECRET": "keys",
    "POWERTOOLS_TRACE_DISABLED": "1",
    "PYTHONHASHSEED": "0",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",  # as in the template
    "PATH": os.environ["PATH"],
}

type Event = dict[str, Any]
type Expected = int | list[Any]


@dataclass(frozen=True)
class Case:
    """A row: what is called, and how many instructions it may take."""

    name: str
    function: str  # a folder of the build, or the module of an anchor
    events: Callable[[Services, int], list[tuple[Event, Expected]]]
    cold_budget: int | None = None
    budget: int | None = None


def settings(services: Services) -> dict[str, str]:
    rung = {"model": "m", "baseUrl": f"{services.url}/v1", "key": "default"}
    return {
        "AWS_ENDPOINT_URL": services.url,
        "JOBS_QUEUE_URL": services.queue_url,
        "MODEL_LADDER": json.dumps([rung]),
    }


def http(route: str, user: str, body: object = None, **path: str) -> Event:
    """An event of API Gateway (payload format 2.0)."""
    method, address = route.split()
    claims = {"sub": user}
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": address.format(task="recipe", jobId=path.get("jobId", "")),
        "headers": {"content-type": "application/json", "accept-language": "en"},
        "pathParameters": {"task": "recipe", **path},
        "requestContext": {
            "requestId": "r",
            "stage": "$default",
            "http": {"method": method, "path": "/"},
            "authorizer": {"jwt": {"claims": claims}},
        },
        "isBase64Encoded": False,
        **({} if body is None else {"body": json.dumps(body)}),
    }


STATUS, SUBMIT = "GET /{task}/status/{jobId}", "POST /{task}/generate"
CANCEL = "POST /{task}/cancel/{jobId}"
TEXT = json.dumps(REQUEST)
HISTORY = " ".join(f"{bucket}:{bucket % 7 + 1}" for bucket in range(40, 68))


def job(number: int, **changes: Any) -> Job:
    """An open job, under way since 20 s."""
    now_ms = clock.now_ms()
    fields: dict[str, Any] = {
        "job_id": f"{number:032x}",
        "run_id": f"{number:032x}",
        "task": "recipe",
        "owner": "alice",
        "is_shared": False,
        "request": TEXT,
        "request_hash": "0" * 32,
        "locale": "en",
        "created_at_ms": now_ms - 21_000,
        "started_at_ms": now_ms - 20_000,
        "deadline_at_ms": now_ms + 3_000_000,
        "expires_at_seconds": now_ms // 1000 + 80_000,
        "status": JobStatus.PROCESSING,
        "wanted_by": frozenset({mark_of("alice")}),
        "durations": durations(HISTORY),
        "usage": Usage(),
    }
    return Job(**fields | changes)


def polls(services: Services, count: int) -> list[tuple[Event, Expected]]:
    services.store(job(1))
    return [(http(STATUS, "alice", jobId=job(1).job_id), 200)] * count


def finished(services: Services, count: int) -> list[tuple[Event, Expected]]:
    done = replace(job(2), status=JobStatus.COMPLETED, completed_at_ms=clock.now_ms())
    services.store(replace(done, result=json.dumps({"recipes": ["x" * 4000]})))
    return [(http(STATUS, "alice", jobId=done.job_id), 200)] * count


def new_histograms(services: Services, count: int) -> list[tuple[Event, Expected]]:
    """Polls of jobs each of which has durations that the process has not seen."""
    for number in range(count):
        services.store(job(100 + number, durations=durations(f"{HISTORY} 70:{number + 1}")))
    return [(http(STATUS, "alice", jobId=job(100 + n).job_id), 200) for n in range(count)]


def durations(text: str) -> Mapping[str, str]:
    """As a job keeps them."""
    return as_kept("recipe", Durations.parse(text))


def submits(services: Services, count: int, recipes: int = 2) -> list[tuple[Event, Expected]]:
    del services
    body = {**REQUEST, "count": recipes}
    return [(http(SUBMIT, f"user-{number}", body), 202) for number in range(count)]


def joins(services: Services, count: int) -> list[tuple[Event, Expected]]:
    """One new job, and the same request again and again, which joins it."""
    return submits(services, 1) * count


def cancels(services: Services, count: int) -> list[tuple[Event, Expected]]:
    for number in range(count):
        services.store(job(500 + number))
    return [(http(CANCEL, "alice", jobId=job(500 + n).job_id), 200) for n in range(count)]


def batches(services: Services, count: int) -> list[tuple[Event, Expected]]:
    """Batches of one message each, of jobs of one call that a real submit has admitted."""
    services.answer = json.dumps({"recipes": [RECIPE]})
    os.environ.update(ENVIRONMENT, **settings(services))
    from functions.submit import app

    for kept in (app._wiring, app._history):
        kept.cache_clear()  # the services are others each time
    logging.disable(logging.CRITICAL)
    try:
        for event, _ in submits(services, count, recipes=1):
            assert app.handler(event, None)["statusCode"] == 202
    finally:
        logging.disable(logging.NOTSET)
    return [({"Records": [message]}, []) for message in services.messages()]


def new_connections(
    services: Services, count: int, *, roots: Path = Path(AMAZON_ROOTS), is_read_anew: bool = False
) -> list[tuple[Event, Expected]]:
    """Calls over TLS, each on a connection of its own."""
    bundle = services.authority.with_name("bundle.pem")
    bundle.write_bytes(roots.read_bytes() + services.authority.read_bytes())
    event = {"url": services.tls_url, "roots": str(bundle), "is_read_anew": is_read_anew}
    return [(event, 200)] * count


HOT = Case("a poll", "StatusFunction", polls, 600 * M, 2000 * K)
NEW_HISTOGRAM = Case("a poll, durations new to the process", "StatusFunction", new_histograms)
CASES = [
    HOT,
    Case("a poll of a finished job, 4 KB", "StatusFunction", finished),
    NEW_HISTOGRAM,
    Case("submit, new", "SubmitFunction", submits, 1000 * M, 6 * M),
    Case("submit, joined", "SubmitFunction", joins),
    Case("cancel", "CancelFunction", cancels),
    Case("worker, a job", "WorkerFunction", batches, 2600 * M, 25 * M),
    Case("TLS: a new connection", "new_connection", new_connections),
    Case(
        "TLS: a new connection, Amazon's roots read anew",
        "new_connection",
        partial(new_connections, is_read_anew=True),
    ),
    Case(
        "TLS: a new connection, the machine's roots read anew",
        "new_connection",
        partial(new_connections, roots=MACHINE_ROOTS, is_read_anew=True),
    ),
    Case("plain boto3: a poll", "plain_boto3", polls),
    Case("Powertools: a poll", "powertools", polls),
]
