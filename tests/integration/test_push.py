"""Push over real WebSockets: a subscriber gets the documents and never has to poll."""

import json
import re
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from tests.integration.api import TERMINAL, Api
from tests.integration.conftest import changed_template, deploy
from tests.integration.test_permissions import WithoutAction, template_without
from tests.patience import HANG_SECONDS

__all__ = ["template_without"]  # a fixture

WITHIN_SECONDS = HANG_SECONDS


def unique(name: str) -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


class Subscriber:
    """A client on its WebSocket."""

    def __init__(self, socket: ClientConnection, accepted: dict[str, Any]) -> None:
        self.socket, self.accepted = socket, accepted

    def say(self, text: str) -> str:
        self.socket.send(text)
        return self.hear()

    def subscribe(self, **changed: str) -> str:
        message = {
            "action": "subscribe",
            "jobId": self.accepted["jobId"],
            "token": self.accepted["push"]["token"],
        }
        return self.say(json.dumps(message | changed))

    def hear(self, within_seconds: float = WITHIN_SECONDS) -> str:
        frame = self.socket.recv(timeout=within_seconds)
        assert isinstance(frame, str)
        return frame

    def hear_end(self) -> str:
        """The frame of the end; what is told before is that the job's turn has come."""
        while True:
            frame = self.hear()
            if json.loads(frame)["status"] in TERMINAL:
                return frame

    def hears_nothing(self, for_seconds: float) -> bool:
        try:
            self.socket.recv(timeout=for_seconds)
        except TimeoutError:
            return True
        return False


@contextmanager
def subscriber(accepted: dict[str, Any]) -> Iterator[Subscriber]:
    """Connected to where a 202 says."""
    with connect(accepted["push"]["url"], open_timeout=WITHIN_SECONDS, proxy=None) as socket:
        yield Subscriber(socket, accepted)


def submit(api: Api, ingredient: str, **fields: Any) -> dict[str, Any]:
    answer = api.submit(ingredient, **fields)
    assert answer.status_code == 202, answer.text
    document: dict[str, Any] = answer.json()
    return document


def problem(frame: str) -> tuple[int, str]:
    document = json.loads(frame)
    assert "jobId" not in document
    return document["status"], document["code"]


def test_subscriber_is_sent_the_document_and_then_the_end_to_the_byte(
    alice: Api, model: StandIn
) -> None:
    tofu = unique("tofu")
    model.script("slow:3", match=tofu)
    accepted = submit(alice, tofu)

    with subscriber(accepted) as phone:
        first = json.loads(phone.subscribe())
        end = phone.hear_end()

    assert first["jobId"] == accepted["jobId"]
    assert first["status"] in ("pending", "processing")
    assert json.loads(end)["status"] == "completed"
    assert end.encode() == alice.status(accepted["jobId"]).content


def test_subscriber_never_asks_for_the_status(
    emulator: Emulator, alice: Api, model: StandIn
) -> None:
    def polls() -> int:
        return len(re.findall(r'"route":"GET /\{task\}/status/', emulator.log.read_text()))

    before = polls()
    with ThreadPoolExecutor(5) as clients:
        ended = list(clients.map(lambda i: follow(submit(alice, unique(f"leek {i}"))), range(5)))

    assert {document["status"] for document in ended} == {"completed"}
    assert polls() == before


def follow(accepted: dict[str, Any]) -> dict[str, Any]:
    """By push alone."""
    with subscriber(accepted) as client:
        document: dict[str, Any] = json.loads(client.subscribe())
        while document["status"] not in TERMINAL:
            document = json.loads(client.hear())
        return document


def test_one_subscriber_that_has_gone_does_not_keep_the_other_from_the_end(
    alice: Api, model: StandIn
) -> None:
    egg = unique("egg")
    model.script("slow:4", match=egg)
    accepted = submit(alice, egg)

    with subscriber(accepted) as tablet:
        with subscriber(accepted) as phone:
            phone.subscribe()
        tablet.subscribe()

        assert json.loads(tablet.hear_end())["status"] == "completed"


def test_subscribing_to_a_finished_job_is_answered_with_its_end(alice: Api) -> None:
    accepted = submit(alice, unique("rice"))
    alice.wait(accepted["jobId"])

    with subscriber(accepted) as late:
        end = late.subscribe()

        assert end.encode() == alice.status(accepted["jobId"]).content
        assert late.hears_nothing(1)


def test_a_job_that_waits_is_told_its_turn_without_asking(
    emulator: Emulator, model: StandIn
) -> None:
    deployment = deploy(emulator, model, "turn")
    alice = Api(deployment.api_url, deployment.token("alice"))
    kale = unique("kale")
    model.script("slow:4", match=kale)

    with waiting_jobs(deployment) as go_on:
        accepted = submit(alice, kale)
        with subscriber(accepted) as phone:
            assert json.loads(phone.subscribe())["status"] == "pending"
            go_on()
            assert json.loads(phone.hear())["status"] == "processing"
            assert json.loads(phone.hear_end())["status"] == "completed"


