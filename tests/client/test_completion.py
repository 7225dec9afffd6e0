"""What a shell is offered for `simmer run …`, asked as bash asks it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from simmer.task import find_task

pytestmark = pytest.mark.enable_socket

SIMMER = Path(sys.executable).with_name("simmer")


class _Tasks(BaseHTTPRequestHandler):
    """`/dev/tasks`, as `make run` has it, of one task."""

    def do_GET(self) -> None:
        schema = find_task("workout").wire_model.model_json_schema()
        body = json.dumps([{"name": "workout", "request": schema}, {"name": "a", "request": {}}])
        found = self.path == "/dev/tasks"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(body.encode() if found else b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Tasks)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def offered(line: str, url: str, file: Path) -> set[str]:
    subprocess.run(
        [SIMMER],
        env={
            **os.environ,
            "SIMMER_URL": url,
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_STDOUT_FILENAME": str(file),
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
            "_ARGCOMPLETE_COMP_WORDBREAKS": "",
        },
        capture_output=True,
        check=True,
    )
    return set(file.read_text().replace("\x0b", "\n").split())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("simmer ca", {"cancel"}),
        ("simmer run ", {"workout", "a", "--fresh", "--url", "--json"}),
        ("simmer run wo", {"workout"}),
        ("simmer run workout mi", {"minutes="}),
        ("simmer run workout minutes=3 l", {"level=", "locale="}),
        ("simmer run workout level=", {"level=beginner", "level=regular", "level=athlete"}),
        ("simmer run workout level=be", {"level=beginner"}),
        ("simmer run unheard ", {"--fresh", "--json"}),
    ],
)
def test_a_shell_is_offered(url: str, tmp_path: Path, line: str, words: set[str]) -> None:
    found = offered(line, url, tmp_path / "offered")

    assert words <= found
    assert not line.endswith(tuple("aobel=")) or words == found


def test_where_nothing_is_known_nothing_is_offered(tmp_path: Path) -> None:
    assert offered("simmer run wo", "http://127.0.0.1:9", tmp_path / "offered") == set()
