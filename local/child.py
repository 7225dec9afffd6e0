"""A server as a child process: in a process group of its own, so that it can be stopped whole."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from local.toolchain import REPOSITORY

_GUARD = REPOSITORY / "local" / "guard.py"
_GONE_WITHIN_SECONDS = 5.0
_LISTENS_WITHIN_SECONDS = 20.0


class ChildError(RuntimeError):
    """A child did not start; the message has the end of its log."""


class Child:
    """`python -m <module> <arguments>` under guard.py, its output in a log file.

    `module` may be the path of a Python file, too.

    It gets `environment` and nothing of ours, and dies with us even if we are killed.
    """

    def __init__(
        self, python: Path, module: str, *arguments: str, environment: dict[str, str], log: Path
    ) -> None:
        self.name = Path(module).stem if module.endswith(".py") else module
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                # -P: the guard's own folder must not be importable in the emulator.
                [python, "-P", _GUARD, module, *arguments],
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def log_tail(self, lines: int = 15) -> str:
        """The end of its output, to show why it failed."""
        return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])

    def port(self) -> int:
        """The port that it says, in a line of its own, to be `listening on`; waits for that.

        Raises ChildError, and stops it, if it does not get there.
        """
        give_up = time.monotonic() + _LISTENS_WITHIN_SECONDS
        while self.exit_code is None and time.monotonic() < give_up:
            if said := re.search(r"^listening on (\d+)$", self.log_tail(), re.MULTILINE):
                return int(said[1])
            time.sleep(0.02)
        self.stop()
        raise ChildError(f"{self.name} did not start:\n{self.log_tail()}")

    def members(self) -> dict[int, str]:
        """The command line of each living process of the group, by process id."""
        # `ps`, for there is no /proc on a Mac; -ww, or it would cut the lines.
        listing = subprocess.run(
            ["ps", "-A", "-ww", "-o", "pid=,pgid=,stat=,args="],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        rows = (line.split(None, 3) for line in listing.splitlines())
        return {
            int(row[0]): row[3]
            for row in rows
            if len(row) == 4 and row[1] == str(self.pid) and not row[2].startswith("Z")
        }

    def stop(self) -> None:
        """Kill the whole group and wait until it is gone. Harmless when it is gone already.

        SIGKILL at once: nothing in these processes is worth an orderly end.
        """
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        give_up = time.monotonic() + _GONE_WITHIN_SECONDS
        while self.members() and time.monotonic() < give_up:
            time.sleep(0.02)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