@contextmanager
def waiting_jobs(deployment: Deployment) -> Iterator[Callable[[], None]]:
    """No worker is started before somebody calls what this gives."""
    client = deployment.emulator.client("lambda")
    queue = deployment.physical_id("JobsQueue").rpartition("/")[2]
    [mapping] = [
        each["UUID"]
        for each in client.list_event_source_mappings()["EventSourceMappings"]
        if each["EventSourceArn"].endswith(f":{queue}")
    ]
    client.update_event_source_mapping(UUID=mapping, Enabled=False)
    yield lambda: client.update_event_source_mapping(UUID=mapping, Enabled=True)


def test_asking_again_is_answered_and_the_end_still_comes_once(alice: Api, model: StandIn) -> None:
    onion = unique("onion")
    model.script("slow:4", match=onion)
    accepted = submit(alice, onion)

    with subscriber(accepted) as phone:
        seen = [json.loads(phone.subscribe())["progress"] for _ in range(3)]
        end = json.loads(phone.hear_end())

        assert seen == sorted(seen)
        assert end["status"] == "completed"
        assert phone.hears_nothing(1)


def test_cancelled_job_is_told_once_though_its_cost_is_written_later(
    deployment: Deployment, alice: Api, model: StandIn
) -> None:
    leek = unique("leek")
    model.script("slow:20", match=leek)
    accepted = submit(alice, leek)

    with subscriber(accepted) as phone:
        while json.loads(phone.subscribe())["status"] == "pending":
            pass
        answer = alice.request("POST", f"/recipe/cancel/{accepted['jobId']}")

        assert phone.hear_end().encode() == answer.content
        assert phone.hears_nothing(10)  # a heartbeat later the worker knows, and settles


def test_other_jobs_token_opens_nothing(alice: Api, bob: Api) -> None:
    mine, hers = submit(alice, unique("salt")), submit(bob, unique("pepper"))

    with subscriber(mine) as phone:
        assert problem(phone.subscribe(jobId=hers["jobId"])) == (401, "invalid_push_token")
        assert problem(phone.subscribe(token="nonsense")) == (401, "invalid_push_token")
        assert json.loads(phone.subscribe())["jobId"] == mine["jobId"]


def test_anything_else_that_is_said_is_answered_with_a_problem(alice: Api) -> None:
    with subscriber(submit(alice, unique("salt"))) as phone:
        assert problem(phone.say("hello")) == (400, "malformed_json")
        assert problem(phone.say("{}")) == (422, "invalid_request")
        assert problem(phone.say('{"action": "cancel"}')) == (422, "invalid_request")


def test_result_too_long_for_a_frame_is_left_out_of_it(alice: Api, model: StandIn) -> None:
    flour = unique("flour")
    recipes = [
        {
            "name": f"수제비 {number}",
            "ingredients": [flour],
            "instructions": "반죽을뗀다" * 1200,
            "cookingTime": 30,
            "difficulty": "easy",
            "servings": 2,
        }
        for number in range(2)
    ]
    content = json.dumps({"recipes": recipes}, ensure_ascii=False)
    # Without an outline there is one call.
    model.script("prose", "prose", {"kind": "raw", "content": content}, match=flour)
    accepted = submit(alice, flour, count=2)

    end = follow(accepted)

    polled = alice.status(accepted["jobId"])
    assert len(polled.content) > 32 * 1024
    document = polled.json()
    assert document.pop("result") == {"recipes": recipes}
    assert end == document


def test_without_the_right_to_send_nothing_reaches_a_subscriber(
    emulator: Emulator, model: StandIn, template_without: WithoutAction
) -> None:
    changed = template_without("execute-api:ManageConnections")
    deployment = deploy(emulator, model, "no-frames", template=changed)
    alice = Api(deployment.api_url, deployment.token("alice"))
    accepted = submit(alice, unique("silence"))

    with subscriber(accepted) as phone:
        # The emulator sends the exception's words; AWS says "Internal server error".
        assert accepted["jobId"] not in phone.subscribe()


def test_without_the_right_to_read_the_key_a_job_runs_without_push(
    emulator: Emulator, model: StandIn, tmp_path: Path
) -> None:
    """The other side of the same word in the template: only submit's statement is broken."""
    statement = "- Effect: Allow # sign push tokens\n                Action: secretsmanager:"
    changed = changed_template(tmp_path, statement, statement + "List")
    deployment = deploy(emulator, model, "no-push-key", template=changed)
    alice = Api(deployment.api_url, deployment.token("alice"))

    answer = alice.submit(unique("patience"))

    assert answer.status_code == 202
    assert "push" not in answer.json()
    assert alice.wait(answer.json()["jobId"])["status"] == "completed"
