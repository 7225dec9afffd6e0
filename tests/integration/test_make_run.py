"""`make run` as a newcomer meets it: it says when it is ready, does what the README shows, and
leaves nothing behind."""

import json
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from local.child import free_port
from local.emulator import sam
from local.toolchain import BUILD, REPOSITORY, TEMPLATE
from tests.integration.api import Api
from tests.patience import HANG_SECONDS

PORT = free_port()
URL = f"http://127.0.0.1:{PORT}"


@pytest.fixture(scope="module")
def running() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        ["make", "run", f"PORT={PORT}", "MODEL_DELAY=1"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    try:
        for line in process.stdout:
            if line.startswith("ready "):
                assert line.split()[1] == URL
                break
        else:
            pytest.fail("it ended before it was ready")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(
            HANG_SECONDS
        )  # it removes the unpacked functions, which a busy disk takes its time for


def token(user: str) -> str:
    return httpx2.get(f"{URL}/dev/token", params={"user": user}, trust_env=False).text


def test_make_smoke_finds_that_it_works(running: subprocess.Popen[str]) -> None:
    said = subprocess.run(
        ["make", "--no-print-directory", "smoke", f"URL={URL}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )

    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.splitlines()[-1] == f"{URL} works"


def test_when_it_is_ready_every_function_has_a_process(running: subprocess.Popen[str]) -> None:
    resources = sam.read(TEMPLATE)["Resources"]
    functions = {
        name for name, each in resources.items() if each["Type"] == "AWS::Serverless::Function"
    }
    pids = _processes_of(running.pid)
    logs = [log for pid in pids for log in (BUILD / "logs").glob(f"emulator-{pid}-*.log")]
    log = max(logs, key=lambda log: log.stat().st_mtime)  # process ids come again

    started = re.findall(r"worker spawned for simmer-(\w+)-", log.read_text())
    assert set(started) == functions


def test_the_lines_of_the_readme_end_with_a_result(running: subprocess.Popen[str]) -> None:
    readme = (REPOSITORY / "README.md").read_text()
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", readme, re.DOTALL))

    output = subprocess.run(
        ["bash", "-c", lines], cwd=REPOSITORY, capture_output=True, text=True, timeout=HANG_SECONDS
    ).stdout.splitlines()

    answers = [json.loads(line) for line in output if line.strip()]
    assert answers[0]["status"] == "submitted"
    completed = next(each for each in answers if each["status"] == "completed")
    assert completed["result"]["recipes"][0]["ingredients"] == ["egg", "kimchi", "rice"]
    assert answers[-1]["code"] == "invalid_request"


def test_twenty_clients_at_once_are_all_served(running: subprocess.Popen[str]) -> None:
    alice = Api(URL, token("alice"))
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda _: alice.submit("spam"), range(20)))

    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len({answer.json()["jobId"] for answer in answers}) == 1
    assert alice.wait(answers[0].json()["jobId"])["status"] == "completed"


def test_the_demo_page_is_served_and_asks_nobody_else(running: subprocess.Popen[str]) -> None:
    page = httpx2.get(URL, trust_env=False)

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page.text)


def test_interrupted_it_leaves_no_process_and_no_port(running: subprocess.Popen[str]) -> None:
    before = _processes_of(running.pid)
    assert len(before) > 2

    subprocess.run(["kill", "-INT", "--", f"-{running.pid}"], check=True)
    running.wait(HANG_SECONDS)

    # make itself is gone at once; what it ran takes a moment to stop what that has started.
    give_up = time.monotonic() + HANG_SECONDS
    while any(_is_alive(pid) for pid in before) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert not [pid for pid in before if _is_alive(pid)]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", PORT)) != 0


def _processes_of(session: int) -> set[int]:
    """Those of the run: its session's, and its children's, which have sessions of their own."""
    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in listing.splitlines()]
    children: dict[int, list[int]] = {}
    for pid, parent, state in rows:
        if not state.startswith("Z"):
            children.setdefault(int(parent), []).append(int(pid))
    found, waiting = set(), [session]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.add(child)
            waiting.append(child)
    return found


def _is_alive(pid: int) -> bool:
    return bool(
        subprocess.run(["ps", "-p", str(pid), "-o", "pid="], capture_output=True).stdout.strip()
    )
