"""Web pages that nobody meant to let in, in a browser, against every port that `make run` opens.

They come from another port of this machine, from a name that its owner lets lead here, from no
origin at all (a frame in a sandbox), and from a foreign name with the very port that they attack.
"""

import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx2
import pytest
from playwright.sync_api import Browser, Page

from local.child import free_port
from local.toolchain import BUILD, REPOSITORY
from tests.browser import chromium
from tests.integration.test_make_run import _processes_of as processes_of
from tests.patience import HANG_SECONDS

# Resolved by the browser alone: as if the owner of the name had let it lead to this machine.
REBOUND = "rebound.example"

# What could be read or done if nothing stood before it. `{function}` is one that is deployed.
READS = (
    *("/", "/v1/models", "/control/calls", "/dev/token?user=alice", "/dev/info", "/dev/tasks"),
    *("/dev/webhook", "/dev/trace/x", "/_ministack/health", "/?Action=ListQueues"),
    *(
        "/?Action=ListQueues&X-Amz-Credential=test/1/us-east-1/sqs/aws4_request",
        "/2015-03-31/functions",
    ),
    *("/health", "/props", "/metrics"),
)
ACTS = (
    ("/control/script", '{"answers": ["500"], "match": "attacked"}'),
    ("/control/mix", '{"rates": {"500": 1.0}}'),
    ("/control/delay", '{"seconds": 1000000}'),
    ("/v1/chat/completions", '{"model": "stand-in-small", "messages": [], "note": "attacked"}'),
    ("/", "Action=CreateQueue&QueueName=attacked&Version=2012-11-05"),
    ("/?Action=CreateQueue&QueueName=attacked", "AWSAccessKeyId=test"),
    ("/attacked?X-Amz-Credential=test/1/us-east-1/s3/aws4_request", "attacked"),
    ("/2015-03-31/functions/{function}/invocations", '{"Records": [], "attacked": 1}'),
    ("/dev/webhook", '{"data": {"id": "attacked"}}'),
    ("/recipe/generate", '{"ingredients": ["attacked"]}'),
)  # fmt: skip

# With a key that everybody knows, by a path that pages may use.
SIGNED = {
    "authorization": "AWS4-HMAC-SHA256 Credential=test/1/us-east-1/secretsmanager/aws4_request, "
    "SignedHeaders=host, Signature=0",
    "x-amz-target": "secretsmanager.ListSecrets",
    "content-type": "application/x-amz-json-1.1",
}
# What is refused is so at once. What was let in may have no end.
HANG_MS = 120_000

# In the page: what it read with a status below 400, and which sockets opened.
ATTACK = """async ({ port, reads, acts }) => {
    const own = `http://127.0.0.1:${port}`;
    const bases = location.port === String(port) ? ["", own] : [own, `http://localhost:${port}`];
    const got = [];
    const tried = (async () => {
        for (const base of bases) {
            const ask = async (path, options) => {
                try {
                    const answer = await fetch(base + path, { ...options, redirect: "follow" });
                    if (answer.type !== "opaque" && answer.status < 400) {
                        got.push([options.method, base + path, (await answer.text()).slice(0, 80)]);
                    }
                } catch {} // the browser keeps it from the page
            };
            for (const path of reads) {
                await ask(path, { method: "GET" });
                await ask(path, { method: "GET", mode: "no-cors", credentials: "include" });
                await new Promise((done) => {
                    const script = document.createElement("script");
                    script.src = base + path;
                    script.onload = script.onerror = done;
                    document.head.append(script);
                });
            }
            for (const path of ["/", "/_aws/execute-api/x", "/_aws/execute-api/", "/x"]) {
                await ask(path, { method: "POST", headers: SIGNED, body: "{}" });
            }
            const types = ["text/plain", "application/x-www-form-urlencoded", "application/json"];
            for (const [path, body] of acts) {
                for (const type of types) {
                    const headers = { "content-type": type };
                    await ask(path, { method: "POST", mode: "no-cors", headers, body });
                    await ask(path, { method: "POST", headers, body });
                }
                navigator.sendBeacon(base + path, body);
            }
        }
        for (const path of ["/", "/dev/push", "/dev/webhook"]) {
            const opened = await new Promise((done) => {
                const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`);
                socket.onopen = () => done(true);
                socket.onerror = socket.onclose = () => done(false);
            });
            if (opened) got.push(["socket", path, ""]);
        }
    })();
    const hang = new Promise((done) => setTimeout(done, HANG_MS, ["no end", location.href, ""]));
    const end = await Promise.race([tried, hang]);
    return end ? [...got, end] : got;
}""".replace("SIGNED", json.dumps(SIGNED)).replace("HANG_MS", str(HANG_MS))


@dataclass(frozen=True)
class Run:
    """A `make run`, and what it listens on."""

    url: str
    ports: frozenset[int]
    stand_in: str
    aws: Any

    def token(self, user: str) -> str:
        return httpx2.get(f"{self.url}/dev/token", params={"user": user}, trust_env=False).text


