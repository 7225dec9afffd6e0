"""`make try-small-model`: real answers of a real small model, through the deployed application.

It starts `make run MODEL=local`, sends requests like the app's one after another, and holds what
comes back against an independent JSON-Schema validator, the fit to the request and the app's own
interface. The model is tiny and its recipes are nonsense: that jobs fail is expected; what is tried
is that every failure has a name and that no result is invalid.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from rich import box
from rich.progress import track
from rich.table import Table

from bench.terminal import console
from local.child import free_port
from local.toolchain import BUILD, REPOSITORY
from tests.fuzz.judge import objections

type Json = dict[str, Any]

# Named in the contract; anything else would be a failure without a name.
ERROR_CODES = (
    *("invalid_output", "refused", "model_unavailable"),
    *("deadline_exceeded", "budget_exceeded", "internal"),
)
_ENDINGS = {"stop": "whole", "truncated": "cut short"}  # the log's words, in the table's
OPEN = ("pending", "processing")
MOST_SECONDS_A_JOB = 400

REQUESTS: list[Json] = [
    {"ingredients": ["tofu", "kimchi"], "servings": 2, "count": 1, "locale": "en"},
    {"ingredients": ["rice"], "servings": 4, "count": 1, "locale": "en"},
    {"ingredients": ["chicken", "garlic", "lemon"], "servings": 4, "count": 1, "locale": "en"},
    {"ingredients": ["potato", "cheese"], "servings": 3, "count": 1, "locale": "en"},
    {"ingredients": ["egg"], "servings": 1, "count": 1, "locale": "en", "maxCookingTime": 30},
    {"ingredients": ["두부", "김치"], "servings": 2, "count": 1, "locale": "ko"},
    {"ingredients": ["pasta", "tomato"], "servings": 2, "count": 1, "locale": "en"},
    {"ingredients": ["apple", "flour"], "servings": 6, "count": 1, "locale": "en"},
    {"ingredients": ["beef"], "servings": 4, "count": 2, "locale": "en", "difficulty": "easy"},
    {"ingredients": ["onion", "carrot"], "servings": 4, "count": 1, "locale": "en"},
]


@dataclass(frozen=True, slots=True)
class Tried:
    """The end of one job."""

    request: Json
    status: Json  # the last status document
    calls: Counter[str]  # of the model, by how they ended
    seconds: float
    objections: list[str]  # why the result must not reach an app; or that there is no good end

    @property
    def end(self) -> str:
        code = self.status.get("errorCode")
        return f"{self.status['status']}: {code}" if code else str(self.status["status"])


def main() -> int:
    arguments = argparse.ArgumentParser(prog="make try-small-model", description=__doc__)
    arguments.add_argument("--n", type=int, default=len(REQUESTS), help="how many generations")
    given = arguments.parse_args()
    out = console()
    # With a key of its own each is a generation of its own, even when a request comes round again.
    requests = [REQUESTS[i % len(REQUESTS)] for i in range(given.n)]
    with _running() as url:
        http = httpx2.Client(base_url=url, timeout=60, trust_env=False)
        token = http.get("/dev/token", params={"user": "alice"}).text
        http.headers["Authorization"] = f"Bearer {token}"
        jobs = track(requests, "generating", transient=True, disable=not out.is_terminal)
        tried = [_try(http, request) for request in jobs]
    out.print(_table(tried))
    ends = Counter(each.end for each in tried)
    invalid = sum(bool(each.objections) for each in tried)
    calls = sum((each.calls for each in tried), Counter[str]()).total()
    out.print(
        f"{len(tried)} jobs, {calls} calls: "
        + ", ".join(f"{n} {end}" for end, n in ends.most_common())
        + f"; invalid results delivered: {invalid}"
    )
    return 1 if invalid else 0


@contextmanager
def _running() -> Iterator[str]:
    """The address of a `make run MODEL=local` that is ready."""
    port = free_port()
    command = ["make", "--no-print-directory", "run", "MODEL=local", f"PORT={port}"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        for line in process.stdout:
            if line.startswith("ready "):
                yield line.split()[1]
                return
            print(line, end="", flush=True)
        raise SystemExit("make run ended before it was ready")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(180)  # on a busy disk it takes its time to remove the emulator's files


def _try(http: httpx2.Client, request: Json) -> Tried:
    started = time.monotonic()
    accepted = http.post(
        "/recipe/generate", json=request, headers={"Idempotency-Key": str(uuid.uuid4())}
    )
    accepted.raise_for_status()
    url = accepted.json()["statusUrl"]
    while True:
        answer = http.get(url)
        answer.raise_for_status()
        status: Json = answer.json()
        seconds = time.monotonic() - started
        if status["status"] not in OPEN or seconds > MOST_SECONDS_A_JOB:
            found = end_objections(request, status, answer.text)
            return Tried(request, status, _calls(status["jobId"]), seconds, found)
        time.sleep(status["pollAfterMs"] / 1000)


def _calls(job_id: str) -> Counter[str]:
    """The worker's log lines about its calls for that job."""
    calls: Counter[str] = Counter()
    for log in (BUILD / "logs").glob("emulator-*.log"):
        for line in log.read_text("utf-8", "replace").splitlines():
            if job_id in line and '"model call"' in line:
                calls[json.loads(line)["ending"]] += 1
    return calls


def end_objections(request: Json, status: Json, body: str) -> list[str]:
    """Nothing, for a valid result and for a failure with a name."""
    match status["status"]:
        case "completed":
            text = _result_text(body)
            return objections(request, text, text)
        case "failed" if status["errorCode"] in ERROR_CODES and "result" not in status:
            return []
    return [f"ended as {status}"]


def _result_text(body: str) -> str:
    """The result as it stands in the answer: parsing would hide a key that is there twice."""
    start = body.index('"result":') + len('"result":')
    start += len(body[start:]) - len(body[start:].lstrip())
    _, end = json.JSONDecoder().raw_decode(body, start)
    return body[start:end]


def _table(tried: list[Tried]) -> Table:
    table = Table("", "asked for", "model calls", "s", "ended as", "checked", box=box.SIMPLE_HEAD)
    for n, each in enumerate(tried, 1):
        asked = f"{', '.join(each.request['ingredients'])} for {each.request['servings']}"
        calls = ", ".join(f"{count} {_ENDINGS.get(end, end)}" for end, count in each.calls.items())
        recipes = each.status.get("result", {}).get("recipes", [])
        checked = "; ".join(each.objections) or ("valid" if recipes else "nothing got out")
        table.add_row(str(n), asked, calls, f"{each.seconds:.0f}", each.end, checked)
    return table


if __name__ == "__main__":
    sys.exit(main())
