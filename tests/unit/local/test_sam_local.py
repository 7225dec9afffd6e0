"""What `make sam-local` puts around `sam local`; tests/integration/test_sam_local.py runs it."""

import asyncio
import base64
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from local import front
from local.sam_local import functions
from local.sam_local.serving import _authorized
from local.serving import Failed
from local.toolchain import REPOSITORY, TEMPLATE

pytestmark = pytest.mark.enable_socket

CLAIMS = {"sub": "alice", "iss": "x"}
TOKEN = "e30." + base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).decode().rstrip("=") + ".s"


def test_functions_see_the_claims_of_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    app = types.ModuleType("app")
    app.handler = lambda event, context: (event, context)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "app", app)
    authorizer: dict[str, Any] = {}
    exec(functions.AUTHORIZER, authorizer)

    event = {"headers": {"Authorization": f"Bearer {TOKEN}"}, "requestContext": {}}
    seen, context = authorizer["handler"](event, "context")

    assert seen["requestContext"]["authorizer"]["jwt"]["claims"] == CLAIMS
    assert context == "context"


def test_nothing_of_the_authorizer_is_in_what_ships() -> None:
    shipped = [
        path
        for folder in ("functions", "layers")
        for path in (REPOSITORY / folder).rglob("*")
        if path.suffix in (".py", ".json", ".txt")
    ]

    assert len(shipped) > 50
    assert [
        path for path in shipped if functions.AUTHORIZER_MODULE in path.read_text("utf-8")
    ] == []
    assert functions.AUTHORIZER_MODULE not in TEMPLATE.read_text("utf-8")
    assert functions.BUILT.is_relative_to(REPOSITORY / ".build")  # what is deployed is .aws-sam


async def _ask(authorization: str, status: int) -> None:
    async def api(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application(middlewares=[_authorized({TOKEN})])
    app.add_routes([web.route("*", "/{path:.*}", api)])
    async with TestClient(TestServer(app)) as client:
        headers = {"Authorization": authorization} if authorization else {}
        answer = await client.get("/recipe/status/x", headers=headers)
        assert answer.status == status
        if status == 401:
            assert await answer.json() == {"message": "Unauthorized"}


@pytest.mark.parametrize(
    ("authorization", "status"),
    [(f"Bearer {TOKEN}", 200), (f"bearer {TOKEN}", 200), ("Bearer e30.e30.s", 401), ("", 401)],
)
def test_only_tokens_that_were_given_away_are_let_in(authorization: str, status: int) -> None:
    asyncio.run(_ask(authorization, status))


@pytest.mark.parametrize(("host", "status"), [("172.17.0.1:8000", 200), ("evil.example", 421)])
def test_gate_serves_containers_and_no_page_of_another_name(host: str, status: int) -> None:
    async def ask() -> None:
        async def service(request: web.Request) -> web.Response:
            return web.json_response({"host": request.host, "said": await request.text()})

        upstream = web.Application()
        upstream.add_routes([web.post("/", service)])
        async with TestServer(upstream) as server:
            address = f"http://127.0.0.1:{server.port}"
            gate = front.gate(address, "172.17.0.1:8000")
            async with TestClient(TestServer(gate)) as client:
                answer = await client.post("/", data="x", headers={"Host": host})
                assert answer.status == status
                if status == 200:
                    said = await answer.json()
                    assert said == {"host": f"127.0.0.1:{server.port}", "said": "x"}

    asyncio.run(ask())


def test_template_for_sam_has_the_functions_and_no_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(functions, "BUILT", tmp_path)
    (tmp_path / "template.yaml").write_text(TEMPLATE.read_text("utf-8"), "utf-8")
    variables = {"AWS_ENDPOINT_URL": "http://a", "JOBS_TABLE": "jobs", "JOBS_QUEUE_URL": "q"}

    path = functions.write_template("x86_64", variables)

    resources = json.loads(path.read_text())["Resources"]
    assert {*functions.API_FUNCTIONS, functions.WORKER} < set(resources)
    submit = resources["SubmitFunction"]["Properties"]
    assert submit["Environment"]["Variables"] == variables
    assert submit["Handler"] == "sam_local_authorizer.handler"
    assert submit["Events"]["Generate"]["Properties"]["Path"] == "/{task}/generate"
    worker = resources["WorkerFunction"]["Properties"]
    assert (worker["Handler"], worker["Events"]) == ("app.handler", {})


def test_without_docker_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(Failed, match="Docker, which is not installed"):
        functions.host_for_containers()
