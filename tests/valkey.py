"""A real Valkey, or Redis, of a test's own: started, killed, stopped in its tracks."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.child import free_port
from tests.patience import until

PROGRAM = shutil.which("valkey-server") or shutil.which("redis-server")

needs_a_server = pytest.mark.skipif(
    PROGRAM is None and not os.environ.get("TEST_EVERYTHING"),
    reason="there is neither valkey-server nor redis-server on this machine",
)


class ValkeyServer:
    """One at `url`, on loopback, that keeps nothing on disk."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder, self._options = folder, options
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it anew, at the same address and empty."""
        assert PROGRAM
        self._process = subprocess.Popen(
            [
                *(PROGRAM, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
                *("--dir", str(self._folder), *self._options),
            ],
            stdout=subprocess.DEVNULL,
        )
        until(self._answers)

    def kill(self) -> None:
        """As a machine that is lost."""
        if self._process is not None:
            self.thaw()
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it answer nothing; the system goes on accepting connections for it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *words: str) -> str:
        """The answer to a command, as the server writes it, or the text itself."""
        with socket.create_connection(("127.0.0.1", self.port)) as sock:
            parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
            sock.sendall(f"*{len(words)}\r\n{''.join(parts)}".encode())
            with sock.makefile("rb") as reader:
                line = reader.readline().decode().strip()
                if line[:1] == "$" and line != "$-1":
                    return reader.read(int(line[1:])).decode()
                return line

    def _answers(self) -> bool:
        try:
            return self.ask("PING").startswith(("+PONG", "-NOAUTH"))
        except OSError:
            return False


def running(folder: Path, *options: str) -> Iterator[ValkeyServer]:
    """For a fixture."""
    server = ValkeyServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
