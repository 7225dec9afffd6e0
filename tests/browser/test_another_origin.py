"""A web app on another origin than the API, which only a browser keeps apart: the web client there,
and the API at the gateway's own address."""

import threading
import uuid
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from local.emulator.deployment import Deployment
from local.emulator.stack import Emulator
from local.model.stand_in import StandIn
from local.toolchain import REPOSITORY
from tests.integration.conftest import deploy

# How the job ended, and what the page could read of each answer. Its pauses are a tenth of what
# they should be; for an answer it waits as long as ever.
RUN_A_JOB = """async ({ baseUrl, token, ingredient, push }) => {
    const { SimmerClient } = await import("/simmer.js");
    const answers = [];
    const simmer = new SimmerClient({
        baseUrl,
        token,
        push,
        pushTimeoutMs: 60_000, // a slow start must not look like no push
        fetch: async (...request) => {
            const answer = await fetch(...request);
            const read = (name) => answer.headers.get(name);
            answers.push([answer.status, read("Location"), read("Retry-After")]);
            return answer;
        },
        clock: {
            now: () => Date.now(),
            setTimeout: (callback, ms) => setTimeout(callback, ms < 4000 ? ms / 10 : ms),
            clearTimeout: (timer) => clearTimeout(timer),
        },
    });
    const job = simmer.job();
    const request = { ingredients: [ingredient], count: 1, locale: "en" };
    await job.submit(request, { fresh: true }).catch(() => {});
    const { id, state, transport, error } = job;
    return { id, state, transport, code: error?.code, answers };
}"""


class Elsewhere:
    """A host of web pages, on a port of its own."""

    def __init__(self, port: int) -> None:
        self.origin = f"http://127.0.0.1:{port}"
        self.other_origin = f"http://localhost:{port}"  # the same pages


@pytest.fixture(scope="module")
def elsewhere(browser: Browser) -> Iterator[Elsewhere]:
    pages = partial(SimpleHTTPRequestHandler, directory=REPOSITORY / "clients" / "web")
    with ThreadingHTTPServer(("127.0.0.1", 0), pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Elsewhere(server.server_port)
        server.shutdown()


@pytest.fixture(scope="module")
def emulator(browser: Browser) -> Iterator[Emulator]:
    with Emulator(lambda_concurrency=16) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def open_api(emulator: Emulator, model: StandIn, elsewhere: Elsewhere) -> Deployment:
    """Open to that host's pages, and to some other's."""
    origins = f"https://app.example,{elsewhere.origin}"
    return deploy(emulator, model, "open", AllowedOrigins=origins)


@pytest.fixture(scope="module")
def closed_api(emulator: Emulator, model: StandIn) -> Deployment:
    """As it is deployed by default."""
    return deploy(emulator, model, "closed")


@pytest.fixture
def ingredient() -> str:
    return f"egg {uuid.uuid4().hex[:8]}"


def run_a_job(
    phone: BrowserContext, origin: str, api: Deployment, ingredient: str, *, push: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """What a page of that origin makes of a job, and the browser's complaints about the API."""
    page = phone.new_page()
    refused: list[str] = []
    page.on(
        "console",
        lambda message: refused.append(message.text) if "CORS policy" in message.text else None,
    )
    page.goto(origin)
    job: dict[str, Any] = page.evaluate(
        RUN_A_JOB,
        {
            "baseUrl": api.api_url,
            "token": api.token("alice"),
            "ingredient": ingredient,
            "push": push,
        },
    )
    return job, refused


def test_page_of_an_allowed_origin_runs_a_job_and_reads_the_headers_it_needs(
    phone: BrowserContext, elsewhere: Elsewhere, open_api: Deployment, ingredient: str
) -> None:
    job, refused = run_a_job(phone, elsewhere.origin, open_api, ingredient)

    assert (job["state"], job["transport"], refused) == ("completed", "polling", []), job
    statuses, locations, pauses = zip(*job["answers"], strict=True)
    assert statuses == (202, *[200] * (len(statuses) - 1))
    assert locations[0] == f"status/{job['id']}"
    assert None not in pauses[:-1], "every answer but the last says when to ask again"


def test_push_needs_no_permission_of_its_own(
    phone: BrowserContext, elsewhere: Elsewhere, open_api: Deployment, ingredient: str
) -> None:
    job, refused = run_a_job(phone, elsewhere.origin, open_api, ingredient, push=True)

    assert (job["state"], job["transport"], refused) == ("completed", "push", []), job
    assert [status for status, *_ in job["answers"]] == [202]


def test_gateway_has_no_cors_unless_an_origin_is_given(
    emulator: Emulator, closed_api: Deployment, open_api: Deployment
) -> None:
    closed, opened = (
        emulator.client("apigatewayv2").get_api(ApiId=deployment.api_id)
        for deployment in (closed_api, open_api)
    )

    assert "CorsConfiguration" not in closed
    assert "CorsConfiguration" in opened


@pytest.mark.parametrize(
    ("api", "host"),
    [("closed_api", "origin"), ("open_api", "other_origin")],
    ids=["no origin is allowed", "other origins are"],
)
def test_browser_keeps_a_page_of_any_other_origin_from_the_api(
    phone: BrowserContext,
    elsewhere: Elsewhere,
    model: StandIn,
    ingredient: str,
    request: pytest.FixtureRequest,
    api: str,
    host: str,
) -> None:
    deployment = request.getfixturevalue(api)

    job, refused = run_a_job(phone, getattr(elsewhere, host), deployment, ingredient)

    assert (job["state"], job["code"], job["answers"]) == ("failed", "unreachable", []), job
    assert refused
    assert model.calls(ingredient) == [], "it was not even submitted"
