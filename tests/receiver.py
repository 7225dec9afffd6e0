"""A server of a team's that is told of the ends of jobs, on a port of its own, and misbehaves."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACCEPTED = 204
SILENCE = -1  # accepts the connection, and never answers
DRIP = -2  # begins an answer, and never ends it


@dataclass(frozen=True)
class Delivery:
    """One POST, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class TeamServer:
    """`answers` are those to come, oldest first; after them it takes everything."""

    url: str
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)

    def is_told(self, times: int = 1) -> bool:
        return len(self.deliveries) >= times


@contextmanager
def team_server() -> Iterator[TeamServer]:
    released = threading.Event()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with lock:
                answer = team.answers.pop(0) if team.answers else ACCEPTED
                team.deliveries.append(Delivery(self.path, headers, body))
            if answer in (SILENCE, DRIP):
                if answer == DRIP:
                    self.wfile.write(b"HTTP/1.1 204 No Content\r\n")
                while answer == DRIP and not released.wait(0.05):
                    self.wfile.write(b"x: y\r\n")
                released.wait()
                return
            self.send_response(answer)
            for name, value in team.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    team = TeamServer(f"http://127.0.0.1:{server.server_port}/jobs?team=1")
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    serving.start()
    try:
        yield team
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        serving.join()
