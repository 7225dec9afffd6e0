"""`make run HOST=…` as a phone on the desk meets it: another address, its socket, its status."""

import json
import signal
import subprocess
import uuid
from collections.abc import Iterator

import httpx2
import pytest
from websockets.sync.client import connect

from local.child import free_port
from local.toolchain import REPOSITORY
from simmer_client import Client
from tests.patience import HANG_SECONDS

ADDRESS = "127.0.0.2"  # of this machine, and not the one that is bound to without a word
PORT = free_port()
URL = f"http://{ADDRESS}:{PORT}"


@pytest.fixture(scope="module")
def token() -> Iterator[str]:
    process = subprocess.Popen(
        ["make", "run", f"PORT={PORT}", f"HOST={ADDRESS}", "MODEL_DELAY=1"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    try:
        ready = next((line for line in process.stdout if line.startswith("ready ")), "")
        assert ready.split() == ["ready", URL]
        yield httpx2.get(f"{URL}/dev/token", params={"user": "alice"}, trust_env=False).text
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(HANG_SECONDS)


def body() -> dict[str, object]:
    return {"ingredients": [f"leek {uuid.uuid4().hex[:8]}"], "count": 1, "locale": "en"}


def test_what_a_submit_offers_can_be_reached_there(token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=URL, headers=headers, trust_env=False) as http:
        submitted = http.post("/recipe/generate", json=body()).json()
        status = http.get(submitted["statusUrl"]).json()

    push = submitted["push"]
    assert push["url"] == f"ws://{ADDRESS}:{PORT}/dev/push"
    assert status["jobId"] == submitted["jobId"]
    subscribe = {"action": "subscribe", "jobId": submitted["jobId"], "token": push["token"]}
    with connect(push["url"], proxy=None) as sock:
        sock.send(json.dumps(subscribe))
        states = []
        while "completed" not in states:
            states.append(json.loads(sock.recv(HANG_SECONDS))["status"])
    assert set(states) <= {"pending", "processing", "completed"}


def test_a_client_follows_a_job_from_there(token: str) -> None:
    with Client(URL, token) as client:
        assert client.job("recipe", body()).wait().result["recipes"]


def test_it_is_not_reached_by_this_machines_usual_address(token: str) -> None:
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"http://127.0.0.1:{PORT}/", trust_env=False)
