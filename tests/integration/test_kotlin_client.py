"""The Kotlin client, compiled by the real compiler, against the vectors that all clients share.

The compiler comes from npm, as clients/kotlin/tools/package-lock.json has it, into .build. Without
npm's registry or Java these tests are skipped, but not where `TEST_EVERYTHING` is set.
"""

import json
import os
import shutil
import socket
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NoReturn

import pytest

from local.emulator.deployment import Deployment
from local.toolchain import BUILD, REPOSITORY
from simmer_client import Client
from tests.integration.test_web_package import NPM, run

CLIENT = REPOSITORY / "clients" / "kotlin"
VECTORS = REPOSITORY / "clients" / "vectors"
NAMES = [
    vector["name"]
    for file in sorted(VECTORS.glob("*.json"))
    for vector in json.loads(file.read_text("utf-8"))["vectors"]
]


def missing(what: str) -> NoReturn:
    if os.environ.get("TEST_EVERYTHING"):
        pytest.fail(f"{what}, and TEST_EVERYTHING is set")
    pytest.skip(f"{what}: the Kotlin client is not compiled")


@pytest.fixture(scope="module")
def compiler() -> Path:
    if not shutil.which("java"):
        missing("there is no Java here")
    folder = BUILD / "kotlin-tools"
    folder.mkdir(parents=True, exist_ok=True)
    lock = CLIENT / "tools" / "package-lock.json"
    installed = folder / "installed-lock.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        for name in ("package.json", "package-lock.json"):
            shutil.copy(CLIENT / "tools" / name, folder)
        made = run(
            *NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder, seconds=300
        )
        if made.returncode:
            missing(f"npm cannot install the Kotlin compiler ({made.stderr[-500:]})")
        shutil.copy(lock, installed)
    return folder / "node_modules" / "kotlin-compiler"


LIBRARIES = ("kotlin-stdlib", "kotlinx-coroutines-core-jvm")


@pytest.fixture(scope="module")
def class_path(compiler: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The client and its tests, compiled, and what they need."""
    jar = tmp_path_factory.mktemp("kotlin") / "simmer.jar"
    libraries = [compiler / "lib" / f"{name}.jar" for name in LIBRARIES]
    # Not `bin/kotlinc`: npm does not make it executable on every machine.
    made = run(
        *("java", "-Xmx768m", "-cp", compiler / "lib" / "kotlin-preloader.jar"),
        "org.jetbrains.kotlin.preloading.Preloader",
        *("-cp", compiler / "lib" / "kotlin-compiler.jar"),
        "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler",
        *("-Werror", "-cp", joined(*libraries), "-d", jar, CLIENT / "src"),
        cwd=CLIENT,
        seconds=600,
    )
    assert made.returncode == 0, made.stderr[-8000:]
    return joined(jar, *libraries)


def joined(*jars: Path) -> str:
    return os.pathsep.join(str(jar) for jar in jars)


def told(class_path: str, *program: str | Path) -> list[dict[str, Any]]:
    """The lines of JSON that a program of the client's tests prints."""
    made = run("java", "-cp", class_path, *program, cwd=CLIENT, seconds=300)
    assert made.returncode == 0, made.stderr[-4000:]
    return [json.loads(line) for line in made.stdout.splitlines()]


@pytest.fixture(scope="module")
def complaints(class_path: str) -> dict[str, str]:
    """What is wrong, by the name of the vector; empty where nothing is."""
    return {line["name"]: line["wrong"] for line in told(class_path, "VectorsKt", VECTORS)}


@pytest.mark.parametrize("name", NAMES)
def test_vector(complaints: dict[str, str], name: str) -> None:
    assert complaints[name] == ""


def test_a_job_over_the_platforms_own_http(class_path: str, deployment: Deployment) -> None:
    body = {"ingredients": [f"kohlrabi {uuid.uuid4().hex[:8]}"], "count": 1, "locale": "en"}
    arguments = (deployment.api_url, deployment.token("alice"), json.dumps(body))

    [ended] = told(class_path, "Live", *arguments)
    [refused] = told(class_path, "Live", deployment.api_url, "no-token", json.dumps(body))

    with Client(deployment.api_url, deployment.token("alice")) as client:
        assert client.get("recipe", ended["jobId"]).result == ended["result"]
    assert refused["code"] == "unauthorized"


def test_an_error_is_the_same_after_a_journey(class_path: str) -> None:
    """To another process of the app, or into an Android `Bundle`."""
    journeys: list[Any] = told(class_path, "Journey")

    assert [before[2] for before, _ in journeys] == ["refused", "invalid_request"]
    for before, after in journeys:
        assert after == before


def test_a_connection_that_says_nothing_ends_with_a_name(class_path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connected to, and never read
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        [ended] = told(class_path, "Live", url, "token", "{}", "2")

    assert ended["code"] == "unreachable"


def test_a_redirect_is_not_followed(class_path: str) -> None:
    asked = []

    class Portal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(302)
            self.send_header("Location", "/login")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Portal) as portal:
        Thread(target=portal.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{portal.server_port}"
        [ended] = told(class_path, "Live", url, "token", "{}", "2")
        portal.shutdown()

    assert ended["code"] == "malformed_answer"
    assert set(asked) == {"/recipe/generate"}
