"""`make sam-local` answers like `make run`, with the functions in containers of Docker."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import samcli

from local.child import free_port
from local.toolchain import REPOSITORY
from tests.patience import HANG_SECONDS

# The first time an image of 700 MB is fetched.
READY_SECONDS = 600
BODY = {"ingredients": ["egg", "rice"], "count": 1, "locale": "en"}


def _why_not() -> str:
    try:
        asked = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"], capture_output=True, text=True
        )
    except FileNotFoundError:
        return "Docker is not installed"
    return "" if asked.returncode == 0 else f"no Docker daemon answers: {asked.stderr.strip()}"


pytestmark = pytest.mark.skipif(bool(_why_not()), reason=f"sam local needs Docker: {_why_not()}")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`make sam-local`, ready, and stopped like a Ctrl-C."""
    assert Path(samcli.__file__).is_file()
    said = tmp_path_factory.mktemp("sam-local") / "said"
    address = f"http://127.0.0.1:{free_port()}"
    with said.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "local.sam_local"),
                *("--port", address.rpartition(":")[2], "--model-delay", "0.5"),
            ],
            cwd=REPOSITORY,
            env=dict(os.environ),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    give_up = time.monotonic() + READY_SECONDS
    while f"ready {address}" not in said.read_text():
        assert process.poll() is None, said.read_text()
        assert time.monotonic() < give_up, said.read_text()
        time.sleep(0.5)
    yield address
    process.send_signal(signal.SIGINT)
    assert process.wait(HANG_SECONDS + 90) == 0, said.read_text()
    assert said.read_text().endswith("stopped\n")


@pytest.fixture(scope="module")
def alice(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=HANG_SECONDS, trust_env=False) as client:
        token = client.get("/dev/token", params={"user": "alice"}).text
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def test_job_is_completed_by_the_worker_in_its_container(alice: httpx2.Client) -> None:
    answer = alice.post("/recipe/generate", json=BODY)
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["jobId"]

    give_up = time.monotonic() + 2 * HANG_SECONDS
    document = answer.json()
    while document["status"] not in ("completed", "failed"):
        assert time.monotonic() < give_up, document
        time.sleep(1)
        document = alice.get(f"/recipe/status/{job_id}").json()
    assert document["status"] == "completed", document
    assert len(document["result"]["recipes"]) == 1

    again = alice.post("/recipe/generate", json=BODY)
    assert (again.status_code, again.json()["cached"]) == (200, True)


@pytest.mark.parametrize("authorization", ["", "Bearer e30.eyJzdWIiOiJhbGljZSJ9.x"])
def test_nobody_is_let_in_by_a_token_of_his_own_making(url: str, authorization: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    answer = httpx2.post(f"{url}/recipe/generate", json=BODY, headers=headers, trust_env=False)

    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
