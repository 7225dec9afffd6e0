"""The ground of every unit test: no network, AWS in-process, a clock that the test moves."""

import io
import os
from collections.abc import Iterator
from typing import Any, Literal

import boto3
import moto
import pytest
import pytest_socket
from moto.backends import get_backend

from functions.submit import app as submit_app
from simmer import aws
from simmer import clock as simmer_clock
from simmer.web import http
from simmer.web.status import job_store
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import PUSH_KEY_SECRET, TABLE, Cloud, OneAtATime, WorkerSide

type Service = Literal["dynamodb", "sqs", "secretsmanager"]
SERVICES: tuple[Service, ...] = ("dynamodb", "sqs", "secretsmanager")


@pytest.fixture(autouse=True)
def _no_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whoever needs a socket says `@pytest.mark.enable_socket`."""
    if request.node.get_closest_marker("enable_socket"):
        yield
        return
    pytest_socket.disable_socket(allow_unix_socket=True)  # an asyncio loop wakes itself by one
    yield
    pytest_socket.enable_socket()


@pytest.fixture(autouse=True)
def _no_aws_of_the_developer(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("AWS_") or name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(simmer_clock, "now_ms", lambda: clock.now_ms)
    monkeypatch.setattr(simmer_clock, "sleep", clock.sleep)
    return clock


@pytest.fixture(scope="session")
def _clients() -> dict[str, Any]:
    # A client takes a tenth of a second to make and keeps nothing of a test.
    session = boto3.Session("testing", "testing", region_name="us-east-1")
    return {service: OneAtATime(session.client(service)) for service in SERVICES}


@pytest.fixture(scope="module")
def _aws_in_process() -> Iterator[None]:
    with moto.mock_aws():  # takes longer than most of the tests
        yield


@pytest.fixture
def cloud(
    _aws_in_process: None, _clients: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Cloud:
    """Empty, and what `aws.client` leads to."""
    for service in SERVICES:
        get_backend(service).reset()
    cloud = Cloud(**_clients)
    monkeypatch.setattr(aws, "client", cloud.client)
    return cloud


@pytest.fixture
def worker(cloud: Cloud, clock: Clock) -> WorkerSide:
    return WorkerSide(cloud, clock)


@pytest.fixture
def api(cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """With the template's default settings; a test changes the environment before it asks."""
    monkeypatch.setenv("JOBS_TABLE", TABLE)
    monkeypatch.setenv("JOBS_QUEUE_URL", cloud.queue_url)
    wirings = (submit_app._wiring, submit_app._history, job_store)
    for wiring in wirings:
        wiring.cache_clear()
    yield Api()
    for wiring in wirings:
        wiring.cache_clear()


@pytest.fixture
def shared_cache(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With users who share jobs."""
    monkeypatch.setenv("CACHE_SCOPE", "shared")
    monkeypatch.setenv("PUSH_KEY_SECRET", PUSH_KEY_SECRET)
    submit_app._push_tokens.cache_clear()
    yield
    submit_app._push_tokens.cache_clear()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """The log of the HTTP side."""
    stream = io.StringIO()
    monkeypatch.setattr(http.logger.registered_handler, "stream", stream)
    return stream


@pytest.fixture(autouse=True)
def _process_of_its_own() -> Iterator[None]:
    """What a function appends to its lines stays there for as long as it lives."""
    yield
    http.logger.remove_keys(["jobId", "jobIds", "messageId", "lambdaRequestId"])
    http.logger.thread_safe_clear_keys()


@pytest.fixture(autouse=True)
def whole_answers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call a job, but for the tests of parts: what holds for one call holds for each part."""
    if request.path.stem != "test_parts":
        monkeypatch.setattr("simmer.task.task.MAX_PARTS", 1)