def _listening(pids: set[int]) -> frozenset[int]:
    """The TCP ports that these processes listen on, as /proc has it."""
    inodes = {
        link.readlink().name
        for pid in pids
        for link in Path(f"/proc/{pid}/fd").glob("*")
        if link.is_symlink()
    }
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return frozenset(
        int(row[1].rpartition(":")[2], 16)
        for row in rows
        if row[3] == "0A" and f"socket:[{row[9]}]" in inodes
    )


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium.path()
    if executable is None:
        pytest.skip(chromium.HOW_TO_INSTALL)
    with chromium.launched(executable, f"--host-resolver-rules=MAP {REBOUND} 127.0.0.1") as found:
        yield found


@pytest.fixture(scope="module")
def run(browser: Browser) -> Iterator[Run]:
    port = free_port()
    process = subprocess.Popen(
        ["make", "run", f"PORT={port}", "MODEL_DELAY=0"],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout
    try:
        assert any(line.startswith("ready ") for line in process.stdout)
        said = (BUILD / "aws.env").read_text()
        written = dict(re.findall(r"^export (\w+)=(.*)$", said, re.MULTILINE))
        ports = _listening(processes_of(process.pid))
        endpoint = written["AWS_ENDPOINT_URL"]
        (other,) = ports - {port, int(endpoint.rpartition(":")[2])}
        session: Any = boto3.Session(
            written["AWS_ACCESS_KEY_ID"],
            written["AWS_SECRET_ACCESS_KEY"],
            region_name=written["AWS_DEFAULT_REGION"],
        )
        client = partial(session.client, endpoint_url=endpoint)
        yield Run(f"http://127.0.0.1:{port}", ports, f"http://127.0.0.1:{other}", client)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(HANG_SECONDS)


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[int]:
    """The port of an attacker's pages."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            frame = "<iframe sandbox='allow-scripts' srcdoc='<p>nobody'></iframe>"
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(f"<!doctype html><title>evil</title>{frame}".encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


ORIGINS = ("another port", "a name that leads here", "no origin", "its port by a foreign name")


@pytest.mark.parametrize("origin", ORIGINS)
def test_no_foreign_page_reads_or_does_anything_on_any_port(
    browser: Browser, run: Run, elsewhere: int, origin: str
) -> None:
    function = run.aws("lambda").list_functions()["Functions"][0]["FunctionName"]
    acts = [(path.replace("{function}", function), body) for path, body in ACTS]
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    got = []
    for port in sorted(run.ports):
        frame = _page_of(page, origin, elsewhere, port)
        got += frame.evaluate(ATTACK, {"port": port, "reads": READS, "acts": acts})
    context.close()

    assert len(run.ports) >= 3, "the front, the emulator, the stand-in"
    assert got == []
    _assert_untouched(run)


def _page_of(page: Page, origin: str, elsewhere: int, port: int) -> Any:
    host, at = {
        "another port": ("localhost", elsewhere),
        "a name that leads here": (REBOUND, elsewhere),
        "no origin": ("localhost", elsewhere),
        "its port by a foreign name": (REBOUND, port),
    }[origin]
    page.goto(f"http://{host}:{at}/")
    return page.frames[1] if origin == "no origin" else page


def _assert_untouched(run: Run) -> None:
    calls = httpx2.get(f"{run.stand_in}/control/calls", trust_env=False).json()
    assert calls["count"] <= 1, "but for the warm-up nobody asked the model"
    headers = {"authorization": f"Bearer {run.token('alice')}"}
    asked = httpx2.post(
        f"{run.stand_in}/v1/chat/completions",
        json={"model": "stand-in-small", "messages": [{"role": "user", "content": "attacked"}]},
        headers=headers,
        trust_env=False,
        timeout=HANG_SECONDS,
    )
    assert asked.status_code == 200, "it was scripted"
    httpx2.post(f"{run.stand_in}/control/reset", trust_env=False)
    assert not run.aws("sqs").list_queues(QueueNamePrefix="attacked").get("QueueUrls")
    buckets = [each["Name"] for each in run.aws("s3").list_buckets()["Buckets"]]
    assert "attacked" not in buckets
    told = httpx2.get(f"{run.url}/dev/webhook", trust_env=False).text
    assert "attacked" not in told
    table = run.aws("dynamodb").list_tables()["TableNames"][0]
    assert "attacked" not in json.dumps(run.aws("dynamodb").scan(TableName=table)["Items"])


def test_the_page_of_the_run_itself_reads_all_of_it(browser: Browser, run: Run) -> None:
    """Else the test above could not fail: the same script, on the front's own page."""
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(f"{run.url}/")
    port = int(run.url.rpartition(":")[2])

    got = page.evaluate(ATTACK, {"port": port, "reads": READS, "acts": []})

    read = {path.removeprefix(run.url) for _, path, _ in got}
    assert {"/", "/dev/token?user=alice", "/dev/tasks", "/dev/webhook"} <= read
    context.close()
