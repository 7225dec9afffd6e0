"""What this machine's helper servers answer to a browser's page, and to a name that leads here."""

import ast
import asyncio
import importlib
import re
import socket
import sys
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from werkzeug.test import Client

from bench.instructions import services
from local import front
from local.model import server as stand_in
from local.sam_local.guarded_sam import KEY_HEADER, guarded
from local.toolchain import REPOSITORY
from local.webhook import WebhookReceiver

pytestmark = pytest.mark.enable_socket

FOREIGN_HOSTS = (
    *("attacker.example", "attacker.example:80", "127.0.0.1.attacker.example"),
    *("localhost.attacker.example:3000", "attacker.example#127.0.0.1", "127.0.0.2", ""),
)
OF_OTHER_PAGES: tuple[dict[str, str], ...] = (
    *({"Host": host} for host in FOREIGN_HOSTS),
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "https://attacker.example"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://localhost"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)
each_kind = pytest.mark.parametrize("headers", OF_OTHER_PAGES, ids=lambda each: repr(each)[1:-1])


def _asked(app: web.Application, *requests: tuple[str, str, Mapping[str, str], str]) -> list[int]:
    """The statuses that an application answers, over a socket."""

    async def ask() -> list[int]:
        server = TestServer(app)
        await server.start_server()
        async with ClientSession() as session:
            statuses = []
            for method, path, headers, body in requests:
                url = f"http://127.0.0.1:{server.port}{path}"
                async with session.request(method, url, headers=headers, data=body) as answer:
                    statuses.append(answer.status)
        await server.close()
        return statuses

    return asyncio.run(asyncio.wait_for(ask(), 60))


@each_kind
def test_no_page_scripts_the_stand_in_or_reads_its_calls(headers: Mapping[str, str]) -> None:
    text = {"Content-Type": "text/plain;charset=UTF-8"}
    script = ("POST", "/control/script", text, '{"answers": ["500"]}')
    nothing: dict[str, str] = {}
    calls = ("GET", "/control/calls", nothing, "")
    hostile = [(*each[:2], {**each[2], **headers}, each[3]) for each in (script, calls)]

    app = stand_in.application(0)
    assert _asked(app, *hostile, script, calls) == [403, 403, 200, 200]


PATHS = ("/dev/token?user=alice", "/dev/tasks", "/dev/info", "/dev/trace/x", "/dev/webhook")


def _front() -> web.Application:
    return front.application(
        "http://127.0.0.1:9", lambda user: f"a token of {user}", "stand-in",
        routes=WebhookReceiver(lambda: "whsec_AAAA").routes(lambda _: "alice"),
    )  # fmt: skip


@each_kind
@pytest.mark.parametrize("path", [*PATHS, "/%64ev/token?user=alice", "/dev/push"])
def test_no_page_gets_what_the_front_gives_away(path: str, headers: Mapping[str, str]) -> None:
    (status,) = _asked(_front(), ("GET", path, headers, ""))
    assert status in (403, 421)


def test_its_own_page_gets_it() -> None:
    async def of_the_page() -> list[int]:
        server = TestServer(_front())
        await server.start_server()
        own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
        async with ClientSession() as session:
            answers = []
            for path in PATHS:
                url = f"http://127.0.0.1:{server.port}{path}"
                async with session.get(url, headers=own) as answer:
                    answers.append(answer.status)
        await server.close()
        return answers

    assert asyncio.run(of_the_page()) == [200] * len(PATHS)


def test_no_page_frames_the_page() -> None:
    async def framed() -> str | None:
        server = TestServer(_front())
        await server.start_server()
        url = f"http://127.0.0.1:{server.port}/"
        async with ClientSession() as session, session.get(url) as answer:
            policy = answer.headers.get("X-Frame-Options")
        await server.close()
        return policy

    assert asyncio.run(framed()) == "DENY"


@each_kind
def test_no_page_reaches_through_the_gate_of_the_containers(headers: Mapping[str, str]) -> None:
    async def reached() -> list[int]:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        # 502: it was let through, and nobody is there.
        runner = front.runner(front.gate("http://127.0.0.1:9", address))
        await runner.setup()
        await web.SockSite(runner, listener).start()
        async with ClientSession() as session:
            answers = []
            for sent in (headers, {}):
                async with session.post(f"http://{address}/", headers=sent) as answer:
                    answers.append(answer.status)
        await runner.cleanup()
        return answers

    hostile, own = asyncio.run(reached())
    assert hostile in (403, 421)
    assert own == 502


@each_kind
def test_no_page_fills_the_table_of_a_bench(headers: Mapping[str, str]) -> None:
    async def ask(url: str) -> list[int]:
        async with ClientSession() as session:
            answers = []
            for sent in (headers, {}):
                async with session.post(f"{url}/v1", data="{}", headers=sent) as answer:
                    answers.append(answer.status)
            return answers

    with services.serving() as running:
        assert asyncio.run(ask(running.url)) == [403, 200]


# What starts to listen, by the names of aiohttp, of the standard library and of asyncio.
LISTENING = {
    *("Application", "HTTPServer", "ThreadingHTTPServer", "TCPServer", "ThreadingTCPServer"),
    *("start_server", "make_server", "run_simple"),
}


def _calls(path: Path) -> list[ast.Call]:
    calls = [each for each in ast.walk(ast.parse(path.read_text())) if isinstance(each, ast.Call)]
    return [call for call in calls if ast.unparse(call.func).rpartition(".")[2] in LISTENING]


SERVING = [
    path
    for room in ("local", "bench", "admin", "deploy")
    for path in sorted((REPOSITORY / room).rglob("*.py"))
    if _calls(path)
]


@pytest.mark.parametrize("path", SERVING, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_whatever_listens_on_this_machine_has_a_guard(path: Path) -> None:
    """A new server of ours without one fails here; others' servers have a test of their own."""
    # The standard library's server has its guard where it answers, aiohttp's where it is made.
    has_guard = "refusal(" in path.read_text()
    for call in _calls(path):
        options = {each.arg: ast.unparse(each.value) for each in call.keywords}
        guard = options.get("middlewares", "")
        assert has_guard or re.search("for_programs|_only_for", guard), ast.unparse(call)


def test_servers_are_found() -> None:
    found = {str(path.relative_to(REPOSITORY)) for path in SERVING}
    assert found >= {"local/front.py", "local/model/server.py", "bench/load/servers.py"}


@pytest.mark.parametrize("headers", [{}, {KEY_HEADER: ""}, {KEY_HEADER: "another"}])
def test_sam_serves_nobody_without_the_key_of_the_run(headers: Mapping[str, str]) -> None:
    seen: list[dict[str, Any]] = []

    def sam(_app: None, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return [b""]

    client = Client(lambda environ, start: guarded(sam, "the key")(None, environ, start))

    assert client.post("/2015-03-31/functions/f/invocations", headers=headers).status_code == 403
    assert seen == []
    assert client.post("/", headers={KEY_HEADER: "the key"}).status_code == 200
    assert "the key" not in seen[0].values()


def test_small_model_answers_whoever_has_its_key_and_no_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own server lets every page read, and guards all but `/health` by a key."""
    module, params = types.ModuleType("xllamacpp"), MagicMock()
    module.CommonParams = lambda: params  # type: ignore[attr-defined]
    module.Server = MagicMock(side_effect=SystemExit)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "xllamacpp", module)
    monkeypatch.setenv("SMALL_MODEL_KEY", "a random key")
    server = importlib.import_module("local.model.small.server")
    monkeypatch.setattr(server, "_weights", lambda: "weights")

    with pytest.raises(SystemExit):
        server.main()

    module.Server.assert_called_once_with(params)
    assert params.api_keys == ["a random key"]
    assert params.cors_origins == ""
    monkeypatch.delitem(sys.modules, "local.model.small.server")
