"""Every line that a function logs of a job can be joined with the others: it names the job, and
the invocation that Lambda's own lines and traces name."""

import io
import json
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

import app as worker_app
from functions.cancel import app as cancel_app
from functions.events import app as events_app
from functions.push import app as push_app
from functions.status import app as status_app
from functions.submit import app as submit_app
from functions.webhook import app as webhook_app
from receiver import NotDelivered
from simmer.errors import DependencyUnavailable
from tests.unit.api import Api
from tests.unit.clock import Clock
from tests.unit.cloud import Cloud, refused
from tests.unit.events import cancel_event, document, status_event, submit_event
from tests.unit.push.conftest import api as api  # a fixture: with push on
from tests.unit.test_template import FUNCTIONS
from tests.unit.webhook.conftest import DETAIL, record
from tests.unit.worker.fakes import VALID, FakeProvider
from tests.unit.worker.workshop import Context, Workshop

type Line = dict[str, Any]


class Invocation(Context):
    aws_request_id = "lambda-1"


class World:
    """A job of alice's, and the functions around it."""

    def __init__(
        self, api: Api, cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.cloud, self.shop, self.patches = cloud, Workshop(cloud, clock), monkeypatch
        self.accepted = document(api.submit())
        self.job_id = str(self.accepted["jobId"])
        self.run_id = str(cloud.job(self.job_id)["run_id"])

    def stream(self, handler: Callable[..., Any]) -> None:
        image = self.cloud.image(self.job_id) | {"subscribers": {"SS": ["phone"]}}
        change = {"dynamodb": {"NewImage": image, "SequenceNumber": "1"}}
        handler({"Records": [change]}, Invocation())


def submit(world: World) -> None:
    submit_app.handler(submit_event(), Invocation())


def status(world: World) -> None:
    status_app.handler(status_event(world.job_id), Invocation())


def cancel(world: World) -> None:
    cancel_app.handler(cancel_event(world.job_id), Invocation())


def worker(world: World) -> None:
    provider = FakeProvider([KeyError("a bug"), VALID, VALID])
    world.patches.setattr(worker_app, "_worker", lambda: world.shop.worker(provider))
    worker_app.handler({"Records": world.shop.receive()}, Invocation())


def push_subscribe(world: World) -> None:
    said = {"action": "subscribe", "jobId": world.job_id, "token": world.accepted["push"]["token"]}
    request = {"connectionId": "phone", "requestId": "request-1", "routeKey": "subscribe"}
    world.cloud.sockets.open("phone")
    push_app.handler({"requestContext": request, "body": json.dumps(said)}, Invocation())


def push_tell(world: World) -> None:
    world.cloud.connections.fail("post_to_connection", refused("ForbiddenException"))
    world.stream(push_app.handler)


def events(world: World) -> None:
    def put(_: Any) -> None:
        raise DependencyUnavailable("EventBridge did not answer.")

    world.patches.setattr(events_app, "_bus", lambda: SimpleNamespace(put=put))
    with pytest.raises(events_app.NotPut):
        world.stream(events_app.handler)


def webhook(world: World) -> None:
    def send(_: str) -> None:
        raise NotDelivered("status 500")

    wiring = (SimpleNamespace(send=send), SimpleNamespace(hide=lambda *_: None))
    world.patches.setattr(webhook_app, "_wiring", lambda: wiring)
    told = record(0, DETAIL | {"jobId": world.job_id, "id": f"{world.run_id}-ended"})
    webhook_app.handler({"Records": [told]}, Invocation())


# What a function does, and a line that it logs then.
LINES: dict[str, tuple[Callable[[World], None], str]] = {
    "submit": (submit, "job joined"),
    "status": (status, "request"),
    "cancel": (cancel, "job cancelled"),
    "worker": (worker, "attempt failed"),
    "push, a subscription": (push_subscribe, "message"),
    "push, an end": (push_tell, "subscriber not told"),
    "events": (events, "events not put"),
    "webhook": (webhook, "webhook not delivered"),
}


@pytest.mark.parametrize("name", LINES)
def test_line_of_a_function_names_its_job_and_its_invocation(
    api: Api, cloud: Cloud, clock: Clock, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    world = World(api, cloud, clock, monkeypatch)
    stream = io.StringIO()
    for handler in logging.getLogger("simmer").handlers:
        monkeypatch.setattr(handler, "stream", stream)
    act, message = LINES[name]

    act(world)

    told: list[Line] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {line["lambdaRequestId"] for line in told} == {"lambda-1"}
    [line] = [line for line in told if line["message"] == message]
    assert world.job_id in (line.get("jobId"), *line.get("jobIds", ()))
    if name in ("submit", "cancel", "worker", "push, a subscription", "push, an end"):
        assert line["runId"] == world.run_id
    if name in ("submit", "status", "cancel", "push, a subscription"):
        assert line["requestId"] == "request-1"


def test_every_function_is_looked_at_here() -> None:
    here = {name.split(",")[0] for name in LINES}

    assert here == {each.removesuffix("Function").lower() for each in FUNCTIONS}
